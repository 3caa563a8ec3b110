"""A sandbox for Deep Agents; needs the extra ``deepagents``."""

from __future__ import annotations

from contextlib import suppress

from ..client import ClientSession
from ..errors import FileMissing, InsituError, IsFolder, PathRefused
from ..local import Sandbox
from ..sources import source_of
from ..types import CallResult

try:
    from deepagents.backends.protocol import (
        FILE_NOT_FOUND,
        INVALID_PATH,
        IS_DIRECTORY,
        PERMISSION_DENIED,
        ExecuteResponse,
        FileDownloadResponse,
        FileUploadResponse,
    )
    from deepagents.backends.sandbox import BaseSandbox
except ModuleNotFoundError as error:
    raise ImportError(f"{error.msg}: pip install 'insitu[deepagents]'") from error

_WORKSPACE = "/mnt/data/"
_MOST_FAULT = 200
_EXIT_CODES = {"timeout": 124, "out_of_memory": 137}
# What Deep Agents calls what the sandbox's kernel says; all else it is told as it is.
_FAULTS = {
    "ENOENT": FILE_NOT_FOUND,
    "EISDIR": IS_DIRECTORY,
    "EACCES": PERMISSION_DENIED,
    "EPERM": PERMISSION_DENIED,
    "EROFS": PERMISSION_DENIED,
    "EEXIST": INVALID_PATH,
    "EINVAL": INVALID_PATH,
    "ELOOP": INVALID_PATH,
    "ENAMETOOLONG": INVALID_PATH,
    "ENOTDIR": INVALID_PATH,
}


class InsituBackend(BaseSandbox):
    """Commands and files of an agent in a sandbox of insitu's.

    Its files are those of the whole sandbox, whose working directory is ``/mnt/data``.

    Args:
        session: a session of a server's, or a sandbox of this process; whoever made it ends it.
    """

    def __init__(self, session: ClientSession | Sandbox) -> None:
        self._session = session
        self._id = session.info().id

    @property
    def id(self) -> str:
        """The session's id."""
        return self._id

    def execute(self, command: str, *, timeout: int | None = None) -> ExecuteResponse:
        """Runs a command with bash; its output is stdout and stderr as they came.

        Args:
            timeout: seconds; by default, and for 0, the session's own limit.
        """
        session = self._session.with_options(timeout_s=timeout) if timeout else self._session
        try:
            called = session.call(_SHELL, command)
        except InsituError as error:
            return ExecuteResponse(output=error.message)
        if not called.ok:
            why = called.error.value if called.error else called.outcome
            return ExecuteResponse(output=why, exit_code=_EXIT_CODES.get(called.outcome, 1))
        match called.result:  # code in the sandbox can forge it
            case (str(output), int(exit_code), bool(truncated)):
                return ExecuteResponse(output=output, exit_code=exit_code, truncated=truncated)
        return ExecuteResponse(output="the sandbox answered with something else than a command's output")

    def upload_files(self, files: list[tuple[str, bytes]]) -> list[FileUploadResponse]:
        """Writes files; each has its own outcome."""
        return [FileUploadResponse(path=path, error=self._upload(path, content)) for path, content in files]

    def download_files(self, paths: list[str]) -> list[FileDownloadResponse]:
        """Reads files; each has its own outcome."""
        return [self._download(path) for path in paths]

    def _upload(self, path: str, content: bytes) -> str | None:
        if not _can_be(path):
            return INVALID_PATH
        try:
            if path.startswith(_WORKSPACE):
                with suppress(PathRefused, FileMissing):
                    self._session.files.write(path.removeprefix(_WORKSPACE), content)
                    return None
            called = self._session.call(_WRITE, path, content)
        except InsituError as error:
            return _refusal(error)
        return None if called.ok and called.result is None else _fault(called)

    def _download(self, path: str) -> FileDownloadResponse:
        if not _can_be(path):
            return FileDownloadResponse(path=path, error=INVALID_PATH)
        try:
            if path.startswith(_WORKSPACE):
                with suppress(PathRefused):
                    content = self._session.files.read(path.removeprefix(_WORKSPACE))
                    return FileDownloadResponse(path=path, content=content)
            called = self._session.call(_READ, path)
        except InsituError as error:
            return FileDownloadResponse(path=path, error=_refusal(error))
        if not called.ok or not isinstance(called.result, bytes):
            return FileDownloadResponse(path=path, error=_fault(called))
        return FileDownloadResponse(path=path, content=called.result)


def _can_be(path: str) -> bool:
    """Whether it is absolute and leads where it says."""
    return path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def _refusal(error: InsituError) -> str:
    """A refusal in Deep Agents' words, where they have one."""
    match error:
        case FileMissing():
            return FILE_NOT_FOUND
        case IsFolder():
            return IS_DIRECTORY
        case _:
            return error.message


def _fault(called: CallResult) -> str:
    match called.result:  # code in the sandbox can forge it
        case (str(code), str(why)):
            return _FAULTS.get(code, why[:_MOST_FAULT])
    if called.ok:
        return "the sandbox answered with something else than the file"
    return called.error.value if called.error else called.outcome


# What follows runs in the sandbox.


def _shell(command: str) -> tuple[str, int, bool]:
    import subprocess

    most = 1 << 20
    # One pipe for both, so that they come in their order. Read to its end, or a command would block, or die, there.
    with subprocess.Popen(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout
        try:
            output, more = process.stdout.read(most), False
            while process.stdout.read(1 << 16):
                more = True
        except BaseException:
            process.kill()
            raise
    return output.decode(errors="replace"), process.returncode, more


def _write(path: str, content: bytes) -> tuple[str, str] | None:
    import errno
    import os

    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, ""), str(error)
    return None


def _read(path: str) -> bytes | tuple[str, str]:
    import errno

    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, ""), str(error)


# Found once: that takes 3 ms, as long as many a command.
_SHELL = source_of(_shell)
_WRITE = source_of(_write)
_READ = source_of(_read)
