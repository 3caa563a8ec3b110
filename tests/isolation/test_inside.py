"""What data work needs works behind the wall."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.guest import Guest

SYSTEM: dict[str, tuple[Any, str]] = {
    "coreutils": (
        ["A,B", "6", "42", "/mnt/data", "user", "insitu"],
        r"""
        import subprocess
        script = '''
        printf '%s\n' b a c | sort | head -2 | tr a-z A-Z | paste -sd,
        seq 3 | awk '{ n += $1 } END { print n }'
        echo $((6 * 7)); pwd; whoami; hostname
        '''
        answer = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()
        """,
    ),
    "sqlite": (
        45,
        """
        import sqlite3
        with sqlite3.connect("a.db") as db:
            db.execute("pragma journal_mode=wal")
            db.execute("create table t (x)")
            db.executemany("insert into t values (?)", [(n,) for n in range(10)])
        answer = sqlite3.connect("/home/user/a.db").execute("select sum(x) from t").fetchone()[0]
        """,
    ),
    "file locks": (
        "EAGAIN",
        """
        import fcntl
        one, two = open("lock", "w"), open("lock", "w")
        fcntl.flock(one, fcntl.LOCK_EX)
        answer = refused(fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        """,
    ),
    "multiprocessing": (
        [0, 1, 4, 9, 16],
        """
        import multiprocessing
        def square(x): return x * x
        with multiprocessing.get_context("fork").Pool(2) as pool: answer = pool.map(square, range(5))
        """,
    ),
    "a process pool": (
        [1, 2],
        """
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(2) as pool: answer = list(pool.map(abs, [-1, -2]))
        """,
    ),
    "threads": (
        [1, 2],
        """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(4) as pool: answer = list(pool.map(abs, [-1, -2]))
        """,
    ),
    "shared memory": (
        7,
        """
        from multiprocessing import shared_memory
        one = shared_memory.SharedMemory(create=True, size=16)
        two = shared_memory.SharedMemory(one.name)
        one.buf[0] = 7
        answer = two.buf[0]
        two.close(); one.close(); one.unlink()
        """,
    ),
    "asyncio and subprocesses": (
        "hi\n",
        """
        import asyncio, threading
        async def main():
            process = await asyncio.create_subprocess_exec("echo", "hi", stdout=-1)
            return (await process.communicate())[0].decode()
        found = []
        thread = threading.Thread(target=lambda: found.append(asyncio.run(main())))
        thread.start(); thread.join()
        answer = found[0]
        """,
    ),
    "temporary files": (
        True,
        """
        import tempfile
        with tempfile.NamedTemporaryFile() as file: answer = file.name.startswith("/tmp/")
        """,
    ),
    "time zones": (
        7200,
        """
        import datetime, zoneinfo
        answer = datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset().seconds
        """,
    ),
}

PACKAGES: dict[str, tuple[Any, str]] = {
    "numpy": (
        pytest.approx(4.0),
        "import numpy; answer = float(numpy.linalg.det(numpy.eye(200) * 2 ** 0.01))",
    ),
    "pandas": (
        {"a": 3, "b": 3},
        """
        import pandas
        pandas.DataFrame({"k": list("aab"), "v": [1, 2, 3]}).to_csv("a.csv")
        answer = pandas.read_csv("a.csv").groupby("k").v.sum().to_dict()
        """,
    ),
    "parquet": (
        6,
        """
        import pandas
        pandas.DataFrame({"v": [1, 2, 3]}).to_parquet("a.parquet")
        answer = int(pandas.read_parquet("a.parquet").v.sum())
        """,
    ),
    "spreadsheets": (
        6,
        """
        import pandas
        pandas.DataFrame({"v": [1, 2, 3]}).to_excel("a.xlsx")
        answer = int(pandas.read_excel("a.xlsx").v.sum())
        """,
    ),
    "matplotlib": (
        "PNG",
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2]); plt.title("Ärger"); plt.savefig("a.png"); plt.close()
        answer = open("a.png", "rb").read(4)[1:].decode()
        """,
    ),
    "scipy": (
        pytest.approx([2**0.5, 0.5]),
        """
        import scipy.integrate, scipy.optimize
        answer = [scipy.optimize.brentq(lambda x: x * x - 2, 0, 2), scipy.integrate.quad(lambda x: x, 0, 1)[0]]
        """,
    ),
    "scikit-learn": (
        True,
        """
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        flowers = load_iris()
        model = RandomForestClassifier(10, n_jobs=2, random_state=0).fit(flowers.data, flowers.target)
        answer = model.score(flowers.data, flowers.target) > 0.9
        """,
    ),
    "sympy": ("x**3/3", "import sympy; x = sympy.symbols('x'); answer = str(sympy.integrate(x ** 2, x))"),
    "statsmodels": (
        pytest.approx([1.0, 2.0]),
        """
        import numpy, statsmodels.api as sm
        answer = list(sm.OLS([1, 3, 5], sm.add_constant(numpy.arange(3))).fit().params)
        """,
    ),
    "pillow": (
        [8, 6],
        """
        from PIL import Image
        Image.new("RGB", (4, 3)).resize((8, 6)).save("a.jpg")
        answer = Image.open("a.jpg").size
        """,
    ),
    "lxml": ("1", "import lxml.etree; answer = lxml.etree.fromstring('<a><b>1</b></a>').findtext('b')"),
}


@pytest.mark.parametrize("what", SYSTEM)
async def test_the_system_works(guest: Guest, what: str) -> None:
    expected, code = SYSTEM[what]
    assert await guest.ask(code) == expected


@pytest.mark.parametrize("what", PACKAGES)
async def test_packages_work(fresh: Guest, what: str) -> None:
    expected, code = PACKAGES[what]
    assert await fresh.ask(code) == expected


async def test_a_shell_line_runs(guest: Guest) -> None:
    execution = await guest.run("!for i in 1 2; do echo $i; done; echo oops >&2")
    assert execution.outcome == "ok"
    assert execution.stdout.split()[:2] == ["1", "2"]
