from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT
from tests.support.model import ScriptedModel, call, say
from tests.support.serve_command import clean_environment, serving
from tests.support.steps import Step

# What the documentation asks its model, the code that it writes then, and its answer.
ANSWERS = {
    "What is the sum of the first hundred primes?": (
        "primes = [n for n in range(2, 542) if all(n % d for d in range(2, n))]\nprint(sum(primes))",
        "The sum is 24133.",
    ),
    "Which is the warmest of Ulm, Rome and Oslo?": (
        (
            "import asyncio\n"
            "cities = ['Ulm', 'Rome', 'Oslo']\n"
            "async def look(): return await asyncio.gather(*(tools.temperature.aio(city=city) for city in cities))\n"
            "print(max(zip(await look(), cities)))"
        ),
        "Rome.",
    ),
    "How warm does it get in each city? Write it to a file.": (
        (
            "import pandas as pd\n"
            "weather = pd.read_csv('weather.csv')\n"
            "weather.groupby('location').temp_max.max().to_csv('warmest.csv')"
        ),
        "It is in the file.",
    ),
    "Count to three.": ("for n in (1, 2, 3): print(n)", "Done."),
    "Which month has the most rain in Seattle? Plot all of them.": (
        (
            "import pandas as pd\n"
            "weather = pd.read_csv('weather.csv', parse_dates=['date'])\n"
            "rain = weather[weather.location == 'Seattle'].groupby(weather.date.dt.month).precipitation.sum()\n"
            "rain.plot.bar()\nrain.idxmax()"
        ),
        "November.",
    ),
}


def _answer(body: dict[str, Any]) -> Step:
    question = str([message["content"] for message in body["messages"] if message["role"] == "user"][-1])
    code, answer = next(pair for asked, pair in ANSWERS.items() if asked in question)
    return say(answer) if body["messages"][-1]["role"] == "tool" else call(("python", {"code": code}))


@pytest.fixture(scope="package")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ScriptedModel() as model:
        model.script(*[_answer] * 100)
        with serving(tmp_path_factory.mktemp("server"), "--upstream", model.url) as (address, _):
            yield address


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files that the documentation speaks of."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def environment(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a reader's shell has: insitu on its path, and a server that listens where insitu looks for one."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    # Importing pandas ahead would only make the tests slower.
    variables = {**clean_environment(folder), "INSITU_URL": url, "INSITU_PREIMPORT": "", "PATH": path}
    for name in [name for name in os.environ if name.startswith("INSITU_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "INSITU_URL", "INSITU_PREIMPORT", "PATH"):
        monkeypatch.setenv(name, variables[name])
    return variables
