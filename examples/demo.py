"""The main job on real input: a server, a CSV of some thousand rows, one session that loads, groups and plots it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from textwrap import indent

import insitu

HERE = Path(__file__).parent
OUTPUT = Path("demo-output").resolve()
START_S, STOP_S = 120, 30

LOAD = """
import pandas as pd
weather = pd.read_csv("weather.csv", parse_dates=["date"])
print(f"{len(weather):,} rows, {weather.date.min():%Y-%m-%d} to {weather.date.max():%Y-%m-%d}")
weather.head(3)
"""
GROUP = """
import time
weather["month"] = weather.date.dt.month
for city, days in weather.groupby("location"):
    wettest = days.loc[days.precipitation.idxmax()]
    print(f"{city}: {(days.precipitation > 0).mean():.0%} of days are wet, the wettest was {wettest.date:%d %B %Y}")
    time.sleep(0.2)  # so that one sees it stream
monthly = weather.pivot_table("temp_max", "month", "location").round(1)
monthly
"""
PLOT = """
import matplotlib.pyplot as plt
axes = monthly.plot(marker="o", title="Mean of the daily highest temperature", ylabel="°C", figsize=(8, 4))
plt.savefig("weather.png", dpi=120)
"""
NETWORK = "import socket; socket.create_connection(('192.0.2.1', 443), 3)"
STUBBORN = """
from time import sleep
while True:
    try:
        sleep(1)
    except KeyboardInterrupt:
        print("I will not stop")
"""


def main() -> None:
    """Run every step; the first one whose outcome is not as expected ends it."""
    OUTPUT.mkdir(exist_ok=True)
    with TemporaryDirectory() as data, serving(data) as url, insitu.Client(url) as client, client.session() as session:
        session.files.upload(HERE / "data" / "weather.csv")

        loaded = show(session, "load", LOAD)
        check("2,922 rows" in loaded.stdout, "all rows are loaded")
        grouped = show(session, "group, with what earlier code has left", GROUP)
        check("Seattle" in grouped.text and len(grouped.results) == 1, "the table names Seattle")
        plotted = show(session, "plot", PLOT)
        check("weather.png" in [info.path for info in plotted.files], "the picture is among the files")
        picture = session.files.download("weather.png", OUTPUT)
        check(picture.read_bytes().startswith(b"\x89PNG"), f"the picture is here: {picture}")

        show(session, "hostile: read the host's secrets", "open('/etc/shadow').read()", "error")
        show(session, "hostile: use the network", NETWORK, "error")
        show(session, "hostile: kill what watches over it", "import os; os.kill(1, 9)", "error")
        endless = show(session, "never ends", "while True: pass", "timeout", timeout_s=1)
        check(endless.state_kept and session.run("len(weather)").text == "2922", "the variables are still there")
        killed = show(session, "never ends, and will not be interrupted", STUBBORN, "timeout", timeout_s=1)
        check(not killed.state_kept, "it was killed, and its variables with it")
        after = show(session, "the session lives on, with its files", "sum(1 for line in open('weather.csv'))")
        check(after.text == "2923", "the file is still there")

        pandas = "import pandas as pd; pd.DataFrame({'a': [1, 2, 3]}).a.sum()"
        print("\nround trips over HTTP, measured here (median)")
        print(f"  1+1 in the live session            {median_ms(lambda: session.run('1+1')):7.2f} ms")
        print(f"  pandas in a fresh sandbox each     {median_ms(lambda: client.run(pandas)):7.2f} ms")
    print(f"\nThe picture is in {picture}")
    print("To go on: . .venv/bin/activate && insitu run 'sum(range(10))'")


def show(
    session: insitu.ClientSession, title: str, code: str, expected: str = "ok", timeout_s: float | None = None
) -> insitu.Execution:
    """Run code, print what it says while it says it, and then where the time went."""
    print(f"\n── {title}\n{indent(code.strip(), '  > ')}", flush=True)
    begun = time.perf_counter()
    execution: insitu.Execution | None = None
    for event in session.stream(code, timeout_s=timeout_s):
        at_ms = (time.perf_counter() - begun) * 1000
        shown = event.data["data"].get("text/plain", "") if event.kind == "result" else event.text
        if shown:
            print(indent(shown.rstrip(), f"{at_ms:7.1f} ms │ ", lambda line: True), flush=True)
        execution = event.execution
    round_trip_ms = (time.perf_counter() - begun) * 1000
    assert execution is not None, "the last event carries the execution"
    if execution.error:
        print(f"  {execution.error.name}: {execution.error.value}")
    t = execution.timings
    print(
        f"  {execution.outcome}: sandbox {t.sandbox_ms:.2f} ms, run {t.run_ms:.2f} ms, total {t.total_ms:.2f} ms;"
        f" round trip {round_trip_ms:.2f} ms"
    )
    if execution.outcome != expected:
        sys.exit(f"demo failed: {title!r} should have ended in {expected!r}")
    return execution


def check(holds: bool, what: str) -> None:
    """Say what holds, or end the demo."""
    if not holds:
        sys.exit(f"demo failed: it is not so that {what}")
    print(f"  ✓ {what}")


def median_ms(run: Callable[[], insitu.Execution], rounds: int = 30) -> float:
    """The median time of a call, in milliseconds."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        if not run().ok:
            sys.exit("demo failed: a simple execution went wrong")
        times.append((time.perf_counter() - begun) * 1000)
    return median(times)


@contextmanager
def serving(data: str) -> Iterator[str]:
    """`insitu serve` on a free port, with a data folder of its own, for as long as the block runs; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INSITU_")}
    command = [sys.executable, "-m", "insitu", "serve", "--port", url.rpartition(":")[2], "--data-dir", data]
    # `kill` of the demo must not leave the server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        wait_until_ready(server, url)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    """Wait until sandboxes are ready; end the demo if the server ends, or takes too long."""
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    sys.exit("demo failed: the server did not start; `insitu doctor` says what is missing")


if __name__ == "__main__":
    main()
