from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import anyio
import pytest

from insitu.guest import linux
from insitu.isolation.process import cgroup
from tests.attacks.api import ApiStand, api_stand
from tests.attacks.attack import Attack, Layer
from tests.attacks.stand import SETTINGS, Stand, stand_at
from tests.support.machine import has_cgroups

# Ways to run: with all that the machine has, and with what other machines have. A layer is taken away by what looks
# for it, so that all the rest is real.
WAYS = {"all layers": None, "without cgroups": Layer.CGROUPS, "without landlock": Layer.LANDLOCK}


@pytest.fixture(scope="package", params=WAYS)
def stand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A server with a neighbour, for each way to run."""
    taken = WAYS[request.param]
    lacking = {taken} if taken else set()
    if not has_cgroups():
        if taken is Layer.CGROUPS:
            pytest.skip("this machine lets this user make no cgroups anyway")
        lacking.add(Layer.CGROUPS)
    own = {"data_dir": tmp_path_factory.mktemp("data"), "allow_degraded": taken is Layer.LANDLOCK}
    with ExitStack() as stack:
        # Other tests of this process have all that the machine has: the layers are looked for once, at the start.
        with pytest.MonkeyPatch.context() as patch:
            if taken is Layer.CGROUPS:
                patch.setattr(cgroup.Tree, "make", lambda total_memory: None)
            if taken is Layer.LANDLOCK:
                patch.setattr(linux, "landlock_abi", lambda: 0)
            made = stack.enter_context(stand_at(SETTINGS.model_copy(update=own), frozenset(lacking)))
        anyio.run(made.settle_neighbour)
        yield made


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStand]:
    """A server with a neighbour and a model, once: what it is made of is no matter to its API."""
    with api_stand(tmp_path_factory.mktemp("data")) as made:
        anyio.run(made.settle_neighbour)
        yield made


@pytest.fixture(autouse=True)
def possible(request: pytest.FixtureRequest, stand: Stand) -> None:
    """Leaves out what only a layer that is not there would stop."""
    attack = request.node.callspec.params.get("attack") if hasattr(request.node, "callspec") else None
    if isinstance(attack, Attack) and attack.unless in stand.lacking:
        pytest.skip(f"only {attack.unless} stops it")
