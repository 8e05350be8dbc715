"""Lateness on both databases: up to 5 minutes are no delay, more is reported, beyond 30 minutes a
person is asked first.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from broadcaster.domain.actor import NamedActor
from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.newsroom import drafts, release, review
from broadcaster.newsroom.desk import HOLD
from broadcaster.publishing import publications, schedule
from broadcaster.store import audit, nudges
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from support.desk import EMERGENCY, NOTICE, NOW, checked, later, press
from support.newsroom import Newsroom
from support.staffing import person

PLANNED = datetime.fromisoformat("2026-11-25T09:00:00+07:00")
PLAN = {**NOTICE, "publish_at": "2026-11-25 09:00"}
INSTANT = timedelta(milliseconds=1)


class LatenessNewsroom(Newsroom):
    """A newsroom with an author, an approver and an administrator."""

    def __init__(self, database: Database) -> None:
        super().__init__(
            database, person("rina", "author"), person("dewi", "approver"), person("ani", "admin")
        )

    def submit_and_approve(self, form: dict[str, Any]) -> Announcement:
        """Submit a form as Rina and approve it as Dewi."""
        draft = self.perform(drafts.save, "rina", dict(form))
        row: Announcement = self.perform(review.submit, "rina", draft.id)
        self.approve(row, read=True)
        return row

    def schedule_by_command(self, fields: CheckedAnnouncement) -> str:
        """Schedule it by the command line, so that no member of staff wrote or approved it; return
        its id.
        """
        stored = self.database.write_now(
            publications.publish, press(), fields, actor=NamedActor(name="cli", now=NOW)
        )
        return stored.id

    def sweep(self, now: datetime) -> list[str]:
        """Publish what is due at `now`, by schedule or after the hold, as the sweeper does; return
        the ids.
        """
        due = self.database.write_now(schedule.publish_due, press(), now=now)
        return [
            stored.id
            for stored in (*due, *self.database.write_now(release.publish_held, press(), now=now))
        ]

    def nudged_for(self, reason: str) -> set[str]:
        """Return the names of those to be told for this reason."""
        names = {account.id: name for name, account in self.people.items()}
        waiting = self.database.read_now(nudges.due, later(days=2).timestamp())
        return {names[nudge.account] for nudge in waiting if nudge.reason == reason}


@pytest.fixture
def newsroom(database: Database) -> LatenessNewsroom:
    return LatenessNewsroom(database)


EVERYONE = {"rina", "dewi", "ani"}


@pytest.mark.parametrize(
    "form", [PLAN, {**EMERGENCY, "publish_at": "2026-11-25 09:00"}], ids=["notice", "emergency"]
)
@pytest.mark.parametrize(
    ("delay", "goes", "people"),
    [
        (timedelta(minutes=5), True, set()),
        (timedelta(minutes=5) + INSTANT, True, EVERYONE),
        (timedelta(minutes=29), True, EVERYONE),
        (timedelta(minutes=30), True, EVERYONE),
        (timedelta(minutes=30) + INSTANT, False, set()),
    ],
    ids=["5:00", "just over 5:00", "29:00", "30:00", "just over 30:00"],
)
def test_a_schedule_is_told_after_five_minutes_and_asks_after_thirty(
    newsroom: LatenessNewsroom, form: dict[str, Any], delay: timedelta, goes: bool, people: set[str]
) -> None:
    row = newsroom.submit_and_approve(form)
    assert newsroom.sweep(PLANNED + delay) == ([row.id] if goes else [])
    assert newsroom.nudged_for("late") == people
    assert ("late" in newsroom.acts(row)) == bool(people)
    assert newsroom.nudged_for("missed") == (set() if goes else EVERYONE)
    if not goes:
        assert (
            newsroom.stored(row).state,
            "terlewat lebih dari 30 menit" in newsroom.stored(row).note,
        ) == ("approved", True)


def test_a_hold_of_thirty_seconds_that_ends_hours_later_asks_a_person(
    newsroom: LatenessNewsroom,
) -> None:
    row = newsroom.submit_and_approve({**NOTICE, "expires": "2026-11-26 14:00"})
    assert newsroom.sweep(NOW + timedelta(hours=3)) == []
    state = newsroom.stored(row)
    assert (state.state, state.release_at, "terlewat lebih dari 30 menit" in state.note) == (
        "review",
        None,
        True,
    )
    assert newsroom.nudged_for("missed") == EVERYONE


def test_a_hold_that_ends_twenty_nine_minutes_late_goes_out_and_is_told(
    newsroom: LatenessNewsroom,
) -> None:
    row = newsroom.submit_and_approve(NOTICE)
    assert newsroom.sweep(NOW + HOLD + timedelta(minutes=29)) == [row.id]
    assert newsroom.nudged_for("late") == EVERYONE


def test_a_hold_that_ends_in_time_is_told_to_nobody(newsroom: LatenessNewsroom) -> None:
    row = newsroom.submit_and_approve(NOTICE)
    assert newsroom.sweep(NOW + HOLD + timedelta(minutes=5)) == [row.id]
    assert newsroom.nudged_for("late") == set()


def test_a_late_schedule_of_a_command_or_token_is_told_to_administrators(
    newsroom: LatenessNewsroom,
) -> None:
    announcement = newsroom.schedule_by_command(checked(PLAN))
    assert newsroom.sweep(PLANNED + timedelta(minutes=10)) == [announcement]
    assert newsroom.nudged_for("late") == {"ani"}


def test_a_missed_schedule_of_a_command_or_token_asks_administrators(
    newsroom: LatenessNewsroom,
) -> None:
    newsroom.schedule_by_command(checked(PLAN))
    assert newsroom.sweep(PLANNED + timedelta(minutes=31)) == []
    assert newsroom.nudged_for("missed") == {"ani"}


def test_a_schedule_past_its_expiry_asks_a_person_however_little_it_is_late(
    newsroom: LatenessNewsroom,
) -> None:
    row = newsroom.submit_and_approve({**PLAN, "expires": "2026-11-25 09:10"})
    assert newsroom.sweep(PLANNED + timedelta(minutes=11)) == []
    assert "sudah lewat" in newsroom.stored(row).note
    assert newsroom.nudged_for("missed") == EVERYONE


def test_the_log_says_how_late_it_went_out(newsroom: LatenessNewsroom) -> None:
    row = newsroom.submit_and_approve(PLAN)
    newsroom.sweep(PLANNED + timedelta(minutes=29))
    (entry,) = [
        entry for entry in newsroom.database.read_now(audit.about, row.id) if entry.act == "late"
    ]
    assert (datetime.fromisoformat(entry.detail["planned"]), entry.detail["minutes"]) == (
        PLANNED,
        29,
    )


def test_a_clock_that_went_back_publishes_nothing_before_its_time(
    newsroom: LatenessNewsroom,
) -> None:
    newsroom.submit_and_approve(PLAN)
    assert newsroom.sweep(PLANNED - timedelta(hours=3)) == []
    assert newsroom.nudged_for("missed") == set()
