"""The table of clients: which of them the tests show to do what, each by its own unmodified package."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_TESTS = _ROOT / "tests"

FEATURES = {
    "answer": "an answer with code",
    "stream": "streamed",
    "state": "same sandbox again",
    "files in": "files in",
    "files out": "files out",
    "images": "figures",
    "functions": "own functions",
    "code calls": "called by code",
    "errors": "errors",
    "leaving": "leaves",
}
# Each with the file that has its version; Python's are those of the group `dev`.
CLIENTS = {
    "openai": "pyproject.toml",
    "langchain-openai": "pyproject.toml",
    "@ai-sdk/openai": "tests/node/package.json",
    "anthropic": "pyproject.toml",
    "langchain-anthropic": "pyproject.toml",
    "@ai-sdk/anthropic": "tests/node/package.json",
    "google-genai": "pyproject.toml",
    "langchain-google-genai": "pyproject.toml",
    "@ai-sdk/google": "tests/node/package.json",
    "mcp": "pyproject.toml",
    "boto3": "pyproject.toml",
    "langchain-core": "pyproject.toml",
    "deepagents": "pyproject.toml",
    "ai": "clients/vercel-ai/package.json",
}

Shown = dict[tuple[str, str], str]


def conformance() -> str:
    """A table of clients down and features across; a cell leads to the test that shows it."""
    shown = {(client, feature): path for client, feature, path in _marks()}
    head = ["| client | version |" + "".join(f" {title} |" for title in FEATURES.values())]
    rows = [_row(client, source, shown) for client, source in CLIENTS.items() if any(client == c for c, _ in shown)]
    return "\n".join([*head, "|---" * (len(FEATURES) + 2) + "|", *rows])


def _row(client: str, source: str, shown: Shown) -> str:
    cells = [f" [yes](../{path}) |" if (path := shown.get((client, name))) else " |" for name in FEATURES]
    return f"| `{client}` | {_version(client, source)} |" + "".join(cells)


def _marks() -> Iterator[tuple[str, str, str]]:
    """Client, feature and test file of every mark; the first test of a feature in the order of names comes last."""
    for path in sorted(_TESTS.rglob("test_*.py"), reverse=True):
        module = ast.parse(path.read_text("utf-8"))
        clients = [name for statement in module.body if isinstance(statement, ast.Assign) for name in _named(statement)]
        for function in module.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for feature in _features(function):
                    (client,) = clients
                    assert client in CLIENTS and feature in FEATURES, f"{path}: {client}, {feature}"
                    yield client, feature, str(path.relative_to(_ROOT))


def _named(statement: ast.stmt) -> Iterator[str]:
    """The client that a module's ``pytestmark`` names."""
    yield from (name for node in ast.walk(statement) for name in _arguments(node, "client"))


def _features(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    yield from (name for decorator in function.decorator_list for name in _arguments(decorator, "shows"))


def _arguments(node: ast.AST, mark: str) -> list[str]:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != f"pytest.mark.{mark}":
        return []
    return [str(ast.literal_eval(argument)) for argument in node.args]


def _version(client: str, source: str) -> str:
    text = (_ROOT / source).read_text("utf-8")
    if source.endswith(".json"):
        package = json.loads(text)
        return str({**package.get("dependencies", {}), **package.get("devDependencies", {})}[client])
    project = tomllib.loads(text)
    required = [*project["dependency-groups"]["dev"], *project["project"]["dependencies"]]
    extras = [each for extra in project["project"]["optional-dependencies"].values() for each in extra]
    return next(str(each).removeprefix(client) for each in [*required, *extras] if _is_of(each, client))


def _is_of(requirement: str, client: str) -> bool:
    return requirement.startswith(client) and requirement[len(client) :][:1] in "><=~"
