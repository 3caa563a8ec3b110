"""Sandboxes of this process: what is shared, and what is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import insitu
from insitu.isolation.platforms import NO_LINUX, USE_A_SERVER

# Importing pandas ahead would only make the tests slower.
SMALL = insitu.Settings(preimport=(), pool_size=0)


def children(pid: int) -> list[int]:
    """The processes below one, at any depth."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    below = [child for child, parent in parents.items() if parent == pid]
    return below + [further for child in below for further in children(child)]


def engine_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "insitu-engine"]


@pytest.fixture
def nothing_left() -> Iterator[None]:
    before = sorted(children(os.getpid()))
    yield
    assert engine_threads() == []
    assert sorted(children(os.getpid())) == before


@pytest.mark.usefixtures("nothing_left")
def test_sandboxes_with_the_same_settings_share_an_engine_and_nothing_else() -> None:
    with insitu.Sandbox(settings=SMALL) as one, insitu.Sandbox(settings=SMALL, timeout_s=5) as two:
        assert engine_threads() == ["insitu-engine"]
        one.run("x = 1")
        one.files.write("a", "1")
        assert two.run("import os; 'x' in dir(), os.listdir()").text == "(False, [])"
        assert (one.info().limits.timeout_s, two.info().limits.timeout_s) == (30, 5)


@pytest.mark.usefixtures("nothing_left")
def test_sandboxes_with_other_settings_have_another_engine() -> None:
    with insitu.Sandbox(settings=SMALL), insitu.Sandbox(settings=SMALL, preimport=["json"]):
        assert engine_threads() == ["insitu-engine", "insitu-engine"]


@pytest.mark.usefixtures("nothing_left")
def test_the_engine_lives_until_the_last_sandbox_closes() -> None:
    one, two = insitu.Sandbox(settings=SMALL), insitu.Sandbox(settings=SMALL)
    one.close()
    one.close()
    assert two.run("1 + 1").text == "2"
    with pytest.raises(insitu.EngineClosed):
        one.run("1")
    two.close()
    for use in (lambda: two.run("1"), lambda: list(two.stream("1")), two.info, lambda: two.files.read("a")):
        with pytest.raises(insitu.EngineClosed):
            use()


@pytest.mark.usefixtures("nothing_left")
def test_threads_have_sandboxes_of_their_own_and_share_one() -> None:
    texts: list[str] = []

    def work(number: int, shared: insitu.Sandbox) -> None:
        with insitu.Sandbox(settings=SMALL) as own:
            own.run(f"x = {number}")
            texts.append(shared.run(f"{own.run('x').text} * 2").text)

    with insitu.Sandbox(settings=SMALL) as shared:
        threads = [threading.Thread(target=work, args=(number, shared)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(texts) == ["0", "2", "4", "6"]


@pytest.mark.usefixtures("nothing_left")
def test_a_limit_over_the_ceiling_leaves_nothing_running() -> None:
    with pytest.raises(insitu.OverCeiling, match="timeout_s is 1000"):
        insitu.Sandbox(settings=SMALL, timeout_s=1000)


@pytest.mark.usefixtures("nothing_left")
def test_a_python_that_is_not_there_is_said_and_leaves_nothing_running(tmp_path: Path) -> None:
    with pytest.raises(insitu.InsituError, match="no-such-python"):
        insitu.Sandbox(settings=SMALL, python=tmp_path / "no-such-python")


@pytest.mark.usefixtures("nothing_left")
def test_the_options_reach_the_sandbox() -> None:
    options: dict[str, str] = {"CITY": "Zürich"}
    with insitu.Sandbox(settings=SMALL, env_vars=options, memory_bytes=300 << 20, python=sys.executable) as box:
        assert box.run("import os; os.environ['CITY']").text == "'Zürich'"
        assert box.info().limits.memory_bytes == 300 << 20


@pytest.mark.usefixtures("nothing_left")
def test_ctrl_c_reaches_the_caller_and_ends_the_code() -> None:
    with insitu.Sandbox(settings=SMALL) as box:

        def press() -> None:
            for event in watcher.stream("print('pressing', flush=True)"):
                if event.kind == "finished":
                    while box.info().state != "busy":
                        pass
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        with insitu.Sandbox(settings=SMALL) as watcher:
            thread = threading.Thread(target=press)
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                box.run("while True: pass")
            thread.join()
        assert box.run("'free again'").text == "'free again'"


def test_an_option_that_nobody_knows_is_a_mistake_of_the_caller() -> None:
    unknown: dict[str, Any] = {"memory": 1}
    with pytest.raises(insitu.InvalidRequest, match=r"a sandbox has no option memory(.|\n)*memory_bytes"):
        insitu.Sandbox(**unknown)


def test_sandboxes_left_open_end_with_the_process() -> None:
    code = """
        import insitu
        settings = insitu.Settings(preimport=(), pool_size=1)
        box, other = insitu.Sandbox(settings=settings), insitu.Sandbox(settings=settings)
        box.run("x = 1")
        print("up", flush=True)
        input()
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", lines],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        assert process.stdout.readline() == "up\n"
        watched = [os.pidfd_open(pid) for pid in children(process.pid)]
        assert watched
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stderr.read() == ""
        assert process.wait(20) == 0
    for pidfd in watched:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert [ended for ended, _ in poll.poll(10_000)] == [pidfd]
        os.close(pidfd)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_told_what_to_do(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(insitu.IsolationUnavailable) as caught:
        insitu.Sandbox(settings=SMALL)
    assert str(caught.value) == (
        f"a sandbox in this process needs Linux, and this is {platform}: {NO_LINUX}\n  hint: {USE_A_SERVER}"
    )
    assert caught.value.layer == "Linux"
