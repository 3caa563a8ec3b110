"""A sandbox for Deep Agents; needs the extra ``deepagents``."""

from __future__ import annotations

from ..client import ClientSession
from ..errors import FileMissing, InsituError
from ..local import Sandbox
from ..types import CallResult

try:
    from deepagents.backends.protocol import ExecuteResponse, FileDownloadResponse, FileUploadResponse
    from deepagents.backends.sandbox import BaseSandbox
except ModuleNotFoundError as error:
    raise ImportError(f"{error.msg}: pip install 'insitu[deepagents]'") from error

_WORKSPACE = "/mnt/data/"
_EXIT_CODES = {"timeout": 124, "out_of_memory": 137}
_FAULTS = {
    "FileNotFoundError": "file_not_found",
    "IsADirectoryError": "is_directory",
    "PermissionError": "permission_denied",
    "OSError": "permission_denied",
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
            called = session.call(_shell, command)
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
        if not path.startswith("/"):
            return "invalid_path"
        try:
            if path.startswith(_WORKSPACE):
                self._session.files.write(path.removeprefix(_WORKSPACE), content)
                return None
            called = self._session.call(_write, path, content)
        except InsituError as error:
            return _refusal(error)
        return None if called.ok else _fault(called)

    def _download(self, path: str) -> FileDownloadResponse:
        if not path.startswith("/"):
            return FileDownloadResponse(path=path, error="invalid_path")
        try:
            if path.startswith(_WORKSPACE):
                return FileDownloadResponse(path=path, content=self._session.files.read(path.removeprefix(_WORKSPACE)))
            called = self._session.call(_read, path)
        except InsituError as error:
            return FileDownloadResponse(path=path, error=_refusal(error))
        if not called.ok or not isinstance(called.result, bytes):
            return FileDownloadResponse(path=path, error=_fault(called))
        return FileDownloadResponse(path=path, content=called.result)


def _refusal(error: InsituError) -> str:
    """A refusal in Deep Agents' words, where they have one."""
    if isinstance(error, FileMissing):
        return "file_not_found"
    return "is_directory" if "is a folder" in error.message else error.message


def _fault(called: CallResult) -> str:
    error = called.error
    return _FAULTS.get(error.name, error.value) if error else called.outcome


# What follows runs in the sandbox.


def _shell(command: str) -> tuple[str, int, bool]:
    import subprocess

    most = 1 << 20
    done = subprocess.run(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout[:most].decode(errors="replace"), done.returncode, len(done.stdout) > most


def _write(path: str, content: bytes) -> None:
    import os

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
