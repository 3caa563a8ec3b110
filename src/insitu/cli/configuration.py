"""The settings, as arguments and environment variables have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insitu.errors import exact

from .errors import WrongUsage
from .text import size

if TYPE_CHECKING:
    from pydantic import ValidationError

    from insitu.settings import Settings

# As arguments they would be seen by every user of the machine, in the list of processes.
SECRET = {"api_keys", "upstream_api_key"}
# The same on every machine, where the value is not.
DATA_DIR = "$XDG_DATA_HOME/insitu, else ~/.local/share/insitu"
# What Pydantic calls the errors of the settings' own checks.
_OURS = "value_error"


def flag_of(name: str) -> str:
    """The option of a setting."""
    return f"--{name.replace('_', '-')}"


def is_size(name: str) -> bool:
    """Whether a setting counts bytes, and may be written like 512m."""
    return "_bytes" in name


def shown_default(name: str, value: object) -> str:
    """The default of a setting as people read it; "" if there is none, or the machine decides."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, int | float):
        return size(value) if is_size(name) else exact(value).removesuffix(".0")
    return DATA_DIR if name == "data_dir" else str(value) if isinstance(value, str | Path) else ""


def read_settings(wishes: Mapping[str, Any]) -> Settings:
    """The settings: the wishes that are not None, then the environment, then the defaults."""
    from pydantic import ValidationError

    from insitu.settings import Settings

    given = {name: value for name, value in wishes.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise WrongUsage(_explain(error, given), hint=_hint(error)) from None


def _explain(error: ValidationError, given: Mapping[str, Any]) -> str:
    parts = []
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        where = flag_of(name) if name in given else f"INSITU_{name.upper()}"
        shown = "" if name in SECRET else f" {detail['input']!r}"
        if detail["type"] != _OURS:
            parts.append(f"{where}{shown}: {detail['msg']}")
        else:
            said = detail["msg"].removeprefix("Value error, ")
            own = f"{where}{said.removeprefix(name)}" if said.startswith(f"{name} ") else f"{where}: {said}"
            parts.append(own if name else said)
    return "; ".join(parts)


def _hint(error: ValidationError) -> str | None:
    # What insitu itself refuses, it has said how to write.
    ours = all(detail["type"] == _OURS for detail in error.errors(include_url=False))
    return None if ours else "see `insitu serve --help`"
