"""The editor's three commands, on the files of a real workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from insitu.engine import Engine, Workspace
from insitu.guest.lockdown import WORKSPACE
from insitu.turn.editing import Created, EditRefused, Replaced, Viewed, edit
from tests.support.guest import chunks, content

MIB = 1 << 20


@pytest.fixture(scope="module")
async def files(engine: Engine) -> AsyncIterator[Workspace]:
    """The workspace that the tests share: each has files of its own."""
    session = await engine.create_session()
    yield session.files
    await engine.end_session(session)


async def replaced(files: Workspace, path: str, before: str, old: str, new: str | None = None) -> tuple[str, Replaced]:
    """What is in a file after a text was replaced, and what the editor says of it."""
    await files.write(path, chunks(before.encode()))
    given = {"new_str": new} if new is not None else {}
    done = await edit(files, {"command": "str_replace", "path": path, "old_str": old, **given})
    assert isinstance(done, Replaced)
    return (await content(files, path)).decode(), done


async def refusal(files: Workspace, **arguments: Any) -> tuple[str, str]:
    """Code and message of what cannot be done."""
    with pytest.raises(EditRefused) as refused:
        await edit(files, arguments)
    return refused.value.code, refused.value.message


async def test_a_file_is_viewed_with_its_lines_numbered(files: Workspace) -> None:
    await files.write("view.txt", chunks("a\r\n\nß\x0b\n".encode()))
    viewed = await edit(files, {"command": "view", "path": f"{WORKSPACE}/view.txt"})
    assert viewed == Viewed("a\r\n\nß\x0b", 1, 3, 3)
    assert viewed.told == "     1\ta\r\n     2\t\n     3\tß\x0b"


@pytest.mark.parametrize(
    ("wished", "content", "start"),
    [([2, 3], "2\n3", 2), ([3, -1], "3\n4", 3), ([1, 1], "1", 1), ([4, 99], "4", 4), (None, "1\n2\n3\n4", 1)],
)
async def test_a_range_of_lines_is_viewed(files: Workspace, wished: object, content: str, start: int) -> None:
    await files.write("range.txt", chunks(b"1\n2\n3\n4"))
    viewed = await edit(files, {"command": "view", "path": "range.txt", "view_range": wished})
    assert isinstance(viewed, Viewed)
    assert (viewed.content, viewed.start_line, viewed.total_lines) == (content, start, 4)
    assert viewed.num_lines == len(content.split("\n"))


@pytest.mark.parametrize("wished", [[0, 2], [3, 2], [5, 5], [1], [1, 2, 3], "1-2", [True, 2], [1.0, 2]])
async def test_a_range_that_is_none_is_refused(files: Workspace, wished: object) -> None:
    await files.write("range.txt", chunks(b"1\n2\n3\n4"))
    code, message = await refusal(files, command="view", path="range.txt", view_range=wished)
    assert code == "invalid_tool_input"
    assert "view_range" in message


async def test_an_empty_file_has_no_lines(files: Workspace) -> None:
    await files.write("empty.txt", chunks(b""))
    viewed = await edit(files, {"command": "view", "path": "empty.txt"})
    assert (viewed, viewed.told) == (Viewed("", 1, 0, 0), "[the file is empty]")


async def test_a_folder_is_viewed_two_deep_without_what_is_hidden(files: Workspace) -> None:
    for path in ("d/a.txt", "d/e/b.txt", "d/e/f/c.txt", "d/.hidden/x", "d/.env"):
        await files.write(path, chunks(b"x"))
    viewed = await edit(files, {"command": "view", "path": "d"})
    assert isinstance(viewed, Viewed)
    assert viewed.content.split("\n") == [
        f"{WORKSPACE}/d/a.txt",
        f"{WORKSPACE}/d/e/",
        f"{WORKSPACE}/d/e/b.txt",
        f"{WORKSPACE}/d/e/f/",
    ]
    assert (viewed.num_lines, viewed.told) == (4, viewed.content)
    whole = await edit(files, {"command": "view", "path": WORKSPACE})
    assert isinstance(whole, Viewed)
    assert f"{WORKSPACE}/d/" in whole.content.split("\n")


async def test_a_file_is_created_and_then_written_over(files: Workspace) -> None:
    arguments = {"command": "create", "path": f"{WORKSPACE}/new/a.py", "file_text": "é\n"}
    made, again = await edit(files, arguments), await edit(files, {**arguments, "file_text": "\ud800"})
    assert isinstance(made, Created)
    assert isinstance(again, Created)
    assert ((made.is_update, made.told), (again.is_update, again.told)) == ((False, "[created]"), (True, "[updated]"))
    assert (made.file.path, made.file.size) == ("new/a.py", 3)
    assert await content(files, "new/a.py") == b"?"


@pytest.mark.parametrize(
    ("before", "old", "new", "after", "lines", "place"),
    [
        ("a\nb\nc\n", "b", "B", "a\nB\nc\n", ["-b", "+B"], (2, 1, 2, 1)),
        ("a\nb\nc", "b\n", "", "a\nc", ["-b"], (2, 1, 2, 0)),
        ("a\nb\nc", "b\nc", "x\ny\nz", "a\nx\ny\nz", ["-b", "-c", "+x", "+y", "+z"], (2, 2, 2, 3)),
        ("one two", "two", "2", "one 2", ["-one two", "+one 2"], (1, 1, 1, 1)),
        ("a\nb", "a\n", "a\nnew\n", "a\nnew\nb", ["+new"], (2, 0, 2, 1)),
        ("a\r\nb\r\n", "b\r", "B\r", "a\r\nB\r\n", ["-b\r", "+B\r"], (2, 1, 2, 1)),
        ("same", "same", "same", "same", [], (2, 0, 2, 0)),
    ],
)
async def test_a_text_is_replaced_and_the_lines_that_have_changed_are_told(
    files: Workspace, before: str, old: str, new: str, after: str, lines: list[str], place: tuple[int, ...]
) -> None:
    found, done = await replaced(files, "replace.txt", before, old, new)
    assert (found, done.lines) == (after, lines)
    assert (done.old_start, done.old_lines, done.new_start, done.new_lines) == place
    assert done.told == ("\n".join(lines) or "[nothing has changed]")


async def test_without_another_text_the_first_is_taken_out(files: Workspace) -> None:
    assert (await replaced(files, "out.txt", "ab", "a"))[0] == "b"


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ("x", "old_str is not in 'once.txt': it must be there to the letter"),
        ("a", "old_str is 3 times in 'once.txt', and must be there once: make it longer"),
        ("aa", "old_str is 2 times in 'once.txt', and must be there once: make it longer"),
        ("", "old_str is empty"),
    ],
)
async def test_what_is_not_there_once_is_not_replaced(files: Workspace, old: str, words: str) -> None:
    await files.write("once.txt", chunks(b"aaa"))
    found = await refusal(files, command="str_replace", path="once.txt", old_str=old, new_str="b")
    assert found == ("invalid_tool_input", words)
    assert await content(files, "once.txt") == b"aaa"


@pytest.mark.parametrize("arguments", [{"command": "view"}, {"command": "str_replace", "old_str": "a"}])
async def test_what_is_not_there_is_told_apart(files: Workspace, arguments: dict[str, Any]) -> None:
    assert (await refusal(files, path="none.txt", **arguments))[0] == "file_not_found"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"command": "insert", "path": "a"}, "must be one of: view, create, str_replace"),
        ({"path": "a"}, "must be one of: view, create, str_replace"),
        ({"command": "view"}, 'the argument "path" is missing'),
        ({"command": "view", "path": ["a"]}, 'the argument "path" is missing, or no string'),
        ({"command": "create", "path": "a"}, 'the argument "file_text" is missing'),
        ({"command": "str_replace", "path": "a"}, 'the argument "old_str" is missing'),
        ({"command": "create", "path": "../a", "file_text": ""}, "it has a part '..'"),
        ({"command": "view", "path": "/etc/passwd"}, "it is absolute, and not below the workspace"),
        ({"command": "create", "path": WORKSPACE, "file_text": ""}, "it names the workspace itself"),
    ],
)
async def test_a_call_that_cannot_be_says_why(files: Workspace, arguments: dict[str, Any], words: str) -> None:
    code, message = await refusal(files, **arguments)
    assert code == "invalid_tool_input"
    assert words in message


@pytest.mark.parametrize("held", [b"\xff\xfe", b"a\0b", b"x" * (MIB + 1)], ids=["no text", "a zero", "large"])
@pytest.mark.parametrize("arguments", [{"command": "view"}, {"command": "str_replace", "old_str": "x"}])
async def test_what_is_no_text_or_too_large_is_left_to_bash(
    files: Workspace, held: bytes, arguments: dict[str, Any]
) -> None:
    await files.write("odd", chunks(held))
    code, message = await refusal(files, path="odd", **arguments)
    assert (code, message.endswith("; use bash")) == ("invalid_tool_input", True)


async def test_a_link_that_leads_out_is_not_followed(engine: Engine) -> None:
    session = await engine.create_session()
    await engine.run(session, "import os; os.symlink('/etc/passwd', 'out')")
    code, message = await refusal(session.files, command="view", path="out")
    assert (code, "leads out" in message) == ("invalid_tool_input", True)
    await engine.end_session(session)
