"""Where an engine's sandboxes come from: the tier with its environments, and the pool of those made ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from ..errors import InvalidRequest
from ..isolation import open_tier
from ..isolation.base import Environment, Sandbox
from ..settings import Settings
from ..types import EnvironmentInfo, Limits
from .pool import Pool
from .selftest import check_wall

DEFAULT = "default"


class Sandboxes:
    """Makes sandboxes, or takes them from the pool; entered as long as any is wanted.

    Args:
        idle: whether nothing runs now, so that those in the pool can be rehearsed.
    """

    def __init__(self, settings: Settings, idle: Callable[[], bool]) -> None:
        self.defaults = settings.limits()
        paths = {DEFAULT: settings.python, **settings.environments}
        self._environments = [Environment(name, path, settings.preimport) for name, path in paths.items()]
        self._tier = open_tier(
            "process",
            self._environments,
            total_memory_bytes=settings.total_memory_bytes,
            allow_degraded=settings.allow_degraded,
        )
        self.tier = self._tier.name
        self._pool = Pool(settings.pool_size, partial(self._tier.create, DEFAULT, self.defaults), idle)
        self.keep_ready = self._pool.keep_full

    async def __aenter__(self) -> Self:
        await self._tier.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tier.__aexit__(kind, error, trace)

    @property
    def warm(self) -> bool:
        """Whether the pool has been full once."""
        return self._pool.warm

    @property
    def ready(self) -> int:
        """How many wait in the pool."""
        return self._pool.ready

    def environments(self) -> list[EnvironmentInfo]:
        """What code can run in."""
        about = [(environment, self._tier.describe(environment.name)) for environment in self._environments]
        return [EnvironmentInfo(e.name, str(e.python), a["python"], tuple(a["preimported"])) for e, a in about]

    async def check_wall(self) -> Mapping[str, str]:
        """Push against the wall; returns the layers that are in force, or raises IsolationUnavailable."""
        return await check_wall(self._tier, self.defaults)

    def check_tier(self, tier: str | None) -> None:
        """Raise InvalidRequest if somebody wishes for another tier."""
        if tier not in (None, self.tier):
            raise InvalidRequest(f"there is no tier {tier!r}; this server has: {self.tier}")

    async def make(self, environment: str, limits: Limits) -> Sandbox:
        """A sandbox, from the pool if it has such; raises InvalidRequest for an unknown environment."""
        ready = self._pool.take() if (environment, limits) == (DEFAULT, self.defaults) else None
        return ready or await self._tier.create(environment, limits)
