"""The sample residents: the same people each time, with addresses that belong to nobody."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime

from broadcaster.runtime.config import channel_modules
from broadcaster.simulation.residents import (
    COLUMNS,
    RESIDENTS,
    SHARES,
    csv_text,
    neighbours,
    rows,
    spaced,
)
from subscribers.areas import AreaTree

TREE = AreaTree.built_in()
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)


def people() -> list[dict[str, str]]:
    """Return the sample rows by column."""
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows(TREE, NOW)]


def test_the_city_is_the_same_each_time() -> None:
    assert csv_text(TREE, NOW) == csv_text(TREE, NOW)


def test_there_are_12480_residents_and_no_address_twice() -> None:
    residents = people()
    assert len({row["subscriber"] for row in residents}) == RESIDENTS
    assert len({(row["channel"], row["address"]) for row in residents}) == len(residents)
    shares = Counter(row["channel"] for row in residents)
    assert shares["whatsapp"] > shares["telegram"] > 2_000
    assert shares["email"] > 1_500


def test_every_address_is_taken_by_its_channel_as_it_stands() -> None:
    modules = channel_modules()
    for row in people():
        assert modules[row["channel"]].parse_address(row["address"]) == row["address"]


def test_no_address_can_belong_to_anybody() -> None:
    for row in people():
        match row["channel"]:
            case "whatsapp":
                assert row["address"].startswith("62860")
                assert len(row["address"]) == 13
            case "telegram":
                assert int(row["address"]) >= 4 * 10**15
            case "email":
                assert row["address"].endswith(".example")


def test_residents_live_in_every_kelurahan_by_its_share() -> None:
    assert set(SHARES) == {area.slug for area in TREE.kelurahan}
    homes = Counter(row["areas"].split()[0] for row in people())
    assert homes["melong"] > homes["cibabat"] > homes["padasuka"] > homes["kelurahan-cimahi"] > 200
    assert homes["cimahi"] > 500
    assert homes["cimahi-utara"] > 50


def test_topics_languages_and_consents_are_those_an_import_knows() -> None:
    topics = {topic for row in people() for topic in row["topics"].split()}
    assert topics >= {"darurat", "gangguan-layanan", "bansos"}
    assert {row["language"] for row in people()} == {"id", "en"}
    assert all(
        row["consent_source"] and datetime.fromisoformat(row["consent_at"]) < NOW
        for row in people()
    )


def test_one_neighbour_of_each_kelurahan_has_all_three_channels_and_only_that_kelurahan() -> None:
    residents = people()
    for slug, person in neighbours().items():
        own = [
            row
            for row in residents
            if row["address"] in (person.phone, str(person.chat), person.mail)
        ]
        assert [(row["areas"], row["topics"]) for row in own] == [(slug, "")] * 3
    assert len({person.name for person in neighbours().values()}) == len(SHARES)


def test_the_file_reads_back_as_the_rows() -> None:
    read = list(csv.reader(io.StringIO(csv_text(TREE, NOW))))
    assert tuple(read[0]) == COLUMNS
    assert [tuple(row) for row in read[1:]] == list(rows(TREE, NOW))


def test_a_number_is_shown_as_people_write_it() -> None:
    assert spaced("6286000000012") == "+62 860-0000-0012"
