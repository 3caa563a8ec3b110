"""Which servers of a folder live."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from insitu.store.servers import Servers

# Another server: says its id, and ends with its standard input.
ANOTHER = """
import sys
from pathlib import Path
from insitu.store.servers import Servers
servers = Servers.join(Path(sys.argv[1]))
print(servers.id, flush=True)
sys.stdin.read()
servers.leave()
"""


def another(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ANOTHER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_server_lives_until_it_leaves(tmp_path: Path) -> None:
    servers = Servers.join(tmp_path)
    assert (servers.alive(servers.id), servers.alive("0123456789abcdef"), servers.others) == (True, False, 0)
    with another(tmp_path) as process:
        assert process.stdout
        id = process.stdout.readline().strip()
        assert (servers.alive(id), servers.others) == (True, 1)
        process.communicate()
    assert (servers.alive(id), servers.others) == (False, 0)
    servers.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_was_killed_is_dead_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        assert process.stdout
        id = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    assert [path.stem for path in tmp_path.iterdir()] == [id]
    servers = Servers.join(tmp_path)
    assert (servers.alive(id), servers.others) == (False, 0)
    assert [path.stem for path in tmp_path.iterdir()] == [servers.id]
    servers.leave()


def test_two_of_one_process_are_two(tmp_path: Path) -> None:
    one, other = Servers.join(tmp_path), Servers.join(tmp_path)
    assert (one.alive(other.id), one.others) == (True, 1)
    other.leave()
    assert (one.alive(other.id), one.others) == (False, 0)
    one.leave()
