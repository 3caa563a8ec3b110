"""Every block of the documentation that can run does, and prints what it says it prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from openai import OpenAI

from insitu import Client
from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.support.node import needs_node

_ADDRESS = re.compile(r"(http://)?(127\.0\.0\.1|localhost):8700\b")
_END = "<end of block>"
_SHOWN = {"ini", "json", "mermaid", "python", "sh", "text", "ts"}

ALL = [block for page in PAGES for block in blocks(page)]


def of_kind(kind: str) -> list[Block]:
    return [block for block in ALL if block.kind == kind]


def with_blocks(kind: str) -> list[Path]:
    return [page for page in PAGES if any(block.runs for block in blocks(page) if block.kind == kind)]


@pytest.mark.parametrize("block", [block for block in of_kind("python") if block.runs], ids=str)
def test_each_block_of_python_runs_by_itself(
    block: Block, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    # Line numbers of tracebacks are those of the page.
    source = "\n" * block.line + _ADDRESS.sub(environment["INSITU_URL"], block.text)
    exec(compile(source, str(block.page), "exec", dont_inherit=True), namespace)
    check_output(block, capsys.readouterr().out)
    for client in namespace.values():
        if isinstance(client, Client | OpenAI):
            client.close()


@pytest.mark.parametrize("page", with_blocks("sh"), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run_from_its_top_to_its_end(page: Path, environment: dict[str, str]) -> None:
    run = [block for block in blocks(page) if block.kind == "sh" and block.runs]
    if any("curl " in block.text for block in run) and not shutil.which("curl"):
        pytest.skip("this machine has no curl")
    script = _ADDRESS.sub(environment["INSITU_URL"], as_script(run))
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], capture_output=True, env=environment)
    assert done.returncode == 0, f"{page.name}: {done.stderr.decode()}"
    for block, printed in zip(run, done.stdout.decode().split(_END), strict=False):
        check_output(block, printed)


@needs_node
@pytest.mark.parametrize("folder_of_major", ["tests/node", "tests/node/older"])
@pytest.mark.parametrize("block", of_kind("ts"), ids=str)
def test_each_block_of_typescript_runs_with_both_majors_of_its_packages(
    block: Block, folder_of_major: str, environment: dict[str, str], tmp_path: Path
) -> None:
    if not (packages := ROOT / folder_of_major / "node_modules").exists():
        pytest.skip("this machine lacks these packages: `make node`")
    (tmp_path / "node_modules").symlink_to(packages)
    (tmp_path / "block.mjs").write_text(_ADDRESS.sub(environment["INSITU_URL"], block.text))
    done = subprocess.run(["node", "block.mjs"], capture_output=True, text=True, cwd=tmp_path, timeout=50)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"// > (.*)$", block.text, re.MULTILINE)


@pytest.mark.parametrize("block", of_kind("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    json.loads(block.text)


async def test_the_command_that_an_mcp_client_is_told_starts_a_server(environment: dict[str, str]) -> None:
    [told] = [json.loads(block.text) for block in of_kind("json") if '"args": ["mcp"]' in block.text]
    server = told["mcpServers"]["insitu"]
    assert server["command"] == "/path/to/.venv/bin/insitu"
    here = server | {"command": shutil.which("insitu"), "env": server["env"] | {"INSITU_PREIMPORT": "[]"}}
    async with McpClient(stdio_client(StdioServerParameters(**here))) as client:
        answer = await client.call_tool("execute_python", {"code": "6 * 7"})
    assert answer.structured_content and answer.structured_content["value"] == "42"


def test_every_block_says_what_it_is() -> None:
    assert [str(block) for block in ALL if block.kind not in _SHOWN] == []


def as_script(run: list[Block]) -> str:
    """Blocks as one script, whose line numbers are those of the page."""
    script = ""
    for block in run:
        script += "\n" * (block.line - script.count("\n")) + block.text + f"printf '{_END}'\n"
    return script


def check_output(block: Block, printed: str) -> None:
    if block.expected:
        assert [line.rstrip() for line in printed.splitlines()] == block.expected, str(block)
