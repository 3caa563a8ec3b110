"""Functions, versions and aliases as AWS's clients read them."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

from ...functions import FunctionRevision
from ...settings import Settings
from ...types import MIB, EnvironmentInfo
from ...web.service import Service
from .deployment import Deployment, Package, architecture, is_lambda, own_files, runtime_of
from .names import ACCOUNT, LATEST, Named

# Every function has one, and nothing here reads it.
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/insitu"
# insitu's own API promises never to show a value again.
_HIDDEN = "***"


class Shown:
    """Shows functions.

    Args:
        environments: all that the server has.
    """

    def __init__(self, settings: Settings, environments: Sequence[EnvironmentInfo]) -> None:
        self._settings = settings
        self._environments = environments

    @classmethod
    def of(cls, service: Service) -> Self:
        """Shows the functions of a server."""
        return cls(service.settings, service.engine.environments())

    def configuration(
        self, named: Named, revision: FunctionRevision, qualifier: str | None = None, version: int | None = None
    ) -> dict[str, Any]:
        """A revision.

        Args:
            qualifier: by which it was asked for; part of its ARN then.
            version: the number under which it is shown; None shows it as ``$LATEST``.
        """
        deployment = self.deployment(revision)
        return {
            "FunctionName": named.name,
            "FunctionArn": named.arn(qualifier),
            "Runtime": deployment.runtime,
            "Role": deployment.role,
            "Handler": deployment.handler,
            "CodeSize": deployment.package.size,
            "CodeSha256": deployment.package.sha256,
            "Description": deployment.description,
            "Timeout": deployment.timeout,
            "MemorySize": deployment.memory_size,
            "LastModified": _time(revision.created),
            "Version": LATEST if version is None else str(version),
            "Environment": {"Variables": dict(deployment.variables)},
            "TracingConfig": {"Mode": "PassThrough"},
            "RevisionId": revision_id(revision),
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": [architecture()],
            "EphemeralStorage": {"Size": deployment.storage_mb},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        }

    def deployment(self, revision: FunctionRevision) -> Deployment:
        """A revision as AWS has it, whoever has deployed it; nothing is left to a default.

        The values of the variables are hidden if AWS's API has not deployed it.
        """
        spec = revision.spec
        limits = spec.limits or self._settings.limits()
        storage_mb = limits.disk_bytes // MIB
        if is_lambda(spec):
            return replace(Deployment.of(spec), storage_mb=storage_mb)
        sha256 = base64.b64encode(bytes.fromhex(revision.code_sha256)).decode()
        return Deployment(
            package=Package(own_files(spec), sha256, revision.code_size),
            runtime=runtime_of(spec.environment, self._environments),
            role=_ROLE,
            handler=spec.handler,
            description=spec.description,
            timeout=max(1, round(spec.timeout_s or limits.timeout_s)),
            memory_size=limits.memory_bytes // MIB,
            storage_mb=storage_mb,
            variables=dict.fromkeys(spec.env_vars, _HIDDEN),
        )


def alias(named: Named, name: str, version: int) -> dict[str, Any]:
    """An alias."""
    return {
        "AliasArn": named.arn(name),
        "Name": name,
        "FunctionVersion": str(version),
        "Description": "",
        "RevisionId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{named.name}:{name}:{version}")),
    }


def revision_id(revision: FunctionRevision) -> str:
    """The id of a revision, which AWS's clients send back to say which one they know."""
    return revision.revision


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{int(seconds % 1 * 1000):03d}+0000"
