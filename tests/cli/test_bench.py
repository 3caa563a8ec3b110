from __future__ import annotations

import json

from tests.cli.commands import Commands

QUICK = {"INSITU_PREIMPORT": "", "INSITU_POOL_SIZE": "1"}


def test_times_as_a_table(insitu: Commands) -> None:
    ended = insitu("bench", "-n", "10", env=QUICK)
    assert ended.exit_code == 0
    head, *rows = ended.out.splitlines()
    assert head.split() == ["MILLISECONDS", "P50", "P95", "P99", "N", "CODE"]
    assert [row[:22].strip() for row in rows] == ["fresh sandbox", "sandbox from the pool", "live session"]
    assert ended.err.splitlines()[-1].startswith("layers: namespaces: ")


def test_times_as_json(insitu: Commands) -> None:
    ended = insitu("bench", "-n", "10", "--json", env=QUICK)
    said = json.loads(ended.out)
    assert (said["unit"], said["concurrency"], set(said["layers"]) >= {"namespaces", "seccomp"}) == ("ms", 1, True)
    for measure in said["measures"]:
        assert measure["n"] == 10
        assert 0 < measure["p50"] <= measure["p95"] <= measure["p99"]
