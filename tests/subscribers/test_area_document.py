"""Checking a file of areas: each mistake is named, all at once."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import subscribers
from subscribers.area_document import BadAreas, read_document, slugify
from support.subscriber_samples import small_city

BUILT_IN = json.loads(
    (Path(subscribers.__file__).parent / "cimahi.json").read_text(encoding="utf-8")
)

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> dict[str, Any]:
    """Return the built-in document with one change."""
    document: dict[str, Any] = copy.deepcopy(BUILT_IN)
    change(document)
    return document


def test_the_built_in_city_has_three_kecamatan_and_fifteen_kelurahan() -> None:
    contents = read_document(BUILT_IN)
    levels = [area.level for area in contents.areas]
    assert (levels.count("city"), levels.count("kecamatan"), levels.count("kelurahan")) == (
        1,
        3,
        15,
    )
    assert contents.grid == (5, 4)


def test_no_kelurahan_has_an_invented_population() -> None:
    areas = read_document(BUILT_IN).areas
    assert {area.population for area in areas if area.level == "kelurahan"} == {None}
    assert (areas[0].population, areas[0].population_as_of) == (
        581_994,
        "Dukcapil, semester 2 of 2024",
    )
    assert {area.population_as_of for area in areas if area.level == "kecamatan"} == {"2020"}


def test_the_built_in_document_keeps_its_sources() -> None:
    assert all(source["fields"] and source["source"] for source in BUILT_IN["sources"])


def test_each_kelurahan_has_its_own_tile() -> None:
    tiles = [area.tile for area in read_document(BUILT_IN).areas if area.level == "kelurahan"]
    assert None not in tiles
    assert len(set(tiles)) == 15


def test_neighbours_know_each_other() -> None:
    areas = {area.code: area for area in read_document(BUILT_IN).areas}
    assert all(
        area.code in areas[other].neighbours for area in areas.values() for other in area.neighbours
    )


def test_another_city_needs_little() -> None:
    assert [area.slug for area in read_document(small_city()).areas] == [
        "banjar",
        "kecamatan-banjar",
        "mekarsari",
    ]


def test_areas_come_by_level_and_code_whatever_the_order_of_the_file() -> None:
    document = changed(lambda d: d["kelurahan"].reverse())
    assert read_document(document).areas == read_document(BUILT_IN).areas


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["kelurahan"][0].update(code="32.77.01.101"),
            "kode kelurahan berbentuk 32.77.03.1002",
        ),
        (lambda d: d["kecamatan"][0].update(code="3277.01"), "kode kecamatan berbentuk 32.77.03"),
        (lambda d: d["city"].update(code="32"), "kode kota berbentuk 32.77"),
        (
            lambda d: d["kelurahan"][0].update(parent="32.77.09"),
            'Induk "32.77.09" dari 32.77.01.1001',
        ),
        (
            lambda d: d["kelurahan"][0].update(parent="32.77.03"),
            'Induk "32.77.03" dari 32.77.01.1001',
        ),
        (lambda d: d["kelurahan"][0].pop("parent"), 'Induk "None" dari 32.77.01.1001'),
        (lambda d: d["kelurahan"][0].update(slug="cibabat"), 'Slug "cibabat" dipakai 2 kali'),
        (lambda d: d["kelurahan"][0].update(slug="Me long"), 'Slug "Me long"'),
        (lambda d: d["kelurahan"][0].update(name=" "), "Wilayah 32.77.01.1001 tidak bernama"),
        (
            lambda d: d["kelurahan"].append(copy.deepcopy(d["kelurahan"][0])),
            'Kode "32.77.01.1001" dipakai 2 kali',
        ),
        (
            lambda d: d["kelurahan"][10].update(slug="cimahi-kota"),
            'slugnya harus "kelurahan-cimahi"',
        ),
        (lambda d: d["kelurahan"][0].update(tile={"col": 9, "row": 0}), "di luar kisi 5 x 4"),
        (lambda d: d["kelurahan"][0].update(tile={"col": 3, "row": 3}), "tile yang sama"),
        (lambda d: d.pop("tile_grid"), "tile_grid tidak ada"),
        (
            lambda d: d["kelurahan"][0]["neighbours"].append("32.77.09.1001"),
            "Kode 32.77.09.1001 disebut",
        ),
        (lambda d: d["ambiguous_terms"].update(x=["32.78"]), "Kode 32.78 disebut"),
        (lambda d: d["confusable"][0]["candidates"].append("32.78"), "Kode 32.78 disebut"),
        (lambda d: d.pop("city"), "tidak berbentuk seperti cimahi.json"),
        (lambda d: d["kelurahan"][3].pop("name"), "kelurahan[3]"),
        (lambda d: d["kelurahan"][3].update(name=7), "kelurahan[3].name"),
    ],
)
def test_a_mistake_is_named(change: Change, message: str) -> None:
    with pytest.raises(BadAreas) as caught:
        read_document(changed(change))
    assert message in str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    def make_two_mistakes(document: dict[str, Any]) -> None:
        document["kelurahan"][0].update(slug="Melong")
        document["kelurahan"][1].update(parent="32.77.09")

    with pytest.raises(BadAreas) as caught:
        read_document(changed(make_two_mistakes))
    assert len(caught.value.problems) == 2


def test_slugify_keeps_letters_and_figures() -> None:
    assert slugify("Kec. Cimahi  Utara!") == "kec-cimahi-utara"
