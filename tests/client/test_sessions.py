"""What a session over HTTP and a sandbox of this process have in common."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

import insitu
from insitu.options import Content

Session = insitu.ClientSession | insitu.Sandbox


def test_the_last_expression_is_the_result(session: Session) -> None:
    execution = session.run("print('hello')\n2 * 3")
    assert (execution.outcome, execution.stdout, execution.error) == ("ok", "hello\n", None)
    assert execution.result is not None
    assert execution.result.text == "6"


def test_state_lives_across_executions(session: Session) -> None:
    session.run("kept = 41")
    assert session.run("kept + 1").text == "42"


def test_an_error_of_the_code_is_a_value(session: Session) -> None:
    execution = session.run("1 / 0")
    assert (execution.outcome, execution.state_kept, execution.exit_code) == ("error", True, 1)
    assert execution.error is not None
    assert (execution.error.name, execution.error.value) == ("ZeroDivisionError", "division by zero")


def test_a_time_out_is_a_value(session: Session) -> None:
    execution = session.run("while True: pass", timeout_s=0.1)
    assert (execution.outcome, execution.exit_code) == ("timeout", 124)


def test_environment_variables_reach_the_code(session: Session) -> None:
    assert session.run("import os; os.environ['CITY']", env_vars={"CITY": "Zürich"}).text == "'Zürich'"


def test_files_come_with_the_code_and_go_with_the_execution(session: Session, tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(b"\xff")
    code = "parts = [open(name, 'rb').read() for name in ('text', 'bytes', 'path')]\n"
    code += "open('out.bin', 'wb').write(b'|'.join(parts))"
    files: dict[str, str | bytes | Path] = {"text": "ä", "bytes": b"\x00", "path": tmp_path / "local"}
    execution = session.run(code, files=files, return_files=["*.bin"])
    assert execution.error is None
    assert {file.path: file.content for file in execution.files}["out.bin"] == "ä".encode() + b"|\x00|\xff"


def test_files_that_do_not_fit_are_an_exception(session: Session) -> None:
    too_much = {"big": bytes(session.info().limits.disk_bytes + 1)}
    with pytest.raises(insitu.WorkspaceFull):
        session.run("1", files=too_much)
    with pytest.raises(insitu.WorkspaceFull):
        list(session.stream("1", files=too_much))
    assert session.run("1 + 1").text == "2"


def test_none_is_the_default(session: Session) -> None:
    execution = session.run("1", timeout_s=None, env_vars=None, files=None, return_files=None)
    assert execution.outcome == "ok"


def test_an_unknown_option_is_a_mistake_of_the_caller(session: Session) -> None:
    unknown: dict[str, Any] = {"timeout": 3}
    with pytest.raises((TypeError, insitu.InvalidRequest), match="timeout"):
        session.run("1", **unknown)


def test_code_that_is_no_string_is_refused(session: Session) -> None:
    with pytest.raises(insitu.InvalidRequest, match="code"):
        session.run(cast("str", b"1"))


def test_a_stream_is_the_log_from_started_to_finished(session: Session) -> None:
    events = list(session.stream("import sys; print('a'); print('b', file=sys.stderr); 3"))
    assert [event.seq for event in events] == list(range(len(events)))
    assert events[0].kind == "started"
    assert "".join(event.text for event in events if event.kind == "stdout") == "a\n"
    assert "".join(event.text for event in events if event.kind == "stderr") == "b\n"
    assert [event.data["data"]["text/plain"] for event in events if event.kind == "result"] == ["3"]
    execution = events[-1].execution
    assert execution is not None
    assert (execution.outcome, execution.text) == ("ok", "a\n3")


def test_a_stream_closed_early_cancels_the_execution(session: Session) -> None:
    code = "import time\nfor i in range(10**9): print(i, flush=True); time.sleep(.01)"
    with closing(session.stream(code)) as events:
        assert next(event.text for event in events if event.kind == "stdout") == "0\n"
    assert session.run("'free again'").text == "'free again'"


def test_listeners_hear_of_output_and_results_while_the_code_runs(session: Session) -> None:
    heard: list[tuple[str, str | None]] = []
    execution = session.run(
        "import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True); 'value'",
        on_stdout=lambda text: heard.append(("stdout", text)),
        on_stderr=lambda text: heard.append(("stderr", text)),
        on_result=lambda result: heard.append(("result", result.text)),
    )
    assert sorted(heard) == [("result", "'value'"), ("stderr", "err\n"), ("stdout", "out\n")]
    assert execution.text == "out\n'value'"


def test_what_a_listener_raises_ends_the_execution_and_comes_through(session: Session) -> None:
    def refuse(text: str) -> None:
        raise LookupError(text)

    with pytest.raises(LookupError, match="enough"):
        session.run("print('enough', flush=True)\nwhile True: pass", on_stdout=refuse)
    assert session.run("1 + 1").text == "2"


def test_an_interrupt_reaches_what_runs(session: Session) -> None:
    assert session.interrupt() is False
    running = threading.Event()
    interrupted: list[bool] = []

    def interrupt() -> None:
        running.wait()
        interrupted.append(session.interrupt())

    thread = threading.Thread(target=interrupt)
    thread.start()
    execution = session.run("before = 1\nprint('on')\nwhile True: pass", on_stdout=lambda _: running.set())
    thread.join()
    assert interrupted == [True]
    assert (execution.outcome, execution.state_kept) == ("cancelled", True)
    assert session.run("before").text == "1"


def test_info_tells_limits_and_layers(session: Session) -> None:
    info = session.info()
    assert (info.limits.timeout_s, info.state) == (30.0, "idle")
    assert info.layers


def test_update_changes_metadata(session: Session) -> None:
    assert session.update(metadata={"colour": "blue"}).metadata == {"colour": "blue"}
    assert session.info().metadata == {"colour": "blue"}


CONTENTS: dict[str, Callable[[Path], Content]] = {
    "text": lambda path: "Grüße",
    "bytes": lambda path: "Grüße".encode(),
    "path": lambda path: path,
    "file": lambda path: io.BytesIO("Grüße".encode()),
    "iterator": lambda path: iter([b"Gr", "üße".encode()]),
    "list": lambda path: [b"", b"Gr", b"", "üße".encode()],
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_any_content_can_be_written(session: Session, kind: str, tmp_path: Path) -> None:
    (tmp_path / "local").write_text("Grüße", "utf-8")
    content = CONTENTS[kind](tmp_path / "local")
    info = session.files.write(f"made/{kind} ü?.txt", content)
    assert (info.path, info.size, info.kind) == (f"made/{kind} ü?.txt", 7, "file")
    assert session.files.read(f"/mnt/data/made/{kind} ü?.txt").decode() == "Grüße"
    assert session.run(f"open('made/{kind} ü?.txt').read()").text == "'Grüße'"


@pytest.mark.parametrize("content", ["", b"", []])
def test_an_empty_file_can_be_written(session: Session, content: str | bytes | list[bytes]) -> None:
    assert session.files.write("empty", content).size == 0
    assert session.files.read("empty") == b""


def test_files_larger_than_a_chunk_go_both_ways(session: Session, tmp_path: Path) -> None:
    data = bytes(range(256)) * 8192
    (tmp_path / "big.bin").write_bytes(data)
    assert session.files.upload(tmp_path / "big.bin").path == "big.bin"
    assert session.files.download("big.bin", tmp_path / "copy.bin") == tmp_path / "copy.bin"
    assert (tmp_path / "copy.bin").read_bytes() == data


def test_a_download_goes_into_a_folder_under_its_own_name(session: Session, tmp_path: Path) -> None:
    session.files.write("deep/er/a.txt", "x")
    assert session.files.download("deep/er/a.txt", tmp_path) == tmp_path / "a.txt"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_download_that_fails_leaves_what_was_there(session: Session, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious", "utf-8")
    with pytest.raises(insitu.FileMissing):
        session.files.download("no/such", tmp_path / "mine")
    assert (tmp_path / "mine").read_text("utf-8") == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_files_are_listed_and_deleted(session: Session) -> None:
    session.files.write("listed/a", "1")
    session.files.write("listed/sub/b", "22")
    assert sorted(info.path for info in session.files.list("listed")) == ["listed/a", "listed/sub"]
    deep = {info.path: (info.kind, info.size) for info in session.files.list("listed", depth=2)}
    assert deep["listed/a"] == ("file", 1)
    assert deep["listed/sub/b"] == ("file", 2)
    session.files.delete("listed/a")
    assert [info.path for info in session.files.list("listed")] == ["listed/sub"]


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_path_out_of_the_workspace_is_refused(session: Session, path: str) -> None:
    with pytest.raises(insitu.PathRefused):
        session.files.read(path)
    with pytest.raises(insitu.PathRefused):
        session.files.write(path, "x")


def test_a_missing_file_is_an_exception(session: Session) -> None:
    with pytest.raises(insitu.FileMissing, match="no-such"):
        session.files.read("no-such")
    with pytest.raises(insitu.FileMissing, match="no-such"):
        session.files.delete("no-such")
