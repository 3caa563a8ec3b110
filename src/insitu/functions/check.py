"""What can be deployed, and what a function can be called with."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..engine.admission import check_variables
from ..engine.calling import MOST_BYTES
from ..errors import InvalidRequest, PathRefused, TooLarge
from ..heavy import heavy
from ..schemas import check_schema
from ..settings import Settings
from ..types import FunctionRevision, FunctionSpec
from .arguments import arguments

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALIAS = re.compile(r"(?!\d+$)[A-Za-z0-9_-]{1,128}")
_HANDLER = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_LONGEST_HANDLER, _LONGEST_PATH, _LONGEST_PART, _LONGEST_TEXT = 256, 1024, 255, 4096
_MOST_FILES, _MOST_CONCURRENT = 1000, 10_000
# Read from the database by every invocation.
_MOST_SAID = 256 * 1024


async def make_revision(
    name: str, spec: FunctionSpec, settings: Settings, environments: Collection[str]
) -> FunctionRevision:
    """A revision of what is to be deployed.

    Raises:
        InvalidRequest: if the name, the handler, the schema or a variable cannot be used.
        PathRefused: if a file's path leads out of the workspace.
        TooLarge: if there is too much code.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name[:100]!r} is no name of a function", hint="1 to 64 letters, digits, '-' and '_'")
    _check_spec(spec, settings, environments)
    size = sum(map(len, spec.files.values()))
    digest = await heavy(size, _digest, spec.files)
    return FunctionRevision(name, f"rev_{secrets.token_hex(16)}", None, time.time(), digest, size, spec)


def check_alias(alias: str) -> None:
    """Raise InvalidRequest for what cannot be an alias."""
    if not _ALIAS.fullmatch(alias):
        raise InvalidRequest(
            f"{alias[:200]!r} is no name of an alias", hint="1 to 128 letters, digits, '-' and '_', not all digits"
        )


def encode_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """What the interpreter is told of the arguments.

    Raises:
        InvalidRequest: if they are not values of JSON.
        TooLarge: if they are too many bytes.
    """
    encoded = arguments(list(args), dict(kwargs))
    if len(encoded) > MOST_BYTES:
        raise TooLarge(f"the arguments have {len(encoded)} bytes; {MOST_BYTES} is the most")
    return encoded


def _check_spec(spec: FunctionSpec, settings: Settings, environments: Collection[str]) -> None:
    if not _HANDLER.fullmatch(spec.handler) or len(spec.handler) > _LONGEST_HANDLER:
        raise InvalidRequest(f"the handler {spec.handler[:100]!r} is not a module's name, a dot and a function's name")
    if spec.environment not in (None, *environments):
        raise InvalidRequest(
            f"there is no environment {spec.environment!r}", hint=f"this server has: {', '.join(environments)}"
        )
    if not 0 <= spec.concurrency <= _MOST_CONCURRENT:
        raise InvalidRequest(f"concurrency is {spec.concurrency}; it must be from 0 to {_MOST_CONCURRENT}")
    if len(spec.description) > _LONGEST_TEXT:
        raise InvalidRequest(f"the description has {len(spec.description)} characters; {_LONGEST_TEXT} is the most")
    if spec.timeout_s is not None:
        settings.within_ceiling("timeout_s", spec.timeout_s)
    if spec.schema is not None:
        check_schema(spec.schema)
    check_variables(spec.env_vars)
    if (size := len(json.dumps([dict(spec.env_vars), dict(spec.metadata)]))) > _MOST_SAID:
        raise TooLarge(f"its environment variables and tags have {size} characters; {_MOST_SAID} is the most")
    _check_files(spec, settings)


def _check_files(spec: FunctionSpec, settings: Settings) -> None:
    if not 0 < len(spec.files) <= _MOST_FILES:
        raise InvalidRequest(f"there are {len(spec.files)} files; a function has from 1 to {_MOST_FILES}")
    most = min(settings.upload_bytes, (spec.limits or settings.limits()).disk_bytes)
    if (size := sum(map(len, spec.files.values()))) > most:
        raise TooLarge(
            f"the code has {size} bytes; {most} is the most", hint="its sandboxes have disk_bytes for it and its data"
        )
    _check_paths(spec.files)


def _check_paths(paths: Collection[str]) -> None:
    for path in paths:
        if (reason := _refusal(path, path.split("/"))) is not None:
            raise PathRefused(path[:200], reason)
    # In this order a folder is followed by what is in it.
    for path, following in pairwise(sorted(paths, key=lambda each: each.replace("/", "\0"))):
        if following.startswith(f"{path}/"):
            raise PathRefused(path[:200], f"it is a folder of {following[:200]!r} as well")


def _refusal(path: str, parts: Sequence[str]) -> str | None:
    if path.startswith("/"):
        return "a function's files have relative paths"
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        return "a part of it is empty, '.', '..' or has a NUL byte"
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "it is not Unicode"
    if len(encoded) > _LONGEST_PATH or max(len(part.encode()) for part in parts) > _LONGEST_PART:
        return f"it has more than {_LONGEST_PATH} bytes, or a part has more than {_LONGEST_PART}"
    return None


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{len(path.encode())} {len(content)} {path}".encode())
        digest.update(content)
    return digest.hexdigest()
