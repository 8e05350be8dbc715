"""The tree of areas: names, exact words, which area concerns which, replacing it, outlines."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from subscribers.areas import AreaTree, BadAreas, UnknownArea, add_outlines, deepest, replace_tree
from support.subscriber_samples import small_city

TREE = AreaTree.built_in()
CODES = [area.code for area in TREE.all()]
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[107.5, -6.9], [107.6, -6.9], [107.6, -6.8], [107.5, -6.9]]],
}


def feature(code: str | None, geometry: Any = SQUARE, name: str = "code") -> dict[str, Any]:
    """Return one GeoJSON feature."""
    return {"type": "Feature", "properties": {name: code} if code else {}, "geometry": geometry}


def collection(*features: Any) -> dict[str, Any]:
    """Return a GeoJSON file."""
    return {"type": "FeatureCollection", "features": list(features)}


def test_labels_tell_kelurahan_cimahi_from_kota_cimahi() -> None:
    assert [TREE["cimahi"].label, TREE["kelurahan-cimahi"].label] == ["Kota Cimahi", "Kel. Cimahi"]
    assert TREE["cimahi-utara"].full_name == "Kecamatan Cimahi Utara"
    assert TREE["32.77.02.1006"].full_name == "Kelurahan Cimahi"


def test_an_area_is_found_by_code_and_by_slug() -> None:
    assert TREE["cibabat"] is TREE["32.77.03.1002"]
    assert TREE.get("lembang") is None
    assert "cibabat" in TREE
    assert "lembang" not in TREE
    with pytest.raises(KeyError):
        TREE["lembang"]


def test_the_tree_knows_its_levels() -> None:
    assert TREE.city.slug == "cimahi"
    assert [area.slug for area in TREE.kecamatan] == [
        "cimahi-selatan",
        "cimahi-tengah",
        "cimahi-utara",
    ]
    assert len(TREE.kelurahan) == 15
    assert [area.slug for area in TREE.children(TREE["cimahi-utara"])] == [
        "pasirkaliki",
        "cibabat",
        "citeureup",
        "cipageran",
    ]
    assert TREE.all()[0] is TREE.city


def test_times_without_a_zone_are_western_indonesian() -> None:
    assert TREE.zone.utcoffset(None) == timedelta(hours=7)


@pytest.mark.parametrize(
    ("text", "slugs"),
    [
        ("cibabat melong", "cibabat melong"),
        ("Kel. Cibeber", "cibeber"),
        ("Kelurahan Cibeber; Kec. Cimahi Utara", "cibeber cimahi-utara"),
        ("Cigugur Tengah", "cigugur-tengah"),
        ("citereup", "citeureup"),
        (
            "CIBABAT | Cigugur Tgh / leuwi gajah, 32.77.01.1001",
            "cibabat cigugur-tengah leuwigajah melong",
        ),
        ("cibabat;melong utama", "cibabat melong utama"),
        ("Cibeber dan Melong", "cibeber melong"),
        ("Kel. Cimahi\nKota Cimahi", "kelurahan-cimahi cimahi"),
        ("Ci\u200bbeber\u202c ;", "cibeber"),
    ],
)
def test_lists_that_people_type_name_areas_in_several_ways(text: str, slugs: str) -> None:
    assert sorted(area.slug for area in TREE.named(text)) == sorted(slugs.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Cibabat; Cimahi",
            'Wilayah "Cimahi" dapat berarti Kota Cimahi (tulis: cimahi) atau Kel. Cimahi (tulis: kelurahan-cimahi).',
        ),
        ("cibabat; Lembang", 'Wilayah "Lembang" tidak dikenal. Lihat: broadcaster areas list.'),
        ("cibabet", 'Wilayah "cibabet" tidak dikenal. Maksud Anda cibabat?'),
        ("Cibabat Lembang", 'Wilayah "Cibabat Lembang" tidak dikenal. Maksud Anda cibabat?'),
    ],
)
def test_what_is_not_surely_an_area_is_asked_about(text: str, message: str) -> None:
    with pytest.raises(UnknownArea) as refused:
        TREE.named(text)
    assert str(refused.value) == message


def test_exact_takes_slugs_and_codes_only() -> None:
    assert TREE.exact(" cibabat ") is TREE["cibabat"]
    assert TREE.exact("32.77.03.1002") is TREE["cibabat"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cibabet", 'Wilayah "cibabet" tidak dikenal. Maksud Anda cibabat?'),
        ("Cibabat", 'Wilayah "Cibabat" tidak dikenal. Maksud Anda cibabat?'),
        ("Kota Cimahi", 'Wilayah "Kota Cimahi" tidak dikenal. Maksud Anda cimahi?'),
        ("Cimahi", 'Wilayah "Cimahi" tidak dikenal. Maksud Anda cimahi atau kelurahan-cimahi?'),
        ("lembang", 'Wilayah "lembang" tidak dikenal. Lihat: broadcaster areas list.'),
    ],
)
def test_exact_suggests_what_was_meant(text: str, sentence: str) -> None:
    with pytest.raises(UnknownArea) as caught:
        TREE.exact(text)
    assert str(caught.value) == sentence


def test_a_kelurahan_concerns_itself_its_kecamatan_and_the_city() -> None:
    assert TREE.concerned(["cibabat"]) == {"32.77.03.1002", "32.77.03", "32.77"}


def test_a_kecamatan_concerns_the_kelurahan_within() -> None:
    assert TREE.concerned(["32.77.03"]) == {
        "32.77",
        "32.77.03",
        *(area.code for area in TREE.children(TREE["cimahi-utara"])),
    }


def test_the_city_concerns_everyone() -> None:
    assert TREE.concerned(["cimahi"]) == set(CODES)


@given(st.sampled_from(CODES), st.sampled_from(CODES))
def test_concern_is_mutual(code: str, other: str) -> None:
    assert (code in TREE.concerned([other])) == (other in TREE.concerned([code]))


@given(st.sets(st.sampled_from(CODES), min_size=1))
def test_several_areas_concern_what_each_concerns(codes: set[str]) -> None:
    assert TREE.concerned(codes) == frozenset().union(*(TREE.concerned([code]) for code in codes))


def test_an_unknown_area_concerns_nobody() -> None:
    with pytest.raises(KeyError):
        TREE.concerned(["32.77.09"])


def test_a_delivery_counts_under_the_lowest_matching_kelurahan_else_above() -> None:
    subscribed = ["32.77", "32.77.03", "32.77.03.1002", "32.77.01.1001"]
    assert TREE.counted_under(subscribed) == "32.77.01.1001"
    assert TREE.counted_under(subscribed, TREE.concerned(["cibabat"])) == "32.77.03.1002"
    assert TREE.counted_under(subscribed, TREE.concerned(["citeureup"])) == "32.77.03"
    assert TREE.counted_under(subscribed, TREE.concerned(["baros"])) == "32.77"
    assert TREE.counted_under(["32.77.01.1001"], TREE.concerned(["cibabat"])) is None
    assert deepest([]) is None


def test_without_an_import_the_built_in_tree_is_used(conn: Connection) -> None:
    assert AreaTree.from_store(conn) is TREE


def banjar() -> dict[str, Any]:
    """Return the document of another city."""
    return small_city("Purwaharja", "purwaharja")


def test_another_city_replaces_the_tree(conn: Connection) -> None:
    assert replace_tree(conn, banjar()).city.name == "Kota Banjar"
    assert [area.slug for area in AreaTree.from_store(conn).all()] == [
        "banjar",
        "purwaharja",
        "mekarsari",
    ]
    assert AreaTree.from_store(conn).match("kota banjar").certain


def test_a_bad_tree_changes_nothing(conn: Connection) -> None:
    with pytest.raises(BadAreas):
        replace_tree(conn, {**banjar(), "kelurahan": [{"code": "1", "name": "X", "slug": "x"}]})
    assert AreaTree.from_store(conn) is TREE


def test_a_tree_that_lacks_subscribed_areas_is_refused(conn: Connection, sign_up: Any) -> None:
    sign_up("rina@contoh.example", "cibabat")
    with pytest.raises(BadAreas, match=r"1 langganan memakai wilayah 32\.77\.03\.1002"):
        replace_tree(conn, banjar())


def test_outlines_are_added_to_the_built_in_tree(conn: Connection) -> None:
    tree = add_outlines(
        conn, collection(feature("32.77.03.1002"), feature("32.77.01.1001", name="kode"))
    )
    assert set(tree.outlines) == {"32.77.03.1002", "32.77.01.1001"}
    assert AreaTree.from_store(conn).outlines["32.77.03.1002"] == SQUARE
    assert AreaTree.from_store(conn).document == TREE.document


def test_later_outlines_join_the_earlier_ones(conn: Connection) -> None:
    add_outlines(conn, collection(feature("32.77.03.1002")))
    assert len(add_outlines(conn, collection(feature("32.77.01.1001"))).outlines) == 2


def test_outlines_of_areas_that_are_gone_go_too(conn: Connection) -> None:
    add_outlines(conn, collection(feature("32.77.03.1002")))
    assert replace_tree(conn, banjar()).outlines == {}


def test_a_replaced_tree_keeps_its_names_when_outlines_come(conn: Connection) -> None:
    replace_tree(conn, banjar())
    assert add_outlines(conn, collection(feature("32.79.01.1001"))).city.name == "Kota Banjar"


@pytest.mark.parametrize(
    ("geojson", "message"),
    [
        ({"type": "Feature"}, "bukan FeatureCollection"),
        (collection(), "bukan FeatureCollection"),
        (collection(feature(None)), "Fitur 1: tidak ada properti code atau kode"),
        (collection("x"), "Fitur 1: tidak ada properti"),
        (
            collection(feature("32.77.03.1002", {"type": "Point", "coordinates": [1, 2]})),
            "harus Polygon atau MultiPolygon",
        ),
        (collection(feature("32.77.03.1002", None)), "harus Polygon atau MultiPolygon"),
        (
            collection(feature("32.77.03.1002"), feature("cibabet")),
            'Fitur 2: Wilayah "cibabet" tidak dikenal',
        ),
    ],
)
def test_bad_outlines_are_refused_with_the_reason(
    conn: Connection, geojson: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadAreas) as caught:
        add_outlines(conn, geojson)
    assert message in str(caught.value)
    assert AreaTree.from_store(conn).outlines == {}
