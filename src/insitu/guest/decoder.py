"""JSON's types to Python values."""

from __future__ import annotations

from typing import Any

from .forms import FORMS
from .places import TYPE, NotDecodable, Place

_DEEPEST = 200

Json = Any


class Decoder:
    """Turns JSON's types into one value.

    Args:
        name: what messages call it.
    """

    def __init__(self, name: str) -> None:
        self._place = Place(name)
        self._steps = self._place.steps

    def decode(self, value: Json) -> Any:
        """The value; raises NotDecodable."""
        if isinstance(value, list):
            return self._deeper(enumerate(value), [None] * len(value))
        if not isinstance(value, dict):
            return value
        if TYPE not in value:
            return self._deeper(value.items(), {})
        return self._made(value)

    def _deeper(self, items: Any, made: Any) -> Any:
        if len(self._steps) >= _DEEPEST:
            raise NotDecodable(f"{self._place.root} is nested deeper than {_DEEPEST} levels")
        self._steps.append(0)
        for key, item in items:
            self._steps[-1] = key
            made[key] = self.decode(item)
        self._steps.pop()
        return made

    def _made(self, value: dict[str, Json]) -> Any:
        name = value[TYPE]
        form = FORMS.get(name) if isinstance(name, str) else None
        if form is None:
            raise NotDecodable(f"{self._place}: there is no {TYPE} {name!r}; there are: {', '.join(sorted(FORMS))}")
        if value.keys() != {TYPE, *form.fields}:
            given = ", ".join(sorted(value.keys() - {TYPE})) or "none"
            raise NotDecodable(f"{self._place}: a {name} has the fields {', '.join(form.fields)}, and not {given}")
        fields = self._deeper(((field, value[field]) for field in form.fields), {})
        try:
            return form.read(*fields.values())
        except ImportError as error:
            raise NotDecodable(f"{self._place}: a {name} needs {error.name}, which is not installed here") from None
        except Exception as error:
            raise NotDecodable(f"{self._place}: this is no {name}: {error}") from None
