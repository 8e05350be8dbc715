"""Text lost by a change of a form: corrected typos are small, a cut or cleared text is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.text_losses import SMALL, is_small, loss

BODY = "Perumda Tirta mengganti pipa induk di Jl. Amir Machmud sampai pukul dua siang."
texts = st.text(alphabet="ab c", max_size=60)


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        (BODY, 0),
        (f"Pengumuman. {BODY} Terima kasih.", 0),
        (BODY.replace("pipa", "pipa lama"), 0),
        (BODY.replace("induk ", ""), 6),
        ("", len(BODY)),
        ("Ganti semua.", len(BODY) - 1),
    ],
)
def test_only_removed_text_counts(after: str, lost: int) -> None:
    assert loss({"body": BODY}, {"body": after}) == lost


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"body": BODY}, {}),
        ({"body": BODY}, {"body": BODY[:40]}),
        ({"overrides": {"telegram": {"body": BODY}}}, {"overrides": {}}),
        (
            {"translations": {"en": {"title": "No tap water in Cibabat"}}},
            {"translations": {"en": {"title": "No"}}},
        ),
        ({"areas": ["cibabat", "pasirkaliki", "melong"]}, {"areas": []}),
        ({"image": "https://info.cimahi.example/media/1234/besar.jpg"}, {}),
        ({"title": "Air mati di Cibabat hari ini"}, {"title": "Listrik padam"}),
    ],
)
def test_a_cut_or_cleared_field_is_no_small_change(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert not is_small(before, after)


def test_a_corrected_typo_is_small_until_there_were_many() -> None:
    before, after = {"body": BODY}, {"body": BODY.replace("siang", "sore")}
    assert is_small(before, after)
    assert not is_small(before, after, lost=SMALL - 1)


def test_the_order_of_areas_is_no_loss() -> None:
    assert loss({"areas": ["cibabat", "melong"]}, {"areas": ["melong", "cibabat", "cigugur"]}) == 0


@given(texts, texts)
def test_nothing_is_lost_by_adding_in_one_place(text: str, more: str) -> None:
    for place in range(len(text) + 1):
        assert loss({"body": text}, {"body": text[:place] + more + text[place:]}) == 0


@given(texts, texts)
def test_a_loss_is_never_larger_than_the_text_nor_smaller_than_the_difference(
    before: str, after: str
) -> None:
    assert (
        max(0, len(before) - len(after)) <= loss({"body": before}, {"body": after}) <= len(before)
    )
