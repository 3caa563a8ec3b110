"""The table of clients: which of them was seen to do what, each by its own unmodified package.

Tests say by their marks what they show. A run of them notes what passed, and with which version; the table is made of
these notes, and a test holds them to the marks.
"""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[1]
_TESTS = _ROOT / "tests"
RECORD = _ROOT / "docs/clients.json"

FEATURES = (
    "answer",
    "stream",
    "state",
    "files in",
    "files out",
    "images",
    "upload",
    "functions",
    "code calls",
    "background",
    "silence",
    "errors",
    "leaving",
)
CLIENTS = {
    "openai": "openai.md",
    "langchain-openai": "langchain.md",
    "@ai-sdk/openai": "openai.md",
    "anthropic": "anthropic.md",
    "langchain-anthropic": "langchain.md",
    "@ai-sdk/anthropic": "anthropic.md",
    "google-genai": "gemini.md",
    "langchain-google-genai": "langchain.md",
    "@ai-sdk/google": "gemini.md",
    "mcp": "mcp.md",
    "boto3": "aws-lambda.md",
    "langchain-core": "langchain.md",
    "deepagents": "langchain.md",
    "ai": "../clients/vercel-ai/README.md",
}
"""The page of each client."""

_ADAPTERS = {"langchain-core": "PythonTool", "deepagents": "InsituBackend", "ai": "insitu-ai-sdk"}
# What a client, one of its APIs or one of its majors has no means for.
_LACKS = {
    "openai, chat completions": {"files out", "background"},
    "langchain-openai": {"upload"},
    "@ai-sdk/openai": {"background"},
    "@ai-sdk/openai 3": {"upload"},
    "anthropic": {"background"},
    "langchain-anthropic": {"upload", "background"},
    "@ai-sdk/anthropic": {"background"},
    "@ai-sdk/anthropic 3": {"upload"},
    "google-genai": {"code calls", "background"},
    "google-genai, interactions": {"code calls"},
    "langchain-google-genai": {"files out", "upload", "code calls", "background"},
    "@ai-sdk/google": {"code calls"},
    "@ai-sdk/google 3": {"upload", "functions"},
    "mcp": {"upload", "functions", "code calls", "background"},
    "boto3": {*FEATURES} - {"answer", "stream", "state", "errors", "leaving"},
    "langchain-core": {"stream", "upload", "functions", "code calls", "background", "silence"},
    "deepagents": {"stream", "images", "upload", "functions", "code calls", "background", "silence"},
    "ai": {"upload", "functions", "code calls", "background"},
}
_PACKAGES = ("tests/node/package.json", "tests/node/older/package.json", "clients/vercel-ai/package.json")


class Mark(NamedTuple):
    """What a test is marked to show.

    Args:
        api: which one of a client's APIs, where it has another beside its main one.
        usual_major: whether its module is for the major of the client alone that most tests are made with.
    """

    client: str
    api: str
    feature: str
    path: str
    usual_major: bool


class Row(NamedTuple):
    """What one version of a client was seen to do."""

    client: str
    api: str
    version: str
    shows: tuple[str, ...]

    @property
    def major(self) -> int:
        """The first number of the version."""
        return int(self.version.partition(".")[0])

    @property
    def place(self) -> tuple[int, str, int]:
        """Where it stands in the table: newer majors come first."""
        return list(CLIENTS).index(self.client), self.api, -self.major

    @property
    def lacks(self) -> set[str]:
        """What there are no means for."""
        name = self.client + (f", {self.api}" if self.api else "")
        return _LACKS.get(name, set()) | _LACKS.get(f"{name} {self.major}", set())


def marks() -> list[Mark]:
    """Those of all tests, in the order of their files."""
    return [mark for path in sorted(_TESTS.rglob("test_*.py")) for mark in _marks(path)]


def recorded(path: Path = RECORD) -> list[Row]:
    """What a run has noted."""
    rows = json.loads(path.read_text("utf-8")) if path.exists() else []
    return [Row(**{**row, "shows": tuple(row["shows"])}) for row in rows]


def record(rows: list[Row], path: Path) -> None:
    """Note what was seen; what was noted of other clients, and of other majors of these, stays."""
    seen = {row.place: row for row in [*recorded(path), *rows]}
    lines = [json.dumps(seen[place]._asdict(), ensure_ascii=False) for place in sorted(seen)]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")


def conformance() -> str:
    """A table of clients down and features across; a cell leads to a test that shows it."""
    shown = {(mark.client, mark.api, mark.feature): mark.path for mark in reversed(marks())}
    links = {path: str(number) for number, path in enumerate(sorted(set(shown.values())), 1)}
    cells = [["client", "version", *FEATURES]]
    for row in recorded():
        found = {name: f"[✓][{links[shown[row.client, row.api, name]]}]" for name in row.shows}
        told = {**dict.fromkeys(row.lacks, "\N{EN DASH}"), **found}
        cells.append([_named(row), row.version, *(told.get(each, "") for each in FEATURES)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join([*(f"| {line} |" for line in lines), "", *(f"[{links[path]}]: ../{path}" for path in links)])


def _named(row: Row) -> str:
    adapter = _ADAPTERS.get(row.client)
    name = f"`{adapter}` (`{row.client}`)" if adapter else f"`{row.client}`"
    return f"[{name}]({CLIENTS[row.client]})" + (f", {row.api}" if row.api else "")


def ranges(client: str) -> list[str]:
    """The versions of a client that are asked for: the usual major's, then another's."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    groups, required = project["dependency-groups"], project["project"]
    extras = [each for extra in required["optional-dependencies"].values() for each in extra]
    asked = [*groups["dev"], *required["dependencies"], *extras, *groups["majors"]]
    found = [str(each).removeprefix(client) for each in asked if _is_of(each, client)]
    for name in _PACKAGES:
        package = json.loads((_ROOT / name).read_text("utf-8"))
        exact = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
        # The first two hold what the third, a package of its own, is tested with.
        if client in exact and (client != "ai" or name.startswith("clients")):
            found.append(f"=={exact[client]}")
    return list(dict.fromkeys(found))


def modules_of_other_majors() -> list[str]:
    """The test files of clients of which there is more than one major."""
    several = [client for client in CLIENTS if len(ranges(client)) > 1]
    return sorted({mark.path for mark in marks() if mark.client in several and not mark.usual_major})


def _marks(path: Path) -> Iterator[Mark]:
    module, where = ast.parse(path.read_text("utf-8")), str(path.relative_to(_ROOT))
    marked = [
        node for node in module.body if isinstance(node, ast.Assign) and "pytestmark" in map(ast.unparse, node.targets)
    ]
    clients = [found for node in marked for call in ast.walk(node) if (found := _arguments(call, "client"))]
    usual_major = any(
        isinstance(name, ast.Name) and name.id == "usual_major" for node in marked for name in ast.walk(node)
    )
    for function in module.body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for feature in [name for each in function.decorator_list for name in _arguments(each, "shows")]:
                assert len(clients) == 1, f"{where}: {function.name} shows {feature!r}, but pytestmark names no client"
                client, api = [*clients[0], ""][:2]
                assert client in CLIENTS, f"{where}: the client {client!r} is not one of scripts/conformance.py"
                assert feature in FEATURES, f"{where}: {function.name} shows {feature!r}, which is none of {FEATURES}"
                yield Mark(client, api, feature, where, usual_major)


def _arguments(node: ast.AST, mark: str) -> list[str]:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != f"pytest.mark.{mark}":
        return []
    return [str(ast.literal_eval(argument)) for argument in node.args]


def _is_of(requirement: str, client: str) -> bool:
    return requirement.startswith(client) and requirement[len(client) :][:1] in "><=~"
