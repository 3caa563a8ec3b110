from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from inspect import isclass
from pathlib import Path

import pytest

import insitu
from insitu import errors


def loaded_by(code: str) -> set[str]:
    """The modules that a new Python has loaded after running the code."""
    code += "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    return set(json.loads(run.stdout))


def declared() -> set[str]:
    """The names that the root imports for type checkers."""
    tree = ast.parse(Path(insitu.__file__).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    return {alias.name for node in imports for alias in node.names}


def test_all_is_sorted_and_is_what_is_exported() -> None:
    assert insitu.__all__ == sorted(insitu.__all__)
    assert set(insitu.__all__) == declared() | {"__version__"}


@pytest.mark.parametrize("name", sorted(declared()))
def test_every_name_comes_from_where_it_is_declared(name: str) -> None:
    value = getattr(insitu, name)
    assert value.__name__ == name
    assert getattr(import_module(value.__module__), name) is value


def test_every_error_is_exported() -> None:
    tree = {name for name, value in vars(errors).items() if isclass(value) and issubclass(value, Exception)}
    assert tree <= set(insitu.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'insitu' has no attribute 'Sandwich'"):
        _ = import_module("insitu").Sandwich


def test_dir_lists_what_is_not_loaded_yet() -> None:
    assert set(insitu.__all__) <= set(dir(insitu))


def test_importing_the_root_loads_nothing_else() -> None:
    mine = {name for name in loaded_by("import insitu") if name.startswith("insitu")}
    assert mine == {"insitu"}


def test_the_client_loads_no_engine_and_no_settings() -> None:
    loaded = loaded_by("import insitu; insitu.Client, insitu.AsyncClient, insitu.Execution, insitu.ServerFull")
    mine = {name.split(".")[1] for name in loaded if name.startswith("insitu.")}
    assert mine == {"client", "crossing", "errors", "guest", "options", "sources", "threads", "types"}
    of_the_guest = {name.removeprefix("insitu.guest.") for name in loaded if name.startswith("insitu.guest.")}
    assert of_the_guest == {"decoder", "encoder", "forms", "places", "values"}  # what runs everywhere
    assert "pydantic" not in loaded


def test_the_local_classes_load_no_http_client_and_no_engine() -> None:
    loaded = loaded_by("import insitu; insitu.Sandbox, insitu.AsyncSandbox")
    assert not {"httpx2", "insitu.engine", "insitu.isolation", "pydantic"} & loaded
