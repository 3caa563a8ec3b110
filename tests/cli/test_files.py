from __future__ import annotations

import json
import re

import pytest

from insitu import Client
from tests.cli.commands import Commands, Ended


@pytest.fixture
def data(remote: Commands) -> bytes:
    """What is in the file ``data.bin`` of this machine: every byte there is, lone line ends too."""
    content = bytes(range(256)) * 300
    (remote.folder / "data.bin").write_bytes(content)
    return content


@pytest.mark.parametrize(
    ("target", "path"), [("", "data.bin"), ("new.bin", "new.bin"), ("a/b/", "a/b/data.bin"), ("/mnt/data/x:y", "x:y")]
)
def test_cp_copies_into_a_session(
    remote: Commands, client: Client, session: str, data: bytes, target: str, path: str
) -> None:
    assert remote("cp", "data.bin", f"{session[:15]}:{target}") == Ended(0, "", f"wrote {path}, 75 KiB\n")
    assert client.connect(session).files.read(path) == data


@pytest.mark.parametrize(
    ("target", "path"), [(".", "x.bin"), ("y.bin", "y.bin"), ("made/", "made/x.bin"), ("./a:b", "a:b")]
)
def test_cp_copies_out_of_a_session(
    remote: Commands, client: Client, session: str, data: bytes, target: str, path: str
) -> None:
    client.connect(session).files.write("d/x.bin", data)
    assert remote("cp", f"{session}:d/x.bin", target) == Ended(0, "", f"wrote {path}\n")
    assert (remote.folder / path).read_bytes() == data


def test_cp_reads_standard_input_and_writes_standard_output(remote: Commands, session: str) -> None:
    assert remote("cp", "-", f"{session}:in.txt", stdin="a\r\né") == Ended(0, "", "wrote in.txt, 5 B\n")
    assert remote("cp", f"{session}:in.txt", "-") == Ended(0, "a\r\né", "")


def test_what_cannot_be_copied_is_said(remote: Commands, session: str, data: bytes) -> None:
    gone = remote("cp", f"{session}:nope", ".")
    assert gone.exit_code == 2
    assert gone.err.splitlines()[0] == "error: 'nope' in the workspace: no such file or directory"
    assert re.fullmatch(r"note: request id: req_[0-9a-f]+", gone.err.splitlines()[1])
    outside = remote("cp", "data.bin", f"{session}:../x")
    assert (outside.exit_code, outside.err.splitlines()[0][:35]) == (2, "error: the path '../x' is refused: ")
    remote("cp", "data.bin", f"{session}:")
    assert remote("cp", f"{session}:data.bin", "no/such/folder").exit_code == 2
    assert not (remote.folder / "no").exists()


def test_files_lists_a_workspace(remote: Commands, session: str, data: bytes) -> None:
    remote("run", "import os; os.symlink('a', 'b\\n'); os.mkdir('d'); open('d/e', 'w').close()", "--session", session)
    remote("cp", "data.bin", f"{session}:")
    listed = [line.split()[0::3] for line in remote("files", session, "--depth", "2").out.splitlines()]
    assert listed[0] == ["SIZE"]
    shown = remote("files", session[:14]).out
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.search(rf"^75 KiB  {when}  data\.bin$", shown, re.M)
    assert re.search(rf"^-       {when}  d/$", shown, re.M)
    assert re.search(rf"^-       {when}  b\\n@$", shown, re.M)
    assert "d/e" not in shown
    assert re.search(rf"^0 B  +{when}  d/e$", remote("files", session, "d").out, re.M)
    assert "d/e\n" in remote("files", session, "--depth", "2").out


def test_files_as_json(remote: Commands, session: str, data: bytes) -> None:
    remote("cp", "data.bin", f"{session}:a/")
    (listed,) = json.loads(remote("files", session, "a", "--json").out)
    assert {name: listed[name] for name in ("path", "size", "kind")} == {
        "path": "a/data.bin",
        "size": 76800,
        "kind": "file",
    }
    assert set(listed) == {"path", "size", "kind", "modified"}


def test_a_folder_is_not_copied_and_the_hint_is_a_command(remote: Commands, session: str) -> None:
    remote("run", "import os; os.mkdir('d')", "--session", session)
    ended = remote("cp", f"{session}:d", ".")
    assert ended.exit_code == 2
    assert "\nhint: it is a folder: list it by `insitu files SESSION FOLDER`, and copy its files\n" in ended.err
