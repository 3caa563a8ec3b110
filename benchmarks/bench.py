"""What rows share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property

from insitu.settings import Settings

from . import engines, kernels
from .engines import PANDAS_LINE, Host
from .measure import Effort
from .servers import Connection, Server, running_server


class Bench:
    """The parts that rows share; each starts when the first row asks for it."""

    def __init__(self, effort: Effort, resources: ExitStack) -> None:
        self.effort = effort
        self._resources = resources

    @cached_property
    def host(self) -> Host:
        """An engine without a pool."""
        return self._resources.enter_context(engines.engine_host(Settings(pool_size=0)))

    @cached_property
    def server(self) -> Server:
        """A server with the settings that everyone gets."""
        return self._resources.enter_context(running_server())

    @cached_property
    def kernel(self) -> kernels.Kernel:
        """A Jupyter kernel with pandas imported."""
        kernel = self._resources.enter_context(kernels.running_kernel())
        kernel.first_output(PANDAS_LINE)
        return kernel

    @cached_property
    def server_layers(self) -> Mapping[str, str]:
        """The layers of the server's sandboxes, as its sessions report them."""
        with Connection(self.server.port) as connection:
            session = connection.post("/v1/sessions", {})
            connection.request("DELETE", f"/v1/sessions/{session['id']}")
        layers: Mapping[str, str] = session["layers"]
        return layers
