"""Lateness on both databases: 5 minutes are no delay, later is told, beyond 30 minutes a person is
asked first.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from broadcaster.domain.actor import NamedActor
from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.newsroom import drafts, release, review
from broadcaster.newsroom.desk import HOLD, Desk
from broadcaster.publishing import publications, schedule
from broadcaster.store import accounts, announcements, audit, nudges
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from support.desk import EMERGENCY, NOTICE, NOW, checked, later, press
from support.staffing import person

PLANNED = datetime.fromisoformat("2026-11-25T09:00:00+07:00")
PLAN = {**NOTICE, "publish_at": "2026-11-25 09:00"}
INSTANT = timedelta(milliseconds=1)


class Room:
    """An author, an approver and an administrator at a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        people = (person("rina", "author"), person("dewi", "approver"), person("ani", "admin"))
        self.people = {
            one.name: database.write_now(accounts.add, one, at=NOW.timestamp()) for one in people
        }

    def do(self, act: Any, who: str, *args: Any, **options: Any) -> Any:
        """Have somebody do something at NOW."""
        desk = Desk(press=press(), account=self.people[who], now=NOW)
        return self.database.write_now(act, desk, *args, **options)

    def approved(self, form: dict[str, Any]) -> Announcement:
        """Rina submits it and Dewi approves it."""
        draft = self.do(drafts.save, "rina", dict(form))
        row: Announcement = self.do(review.submit, "rina", draft.id)
        self.do(review.approve, "dewi", row.id, seen=row.bound, version=row.version, read=True)
        return row

    def granted(self, fields: CheckedAnnouncement) -> str:
        """Schedule it by the command line: nobody of staff wrote or approved it."""
        stored = self.database.write_now(
            publications.publish, press(), fields, actor=NamedActor(name="cli", now=NOW)
        )
        return stored.id

    def sweep(self, now: datetime) -> list[str]:
        """What the sweeper publishes, by schedule or after the hold; ids."""
        due = self.database.write_now(schedule.publish_due, press(), now=now)
        return [
            stored.id
            for stored in (*due, *self.database.write_now(release.publish_held, press(), now=now))
        ]

    def told(self, reason: str) -> set[str]:
        """Who is to be told for a reason."""
        names = {account.id: name for name, account in self.people.items()}
        waiting = self.database.read_now(nudges.due, later(days=2).timestamp())
        return {names[nudge.account] for nudge in waiting if nudge.reason == reason}

    def state(self, announcement: str) -> Announcement:
        """As it stands."""
        row = self.database.read_now(announcements.find, announcement)
        assert row is not None
        return row

    def acts(self, announcement: str) -> list[str]:
        """What the audit log says was done to it."""
        return [entry.act for entry in self.database.read_now(audit.about, announcement)]


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


EVERYBODY = {"rina", "dewi", "ani"}


@pytest.mark.parametrize(
    "form", [PLAN, {**EMERGENCY, "publish_at": "2026-11-25 09:00"}], ids=["notice", "emergency"]
)
@pytest.mark.parametrize(
    ("delay", "goes", "people"),
    [
        (timedelta(minutes=5), True, set()),
        (timedelta(minutes=5) + INSTANT, True, EVERYBODY),
        (timedelta(minutes=29), True, EVERYBODY),
        (timedelta(minutes=30), True, EVERYBODY),
        (timedelta(minutes=30) + INSTANT, False, set()),
    ],
    ids=["5:00", "just over 5:00", "29:00", "30:00", "just over 30:00"],
)
def test_a_schedule_is_told_after_five_minutes_and_asks_after_thirty(
    room: Room, form: dict[str, Any], delay: timedelta, goes: bool, people: set[str]
) -> None:
    row = room.approved(form)
    assert room.sweep(PLANNED + delay) == ([row.id] if goes else [])
    assert room.told("late") == people
    assert ("late" in room.acts(row.id)) == bool(people)
    assert room.told("missed") == (set() if goes else EVERYBODY)
    if not goes:
        assert (
            room.state(row.id).state,
            "terlewat lebih dari 30 menit" in room.state(row.id).note,
        ) == ("approved", True)


def test_a_hold_of_thirty_seconds_that_ends_hours_later_asks_a_person(room: Room) -> None:
    row = room.approved({**NOTICE, "expires": "2026-11-26 14:00"})
    assert room.sweep(NOW + timedelta(hours=3)) == []
    state = room.state(row.id)
    assert (state.state, state.release_at, "terlewat lebih dari 30 menit" in state.note) == (
        "review",
        None,
        True,
    )
    assert room.told("missed") == EVERYBODY


def test_a_hold_that_ends_twenty_nine_minutes_late_goes_out_and_is_told(room: Room) -> None:
    row = room.approved(NOTICE)
    assert room.sweep(NOW + HOLD + timedelta(minutes=29)) == [row.id]
    assert room.told("late") == EVERYBODY


def test_a_hold_that_ends_in_time_is_told_to_nobody(room: Room) -> None:
    row = room.approved(NOTICE)
    assert room.sweep(NOW + HOLD + timedelta(minutes=5)) == [row.id]
    assert room.told("late") == set()


def test_a_late_schedule_of_a_command_or_token_is_told_to_administrators(room: Room) -> None:
    announcement = room.granted(checked(PLAN))
    assert room.sweep(PLANNED + timedelta(minutes=10)) == [announcement]
    assert room.told("late") == {"ani"}


def test_a_missed_schedule_of_a_command_or_token_asks_administrators(room: Room) -> None:
    room.granted(checked(PLAN))
    assert room.sweep(PLANNED + timedelta(minutes=31)) == []
    assert room.told("missed") == {"ani"}


def test_a_schedule_past_its_expiry_asks_a_person_however_little_it_is_late(room: Room) -> None:
    row = room.approved({**PLAN, "expires": "2026-11-25 09:10"})
    assert room.sweep(PLANNED + timedelta(minutes=11)) == []
    assert "sudah lewat" in room.state(row.id).note
    assert room.told("missed") == EVERYBODY


def test_what_went_out_late_says_by_how_much(room: Room) -> None:
    row = room.approved(PLAN)
    room.sweep(PLANNED + timedelta(minutes=29))
    (entry,) = [
        entry for entry in room.database.read_now(audit.about, row.id) if entry.act == "late"
    ]
    assert (datetime.fromisoformat(entry.detail["planned"]), entry.detail["minutes"]) == (
        PLANNED,
        29,
    )


def test_a_clock_that_went_back_publishes_nothing_before_its_time(room: Room) -> None:
    room.approved(PLAN)
    assert room.sweep(PLANNED - timedelta(hours=3)) == []
    assert room.told("missed") == set()
