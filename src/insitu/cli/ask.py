"""`insitu ask`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from insitu.errors import AnswerFailed, InsituError, UpstreamFailed

from .configuration import read_settings
from .errors import WrongUsage, print_error, report
from .latest import latest_answer, remember_answer
from .options import AsJson, Files, Url, uploads
from .target import connect
from .text import as_json, note, size
from .transcript import Transcript

if TYPE_CHECKING:
    from insitu.client import Client, ClientAnswer
    from insitu.client.ask import AskOptions

EXAMPLES = (
    "insitu ask 'Which month was the hottest?' -f weather.csv --upstream http://127.0.0.1:11434/v1",
    "insitu ask 'Plot the sales by region' -f sales.csv --out plots",
    "insitu ask -c 'And without the south?' --url http://127.0.0.1:8700",
    "insitu ask - --json < question.txt",
)
_HINTS = {
    "max_steps": "allow more with --max-steps N, or ask for less",
    "max_time": "the server's setting turn_timeout_s is the bound",
    "max_tokens": "the server's setting max_turn_tokens is the bound",
    "repeated_error": "the model made the same mistake again and again",
}
# Programs that stand beside the user's own would be run or read by other programs, without being asked for.
OTHERS = "insitu-files"
_DATA = re.compile(
    r"\.(avif|bmp|csv|db|docx|feather|gif|gz|html|jpe?g|md|mp3|mp4|npy|npz|parquet|pdf|png|pptx|sqlite|svg|tiff?|tsv"
    r"|txt|wav|webp|xlsx|zip)"
)
_READ_BY_TOOLS = ("cmakelists.txt", "constraints.txt", "requirements.txt")

Saved = list[dict[str, object]]


def ask(
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION|-", help="The question; - reads it from standard input.")
    ] = None,
    file: Files = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME", help="The model; by default the first that the server has."),
    ] = None,
    instructions: Annotated[
        str | None, typer.Option("--instructions", metavar="TEXT", help="What the model is told before all else.")
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", min=1, metavar="N", help="Calls of the model at the most.")
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", "-c", help="Follow the last answer of the server that --url names.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help=f"The folder for files that the code makes; by default this one, or {OTHERS} in it for all but data.",
        ),
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(
            "--upstream",
            metavar="URL",
            help="Base URL of a model server, in place of INSITU_UPSTREAM; the code runs in this process.",
        ),
    ] = None,
    url: Url = None,
    json: AsJson = False,
) -> int:
    """Ask a model, which runs Python to answer.

    The answer comes on standard output, code and what it prints on standard error. Files and figures that the code
    makes are saved under new names. The model is one of an insitu server (--url), or of a model server (--upstream):
    then the code runs in sandboxes of this process. Without either, it is the server at http://127.0.0.1:8700, if one
    answers there. Ctrl-C cancels the turn.

    The exit code is 0 if the model has answered, 1 if it failed or the answer is incomplete, 130 when interrupted. 2
    means that you asked for what cannot be, 125 that insitu failed.
    """
    text, files = _read_question(question), uploads(file)
    if out and out.exists() and not out.is_dir():
        raise WrongUsage(f"--out {str(out)!r} is no folder")
    url = url.rstrip("/") if url else _nearby(upstream)
    options: AskOptions = {"model": model, "instructions": instructions, "max_steps": max_steps}
    options["previous"] = _previous(url) if go_on else None
    try:
        with _server(url, upstream) as client:
            answer = _follow(client, text, files, options, None if json else Transcript())
            if url:
                remember_answer(url, answer.id)
            saved = _save(answer, out, quiet=json)
    except (AnswerFailed, UpstreamFailed) as error:
        report(error)
        return 1
    if json:
        # Figures are in its steps.
        print(as_json({**answer.to_dict(), "files": saved}), flush=True)
    else:
        _save_figures(answer, out, saved)
    return int(not answer.ok or any(file["path"] is None for file in saved))


def _read_question(argument: str | None) -> str:
    if argument == "-" or (argument is None and not sys.stdin.isatty()):
        try:
            argument = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise WrongUsage(f"standard input is no text: {error}") from None
    if not argument or not argument.strip():
        raise WrongUsage("there is no question", hint="insitu ask 'What is the sum of the first hundred primes?'")
    return argument


def _nearby(upstream: str | None) -> str | None:
    """The server of this machine, if nobody has said whom to ask, and it answers."""
    if upstream or read_settings({}).upstream:
        return None
    from insitu.client import DEFAULT_URL

    from .probe import is_insitu

    return DEFAULT_URL if is_insitu(DEFAULT_URL) else None


def _previous(url: str | None) -> str:
    if not url:
        raise WrongUsage(
            "--continue needs a server, which remembers what was said", hint="name one by --url or INSITU_URL"
        )
    if (latest := latest_answer(url)) is None:
        raise WrongUsage(f"nothing was asked at {url} yet", hint="leave out --continue")
    return latest


@contextmanager
def _server(url: str | None, upstream: str | None) -> Iterator[Client]:
    if url and upstream:
        raise WrongUsage(
            "--upstream is for a server in this process, and --url or INSITU_URL names another",
            hint="leave out one of them",
        )
    from insitu.client import Client

    from .probe import explaining, fault_behind, fault_of_upstream

    if url:
        key = os.environ.get("INSITU_API_KEY", "")
        behind = explaining(f"the model server behind {url}", partial(fault_behind, url, key))
        with connect(url) as client, behind:
            yield client
        return
    from .hosting import hosting

    with hosting(upstream) as hosted, Client(hosted.url, hosted.key) as client:
        at = f"the model server at {hosted.settings.upstream}"
        with explaining(at, partial(fault_of_upstream, hosted.settings)):
            yield client


def _follow(
    client: Client, question: str, files: dict[str, Path], options: AskOptions, transcript: Transcript | None
) -> ClientAnswer:
    answer: ClientAnswer | None = None
    try:
        with closing(client.ask_stream(question, files=files, **options)) as events:
            for event in events:
                answer = event.answer
                if transcript:
                    transcript.show(event)
    finally:
        if transcript:
            transcript.end()
    assert answer is not None, "a stream that does not end with `finished` raises"
    if not answer.ok and transcript:
        reason = str(answer.reason)
        print_error(f"the answer is incomplete: {reason.replace('_', ' ')}", _HINTS.get(reason))
    return answer


def _save(answer: ClientAnswer, out: Path | None, *, quiet: bool) -> Saved:
    """Copy the answer's files into their folders; what could not be saved has no path."""
    saved: Saved = []
    for file, about in zip(answer.files, answer.to_dict()["files"], strict=True):
        path = None
        try:
            path = answer.save_file(file, out or _folder_of(file.name))
        except (InsituError, OSError) as error:
            print_error(f"{file.name!r} was not saved: {error}")
        saved.append({**about, "path": path and str(path)})
        if path and not quiet:
            other_name = "" if path.name == file.name else f" (the code named it {file.name!r})"
            note(f"wrote {path}, {size(path.stat().st_size)}{other_name}")
    return saved


def _folder_of(name: str) -> Path:
    from insitu.client.made import plain_name

    plain = Path(plain_name(name).lower())
    return Path() if _DATA.fullmatch(plain.suffix) and plain.name not in _READ_BY_TOOLS else Path(OTHERS)


def _save_figures(answer: ClientAnswer, out: Path | None, saved: Saved) -> None:
    """Write the figures that are none of the files, because the workspace had no room for them."""
    from insitu.client.made import free_path

    files = {Path(str(file["path"])).read_bytes() for file in saved if file["path"]}
    for png in answer.images:
        if png not in files:
            path = free_path(out or Path(), "figure.png")
            path.write_bytes(png)
            note(f"wrote {path}, {size(len(png))}")
