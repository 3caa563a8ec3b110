"""The table of clients says what their tests show, of versions that these tests run with."""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

from scripts.conformance import CLIENTS, FEATURES, marks, ranges, recorded
from tests.docs.blocks import ROOT


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


def test_nothing_that_a_client_was_seen_to_do_is_called_impossible() -> None:
    assert [(row.place, both) for row in recorded() if (both := row.lacks & {*row.shows})] == []


def test_every_major_that_is_asked_for_is_noted_and_no_other() -> None:
    versions = {client: [row.version for row in recorded() if row.client == client] for client in CLIENTS}
    for client, noted in versions.items():
        asked = [SpecifierSet(each) for each in ranges(client)]
        assert [any(version in each for each in asked) for version in noted] == [True] * len(noted), (client, noted)
        assert [any(version in each for version in noted) for each in asked] == [True] * len(asked), (client, asked)


def test_both_pages_with_the_addresses_of_clients_have_the_same() -> None:
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "docs/clients.md")]
    tables = [page.partition("| client | address |\n")[2].partition("\n\n")[0] for page in pages]
    assert tables[0] and tables[0] == tables[1]
