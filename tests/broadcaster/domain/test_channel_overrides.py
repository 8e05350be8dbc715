"""Wordings of single channels: they start as copies of the main one, are reported as outdated when
it changes, and are signed.
"""

from typing import Any

import pytest

from broadcaster.domain import channel_overrides, editions
from broadcaster.domain.rules import InvalidAnnouncement
from broadcaster.domain.signatures import canonical, decode
from channels.base.contract import Site
from support.desk import NOTICE, NOW, checked

FORM = {**NOTICE, "summary": "Tampung air."}


def edition_of(raw: dict[str, Any]) -> Any:
    """Return the edition that publishing would freeze."""
    return editions.freeze(
        checked(raw), site=Site(), announcement="a" * 32, code="CMH-7K4Q-2M", at=NOW
    )


def test_an_override_begins_with_the_main_words_and_goes_back_to_automatic() -> None:
    form = channel_overrides.adjust(FORM, "telegram")
    own = form["overrides"]["telegram"]
    assert {name: own[name] for name in channel_overrides.WORDS} == {
        name: FORM[name] for name in channel_overrides.WORDS
    }
    assert channel_overrides.outdated(form) == frozenset()
    assert channel_overrides.make_automatic(form, "telegram") == FORM
    assert channel_overrides.make_automatic(FORM, "telegram") == FORM


def test_a_later_change_of_the_main_text_is_reported_until_somebody_agrees() -> None:
    form = {**channel_overrides.adjust(FORM, "telegram"), "title": "Air PDAM hidup lagi"}
    assert channel_overrides.outdated(form) == {"telegram"}
    agreed = channel_overrides.agree(form, "telegram")
    assert channel_overrides.outdated(agreed) == frozenset()
    assert agreed["overrides"]["telegram"]["title"] == FORM["title"]
    assert channel_overrides.agree(form, "email") == form


def test_adjusting_twice_keeps_what_was_written() -> None:
    form = channel_overrides.adjust(FORM, "telegram")
    form["overrides"]["telegram"]["title"] = "Lain"
    assert channel_overrides.adjust(form, "telegram")["overrides"]["telegram"]["title"] == "Lain"


def test_only_its_channel_says_it_and_the_signature_covers_it() -> None:
    edition = edition_of({**FORM, "overrides": {"telegram": {"title": "Air mati, isi ember"}}})
    assert edition.on("telegram").wording("id").title == "Air mati, isi ember"
    assert edition.on("telegram").wording("id").body == FORM["body"]
    assert edition.on("whatsapp").wording("id") == edition.wording("id")
    assert b"isi ember" in canonical(edition)
    assert decode(canonical(edition)) == edition


def test_an_override_equal_to_the_main_words_is_none() -> None:
    assert edition_of(channel_overrides.adjust(FORM, "telegram")).overrides == {}


def test_a_summary_follows_the_channels_own_body() -> None:
    without = {name: value for name, value in FORM.items() if name != "summary"}
    edition = edition_of({**without, "overrides": {"whatsapp": {"body": "Isi ember sekarang."}}})
    assert edition.on("whatsapp").wording("id").summary == "Isi ember sekarang."


def test_a_withdrawal_says_the_same_everywhere() -> None:
    edition = edition_of({**FORM, "overrides": {"telegram": {"title": "Air mati"}}})
    assert editions.withdrawal(edition, reason="Keliru.", at=NOW).overrides == {}


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"pos": {"title": "A"}}, "overrides"),
        ({"telegram": {"title": "x" * 71}}, "overrides.telegram.title"),
        ({"telegram": {"judul": "A"}}, "overrides.telegram.judul"),
        ({"telegram": {"title": "..."}}, "overrides.telegram.title"),
    ],
)
def test_an_override_obeys_the_same_rules(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidAnnouncement) as refused:
        checked({**FORM, "overrides": overrides})
    assert field in {problem.field for problem in refused.value.problems}
