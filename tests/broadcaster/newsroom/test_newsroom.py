"""The newsroom on both databases: drafts and versions, four eyes, the hold, exercises, breaking the
glass, proposed corrections.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from broadcaster.domain.actor import NamedActor
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import corrections, drafts, forms, release, review
from broadcaster.newsroom.desk import HOLD, Desk
from broadcaster.newsroom.forms import Outdated
from broadcaster.newsroom.release import publish_held
from broadcaster.publishing import publications, schedule
from broadcaster.publishing.corrections import correct
from broadcaster.store import accounts, announcement_lists, audit, nudges
from broadcaster.store.announcement_lists import AnnouncementFilter
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database, is_sqlite
from broadcaster.store.drafts import editors, history, proposals, proposed
from broadcaster.store.tables import edition
from subscribers.areas import AreaTree
from support.desk import EMERGENCY, NOTICE, NOW, checked, later, press
from support.newsroom import Newsroom
from support.staffing import person
from support.waiting import until
from support.wording import refuses


class ReviewNewsroom(Newsroom):
    """A newsroom with two authors, an approver and an administrator."""

    def __init__(self, database: Database) -> None:
        super().__init__(
            database,
            person("rina", "author"),
            person("budi", "author"),
            person("dewi", "approver"),
            person("ani", "admin"),
        )

    def draft(self, who: str = "rina", **changes: Any) -> Announcement:
        """Save a new draft of a notice; return it."""
        row: Announcement = self.perform(drafts.save, who, {**NOTICE, **changes})
        return row

    def submit(self, **changes: Any) -> Announcement:
        """Submit a notice as Rina; return it."""
        row: Announcement = self.perform(review.submit, "rina", self.draft(**changes).id)
        return row

    def editions(self) -> int:
        """Return the number of editions published."""
        return int(
            self.database.read_now(
                lambda c: c.execute(select(func.count()).select_from(edition)).scalar_one()
            )
        )

    def nudged(self) -> list[tuple[str, str]]:
        """Return (name, reason) of each person who is to be told."""
        names = {account.id: name for name, account in self.people.items()}
        waiting = self.database.write_now(nudges.due, later(days=1).timestamp())
        return sorted((names[nudge.account], nudge.reason) for nudge in waiting)


@pytest.fixture
def newsroom(database: Database) -> ReviewNewsroom:
    return ReviewNewsroom(database)


@pytest.fixture
def local(sqlite_url: str) -> Any:
    """Yield the same on SQLite alone, where the kind of database does not matter."""
    database = Database(sqlite_url)
    yield ReviewNewsroom(database)
    database.close()


# --- drafts -------------------------------------------------------------------------------------------


def test_a_form_is_kept_as_typed_however_incomplete(newsroom: ReviewNewsroom) -> None:
    row = newsroom.perform(
        drafts.save,
        "rina",
        {"title": "", "body": "Air", "areas": ["atlantis"], "expires": "besok"},
    )
    assert row.state == "draft"
    assert forms.form_of(newsroom.stored(row)) == {
        "title": "",
        "body": "Air",
        "areas": ["atlantis"],
        "expires": "besok",
    }
    assert row.code.startswith("CMH-")
    with pytest.raises(InvalidAnnouncement) as refused:
        newsroom.perform(review.submit, "rina", row.id)
    assert {problem.field for problem in refused.value.problems} == {"title", "areas", "expires"}
    assert newsroom.stored(row).state == "draft"


def test_two_tabs_do_not_write_over_each_other(newsroom: ReviewNewsroom) -> None:
    row = newsroom.draft()
    newsroom.perform(
        drafts.save,
        "rina",
        {**NOTICE, "title": "Satu"},
        announcement_id=row.id,
        version=row.version,
    )
    with pytest.raises(Outdated):
        newsroom.perform(
            drafts.save,
            "rina",
            {**NOTICE, "title": "Dua"},
            announcement_id=row.id,
            version=row.version,
        )
    assert newsroom.stored(row).title == "Satu"


def test_saving_an_unchanged_form_changes_nothing(local: ReviewNewsroom) -> None:
    row = local.submit()
    local.perform(
        drafts.save, "rina", forms.form_of(row), announcement_id=row.id, version=row.version
    )
    assert local.stored(row) == row


def test_autosave_makes_a_version_each_ten_minutes_and_for_each_person(
    newsroom: ReviewNewsroom,
) -> None:
    row = newsroom.draft()
    for number, (name, minutes) in enumerate(
        [("rina", 1), ("rina", 5), ("rina", 11), ("budi", 12), ("rina", 13)]
    ):
        form = {**NOTICE, "title": f"Judul {number}"}
        newsroom.perform(drafts.save, name, form, announcement_id=row.id, after=60 * minutes)
    versions = newsroom.database.read_now(history, row.id)
    assert [(version.actor, version.form["title"]) for version in versions] == [
        ("staff:rina", "Judul 4"),
        ("staff:budi", "Judul 3"),
        ("staff:rina", "Judul 2"),
        ("staff:rina", "Judul 1"),
        ("staff:rina", NOTICE["title"]),
    ]
    assert newsroom.database.read_now(editors, row.id) == {"staff:rina", "staff:budi"}
    newsroom.perform(drafts.restore, "rina", row.id, versions[-2].number)
    assert newsroom.stored(row).title == "Judul 1"


def test_a_duplicate_has_the_words_and_areas_but_no_times(local: ReviewNewsroom) -> None:
    row = local.draft(publish_at="2026-11-26 08:00")
    copy = local.perform(drafts.duplicate, "rina", row.id)
    assert (copy.title, copy.code == row.code) == (row.title, False)
    assert {"expires", "publish_at"}.isdisjoint(forms.form_of(copy))


def test_an_oversized_form_is_refused_and_nothing_is_stored(local: ReviewNewsroom) -> None:
    with pytest.raises(InvalidAnnouncement):
        local.draft(body="x" * forms.FORM_BYTES)
    assert local.database.read_now(announcement_lists.counts, AnnouncementFilter())["draft"] == 0


# --- four eyes ----------------------------------------------------------------------------------------


def test_another_person_approves_and_it_goes_out_after_the_hold(newsroom: ReviewNewsroom) -> None:
    row = newsroom.submit()
    assert newsroom.nudged() == [("dewi", "review")]
    newsroom.approve(row)
    assert (newsroom.stored(row).state, newsroom.editions()) == ("approved", 0)
    assert newsroom.database.write_now(publish_held, press(), now=later(seconds=29)) == []
    out = newsroom.database.write_now(publish_held, press(), now=later(seconds=31))
    assert [stored.id for stored in out] == [row.id]
    assert newsroom.database.write_now(publish_held, press(), now=later(seconds=32)) == []
    assert (newsroom.stored(row).state, newsroom.editions()) == ("published", 1)
    assert newsroom.acts(row) == ["create", "submit", "approve", "publish"]


def test_an_emergency_goes_out_at_once_and_must_have_been_read(newsroom: ReviewNewsroom) -> None:
    row = newsroom.submit(**EMERGENCY)
    with pytest.raises(NotAllowed, match="not_read"):
        newsroom.approve(row)
    stored = newsroom.approve(row, read=True)
    assert (stored.status, stored.lane, newsroom.editions()) == ("published", "emergency", 1)


def test_a_schedule_waits_for_its_time(newsroom: ReviewNewsroom) -> None:
    row = newsroom.submit(publish_at="2026-11-25 09:00")
    assert newsroom.approve(row).status == "scheduled"
    assert newsroom.database.write_now(publish_held, press(), now=later(hours=1)) == []
    assert (
        len(newsroom.database.write_now(schedule.publish_due, press(), now=later(hours=1.5))) == 1
    )


def test_a_missed_schedule_can_be_published_by_an_approver_who_wrote_none_of_it(
    newsroom: ReviewNewsroom,
) -> None:
    row = newsroom.submit(publish_at="2026-11-25 09:00", expires="2026-11-26 14:00")
    newsroom.approve(row)
    assert newsroom.database.write_now(schedule.publish_due, press(), now=later(hours=5)) == []
    assert newsroom.stored(row).state == "approved"
    assert (
        newsroom.perform(release.publish_approved, "dewi", row.id, after=5 * 3600).status
        == "published"
    )


def test_nobody_approves_what_they_edited_even_in_an_earlier_version(local: ReviewNewsroom) -> None:
    local.hire(person("eka", "author", "approver"))
    row = local.draft("eka")
    local.perform(drafts.save, "rina", {**NOTICE, "title": "Lain"}, announcement_id=row.id)
    row = local.perform(review.submit, "rina", row.id)
    with refuses(NotAllowed, match="sendiri"):
        local.approve(row, "eka")
    with refuses(NotAllowed, match="sendiri"):
        local.perform(review.send_back, "eka", row.id, "Perbaiki.")
    assert local.nudged() == [("dewi", "review")]
    assert local.approve(row).status == "approved"


def test_an_account_without_the_right_does_nothing(local: ReviewNewsroom) -> None:
    row = local.submit()
    for name in ("rina", "ani"):
        with pytest.raises(NotAllowed):
            local.approve(row, name)
    with pytest.raises(NotAllowed):
        local.perform(drafts.save, "ani", NOTICE)
    assert local.stored(row) == row


def test_a_person_of_another_agency_or_area_neither_submits_nor_approves(
    local: ReviewNewsroom,
) -> None:
    local.hire(person("tia", "author", agencies=("Perumda Tirta",)))
    local.hire(person("uci", "approver", areas=("32.77.01",)))
    own = local.draft("tia", agency="Perumda Tirta")
    other = local.draft("tia", agency="BPBD")
    with pytest.raises(NotAllowed, match="not_yours"):
        local.perform(review.submit, "tia", other.id)
    row = local.perform(review.submit, "tia", own.id)
    with pytest.raises(NotAllowed, match="not_yours"):
        local.approve(row, "uci")
    assert local.approve(row).status == "approved"


def test_an_edit_voids_review_and_approval(newsroom: ReviewNewsroom) -> None:
    row = newsroom.submit()
    changed = newsroom.perform(
        drafts.save, "rina", {**NOTICE, "title": "Lain sama sekali"}, announcement_id=row.id
    )
    assert changed.state == "review"
    with pytest.raises(Outdated):
        newsroom.approve(row)
    with refuses(NotAllowed, match="berubah"):
        newsroom.perform(review.approve, "dewi", row.id, seen=row.bound, version=changed.version)
    newsroom.approve(changed)
    before = newsroom.nudged()
    edited = newsroom.perform(
        drafts.save, "rina", {**NOTICE, "areas": ["melong"]}, announcement_id=row.id, after=5
    )
    assert (edited.state, edited.release_at, edited.approved_by) == ("review", None, "")
    assert len(newsroom.nudged()) == len(before) + 1, "who approved is asked again"
    assert newsroom.database.write_now(publish_held, press(), now=later(hours=1)) == []
    assert newsroom.editions() == 0


def test_the_log_says_what_each_edit_changed_but_not_every_keystroke(
    newsroom: ReviewNewsroom,
) -> None:
    row = newsroom.submit()
    for number in range(5):
        form = {**NOTICE, "title": f"Lain {number}", "areas": ["melong"]}
        newsroom.perform(drafts.save, "rina", form, announcement_id=row.id, after=number)
    newsroom.perform(
        drafts.save,
        "budi",
        {**NOTICE, "title": "Punya Budi", "areas": ["melong"]},
        announcement_id=row.id,
        after=9,
    )
    details = [
        entry.detail
        for entry in newsroom.database.read_now(audit.about, row.id)
        if entry.act == "edit"
    ]
    assert [
        (detail["was"], detail["before"].get("title"), detail["after"].get("title"))
        for detail in details
    ] == [
        ("review", NOTICE["title"], "Lain 0"),
        ("review", "Lain 4", "Punya Budi"),
    ]
    assert (details[0]["before"]["areas"], details[0]["after"]["areas"]) == (
        NOTICE["areas"],
        ["melong"],
    )


def test_what_is_called_back_within_the_hold_is_not_sent(newsroom: ReviewNewsroom) -> None:
    row = newsroom.submit()
    newsroom.approve(row)
    assert newsroom.perform(review.call_back, "rina", row.id, after=10).state == "review"
    assert newsroom.database.write_now(publish_held, press(), now=later(seconds=60)) == []
    assert newsroom.editions() == 0


def test_two_clicks_on_approve_publish_once(newsroom: ReviewNewsroom) -> None:
    row = newsroom.submit(**EMERGENCY)
    newsroom.approve(row, read=True)
    with pytest.raises(NotAllowed):
        newsroom.approve(row, read=True)
    assert newsroom.editions() == 1


def test_what_is_returned_says_why_and_its_reviewer_does_not_edit_it(
    newsroom: ReviewNewsroom,
) -> None:
    newsroom.hire(person("eka", "author", "approver"))
    row = newsroom.submit()
    with pytest.raises(InvalidAnnouncement):
        newsroom.perform(review.send_back, "eka", row.id, "  ")
    returned = newsroom.perform(review.send_back, "eka", row.id, "Jam berapa air hidup lagi?")
    assert (returned.state, returned.note) == ("returned", "Jam berapa air hidup lagi?")
    assert ("rina", "returned") in newsroom.nudged()
    with pytest.raises(NotAllowed, match="returned_by_you"):
        newsroom.perform(drafts.save, "eka", {**NOTICE, "title": "X"}, announcement_id=row.id)
    newsroom.perform(
        drafts.save, "rina", {**NOTICE, "title": "Air hidup lagi 14.00"}, announcement_id=row.id
    )
    resubmitted = newsroom.perform(review.submit, "rina", row.id)
    assert (resubmitted.state, resubmitted.note) == ("review", "")
    assert newsroom.perform(review.reject, "dewi", row.id, "Sudah tidak perlu.").state == "rejected"
    assert newsroom.perform(drafts.archive, "rina", row.id).state == "archived"


def test_what_expires_within_its_hold_is_not_published(newsroom: ReviewNewsroom) -> None:
    row = newsroom.submit(expires=later(seconds=20).isoformat())
    newsroom.approve(row)
    assert newsroom.database.write_now(publish_held, press(), now=later(seconds=40)) == []
    assert newsroom.stored(row).state == "review"
    assert "Tidak jadi terbit" in newsroom.stored(row).note
    assert ("dewi", "missed") in newsroom.nudged()


# --- exercises and broken glass -------------------------------------------------------------------------


def test_an_exercise_looks_the_same_and_never_leaves(newsroom: ReviewNewsroom) -> None:
    row = newsroom.perform(drafts.save, "rina", NOTICE, training=True)
    row = newsroom.perform(review.submit, "rina", row.id)
    assert newsroom.approve(row).status == "ended"
    assert newsroom.editions() == 0
    other = newsroom.perform(drafts.save, "rina", EMERGENCY, training=True)
    for role in ("grant", "breaker"):
        with pytest.raises(NotAllowed, match="drill"):
            newsroom.database.write_now(
                publications.publish,
                press(),
                press().examine(EMERGENCY, NOW),
                actor=NamedActor(name="x", now=NOW),
                announcement_id=other.id,
                role=role,
            )
    assert newsroom.editions() == 0


def test_one_person_alone_publishes_only_an_emergency_and_only_where_allowed(
    newsroom: ReviewNewsroom,
) -> None:
    flood, water = newsroom.draft(**EMERGENCY), newsroom.draft()
    with pytest.raises(NotAllowed, match="alone_not_allowed"):
        newsroom.perform(
            release.break_glass, "rina", flood.id, reason="Sungai meluap.", allowed=False
        )
    with refuses(NotAllowed, match="Hanya"):
        newsroom.perform(release.break_glass, "rina", water.id, reason="Cepat.", allowed=True)
    stored = newsroom.perform(
        release.break_glass,
        "rina",
        flood.id,
        reason="Sungai meluap, tidak ada penyetuju.",
        allowed=True,
    )
    assert stored.status == "published"
    assert ("ani", "break_glass") in newsroom.nudged()
    assert newsroom.acts(flood)[-2:] == ["publish", "break_glass"]


# --- corrections and withdrawals ------------------------------------------------------------------------


def publish_notice(newsroom: ReviewNewsroom) -> Announcement:
    """Publish a notice after its hold; return it."""
    row = newsroom.submit()
    newsroom.approve(row)
    newsroom.database.write_now(publish_held, press(), now=later(seconds=31))
    return newsroom.stored(row)


def test_a_correction_waits_for_a_second_person_and_changes_nothing_until_then(
    newsroom: ReviewNewsroom,
) -> None:
    row = publish_notice(newsroom)
    form = {**NOTICE, "title": "Air PDAM mati sampai 16.00"}
    waiting = newsroom.perform(
        corrections.propose_correction, "rina", row.id, form, reason="Jamnya salah.", after=60
    )
    assert newsroom.stored(row) == row
    with refuses(NotAllowed, match="menunggu persetujuan"):
        newsroom.perform(corrections.propose_withdrawal, "budi", row.id, reason="Batal.", after=61)
    with refuses(NotAllowed, match="berubah"):
        newsroom.perform(corrections.approve, "dewi", row.id, seen="lain", after=62)
    stored = newsroom.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=63)
    pressed_twice = newsroom.perform(
        corrections.approve, "dewi", row.id, seen=waiting.bound, after=64
    )
    assert (pressed_twice.number, newsroom.editions()) == (None, 1)
    with pytest.raises(NotAllowed, match="proposal_approved"):
        newsroom.perform(corrections.approve, "dewi", row.id, seen="lain", after=64)
    assert (stored.number, newsroom.editions(), release_proposals(newsroom, 92)) == (None, 1, [])
    (stored,) = release_proposals(newsroom, 94)
    assert (stored.number, newsroom.stored(row).title) == (2, "Air PDAM mati sampai 16.00")
    with pytest.raises(NotAllowed):
        newsroom.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=95)
    assert (newsroom.editions(), release_proposals(newsroom, 96)) == (2, [])


def release_proposals(newsroom: ReviewNewsroom, seconds: float) -> Any:
    """Publish the proposals whose hold is over so many seconds after NOW; return the editions."""
    return newsroom.database.write_now(
        corrections.publish_held, press(), now=later(seconds=seconds)
    )


@pytest.mark.parametrize(("minutes", "out"), [(4, 1), (29, 1), (31, 0)])
def test_a_correction_whose_hold_ended_long_ago_asks_a_person(
    newsroom: ReviewNewsroom, minutes: int, out: int
) -> None:
    row = publish_notice(newsroom)
    form = {**NOTICE, "title": "Air PDAM mati sampai 16.00"}
    waiting = newsroom.perform(
        corrections.propose_correction, "budi", row.id, form, reason="Jamnya salah.", after=60
    )
    newsroom.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    assert len(release_proposals(newsroom, 61 + 30 + minutes * 60)) == out
    proposal = newsroom.database.read_now(proposed, row.id)
    assert (proposal is None) == bool(out), "what asks a person waits for approval again"
    assert proposal is None or proposal.release_at is None
    why = "late" if out else "missed"
    nudged = {(name, reason) for name, reason in newsroom.nudged() if reason in ("late", "missed")}
    people = () if minutes == 4 else ("budi", "dewi", "ani")
    assert nudged == {(name, why) for name in people}, (
        "who proposed it hears of it, whoever wrote the announcement"
    )


def test_what_is_called_back_while_the_clock_reaches_for_it_stays_unpublished(
    newsroom: ReviewNewsroom,
) -> None:
    row, called = publish_notice(newsroom), threading.Event()
    waiting = newsroom.perform(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Salah.",
        after=60,
    )
    newsroom.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)

    def call_back(connection: Any) -> None:
        desk = Desk(press=press(), account=newsroom.people["dewi"], now=later(seconds=90))
        corrections.call_back(connection, desk, row.id)
        called.set()
        asyncio.run(
            until(
                lambda: newsroom.database.read_now(transaction_waits),
                what="the clock, which has read the proposal",
            )
        )

    with ThreadPoolExecutor(1) as other:
        caller = other.submit(newsroom.database.write_now, call_back)
        assert called.wait(30)
        assert release_proposals(newsroom, 92) == []
        caller.result(30)
    assert newsroom.editions() == 1


def transaction_waits(connection: Any) -> bool:
    """True if a transaction waits for another's row; on SQLite, with its one writer, at once."""
    return is_sqlite(connection) or bool(
        connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar()
    )


def area_codes(*slugs: str) -> tuple[str, ...]:
    """Return the codes of these areas."""
    return tuple(AreaTree.built_in()[slug].code for slug in slugs)


def test_a_correction_to_further_areas_is_judged_by_who_holds_for_all_of_them(
    newsroom: ReviewNewsroom,
) -> None:
    row = publish_notice(newsroom)
    newsroom.hire(person("eka", "approver", areas=area_codes("leuwigajah")))
    newsroom.hire(person("uci", "approver", areas=area_codes("cibabat", "pasirkaliki")))
    newsroom.perform(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "areas": ["leuwigajah"]},
        reason="Salah.",
        after=60,
    )
    assert ("uci", "review") not in newsroom.nudged(), (
        "she holds for what is published, not for what it is to become"
    )
    assert ("eka", "review") not in newsroom.nudged(), (
        "she holds for what it is to become, not for what is published"
    )
    assert ("dewi", "review") in newsroom.nudged()


@pytest.mark.parametrize("left", [NOTICE["areas"], ["leuwigajah"]], ids=["published", "corrected"])
def test_a_correction_lapses_when_its_approver_holds_no_more_for_all_of_it(
    newsroom: ReviewNewsroom, left: list[str]
) -> None:
    row = publish_notice(newsroom)
    newsroom.hire(person("eka", "approver", areas=area_codes(*NOTICE["areas"], "leuwigajah")))
    form = {**NOTICE, "areas": ["leuwigajah"]}
    waiting = newsroom.perform(
        corrections.propose_correction, "rina", row.id, form, reason="Salah.", after=60
    )
    newsroom.perform(corrections.approve, "eka", row.id, seen=waiting.bound, after=61)
    newsroom.database.write_now(
        accounts.change, replace(newsroom.people["eka"], areas=area_codes(*left))
    )
    assert (release_proposals(newsroom, 100), newsroom.editions()) == ([], 1)
    assert newsroom.acts(row)[-1] == "lapse_correction"


def test_a_correction_and_a_withdrawal_can_be_called_back_within_the_hold(
    newsroom: ReviewNewsroom,
) -> None:
    row = publish_notice(newsroom)
    for propose, options in (
        (corrections.propose_correction, {"form": {**NOTICE, "title": "Air mati"}}),
        (corrections.propose_withdrawal, {}),
    ):
        waiting = newsroom.perform(propose, "rina", row.id, reason="Salah.", after=60, **options)
        newsroom.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
        newsroom.perform(corrections.call_back, "dewi", row.id, after=62)
        assert release_proposals(newsroom, 200) == []
        with pytest.raises(NotAllowed, match="proposal_unapproved"):
            newsroom.perform(corrections.call_back, "dewi", row.id, after=63)
        assert newsroom.database.read_now(proposed, row.id).bound == waiting.bound, (
            "it waits for a second person again"
        )
        newsroom.perform(corrections.take_back, "rina", row.id, after=64)
    assert newsroom.editions() == 1
    assert newsroom.acts(row)[-8:] == [
        "propose_correction",
        "approve_correction",
        "call_back_correction",
        "take_back_correction",
        "propose_withdrawal",
        "approve_withdrawal",
        "call_back_withdrawal",
        "take_back_withdrawal",
    ]


def test_a_correction_of_an_emergency_is_not_held(local: ReviewNewsroom) -> None:
    row = local.submit(**EMERGENCY)
    local.approve(row, read=True)
    form = {**NOTICE, **EMERGENCY, "title": "Banjir di Jl. Gandawijaya"}
    waiting = local.perform(
        corrections.propose_correction, "rina", row.id, form, reason="Salah jalan.", after=60
    )
    stored = local.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    assert (stored.number, stored.lane) == (2, "emergency")


def test_an_approver_disabled_within_the_hold_publishes_no_correction(
    newsroom: ReviewNewsroom,
) -> None:
    row = publish_notice(newsroom)
    waiting = newsroom.perform(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Salah.",
        after=60,
    )
    newsroom.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    newsroom.database.write_now(
        accounts.disable, newsroom.people["dewi"].id, later(seconds=70).timestamp()
    )
    assert release_proposals(newsroom, 100) == []
    assert newsroom.editions() == 1
    assert newsroom.acts(row)[-1] == "lapse_correction"
    assert newsroom.database.read_now(proposed, row.id).release_at is None


def test_a_held_correction_of_what_was_corrected_meanwhile_waits_again(
    newsroom: ReviewNewsroom,
) -> None:
    row = publish_notice(newsroom)
    waiting = newsroom.perform(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Salah.",
        after=60,
    )
    newsroom.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=61)
    other = checked({**NOTICE, "title": "Air mati lama"})
    newsroom.database.write_now(
        correct,
        press(),
        row.id,
        other,
        reason="Lain.",
        actor=NamedActor(name="token:portal", now=later(seconds=70)),
    )
    assert (release_proposals(newsroom, 100), newsroom.editions(), newsroom.acts(row)[-1]) == (
        [],
        2,
        "lapse_correction",
    )


def test_words_of_a_correction_that_was_refused_or_taken_back_are_kept(
    newsroom: ReviewNewsroom,
) -> None:
    row = publish_notice(newsroom)
    for end in (
        lambda: newsroom.perform(corrections.refuse, "dewi", row.id, "Belum pasti."),
        lambda: newsroom.perform(corrections.take_back, "rina", row.id),
    ):
        newsroom.perform(
            corrections.propose_correction,
            "rina",
            row.id,
            {**NOTICE, "title": "Air PDAM mati sampai sore"},
            reason="Salah.",
        )
        end()
    versions = newsroom.database.read_now(history, row.id)
    assert [(version.act, version.form["title"]) for version in versions[:2]] == [
        ("correct", "Air PDAM mati sampai sore")
    ] * 2
    assert "staff:dewi" not in newsroom.database.read_now(editors, row.id)


def test_the_proposer_does_not_approve(local: ReviewNewsroom) -> None:
    local.hire(person("eka", "author", "approver"))
    row = publish_notice(local)
    waiting = local.perform(
        corrections.propose_withdrawal, "eka", row.id, reason="Batal.", after=60
    )
    with refuses(NotAllowed, match="sendiri"):
        local.perform(corrections.approve, "eka", row.id, seen=waiting.bound, after=61)
    local.perform(corrections.approve, "dewi", row.id, seen=waiting.bound, after=62)
    (stored,) = release_proposals(local, 93)
    assert (stored.status, stored.number) == ("ended", 2)


def test_a_proposal_can_be_refused_or_taken_back(local: ReviewNewsroom) -> None:
    row = publish_notice(local)
    local.perform(corrections.propose_withdrawal, "rina", row.id, reason="Batal.", after=60)
    local.perform(corrections.refuse, "dewi", row.id, "Tidak perlu.", after=61)
    assert ("rina", "rejected") in local.nudged()
    local.perform(corrections.propose_withdrawal, "rina", row.id, reason="Batal.", after=62)
    with pytest.raises(NotAllowed):
        local.perform(corrections.take_back, "budi", row.id, after=63)
    local.perform(corrections.take_back, "rina", row.id, after=64)
    assert local.database.read_now(proposals) == []
    assert local.editions() == 1


# --- lists --------------------------------------------------------------------------------------------


def test_lists_have_tabs_with_counts_search_filters_and_pages(newsroom: ReviewNewsroom) -> None:
    for number in range(7):
        newsroom.perform(
            drafts.save, "rina", {**NOTICE, "title": f"Air mati {number}"}, after=number
        )
    other = newsroom.perform(drafts.save, "budi", {**EMERGENCY, "agency": "BPBD"}, after=9)
    newsroom.perform(review.submit, "budi", other.id, after=10)
    read = newsroom.database.read_now
    assert read(announcement_lists.counts, AnnouncementFilter()) == {
        "draft": 7,
        "waiting": 1,
        "scheduled": 0,
        "published": 0,
        "ended": 0,
        "archived": 0,
    }
    first = read(announcement_lists.page, AnnouncementFilter(tab="draft"), limit=4)
    second = read(
        announcement_lists.page, AnnouncementFilter(tab="draft"), before=first.following, limit=4
    )
    assert [item.title for item in (*first.items, *second.items)] == [
        f"Air mati {number}" for number in range(6, -1, -1)
    ]
    assert second.following == ""
    assert [
        item.title
        for item in read(
            announcement_lists.page, AnnouncementFilter(tab="draft", text="AIR 3")
        ).items
    ] == ["Air mati 3"]
    assert read(announcement_lists.counts, AnnouncementFilter(text=other.code))["waiting"] == 1
    assert (
        read(
            announcement_lists.counts,
            AnnouncementFilter(level="emergency", agency="BPBD", author="staff:budi"),
        )["waiting"]
        == 1
    )
    assert read(announcement_lists.agencies) == ["BPBD"]
    assert (
        read(announcement_lists.counts, AnnouncementFilter(since=later(seconds=5).timestamp()))[
            "draft"
        ]
        == 2
    )


def test_the_hold_is_thirty_seconds() -> None:
    assert timedelta(seconds=30) == HOLD


# --- what a second person cannot vouch for ------------------------------------------------------------


def test_a_picture_that_its_host_may_exchange_after_approval_is_not_submitted(
    local: ReviewNewsroom,
) -> None:
    foreign = {"image": "https://lain.example/foto.jpg", "image_alt": "Pipa"}
    with pytest.raises(InvalidAnnouncement, match="image_elsewhere"):
        local.submit(**foreign)
    row = local.submit(
        image=f"https://info.cimahi.example/media/{'a' * 32}/web.jpg", image_alt="Pipa"
    )
    assert row.state == "review"
    local.perform(drafts.save, "rina", {**NOTICE, **foreign}, announcement_id=row.id)
    with pytest.raises(NotAllowed):
        local.approve(local.stored(row))
    published = local.perform(
        lambda c, d: publications.publish(
            c, d.press, d.press.examine(NOTICE, d.now), actor=NamedActor(name="cli", now=d.now)
        ),
        "rina",
    )
    with pytest.raises(InvalidAnnouncement, match="image_elsewhere"):
        local.perform(
            corrections.propose_correction,
            "rina",
            published.id,
            {**NOTICE, **foreign},
            reason="Gambar.",
        )


@pytest.mark.parametrize(
    "broken", [{"expires": "2026-13-45 14:00"}, {"publish_at": "besok"}, {"summary": "x" * 91}]
)
def test_an_unreadable_edit_is_not_silently_left_out(
    local: ReviewNewsroom, broken: dict[str, str]
) -> None:
    row = local.submit()
    local.perform(drafts.save, "rina", {**NOTICE, **broken}, announcement_id=row.id)
    with pytest.raises(NotAllowed):
        local.approve(local.stored(row))


def test_a_copy_of_an_exercise_is_an_exercise(local: ReviewNewsroom) -> None:
    drill = local.perform(drafts.save, "rina", NOTICE, training=True)
    assert local.stored(local.perform(drafts.duplicate, "budi", drill.id)).training


def test_a_copy_of_what_was_corrected_has_the_corrected_words(local: ReviewNewsroom) -> None:
    row = local.submit()
    local.approve(row)
    local.perform(release.publish_approved, "dewi", row.id)
    right = {**NOTICE, "title": "Air PDAM mati di Cibabat sampai malam"}
    waiting = local.perform(
        corrections.propose_correction, "rina", row.id, right, reason="Salah jam."
    )
    local.perform(corrections.approve, "dewi", row.id, seen=waiting.bound)
    release_proposals(local, 31)
    copy = local.perform(drafts.duplicate, "rina", row.id)
    assert copy.title == right["title"]


def test_a_correction_of_what_was_corrected_meanwhile_is_not_approved_unseen(
    local: ReviewNewsroom,
) -> None:
    def publish(connection: Any, desk: Desk, **changes: Any) -> Any:
        return publications.publish(
            connection,
            desk.press,
            desk.press.examine({**NOTICE, **changes}, desk.now),
            actor=NamedActor(name="cli", now=desk.now),
        )

    def correct_at_once(connection: Any, desk: Desk, **changes: Any) -> Any:
        checked = desk.press.examine({**NOTICE, **changes}, desk.now)
        return correct(
            connection,
            desk.press,
            row.id,
            checked,
            reason="Lokasi.",
            actor=NamedActor(name="token:x", now=desk.now),
        )

    row = local.perform(publish, "rina")
    waiting = local.perform(
        corrections.propose_correction,
        "rina",
        row.id,
        {**NOTICE, "title": "Air mati"},
        reason="Judul.",
    )
    local.perform(
        correct_at_once, "rina", body="Tampung air. Truk tangki pindah ke lapangan RW 05."
    )
    with pytest.raises(NotAllowed, match="proposal_stale"):
        local.perform(corrections.approve, "dewi", row.id, seen=waiting.bound)
    local.perform(corrections.refuse, "dewi", row.id, "Sudah diralat.")


def test_breaking_the_glass_publishes_only_the_version_that_was_seen(local: ReviewNewsroom) -> None:
    row = local.draft(**EMERGENCY)
    local.perform(
        drafts.save, "rina", {**EMERGENCY, "body": "Semua ke lapangan."}, announcement_id=row.id
    )
    with pytest.raises(Outdated):
        local.perform(
            release.break_glass,
            "budi",
            row.id,
            reason="Tidak ada penyetuju.",
            allowed=True,
            version=row.version,
        )
    assert local.editions() == 0
    local.perform(
        release.break_glass,
        "budi",
        row.id,
        reason="Tidak ada penyetuju.",
        allowed=True,
        version=local.stored(row).version,
    )
    assert local.editions() == 1
