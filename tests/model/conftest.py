"""A real model behind a real insitu, each a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from openai import OpenAI

from scripts.llama import SERVER, WEIGHTS
from tests.support.serve_command import serving

_TEMPLATE = Path(__file__).with_name("joined.jinja")
_LISTENS = "listening on "


@pytest.fixture(scope="session")
def upstream() -> Iterator[str]:
    """The address of llama.cpp's server."""
    if not (SERVER.exists() and WEIGHTS.exists()):
        pytest.skip("there is no model here yet: `make test-model` makes it")
    with ExitStack() as ending:
        process = ending.enter_context(
            subprocess.Popen(_command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        )
        reader = ending.enter_context(ThreadPoolExecutor(1))
        ending.callback(process.kill)
        url = _address(process)
        # It goes on to tell of every request, and would stop at a full pipe.
        reader.submit(process.communicate)
        yield f"{url}/v1"


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    said = process.stderr.readline()
    while said and _LISTENS not in said:
        said = process.stderr.readline()
    assert said, f"llama.cpp's server ended with {process.wait()}"
    return said.partition(_LISTENS)[2].strip()


def _command() -> list[str | Path]:
    # One thread: two that wait for each other on a busy machine are many times slower.
    quiet = ["--no-ui", "--offline", "--parallel", "1", "--threads", "1", "--ctx-size", "4096"]
    # A model that only goes on with a text would ask the next question, too; the Responses API has no way to say so.
    told: list[str | Path] = ["--chat-template-file", _TEMPLATE, "--reverse-prompt", r"\nQuestion:"]
    return [SERVER, "--model", WEIGHTS, "--alias", "gemma", "--host", "127.0.0.1", "--port", "0", *quiet, *told]


@pytest.fixture(scope="session")
def client(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """OpenAI's client, for an insitu that runs the blocks of every model."""
    folder = tmp_path_factory.mktemp("insitu")
    with serving(folder, "--upstream", upstream, "--fenced-models", "*") as (url, _):
        with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
            yield made
