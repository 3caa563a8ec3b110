"""The table of clients says what their tests show, of versions that these tests run with."""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

from scripts.conformance import CLIENTS, FEATURES, marks, ranges, recorded


def test_what_is_noted_of_a_client_is_what_its_tests_are_marked_to_show() -> None:
    marked = {
        (mark.client, mark.api): tuple(name for name in FEATURES if (mark.client, mark.api, name) in shown)
        for shown in [{(each.client, each.api, each.feature) for each in marks()}]
        for mark in marks()
    }
    noted = {
        (row.client, row.api): row.shows for row in recorded() if row.version in SpecifierSet(ranges(row.client)[0])
    }
    assert noted == marked, "run `make clients`"


def test_every_major_that_is_asked_for_is_noted_and_no_other() -> None:
    versions = {client: [row.version for row in recorded() if row.client == client] for client in CLIENTS}
    for client, noted in versions.items():
        asked = [SpecifierSet(each) for each in ranges(client)]
        assert [any(version in each for each in asked) for version in noted] == [True] * len(noted), (client, noted)
        assert [any(version in each for version in noted) for each in asked] == [True] * len(asked), (client, asked)
