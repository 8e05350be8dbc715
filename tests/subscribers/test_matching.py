"""Areas as residents write them, and how each text is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.areas import AreaTree

TREE = AreaTree.built_in()


def slugs(text: str) -> list[str]:
    """Return the slugs of the areas that a text may mean."""
    return [area.slug for area in TREE.match(text).areas]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("cibabat", "cibabat"), ("CIBABAT", "cibabat"), ("  Cibabat. ", "cibabat"), ("Kel. Cibabat", "cibabat"),
        ("kelurahan cibabat", "cibabat"), ("32.77.03.1002", "cibabat"), ("3277031002", "cibabat"),
        ("kel-3277031002", "cibabat"), ("Karang Mekar", "karangmekar"), ("karang-mekar", "karangmekar"),
        ("Leuwi Gajah", "leuwigajah"), ("lewigajah", "leuwigajah"), ("Citereup", "citeureup"), ("cigugur", "cigugur-tengah"),
        ("cigugurtengah", "cigugur-tengah"), ("utama", "utama"), ("kel utama", "utama"), ("cimahi utara", "cimahi-utara"),
        ("Kec. Cimahi Utara", "cimahi-utara"), ("cimahi tgh", "cimahi-tengah"), ("kec cimahi sel", "cimahi-selatan"),
        ("kota cimahi", "cimahi"), ("seluruh kota", "cimahi"), ("kel cimahi", "kelurahan-cimahi"),
        ("kelurahan-cimahi", "kelurahan-cimahi"), ("Kel. Cimahi", "kelurahan-cimahi"), ("Cíbabat", "cibabat"),
    ],
)  # fmt: skip
def test_a_known_spelling_is_certain(text: str, slug: str) -> None:
    match = TREE.match(text)
    assert ([area.slug for area in match.areas], match.certain) == ([slug], True)


@pytest.mark.parametrize("text", ["cimahi", "Cimahi", "CIMAHI!", "cimahy", "cimai"])
def test_cimahi_is_never_guessed_between_city_and_kelurahan(text: str) -> None:
    match = TREE.match(text)
    assert ([area.slug for area in match.areas], match.certain) == (
        ["cimahi", "kelurahan-cimahi"],
        False,
    )


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("cibabet", ["cibabat"]), ("citeurup", ["citeureup"]), ("melng", ["melong"]), ("cipagern", ["cipageran"]),
        ("leuwi gaja", ["leuwigajah"]), ("kel cibabet", ["cibabat"]), ("setimanah", ["setiamanah"]),
        ("cibereup", ["cibeureum", "citeureup"]), ("cibeureup", ["cibeureum", "citeureup"]),
        ("utara", ["cimahi-utara", "utama"]), ("kec utara", ["cimahi-utara"]), ("kel utara", ["utama"]),
        ("kec cimahi", ["cimahi-selatan", "cimahi-tengah", "cimahi-utara"]), ("kel cimahi utara", ["cimahi-utara"]),
    ],
)  # fmt: skip
def test_a_misspelling_is_asked_back(text: str, candidates: list[str]) -> None:
    match = TREE.match(text)
    assert ([area.slug for area in match.areas], match.certain) == (candidates, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "lembang",
        "bandung",
        "padalarang",
        "kel",
        "kelurahan",
        "x",
        "32.77.03.9999",
        "rw 05",
        "🙂",
    ],
)
def test_what_is_none_of_ours_matches_nothing(text: str) -> None:
    match = TREE.match(text)
    assert (match.areas, match.certain) == ((), False)


@pytest.mark.parametrize(
    "text",
    [
        "cibabat, melong",
        "cibabat dan melong",
        "melong cibabat",
        "Kel. Cibabat; Kel. Melong",
        "cibabat & melong",
    ],
)
def test_several_areas_at_once_are_certain(text: str) -> None:
    match = TREE.match(text)
    assert ([area.slug for area in match.areas], match.certain) == (["melong", "cibabat"], True)


def test_one_unsure_part_makes_the_whole_unsure() -> None:
    match = TREE.match("melong, cimahi")
    assert (sorted(area.slug for area in match.areas), match.certain) == (
        ["cimahi", "kelurahan-cimahi", "melong"],
        False,
    )


def test_a_name_among_other_words_is_asked_back() -> None:
    assert slugs("cibabat rw 05") == ["cibabat"]
    assert not TREE.match("cibabat rw 05").certain
    assert slugs("saya warga cibabet pak") == ["cibabat"]


def test_a_full_postal_address_is_not_taken_for_the_whole_city() -> None:
    match = TREE.match("Kel. Cibabat, Kec. Cimahi Utara, Kota Cimahi")
    assert "cibabat" in [area.slug for area in match.areas]
    assert not match.certain


@pytest.mark.parametrize("area", TREE.all(), ids=lambda area: area.slug)
def test_every_full_name_is_certain(area) -> None:  # type: ignore[no-untyped-def]
    for text in (area.code, area.full_name, area.label, area.full_name.upper()):
        match = TREE.match(text)
        assert (match.areas, match.certain) == ((area,), True)


@given(st.sampled_from(TREE.kelurahan), st.data())
def test_one_dropped_letter_still_finds_the_kelurahan(area, data) -> None:  # type: ignore[no-untyped-def]
    name = area.full_name
    position = data.draw(st.integers(min_value=len("kelurahan ") + 1, max_value=len(name) - 1))
    assert area in TREE.match(name[:position] + name[position + 1 :]).areas


@given(st.text(max_size=400))
def test_no_text_breaks_the_matching(text: str) -> None:
    match = TREE.match(text)
    assert not match.certain or match.areas
