"""The words of single channels: begun from the main ones, told of a change, said by their channel
alone, and signed.
"""

from typing import Any

import pytest

from broadcaster import freezing, overriding
from broadcaster.announcements import InvalidAnnouncement
from broadcaster.signing import canonical, decode
from channels.base.contract import Site
from desk import NOTICE, NOW, checked

FORM = {**NOTICE, "summary": "Tampung air."}


def edition_of(raw: dict[str, Any]) -> Any:
    """Frozen as publishing does."""
    return freezing.freeze(
        checked(raw), site=Site(), announcement="a" * 32, code="CMH-7K4Q-2M", at=NOW
    )


def test_it_begins_with_the_main_words_and_goes_back_to_automatic() -> None:
    form = overriding.adjust(FORM, "telegram")
    own = form["overrides"]["telegram"]
    assert {name: own[name] for name in overriding.WORDS} == {
        name: FORM[name] for name in overriding.WORDS
    }
    assert overriding.outdated(form) == frozenset()
    assert overriding.make_automatic(form, "telegram") == FORM
    assert overriding.make_automatic(FORM, "telegram") == FORM


def test_a_later_change_of_the_main_text_is_told_until_somebody_looked() -> None:
    form = {**overriding.adjust(FORM, "telegram"), "title": "Air PDAM hidup lagi"}
    assert overriding.outdated(form) == {"telegram"}
    looked = overriding.agree(form, "telegram")
    assert overriding.outdated(looked) == frozenset()
    assert looked["overrides"]["telegram"]["title"] == FORM["title"]
    assert overriding.agree(form, "email") == form


def test_adjusting_twice_keeps_what_was_written() -> None:
    form = overriding.adjust(FORM, "telegram")
    form["overrides"]["telegram"]["title"] = "Lain"
    assert overriding.adjust(form, "telegram")["overrides"]["telegram"]["title"] == "Lain"


def test_only_its_channel_says_it_and_the_signature_covers_it() -> None:
    edition = edition_of({**FORM, "overrides": {"telegram": {"title": "Air mati, isi ember"}}})
    assert edition.on("telegram").wording("id").title == "Air mati, isi ember"
    assert edition.on("telegram").wording("id").body == FORM["body"]
    assert edition.on("whatsapp").wording("id") == edition.wording("id")
    assert b"isi ember" in canonical(edition)
    assert decode(canonical(edition)) == edition


def test_words_that_say_the_same_are_none() -> None:
    assert edition_of(overriding.adjust(FORM, "telegram")).overrides == {}


def test_a_summary_follows_the_channels_own_body() -> None:
    without = {name: value for name, value in FORM.items() if name != "summary"}
    edition = edition_of({**without, "overrides": {"whatsapp": {"body": "Isi ember sekarang."}}})
    assert edition.on("whatsapp").wording("id").summary == "Isi ember sekarang."


def test_a_withdrawal_says_the_same_everywhere() -> None:
    edition = edition_of({**FORM, "overrides": {"telegram": {"title": "Air mati"}}})
    assert freezing.withdrawal(edition, reason="Keliru.", at=NOW).overrides == {}


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"pos": {"title": "A"}}, "overrides"),
        ({"telegram": {"title": "x" * 71}}, "overrides.telegram.title"),
        ({"telegram": {"judul": "A"}}, "overrides.telegram.judul"),
        ({"telegram": {"title": "..."}}, "overrides.telegram.title"),
    ],
)
def test_it_is_held_against_the_same_rules(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidAnnouncement) as refused:
        checked({**FORM, "overrides": overrides})
    assert field in {problem.field for problem in refused.value.problems}
