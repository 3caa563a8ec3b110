from __future__ import annotations

import json
import re

from insitu import Client
from tests.cli.commands import Commands, Ended


def test_ps_lists_sessions(remote: Commands, client: Client, session: str) -> None:
    with client.session(memory_bytes=512 << 20) as other:
        other.run("1")
        lines = remote("ps").out.splitlines()
        assert lines[0].split() == ["SESSION", "STATE", "AGE", "IDLE", "MEMORY", "EXECUTIONS", "ENVIRONMENT"]
        rows = {line.split()[0]: re.sub(r"\d+s", "0s", line).split()[1:] for line in lines[1:]}
        assert rows[session] == ["idle", "0s", "0s", "1", "GiB", "0", "default"]
        assert rows[other.id] == ["idle", "0s", "0s", "512", "MiB", "1", "default"]


def test_ps_as_json_is_what_the_server_says(remote: Commands, client: Client, session: str) -> None:
    listed = json.loads(remote("ps", "--json").out)
    assert listed == [json.loads(json.dumps(info.to_dict())) for info in client.sessions()]


def test_a_busy_session_is_not_idle(remote: Commands, session: str) -> None:
    with remote.started(
        "run", "print('up', flush=True); import time; time.sleep(600)", "--session", session
    ) as process:
        assert process.stdout
        process.stdout.readline()
        row = next(line.split() for line in remote("ps").out.splitlines() if line.startswith(session))
        assert (row[1], row[3]) == ("busy", "-")
        remote("interrupt", session)
        process.wait()


def test_new_makes_a_session_that_stays(remote: Commands, client: Client) -> None:
    made = remote("new", "--mem", "200m", "--disk", "50m", "--cpus", "0.5", "--env", "A=1")
    session = client.connect(made.out.rstrip("\n"))
    limits = session.info().limits
    assert (limits.memory_bytes, limits.disk_bytes, limits.cpus) == (200 << 20, 50 << 20, 0.5)
    assert session.info().env_vars == ("A",)
    assert remote("run", "import os; os.environ['A']", "--session", session.id) == Ended(0, "'1'\n", "")
    session.close()


def test_rm_ends_sessions(remote: Commands, client: Client) -> None:
    first, second = client.session(), client.session()
    assert remote("rm", first.id, second.id[:20]) == Ended(0, f"{first.id}\n{second.id}\n", "")
    assert {first.id, second.id} & {info.id for info in client.sessions()} == set()
    again = remote("rm", first.id)
    assert (again.exit_code, again.out) == (2, "")
    assert again.err.startswith(f"error: there is no session {first.id!r}\nhint: sessions end after")


def test_the_start_of_an_id_must_be_that_of_one_session(remote: Commands, client: Client, session: str) -> None:
    with client.session():
        many = remote("files", "sess_")
        assert many.exit_code == 2
        assert re.match(r"error: \d sessions begin with 'sess_': sess_.*\nhint: write more of it\n", many.err)
    none = remote("files", "zzz")
    assert (none.exit_code, none.err.splitlines()[0]) == (2, "error: there is no session 'sess_zzz'")
