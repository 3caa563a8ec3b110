"""A runtime is one of the server's environments: by AWS's name for its Python, or by its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.lambdas import connected, create, invoke, result
from tests.support.pythons import find_python

SOURCE = (
    "import sys\ndef handler(event, context):\n    if event: raise ValueError('no')\n    return sys.version_info[:2]\n"
)


def test_the_servers_own_python_is_found_by_its_version(serve: Callable[..., str], name: str) -> None:
    here = f"python3.{sys.version_info.minor}"
    with connected(serve()) as aws:
        assert create(aws, name, SOURCE, Runtime=here)["Runtime"] == here
        assert result(aws, name) == list(sys.version_info[:2])


@pytest.mark.parametrize("minor", [minor for minor in (9, 10, 12, 13) if minor != sys.version_info.minor])
def test_another_python_is_found_by_its_version_or_its_name(serve: Callable[..., str], name: str, minor: int) -> None:
    python = find_python(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} here")
    with connected(serve(environments={"other": Path(python)})) as aws:
        for runtime in (f"python3.{minor}", "other"):
            create(aws, f"{name}-{len(runtime)}", SOURCE, Runtime=runtime)
            assert result(aws, f"{name}-{len(runtime)}", Qualifier="$LATEST") == [3, minor]
        failed = invoke(aws, f"{name}-5", 1)["Payload"]
        assert (failed["errorType"], failed["errorMessage"], len(failed["stackTrace"])) == ("ValueError", "no", 1)
        with pytest.raises(ClientError, match=rf"this server has python3\.\d+ \(default\), python3\.{minor} \(other\)"):
            create(aws, f"{name}-none", SOURCE, Runtime="python3.99")
