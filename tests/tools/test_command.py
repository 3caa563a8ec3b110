from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import Commands
from tests.support.serve_command import serving


def test_tools_are_listed(url: str, tmp_path: Path) -> None:
    insitu = Commands(tmp_path, url)
    rows = [line.split() for line in insitu("tools").out.splitlines()]
    assert rows[0] == ["TOOL", "SOURCE", "PARAMETERS", "WHAT"]
    assert ["size_of", "python", "data", "Counts", "bytes."] in rows
    assert json.loads(insitu("tools", "--json").out)[0]["name"] == "block"


def test_the_server_says_that_it_has_tools(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import insitu\n\n@insitu.tool\ndef one() -> int: return 1\n", "utf-8")
    with serving(tmp_path, "--tools", "mine", env={"PYTHONPATH": str(tmp_path)}) as (_, announced):
        assert "  tools        1: `insitu tools` lists them\n" in announced


def test_a_module_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    insitu = Commands(tmp_path)
    (tmp_path / "empty.py").write_text("", "utf-8")
    (tmp_path / "one.py").write_text("import insitu\n\n@insitu.tool\ndef same() -> int: return 1\n", "utf-8")
    (tmp_path / "two.py").write_text("import insitu\n\n@insitu.tool\ndef same() -> int: return 2\n", "utf-8")
    (tmp_path / "broken.py").write_text("def (\n", "utf-8")
    for modules, message in (
        ("broken", "the module 'broken' of the setting tools fails when it is imported: SyntaxError: "),
        ("nowhere.tools", "the module 'nowhere.tools' of the setting tools cannot be imported: No module named"),
        ("empty", "the module 'empty' of the setting tools has no tools"),
        ("one,two", "two tools are called 'same': one of python, one of python"),
    ):
        ended = insitu("serve", "--port", "0", "--tools", modules, env={"PYTHONPATH": str(tmp_path)})
        assert (ended.exit_code, message in ended.err, "Traceback" in ended.err) == (2, True, False), ended.err
