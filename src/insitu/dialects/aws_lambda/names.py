"""What a request names: a function by its name or ARN, and one of its versions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

from .errors import invalid

# There are no accounts here, and every ARN has one.
ACCOUNT = "000000000000"
LATEST = "$LATEST"
_REGION = "us-east-1"

_LONGEST_SCOPE = 1024
_SCOPE = re.compile(r"AWS4-HMAC-SHA256\s+Credential=[^,]*/\d{8}/([a-z0-9-]{1,40})/lambda/aws4_request(?![^,])")
_FUNCTION = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:[a-z]{2}(?:-[a-z]+)+-\d:)?(?:\d{12}:)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_NEW = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_QUALIFIER = re.compile(r"\$LATEST|[a-zA-Z0-9-_]{1,128}")
_ALIAS = re.compile(r"(?![0-9]+$)[a-zA-Z0-9-_]{1,128}")


@dataclass(frozen=True, slots=True)
class Named:
    """A function, as a request names it.

    Args:
        qualifier: a version's number, an alias or ``$LATEST``; None if the request names none.
        region: the one that the client thinks it speaks to.
    """

    name: str
    qualifier: str | None
    region: str

    def arn(self, qualifier: str | None = None) -> str:
        """The function's ARN, or that of one of its versions."""
        arn = f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    @property
    def number(self) -> int | None:
        """The version that is named by its number."""
        return int(self.qualifier) if self.qualifier and self.qualifier.isdecimal() else None


def named(request: Request, text: str) -> Named:
    """The function that a path and a query name.

    Raises:
        AwsError: if they name none, or two versions at once.
    """
    found = _FUNCTION.fullmatch(text)
    if found is None or len(text) > 256:
        raise invalid(f"{text[:200]!r} is neither a function's name nor its ARN")
    qualifier = _one_of(found["qualifier"], request.query_params.get("Qualifier"))
    return Named(found["name"], qualifier, region_of(request))


def new_name(request: Request, text: str) -> Named:
    """The function that is to be made.

    Raises:
        AwsError: if that is no name for one.
    """
    found = _FUNCTION.fullmatch(text)
    if found is None or found["qualifier"] or not _NEW.fullmatch(found["name"]):
        raise invalid(f"FunctionName is {text[:200]!r}; it must be 1 to 64 letters, digits, hyphens and underscores")
    return Named(found["name"], None, region_of(request))


def new_alias(text: str) -> str:
    """The name of an alias.

    Raises:
        AwsError: if that is none.
    """
    if not _ALIAS.fullmatch(text):
        raise invalid(
            f"Name is {text[:200]!r}; an alias is 1 to 128 letters, digits, hyphens and underscores, and no number"
        )
    return text


def region_of(request: Request) -> str:
    """The region that the request is signed for."""
    found = _SCOPE.match(request.headers.get("authorization", "")[:_LONGEST_SCOPE])
    return found[1] if found else _REGION


def _one_of(in_name: str | None, in_query: str | None) -> str | None:
    if in_query is not None and not _QUALIFIER.fullmatch(in_query):
        raise invalid(f"Qualifier is {in_query[:200]!r}; it must be a version's number, an alias or {LATEST}")
    if in_name and in_query and in_name != in_query:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return in_name or in_query
