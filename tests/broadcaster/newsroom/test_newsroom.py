"""The newsroom on both databases: drafts and versions, four eyes, the hold, exercises, breaking
glass, corrections proposed.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import corrections, forms, release, review
from broadcaster.newsroom import drafts as newsroom
from broadcaster.newsroom.desk import HOLD, Desk
from broadcaster.newsroom.forms import Outdated
from broadcaster.newsroom.release import publish_held
from broadcaster.publishing import publications, schedule
from broadcaster.publishing.corrections import correct
from broadcaster.store import accounts, announcement_lists, announcements, audit, drafts, nudges
from broadcaster.store.announcement_lists import AnnouncementFilter
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database, is_sqlite
from broadcaster.store.tables import edition
from subscribers.areas import AreaTree
from support.desk import EMERGENCY, NOTICE, NOW, checked, later, press
from support.staffing import person
from support.waiting import until
from support.wording import refuses


class Newsroom:
    """People at a database; each act is one transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database
        people = (
            person("rina", "author"),
            person("budi", "author"),
            person("dewi", "approver"),
            person("ani", "admin"),
        )
        self.people = {
            one.name: database.write_now(accounts.add, one, at=NOW.timestamp()) for one in people
        }

    def hire(self, account: Account) -> None:
        """One more."""
        self.people[account.name] = self.database.write_now(
            accounts.add, account, at=NOW.timestamp()
        )

    def do(self, act: Any, who: str, *args: Any, after: float = 0.0, **options: Any) -> Any:
        """Have somebody do something, some seconds after NOW."""
        desk = Desk(
            press=press(), account=self.people[who], now=later(seconds=after), place="127.0.0.1"
        )
        return self.database.write_now(act, desk, *args, **options)

    def draft(self, who: str = "rina", **changes: Any) -> Announcement:
        """A new draft of a notice."""
        found: Announcement = self.do(newsroom.save, who, {**NOTICE, **changes})
        return found

    def submitted(self, **changes: Any) -> Announcement:
        """A notice in review."""
        found: Announcement = self.do(review.submit, "rina", self.draft(**changes).id)
        return found

    def approve(self, row: Announcement, who: str = "dewi", **options: Any) -> Any:
        """Approve what was seen."""
        return self.do(review.approve, who, row.id, seen=row.bound, version=row.version, **options)

    def now(self, row: Announcement) -> Announcement:
        """As it stands."""
        found = self.database.read_now(announcements.find, row.id)
        assert found is not None
        return found

    def editions(self) -> int:
        """How many were published."""
        return int(
            self.database.read_now(
                lambda c: c.execute(select(func.count()).select_from(edition)).scalar_one()
            )
        )

    def nudged(self) -> list[tuple[str, str]]:
        """Who is to be told why."""
        names = {account.id: name for name, account in self.people.items()}
        waiting = self.database.write_now(nudges.due, later(days=1).timestamp())
        return sorted((names[one.account], one.reason) for one in waiting)

    def acts(self, row: Announcement) -> list[str]:
        """What the audit log says was done to it."""
        return [entry.act for entry in self.database.read_now(audit.about, row.id)]


@pytest.fixture
def room(database: Database) -> Newsroom:
    return Newsroom(database)


@pytest.fixture
def desk(sqlite_url: str) -> Any:
    """The same on SQLite alone, where the database does not matter."""
    database = Database(sqlite_url)
    yield Newsroom(database)
    database.close()


# --- drafts -------------------------------------------------------------------------------------------


def test_a_form_is_kept_as_typed_however_incomplete(room: Newsroom) -> None:
    row = room.do(
        newsroom.save,
        "rina",
        {"title": "", "body": "Air", "areas": ["atlantis"], "expires": "besok"},
    )
    assert row.state == "draft"
    assert forms.form_of(room.now(row)) == {
        "title": "",
        "body": "Air",
        "areas": ["atlantis"],
        "expires": "besok",
    }
    assert row.code.startswith("CMH-")
    with pytest.raises(InvalidAnnouncement) as refused:
        room.do(review.submit, "rina", row.id)
    assert {problem.field for problem in refused.value.problems} == {"title", "areas", "expires"}
    assert room.now(row).state == "draft"


def test_two_tabs_do_not_write_over_each_other(room: Newsroom) -> None:
    row = room.draft()
    room.do(
        newsroom.save,
        "rina",
        {**NOTICE, "title": "Satu"},
        announcement_id=row.id,
        version=row.version,
    )
    with pytest.raises(Outdated):
        room.do(
            newsroom.save,
            "rina",
            {**NOTICE, "title": "Dua"},
            announcement_id=row.id,
            version=row.version,
        )
    assert room.now(row).title == "Satu"


def test_saving_what_stands_there_changes_nothing(desk: Newsroom) -> None:
    row = desk.submitted()
    desk.do(newsroom.save, "rina", forms.form_of(row), announcement_id=row.id, version=row.version)
    assert desk.now(row) == row


def test_autosave_makes_a_version_each_ten_minutes_and_for_each_person(room: Newsroom) -> None:
    row = room.draft()
    for number, (who, minutes) in enumerate(
        [("rina", 1), ("rina", 5), ("rina", 11), ("budi", 12), ("rina", 13)]
    ):
        form = {**NOTICE, "title": f"Judul {number}"}
        room.do(newsroom.save, who, form, announcement_id=row.id, after=60 * minutes)
    found = room.database.read_now(drafts.history, row.id)
    assert [(one.actor, one.form["title"]) for one in found] == [
        ("staff:rina", "Judul 4"),
        ("staff:budi", "Judul 3"),
        ("staff:rina", "Judul 2"),
        ("staff:rina", "Judul 1"),
        ("staff:rina", NOTICE["title"]),
    ]
    assert room.database.read_now(drafts.editors, row.id) == {"staff:rina", "staff:budi"}
    room.do(newsroom.restore, "rina", row.id, found[-2].number)
    assert room.now(row).title == "Judul 1"


def test_a_duplicate_has_the_words_and_areas_but_no_times(desk: Newsroom) -> None:
    row = desk.draft(publish_at="2026-11-26 08:00")
    copy = desk.do(newsroom.duplicate, "rina", row.id)
    assert (copy.title, copy.code == row.code) == (row.title, False)
    assert {"expires", "publish_at"}.isdisjoint(forms.form_of(copy))


def test_a_form_beyond_all_measure_is_refused_and_nothing_is_stored(desk: Newsroom) -> None:
    with pytest.raises(InvalidAnnouncement):
        desk.draft(body="x" * forms.FORM_BYTES)
    assert desk.database.read_now(announcement_lists.counts, AnnouncementFilter())["draft"] == 0


# --- four eyes ----------------------------------------------------------------------------------------


def test_another_person_approves_and_it_goes_out_after_the_hold(room: Newsroom) -> None:
    row = room.submitted()
    assert room.nudged() == [("dewi", "review")]
    room.approve(row)
    assert (room.now(row).state, room.editions()) == ("approved", 0)
    assert room.database.write_now(publish_held, press(), now=later(seconds=29)) == []
    out = room.database.write_now(publish_held, press(), now=later(seconds=31))
    assert [stored.id for stored in out] == [row.id]
    assert room.database.write_now(publish_held, press(), now=later(seconds=32)) == []
    assert (room.now(row).state, room.editions()) == ("published", 1)
    assert room.acts(row) == ["create", "submit", "approve", "publish"]


def test_an_emergency_goes_out_at_once_and_must_have_been_read(room: Newsroom) -> None:
    row = room.submitted(**EMERGENCY)
    with pytest.raises(NotAllowed, match="not_read"):
        room.approve(row)
    stored = room.approve(row, read=True)
    assert (stored.status, stored.lane, room.editions()) == ("published", "emergency", 1)


def test_a_schedule_waits_for_its_time(room: Newsroom) -> None:
    row = room.submitted(publish_at="2026-11-25 09:00")
    assert room.approve(row).status == "scheduled"
    assert room.database.write_now(publish_held, press(), now=later(hours=1)) == []
    assert len(room.database.write_now(schedule.publish_due, press(), now=later(hours=1.5))) == 1


def test_a_missed_schedule_can_be_published_by_an_approver_who_wrote_none_of_it(
    room: Newsroom,
) -> None:
    row = room.submitted(publish_at="2026-11-25 09:00", expires="2026-11-26 14:00")
    room.approve(row)
    assert room.database.write_now(schedule.publish_due, press(), now=later(hours=5)) == []
    assert room.now(row).state == "approved"
    assert room.do(release.publish_approved, "dewi", row.id, after=5 * 3600).status == "published"


def test_no_editor_approves_not_even_of_an_earlier_version(desk: Newsroom) -> None:
    desk.hire(person("eka", "author", "approver"))
    row = desk.draft("eka")
    desk.do(newsroom.save, "rina", {**NOTICE, "title": "Lain"}, announcement_id=row.id)
    row = desk.do(review.submit, "rina", row.id)
    with refuses(NotAllowed, match="sendiri"):
        desk.approve(row, "eka")
    with refuses(NotAllowed, match="sendiri"):
        desk.do(review.send_back, "eka", row.id, "Perbaiki.")
    assert desk.nudged() == [("dewi", "review")]
    assert desk.approve(row).status == "approved"


def test_who_has_not_the_right_does_nothing(desk: Newsroom) -> None:
    row = desk.submitted()
    for who in ("rina", "ani"):
        with pytest.raises(NotAllowed):
            desk.approve(row, who)
    with pytest.raises(NotAllowed):
        desk.do(newsroom.save, "ani", NOTICE)
    assert desk.now(row) == row


def test_who_holds_for_another_agency_or_area_neither_submits_nor_approves(desk: Newsroom) -> None:
    desk.hire(person("tia", "author", agencies=("Perumda Tirta",)))
    desk.hire(person("uci", "approver", areas=("32.77.01",)))
    mine = desk.draft("tia", agency="Perumda Tirta")
    other = desk.draft("tia", agency="BPBD")
    with pytest.raises(NotAllowed, match="not_yours"):
        desk.do(review.submit, "tia", other.id)
    row = desk.do(review.submit, "tia", mine.id)
    with pytest.raises(NotAllowed, match="not_yours"):
        desk.approve(row, "uci")
    assert desk.approve(row).status == "approved"


def test_an_edit_voids_review_and_approval(room: Newsroom) -> None:
    row = room.submitted()
    changed = room.do(
        newsroom.save, "rina", {**NOTICE, "title": "Lain sama sekali"}, announcement_id=row.id
    )
    assert changed.state == "review"
    with pytest.raises(Outdated):
        room.approve(row)
    with refuses(NotAllowed, match="berubah"):
        room.do(review.approve, "dewi", row.id, seen=row.bound, version=changed.version)
    room.approve(changed)
    asked = room.nudged()
    again = room.do(
        newsroom.save, "rina", {**NOTICE, "areas": ["melong"]}, announcement_id=row.id, after=5
    )
    assert (again.state, again.release_at, again.approved_by) == ("review", None, "")
    assert len(room.nudged()) == len(asked) + 1, "who approved is asked again"
    assert room.database.write_now(publish_held, press(), now=later(hours=1)) == []
    assert room.editions() == 0


def test_the_log_tells_of_each_edit_what_it_changed_but_not_of_every_key(room: Newsroom) -> None:
    row = room.submitted()
    for number in range(5):
        form = {**NOTICE, "title": f"Lain {number}", "areas": ["melong"]}
        room.do(newsroom.save, "rina", form, announcement_id=row.id, after=number)
    room.do(
        newsroom.save,
        "budi",
        {**NOTICE, "title": "Punya Budi", "areas": ["melong"]},
        announcement_id=row.id,
        after=9,
    )
    told = [
        entry.detail for entry in room.database.read_now(audit.about, row.id) if entry.act == "edit"
    ]
    assert [
        (one["was"], one["before"].get("title"), one["after"].get("title")) for one in told
    ] == [
        ("review", NOTICE["title"], "Lain 0"),
        ("review", "Lain 4", "Punya Budi"),
    ]
    assert (told[0]["before"]["areas"], told[0]["after"]["areas"]) == (NOTICE["areas"], ["melong"])


def test_called_back_within_the_hold_nothing_was_sent(room: Newsroom) -> None:
    row = room.submitted()
    room.approve(row)
    assert room.do(review.call_back, "rina", row.id, after=10).state == "review"
    assert room.database.write_now(publish_held, press(), now=later(seconds=60)) == []
    assert room.editions() == 0


def test_two_clicks_on_approve_publish_once(room: Newsroom) -> None:
    row = room.submitted(**EMERGENCY)
    room.approve(row, read=True)
    with pytest.raises(NotAllowed):
        room.approve(row, read=True)
    assert room.editions() == 1


def test_what_is_returned_says_why_and_whoever_returned_it_does_not_mend_it(room: Newsroom) -> None:
    room.hire(person("eka", "author", "approver"))
    row = room.submitted()
    with pytest.raises(InvalidAnnouncement):
        room.do(review.send_back, "eka", row.id, "  ")
    back = room.do(review.send_back, "eka", row.id, "Jam berapa air hidup lagi?")
    assert (back.state, back.note) == ("returned", "Jam berapa air hidup lagi?")
    assert ("rina", "returned") in room.nudged()
    with pytest.raises(NotAllowed, match="returned_by_you"):
        room.do(newsroom.save, "eka", {**NOTICE, "title": "X"}, announcement_id=row.id)
    room.do(
        newsroom.save, "rina", {**NOTICE, "title": "Air hidup lagi 14.00"}, announcement_id=row.id
    )
    again = room.do(review.submit, "rina", row.id)
    assert (again.state, again.note) == ("review", "")
    assert room.do(review.reject, "dewi", row.id, "Sudah tidak perlu.").state == "rejected"
    assert room.do(newsroom.archive, "rina", row.id).state == "archived"


def test_what_expires_within_its_hold_is_not_published(room: Newsroom) -> None:
    row = room.submitted(expires=later(seconds=20).isoformat())
    room.approve(row)
    assert room.database.write_now(publish_held, press(), now=later(seconds=40)) == []
    assert room.now(row).state == "review"
    assert "Tidak jadi terbit" in room.now(row).note
    assert ("dewi", "missed") in room.nudged()


# --- exercises and broken glass -------------------------------------------------------------------------


def test_an_exercise_looks_the_same_and_never_leaves(room: Newsroom) -> None:
    row = room.do(newsroom.save, "rina", NOTICE, training=True)
    row = room.do(review.submit, "rina", row.id)
    assert room.approve(row).status == "ended"
    assert room.editions() == 0
    other = room.do(newsroom.save, "rina", EMERGENCY, training=True)
    for role in ("grant", "breaker"):
        with pytest.raises(NotAllowed, match="drill"):
            room.database.write_now(
                publications.publish,
                press(),
                press().examine(EMERGENCY, NOW),
                actor=NamedActor(name="x", now=NOW),
                announcement_id=other.id,
                role=role,
            )
    assert room.editions() == 0


def test_one_person_alone_publishes_only_an_emergency_and_only_where_allowed(
    room: Newsroom,
) -> None:
    flood, water = room.draft(**EMERGENCY), room.draft()
    with pytest.raises(NotAllowed, match="alone_not_allowed"):
        room.do(release.break_glass, "rina", flood.id, reason="Sungai meluap.", allowed=False)
    with refuses(NotAllowed, match="Hanya"):
        room.do(release.break_glass, "rina", water.id, reason="Cepat.", allowed=True)
    stored = room.do(
        release.break_glass,
        "rina",
        flood.id,
        reason="Sungai meluap, tidak ada penyetuju.",
        allowed=True,
    )
    assert stored.status == "published"
    assert ("ani", "break_glass") in room.nudged()
    assert room.acts(flood)[-2:] == ["publish", "break_glass"]


# --- corrections and withdrawals ------------------------------------------------------------------------


def published(room: Newsroom) -> Announcement:
    """A notice that is out."""
    row = room.submitted()
    room.approve(row)
    room.database.write_now(publish_held, press(), now=later(seconds=31))
    return room.now(row)


def test_a_correction_waits_for_a_second_person_and_changes_nothing_until_then(
    room: Newsroom,
) -> None:
    row = published(room)
    form = {**NOTICE, "title": "Air PDAM mati sampai 16.00"}
    waiting = room.do(
        corrections.propose_correction, "rina", row.id, form, reason="Jamnya salah.", after=60
    )
    assert room.now(row) == row
    with refuses(NotAllowed, match="menunggu persetujuan"):
        room.do(corrections.propose_withdrawal, "budi", row.id, reason="Batal.", after=61)
    with refuses(NotAllowed, match="berubah"):
        room.do(corrections.approve, "dewi", row.id, seen="lain", after=62)
    stored = room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=63)
    pressed_twice = room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=64)
    assert (pressed_twice.number, room.editions()) == (None, 1)
    with pytest.raises(NotAllowed, match="proposal_approved"):
        room.do(corrections.approve, "dewi", row.id, seen="lain", after=64)
    assert (stored.number, room.editions(), released(room, 92)) == (None, 1, [])
    (stored,) = released(room, 94)
    assert (stored.number, room.now(row).title) == (2, "Air PDAM mati sampai 16.00")
    with pytest.raises(NotAllowed):
        room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=95)
    assert (room.editions(), released(room, 96)) == (2, [])


def released(room: Newsroom, seconds: float) -> Any:
    """What is published when the clock looks at proposals."""
    return room.database.write_now(corrections.publish_held, press(), now=later(seconds=seconds))


@pytest.mark.parametrize(("minutes", "out"), [(4, 1), (29, 1), (31, 0)])
def test_a_correction_whose_hold_ended_long_ago_asks_a_person(
    room: Newsroom, minutes: int, out: int
) -> None:
    row = published(room)
    form = {**NOTICE, "title": "Air PDAM mati sampai 16.00"}
    waiting = room.do(
        corrections.propose_correction, "budi", row.id, form, reason="Jamnya salah.", after=60
    )
    room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    assert len(released(room, 61 + 30 + minutes * 60)) == out
    proposal = room.database.read_now(drafts.proposed, row.id)
    assert (proposal is None) == bool(out), "what asks a person waits for approval again"
    assert proposal is None or proposal.release_at is None
    why = "late" if out else "missed"
    told = {(name, reason) for name, reason in room.nudged() if reason in ("late", "missed")}
    people = () if minutes == 4 else ("budi", "dewi", "ani")
    assert told == {(name, why) for name in people}, (
        "who proposed it hears of it, whoever wrote the announcement"
    )


def test_what_is_called_back_while_the_clock_reaches_for_it_stays_unpublished(
    room: Newsroom,
) -> None:
    row, called = published(room), threading.Event()
    waiting = room.do(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Salah.",
        after=60,
    )
    room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)

    def call_back(connection: Any) -> None:
        desk = Desk(press=press(), account=room.people["dewi"], now=later(seconds=90))
        corrections.call_back(connection, desk, row.id)
        called.set()
        asyncio.run(
            until(
                lambda: room.database.read_now(somebody_waits),
                what="the clock, which has read the proposal",
            )
        )

    with ThreadPoolExecutor(1) as other:
        caller = other.submit(room.database.write_now, call_back)
        assert called.wait(30)
        assert released(room, 92) == []
        caller.result(30)
    assert room.editions() == 1


def somebody_waits(connection: Any) -> bool:
    """Whether a transaction waits for a row of another; SQLite has one writer, so nobody has read
    anything meanwhile.
    """
    return is_sqlite(connection) or bool(
        connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar()
    )


def named(*slugs: str) -> tuple[str, ...]:
    """Codes of these areas."""
    return tuple(AreaTree.built_in()[slug].code for slug in slugs)


def test_a_correction_to_further_areas_is_judged_by_who_holds_for_all_of_them(
    room: Newsroom,
) -> None:
    row = published(room)
    room.hire(person("eka", "approver", areas=named("leuwigajah")))
    room.hire(person("uci", "approver", areas=named("cibabat", "pasirkaliki")))
    room.do(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "areas": ["leuwigajah"]},
        reason="Salah.",
        after=60,
    )
    assert ("uci", "review") not in room.nudged(), (
        "she holds for what is published, not for what it is to become"
    )
    assert ("eka", "review") not in room.nudged(), (
        "she holds for what it is to become, not for what is published"
    )
    assert ("dewi", "review") in room.nudged()


@pytest.mark.parametrize("left", [NOTICE["areas"], ["leuwigajah"]], ids=["published", "corrected"])
def test_a_correction_lapses_when_its_approver_holds_no_more_for_all_of_it(
    room: Newsroom, left: list[str]
) -> None:
    row = published(room)
    room.hire(person("eka", "approver", areas=named(*NOTICE["areas"], "leuwigajah")))
    form = {**NOTICE, "areas": ["leuwigajah"]}
    waiting = room.do(
        corrections.propose_correction, "rina", row.id, form, reason="Salah.", after=60
    )
    room.do(corrections.approve, "eka", row.id, seen=waiting.bound, after=61)
    room.database.write_now(accounts.change, replace(room.people["eka"], areas=named(*left)))
    assert (released(room, 100), room.editions()) == ([], 1)
    assert room.acts(row)[-1] == "lapse_correction"


def test_a_correction_and_a_withdrawal_can_be_called_back_within_the_hold(room: Newsroom) -> None:
    row = published(room)
    for propose, options in (
        (corrections.propose_correction, {"form": {**NOTICE, "title": "Air mati"}}),
        (corrections.propose_withdrawal, {}),
    ):
        waiting = room.do(propose, "rina", row.id, reason="Salah.", after=60, **options)
        room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
        room.do(corrections.call_back, "dewi", row.id, after=62)
        assert released(room, 200) == []
        with pytest.raises(NotAllowed, match="proposal_unapproved"):
            room.do(corrections.call_back, "dewi", row.id, after=63)
        assert room.database.read_now(drafts.proposed, row.id).bound == waiting.bound, (
            "it waits for a second person again"
        )
        room.do(corrections.take_back, "rina", row.id, after=64)
    assert room.editions() == 1
    assert room.acts(row)[-8:] == [
        "propose_correction",
        "approve_correction",
        "call_back_correction",
        "take_back_correction",
        "propose_withdrawal",
        "approve_withdrawal",
        "call_back_withdrawal",
        "take_back_withdrawal",
    ]


def test_a_correction_of_an_emergency_is_not_held(desk: Newsroom) -> None:
    row = desk.submitted(**EMERGENCY)
    desk.approve(row, read=True)
    form = {**NOTICE, **EMERGENCY, "title": "Banjir di Jl. Gandawijaya"}
    waiting = desk.do(
        corrections.propose_correction, "rina", row.id, form, reason="Salah jalan.", after=60
    )
    stored = desk.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    assert (stored.number, stored.lane) == (2, "emergency")


def test_who_was_shut_out_within_the_hold_publishes_no_correction(room: Newsroom) -> None:
    row = published(room)
    waiting = room.do(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Salah.",
        after=60,
    )
    room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    room.database.write_now(accounts.disable, room.people["dewi"].id, later(seconds=70).timestamp())
    assert released(room, 100) == []
    assert room.editions() == 1
    assert room.acts(row)[-1] == "lapse_correction"
    assert room.database.read_now(drafts.proposed, row.id).release_at is None


def test_a_held_correction_of_what_was_corrected_meanwhile_waits_again(room: Newsroom) -> None:
    row = published(room)
    waiting = room.do(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Salah.",
        after=60,
    )
    room.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    other = checked({**NOTICE, "title": "Air mati lama"})
    room.database.write_now(
        correct,
        press(),
        row.id,
        other,
        reason="Lain.",
        actor=NamedActor(name="token:portal", now=later(seconds=70)),
    )
    assert (released(room, 100), room.editions(), room.acts(row)[-1]) == ([], 2, "lapse_correction")


def test_words_of_a_correction_that_was_refused_or_taken_back_are_kept(room: Newsroom) -> None:
    row = published(room)
    for end in (
        lambda: room.do(corrections.refuse, "dewi", row.id, "Belum pasti."),
        lambda: room.do(corrections.take_back, "rina", row.id),
    ):
        room.do(
            corrections.propose_correction,
            "rina",
            row.id,
            {**NOTICE, "title": "Air PDAM mati sampai sore"},
            reason="Salah.",
        )
        end()
    versions = room.database.read_now(drafts.history, row.id)
    assert [(one.act, one.form["title"]) for one in versions[:2]] == [
        ("correct", "Air PDAM mati sampai sore")
    ] * 2
    assert "staff:dewi" not in room.database.read_now(drafts.editors, row.id)


def test_who_proposes_does_not_approve(desk: Newsroom) -> None:
    desk.hire(person("eka", "author", "approver"))
    row = published(desk)
    waiting = desk.do(corrections.propose_withdrawal, "eka", row.id, reason="Batal.", after=60)
    with refuses(NotAllowed, match="sendiri"):
        desk.do(corrections.approve, "eka", row.id, seen=waiting.bound, after=61)
    desk.do(corrections.approve, "dewi", row.id, seen=waiting.bound, after=62)
    (stored,) = released(desk, 93)
    assert (stored.status, stored.number) == ("ended", 2)


def test_a_proposal_can_be_refused_or_taken_back(desk: Newsroom) -> None:
    row = published(desk)
    desk.do(corrections.propose_withdrawal, "rina", row.id, reason="Batal.", after=60)
    desk.do(corrections.refuse, "dewi", row.id, "Tidak perlu.", after=61)
    assert ("rina", "rejected") in desk.nudged()
    desk.do(corrections.propose_withdrawal, "rina", row.id, reason="Batal.", after=62)
    with pytest.raises(NotAllowed):
        desk.do(corrections.take_back, "budi", row.id, after=63)
    desk.do(corrections.take_back, "rina", row.id, after=64)
    assert desk.database.read_now(drafts.proposals) == []
    assert desk.editions() == 1


# --- lists --------------------------------------------------------------------------------------------


def test_lists_have_tabs_with_counts_search_filters_and_pages(room: Newsroom) -> None:
    for number in range(7):
        room.do(newsroom.save, "rina", {**NOTICE, "title": f"Air mati {number}"}, after=number)
    other = room.do(newsroom.save, "budi", {**EMERGENCY, "agency": "BPBD"}, after=9)
    room.do(review.submit, "budi", other.id, after=10)
    look = room.database.read_now
    assert look(announcement_lists.counts, AnnouncementFilter()) == {
        "draft": 7,
        "waiting": 1,
        "scheduled": 0,
        "published": 0,
        "ended": 0,
        "archived": 0,
    }
    first = look(announcement_lists.page, AnnouncementFilter(tab="draft"), limit=4)
    second = look(
        announcement_lists.page, AnnouncementFilter(tab="draft"), before=first.following, limit=4
    )
    assert [item.title for item in (*first.items, *second.items)] == [
        f"Air mati {number}" for number in range(6, -1, -1)
    ]
    assert second.following == ""
    assert [
        item.title
        for item in look(
            announcement_lists.page, AnnouncementFilter(tab="draft", text="AIR 3")
        ).items
    ] == ["Air mati 3"]
    assert look(announcement_lists.counts, AnnouncementFilter(text=other.code))["waiting"] == 1
    assert (
        look(
            announcement_lists.counts,
            AnnouncementFilter(level="emergency", agency="BPBD", author="staff:budi"),
        )["waiting"]
        == 1
    )
    assert look(announcement_lists.agencies) == ["BPBD"]
    assert (
        look(announcement_lists.counts, AnnouncementFilter(since=later(seconds=5).timestamp()))[
            "draft"
        ]
        == 2
    )


def test_the_hold_is_thirty_seconds() -> None:
    assert timedelta(seconds=30) == HOLD


# --- what a second person cannot vouch for ------------------------------------------------------------


def test_a_picture_that_its_host_may_exchange_after_approval_is_not_submitted(
    desk: Newsroom,
) -> None:
    foreign = {"image": "https://lain.example/foto.jpg", "image_alt": "Pipa"}
    with pytest.raises(InvalidAnnouncement, match="image_elsewhere"):
        desk.submitted(**foreign)
    row = desk.submitted(
        image=f"https://info.cimahi.example/media/{'a' * 32}/web.jpg", image_alt="Pipa"
    )
    assert row.state == "review"
    desk.do(newsroom.save, "rina", {**NOTICE, **foreign}, announcement_id=row.id)
    with pytest.raises(NotAllowed):
        desk.approve(desk.now(row))
    published = desk.do(
        lambda c, d: publications.publish(
            c, d.press, d.press.examine(NOTICE, d.now), actor=NamedActor(name="cli", now=d.now)
        ),
        "rina",
    )
    with pytest.raises(InvalidAnnouncement, match="image_elsewhere"):
        desk.do(
            corrections.propose_correction,
            "rina",
            published.id,
            {**NOTICE, **foreign},
            reason="Gambar.",
        )


@pytest.mark.parametrize(
    "broken", [{"expires": "2026-13-45 14:00"}, {"publish_at": "besok"}, {"summary": "x" * 91}]
)
def test_what_cannot_be_read_in_an_edit_is_not_left_out_in_silence(
    desk: Newsroom, broken: dict[str, str]
) -> None:
    row = desk.submitted()
    desk.do(newsroom.save, "rina", {**NOTICE, **broken}, announcement_id=row.id)
    with pytest.raises(NotAllowed):
        desk.approve(desk.now(row))


def test_a_copy_of_an_exercise_is_an_exercise(desk: Newsroom) -> None:
    drill = desk.do(newsroom.save, "rina", NOTICE, training=True)
    assert desk.now(desk.do(newsroom.duplicate, "budi", drill.id)).training


def test_a_copy_of_what_was_corrected_has_the_corrected_words(desk: Newsroom) -> None:
    row = desk.submitted()
    desk.approve(row)
    desk.do(release.publish_approved, "dewi", row.id)
    right = {**NOTICE, "title": "Air PDAM mati di Cibabat sampai malam"}
    waiting = desk.do(corrections.propose_correction, "rina", row.id, right, reason="Salah jam.")
    desk.do(corrections.approve, "dewi", row.id, seen=waiting.bound)
    released(desk, 31)
    copy = desk.do(newsroom.duplicate, "rina", row.id)
    assert copy.title == right["title"]


def test_a_correction_of_what_was_corrected_meanwhile_is_not_approved_unseen(
    desk: Newsroom,
) -> None:
    def publish(connection: Any, at: Desk, **changes: Any) -> Any:
        return publications.publish(
            connection,
            at.press,
            at.press.examine({**NOTICE, **changes}, at.now),
            actor=NamedActor(name="cli", now=at.now),
        )

    def correct_at_once(connection: Any, at: Desk, **changes: Any) -> Any:
        checked = at.press.examine({**NOTICE, **changes}, at.now)
        return correct(
            connection,
            at.press,
            row.id,
            checked,
            reason="Lokasi.",
            actor=NamedActor(name="token:x", now=at.now),
        )

    row = desk.do(publish, "rina")
    waiting = desk.do(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Judul.",
    )
    desk.do(correct_at_once, "rina", body="Tampung air. Truk tangki pindah ke lapangan RW 05.")
    with pytest.raises(NotAllowed, match="proposal_stale"):
        desk.do(corrections.approve, "dewi", row.id, seen=waiting.bound)
    desk.do(corrections.refuse, "dewi", row.id, "Sudah diralat.")


def test_whoever_breaks_the_glass_publishes_what_they_saw(desk: Newsroom) -> None:
    row = desk.draft(**EMERGENCY)
    desk.do(
        newsroom.save, "rina", {**EMERGENCY, "body": "Semua ke lapangan."}, announcement_id=row.id
    )
    with pytest.raises(Outdated):
        desk.do(
            release.break_glass,
            "budi",
            row.id,
            reason="Tidak ada penyetuju.",
            allowed=True,
            version=row.version,
        )
    assert desk.editions() == 0
    desk.do(
        release.break_glass,
        "budi",
        row.id,
        reason="Tidak ada penyetuju.",
        allowed=True,
        version=desk.now(row).version,
    )
    assert desk.editions() == 1
