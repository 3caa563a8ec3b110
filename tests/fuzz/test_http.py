"""Every request that the description allows, and those that it does not: answered as it says, and at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import APIOperation, GenerationMode
from schemathesis import Case as AnyCase
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from insitu.server.app import create_app
from insitu.settings import Settings
from insitu.types import MIB
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.served import HEADERS, PATIENCE_S, Served, served

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# What the description says of the model server's failures, which are not this server's.
UPSTREAM = {501, 502, 503, 504}
GROWTH = 160 * MIB
SCHEMA = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]

Operation = APIOperation[Any, Any, Any, Any]
Case = AnyCase[Operation]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as made:
        begun = made.memory()
        yield made
        assert made.memory() - begun < GROWTH
        assert made.failures() == ""


@pytest.fixture(scope="module")
def session(server: Served) -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


@st.composite
def cases(draw: st.DrawFn, tags: set[str]) -> tuple[Case, bool]:
    """A request of one of the groups, and whether what it names is there."""
    operation: Operation = draw(st.sampled_from([each for each in OPERATIONS if tags & set(each.tags or ())]))
    mode = draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    return draw(operation.as_strategy(generation_mode=mode)), draw(st.booleans())


def check(server: Served, session: requests.Session, case: Case, real: bool) -> None:
    """Send it, and see that the answer is one that is described."""
    if real:
        case.path_parameters = {name: server.id_of(name) for name in case.path_parameters}
    answer = case.call(server.url, session=session, headers=HEADERS, timeout=PATIENCE_S)
    assert answer.status_code < 500 or answer.status_code in UPSTREAM, case.as_curl_command()
    case.validate_response(answer, checks=CHECKS)
    if case.method == "DELETE" or answer.status_code == 201:
        server.forget()


@fuzzed(100, case=cases({"executions", "sessions", "files", "server"}))
def test_the_native_api_answers_as_it_says(server: Served, session: requests.Session, case: tuple[Case, bool]) -> None:
    check(server, session, *case)


@fuzzed(100, case=cases({"openai"}))
def test_openais_api_answers_as_it_says(server: Served, session: requests.Session, case: tuple[Case, bool]) -> None:
    check(server, session, *case)
