"""A function as AWS has it, and what is deployed of it here: its files, and a module beside them that calls it."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ...functions import FunctionSpec
from ...settings import Settings
from ...types import MIB, EnvironmentInfo
from .asked import Configured, CreateFunction
from .errors import conflict, invalid
from .names import Named
from .packages import Zip

MODULE = "_insitu_lambda"
_KEY = "aws_lambda"
_BESIDE = (f"{MODULE}.py", f"{MODULE}.json")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py").read_bytes()
# AWS's own defaults.
_TIMEOUT_S, _MEMORY_MB = 3, 128
_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_PYTHON = re.compile(r"python(3\.\d+)")
_RESERVED = re.compile(
    r"_HANDLER|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_(FUNCTION_(MEMORY_SIZE|NAME|VERSION)|LOG_\w+_NAME)"
    r"|LAMBDA_(TASK_ROOT|RUNTIME_DIR)"
)


@dataclass(frozen=True, slots=True)
class Package:
    """What was uploaded: the files, and of the zip itself what AWS tells of it."""

    files: Mapping[str, bytes]
    sha256: str
    size: int

    @classmethod
    def of(cls, uploaded: Zip) -> Self:
        """What is in a zip.

        Raises:
            AwsError: if that cannot be deployed.
        """
        files = uploaded.files()
        for path in _BESIDE:
            if path in files:
                raise invalid(f"the zip has {path!r}, which is the name of a file that insitu puts there")
        digest = hashlib.sha256(uploaded.content).digest()
        return cls(files, base64.b64encode(digest).decode(), len(uploaded.content))


@dataclass(frozen=True, slots=True)
class Deployment:
    """A function as AWS has it.

    Args:
        storage_mb: of all that is written; None for the server's default.
    """

    package: Package
    runtime: str
    role: str
    handler: str
    description: str = ""
    timeout: int = _TIMEOUT_S
    memory_size: int = _MEMORY_MB
    storage_mb: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, asked: CreateFunction, package: Package) -> Self:
        """What CreateFunction asks for.

        Raises:
            AwsError: if something is missing, or cannot be had.
        """
        check_architectures(asked.architectures)
        if not asked.runtime or not asked.handler:
            raise invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        first = cls(package, asked.runtime, asked.role, asked.handler, tags=asked.tags or {})
        return first.configured(asked)

    @classmethod
    def of(cls, spec: FunctionSpec) -> Self:
        """The inverse of :meth:`spec`.

        Raises:
            AwsError: if the function was not deployed by AWS's API.
        """
        if not is_lambda(spec):
            raise conflict("this function was deployed by insitu's own API; it can be changed there")
        kept = dict(spec.metadata[_KEY])
        package = Package(own_files(spec), **kept.pop("package"))
        return cls(package=package, description=spec.description, variables=spec.env_vars, **kept)

    def configured(self, asked: Configured) -> Self:
        """The same with what a request says of it."""
        says = {
            "runtime": asked.runtime,
            "role": asked.role,
            "handler": asked.handler,
            "description": asked.description,
            "timeout": asked.timeout,
            "memory_size": asked.memory_size,
            "storage_mb": asked.ephemeral_storage.size if asked.ephemeral_storage else None,
            "variables": _checked(asked.environment.variables) if asked.environment else None,
        }
        changes: dict[str, Any] = {name: value for name, value in says.items() if value is not None}
        return replace(self, **changes)

    def spec(self, named: Named, settings: Settings, environments: Sequence[EnvironmentInfo]) -> FunctionSpec:
        """What is deployed.

        Raises:
            AwsError: if there is no such Python here.
            InvalidRequest: if it asks for more than the operator allows.
        """
        limits = settings.limits(
            timeout_s=self.timeout,
            memory_bytes=self.memory_size * MIB,
            disk_bytes=None if self.storage_mb is None else self.storage_mb * MIB,
        )
        return FunctionSpec(
            files={**self.package.files, **self._beside(named)},
            handler=f"{MODULE}.handler",
            environment=_environment(self.runtime, environments),
            limits=limits,
            timeout_s=self.timeout,
            env_vars=self.variables,
            description=self.description,
            metadata={_KEY: self._kept()},
        )

    def _beside(self, named: Named) -> dict[str, bytes]:
        about = {
            "name": named.name,
            "arn": named.arn(),
            "handler": self.handler,
            "memory_mb": self.memory_size,
            "timeout_s": self.timeout,
        }
        return dict(zip(_BESIDE, (_BOOTSTRAP, json.dumps(about).encode()), strict=True))

    def _kept(self) -> dict[str, Any]:
        names = ("runtime", "role", "handler", "timeout", "memory_size", "storage_mb")
        kept = {name: getattr(self, name) for name in names}
        package = {"sha256": self.package.sha256, "size": self.package.size}
        return {**kept, "tags": dict(self.tags), "package": package}


def is_lambda(spec: FunctionSpec) -> bool:
    """Whether a function takes an event and a context."""
    return _KEY in spec.metadata


def own_files(spec: FunctionSpec) -> dict[str, bytes]:
    """The files of a function that its owner has deployed."""
    beside = _BESIDE if is_lambda(spec) else ()
    return {path: content for path, content in spec.files.items() if path not in beside}


def check_architectures(asked: Iterable[str] | None) -> None:
    """Raise AwsError for machines that this one is none of."""
    here = architecture()
    if asked is not None and list(asked) != [here]:
        raise invalid(f"Architectures is {', '.join(asked)[:100]}, and this machine is {here}")


def architecture() -> str:
    """This machine's, by AWS's name for it."""
    return _MACHINES.get(platform.machine(), platform.machine())


def runtime_of(environment: str | None, environments: Iterable[EnvironmentInfo]) -> str:
    """AWS's name for the Python of an environment."""
    found = next((each for each in environments if environment in (None, each.name)), None)
    return f"python{'.'.join(found.version.split('.')[:2])}" if found else "python"


def _environment(runtime: str, environments: Sequence[EnvironmentInfo]) -> str:
    wanted = _PYTHON.fullmatch(runtime)
    for each in environments:
        if runtime == each.name or (wanted and f"{each.version}.".startswith(f"{wanted[1]}.")):
            return each.name
    there = ", ".join(f"{runtime_of(each.name, [each])} ({each.name})" for each in environments)
    raise invalid(f"Runtime is {runtime!r}; this server has {there}", hint="the operator adds INSITU_ENVIRONMENTS")


def _checked(variables: Mapping[str, str]) -> Mapping[str, str]:
    if reserved := [name for name in variables if _RESERVED.fullmatch(name)]:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have"
            " provided contains reserved keys that are currently not supported for modification. Reserved keys used"
            f" in this request: {', '.join(reserved)}"
        )
    return variables
