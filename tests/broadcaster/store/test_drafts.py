"""Versions of drafts: any text the server held that was more than a few words is in the history."""

import difflib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.domain.actor import NamedActor
from broadcaster.newsroom import drafts
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing import publications
from broadcaster.store import accounts
from broadcaster.store.database import Database
from broadcaster.store.drafts import DraftVersion, history
from support.desk import NOTICE, NOW, checked, later, press
from support.staffing import person

LONG = "Perumda Tirta mengganti pipa induk. Tampung air sekarang. Truk tangki menunggu di kantor kelurahan sampai sore."


class Writer:
    """A person typing; every save is an autosave some seconds after the one before."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.account = database.write_now(accounts.add, person("rina"), at=NOW.timestamp())
        self.announcement: str | None = None
        self.seconds = 0.0

    def save(self, form: dict[str, Any], after: float = 3.0, **options: Any) -> None:
        """Save the form as it is `after` seconds later."""
        self.seconds += after
        desk = Desk(press=press(), account=self.account, now=later(seconds=self.seconds))
        row = self.database.write_now(
            drafts.save, desk, form, announcement_id=self.announcement, **options
        )
        self.announcement = row.id

    def history(self) -> list[DraftVersion]:
        """Return the versions, newest first."""
        assert self.announcement is not None
        return self.database.read_now(history, self.announcement)

    def bodies(self) -> list[str]:
        """Return the bodies of the history."""
        return [str(version.form.get("body", "")) for version in self.history()]


@pytest.fixture
def rina(database: Database) -> Writer:
    return Writer(database)


def test_text_cleared_after_three_seconds_is_in_the_history(rina: Writer) -> None:
    rina.save({"body": LONG})
    rina.save({})
    assert rina.bodies() == ["", LONG]


def test_continuous_typing_is_one_version(rina: Writer) -> None:
    for end in range(10, len(LONG), 10):
        rina.save({"body": LONG[:end]})
    rina.save({"body": LONG})
    assert rina.bodies() == [LONG]


def test_text_deleted_little_by_little_is_kept_too(rina: Writer) -> None:
    for end in range(len(LONG), 0, -5):
        rina.save({"body": LONG[:end]})
    assert len(LONG) - len(rina.bodies()[-1]) <= 20
    gaps = [
        len(longer) - len(shorter)
        for shorter, longer in zip(rina.bodies(), rina.bodies()[1:], strict=False)
    ]
    assert max(gaps) <= 25


def test_a_text_that_was_written_over_is_kept_and_can_be_put_back(rina: Writer) -> None:
    rina.save({"title": "Air mati", "body": LONG})
    rina.save({"title": "Air mati", "body": "Listrik padam di seluruh kecamatan sejak pagi ini."})
    first = rina.history()[-1]
    desk = Desk(press=press(), account=rina.account, now=later(seconds=60))
    rina.database.write_now(drafts.restore, desk, rina.announcement, first.number)
    assert rina.bodies()[0] == LONG
    assert "Listrik padam di seluruh kecamatan sejak pagi ini." in rina.bodies(), (
        "what was there before is not lost by it"
    )


def test_words_of_a_channel_and_a_picture_that_were_taken_away_are_kept(rina: Writer) -> None:
    own = {
        "body": "Air mati.",
        "overrides": {"telegram": {"body": LONG}},
        "image": "https://info.cimahi.example/media/a/besar.jpg",
    }
    rina.save(own)
    rina.save({"body": "Air mati."})
    assert rina.history()[1].form == own


def test_what_came_by_the_api_is_kept_before_the_composer_writes_over_it(rina: Writer) -> None:
    stored = rina.database.write_now(
        publications.save_draft, press(), checked(), actor=NamedActor(name="token:portal", now=NOW)
    )
    rina.announcement = stored.id
    rina.save({**NOTICE, "body": "Semua diganti oleh orang lain."})
    assert rina.bodies() == ["Semua diganti oleh orang lain.", NOTICE["body"]]
    assert rina.history()[-1].actor == "token:portal"


def test_a_chosen_overwrite_keeps_the_text_it_replaced(rina: Writer) -> None:
    rina.save({"body": LONG})
    rina.save({"body": LONG[:-1]}, apart=True)
    assert rina.bodies() == [LONG[:-1], LONG]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["type", "cut", "clear", "replace", "undo"]),
        st.text(alphabet="abcde fghij.", min_size=25, max_size=80),
        st.floats(min_value=0, max_value=1),
        st.sampled_from([1.5, 3.0, 400.0]),
    ),
    min_size=1,
    max_size=14,
)


def edited(body: str, before: str, act: str, text: str, place: float) -> str:
    """Return the body after an edit of this kind at this place (0 to 1)."""
    at = int(place * len(body))
    pieces = {
        "type": body[:at] + text + body[at:],
        "cut": body[:at],
        "clear": "",
        "replace": text,
        "undo": before,
    }
    return pieces[act].strip()


def characters_kept(text: str, version: str) -> int:
    """Count the characters of a text that a version holds, in order."""
    return sum(
        block.size
        for block in difflib.SequenceMatcher(
            None, text, version, autojunk=False
        ).get_matching_blocks()
    )


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(CHANGES)
def test_every_longer_text_the_server_held_is_in_the_history(
    database: Database, changes: list[Any]
) -> None:
    rina = Writer.__new__(Writer)
    rina.database, rina.announcement, rina.seconds = database, None, 0.0
    rina.account = next(iter(database.read_now(accounts.everyone)), None) or database.write_now(
        accounts.add, person("rina"), at=NOW.timestamp()
    )
    texts, body, before = [], "", ""
    for act, text, place, seconds in changes:
        body, before = edited(body, before, act, text, place), body
        rina.save({"body": body} if body else {}, after=seconds)
        texts.append(body)
    bodies = rina.bodies()
    for text in texts:
        if len(text) > 20:
            assert max(characters_kept(text, version) for version in bodies) >= len(text) - 20, text
