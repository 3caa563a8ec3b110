"""The process tier: sandboxes made of the kernel's own walls, forked from a process that has it all imported."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from ...errors import InsituError, InvalidRequest, SandboxFailed
from ...types import MIB, Limits
from ..base import Environment, Sandbox, Tier
from . import cgroup
from .layers import find_wall
from .sandbox import ProcessSandbox
from .spawner import Spawner

_USER, _AGENT = 1000, 0
_INODE_BYTES = 4096
_MOST_SLOTS = 30_000


class ProcessTier(Tier):
    """Namespaces, cgroups, Landlock and seccomp around forks of a zygote."""

    name = "process"

    def __init__(
        self, environments: Sequence[Environment], *, total_memory_bytes: int, allow_degraded: bool = False
    ) -> None:
        self.layers: Mapping[str, str] = {}
        self._environments = environments
        self._total_memory = total_memory_bytes
        self._allow_degraded = allow_degraded
        self._spawners: dict[str, Spawner] = {}
        self._sandboxes: set[ProcessSandbox] = set()
        self._cgroups: cgroup.Tree | None = None
        self._numbers = itertools.cycle(range(_MOST_SLOTS))
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._wall = find_wall(allow_degraded=self._allow_degraded)
        self._cgroups = cgroup.Tree.make(self._total_memory)
        self.layers = {
            "namespaces": "user, mount, pid, net, ipc, uts, cgroup",
            "users": "of its own" if self._wall.root else "the server's",
            "cgroups": self._cgroups.describe() if self._cgroups else "none: rlimits in their place",
        }
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._close)
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._tasks.cancel_scope.cancel)
            try:
                for environment in self._environments:
                    await self._start(environment)
            except InsituError as error:
                failure = error  # raised outside of the task group, which would wrap it
            else:
                self._stack = stack.pop_all()
                return self
        raise failure

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            for sandbox in list(self._sandboxes):
                await sandbox.aclose()
        await self._stack.aclose()

    def _close(self) -> None:
        for spawner in self._spawners.values():
            spawner.hang_up()  # all at once: none can remove the cgroups before the last has ended
        for spawner in self._spawners.values():
            spawner.close()
        if self._cgroups is not None:
            self._cgroups.remove()

    async def _start(self, environment: Environment) -> None:
        assert self._tasks is not None
        tops = self._cgroups.tops if self._cgroups else []
        spawner = Spawner(environment, self._wall, tops, _USER)
        self._spawners[environment.name] = spawner
        await spawner.start(self._tasks)

    def describe(self, environment: str) -> Mapping[str, Any]:
        return self._spawner(environment).about

    async def create(self, environment: str, limits: Limits) -> Sandbox:
        spawner = self._spawner(environment)
        number = self._free_number()
        group = self._limited_group(f"s{number}", limits)
        sandbox = ProcessSandbox(number, spawner, limits, group, self._sandboxes.discard)
        self._sandboxes.add(sandbox)
        try:
            await sandbox.open(self._request(number, limits))
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await sandbox.aclose()
            if isinstance(error, OSError):
                raise SandboxFailed(f"a sandbox could not be made: {str(error) or 'it took too long'}") from error
            raise
        sandbox.layers = {**self.layers, **sandbox.layers}
        return sandbox

    def _free_number(self) -> int:
        # The number makes the ids on the host: two sandboxes that live at once never share them.
        taken = {sandbox.number for sandbox in self._sandboxes}
        return next(number for number in self._numbers if number not in taken)

    def _spawner(self, environment: str) -> Spawner:
        try:
            return self._spawners[environment]
        except KeyError:
            known = ", ".join(sorted(self._spawners))
            raise InvalidRequest(f"there is no environment {environment!r}; this server has: {known}") from None

    def _limited_group(self, name: str, limits: Limits) -> cgroup.Group | None:
        if self._cgroups is None:
            return None
        group = None
        try:
            group = self._cgroups.group(name)
            group.limit(limits)
        except OSError as error:
            if group is not None:
                group.remove()
            raise SandboxFailed(f"the cgroup of a sandbox could not be limited: {error}") from error
        return group

    def _request(self, number: int, limits: Limits) -> dict[str, Any]:
        # With root, each sandbox has two ids that no other has: what the kernel counts by user is its own.
        first = 1 + 2 * number
        maps = [[_AGENT, first, 1], [_USER, first + 1, 1]] if self._wall.root else [[_USER, 0, 1]]
        return {
            "maps": maps,
            "agent": _AGENT if self._wall.root else _USER,
            "user": _USER,
            "disk_bytes": limits.disk_bytes,
            "inodes": max(1024, limits.disk_bytes // _INODE_BYTES // 4),
            "rlimits": self._rlimits(limits),
        }

    def _rlimits(self, limits: Limits) -> dict[str, int]:
        rlimits = {
            "NPROC": limits.processes + 1,
            "NOFILE": 1024,
            "FSIZE": limits.disk_bytes,
            # 1, not 0: a core_pattern that is a pipe passes over 0.
            "CORE": 1,
            "MEMLOCK": 64 * 1024,
            "SIGPENDING": 256,
            "MSGQUEUE": MIB,
            "STACK": 8 * MIB,
        }
        if self._cgroups is None:
            rlimits["AS"] = limits.memory_bytes
        return rlimits
