"""Shorthands for Google's client, whose types are written out at length."""

from __future__ import annotations

from typing import Any

from google import genai
from google.genai import types

CODE = types.Tool(code_execution=types.ToolCodeExecution())


def config(*tools: Any, **others: Any) -> types.GenerateContentConfig:
    """What to generate with, code execution among the tools."""
    return types.GenerateContentConfig(tools=[CODE, *tools], **others)


def ask(client: genai.Client, contents: Any = "How much?", **others: Any) -> types.GenerateContentResponse:
    """An answer in one piece."""
    return client.models.generate_content(model="m", contents=contents, config=config(**others))


def stream(client: genai.Client, contents: Any = "How much?", **others: Any) -> list[types.GenerateContentResponse]:
    """The pieces of one."""
    return list(client.models.generate_content_stream(model="m", contents=contents, config=config(**others)))


def content(response: types.GenerateContentResponse) -> types.Content:
    """What the model said."""
    assert response.candidates and response.candidates[0].content
    return response.candidates[0].content


def parts(response: types.GenerateContentResponse) -> list[types.Part]:
    """Its parts."""
    return content(response).parts or []


def kinds(made: list[types.Part]) -> list[str]:
    """What kind each part is."""
    return [next(iter(part.model_dump(exclude_none=True, exclude={"thought_signature", "thought"}))) for part in made]
