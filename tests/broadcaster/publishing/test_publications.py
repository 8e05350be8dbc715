"""Publishing as one transaction, scheduled, corrected and withdrawn, on SQLite and on PostgreSQL."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Row, select, update

from broadcaster.domain import signatures
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.rules import Fields, InvalidAnnouncement
from broadcaster.domain.signatures import Signer
from broadcaster.publishing import corrections, publications, schedule
from broadcaster.publishing.lateness import STALE
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.store import announcements, archive, audit, audit_tables, metrics
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.database import Database
from broadcaster.store.tables import announcement, edition, edition_area, run
from subscribers.areas import AreaTree
from support import desk, world
from support.codes import is_code
from support.desk import NOW, checked, count, later, press
from support.wording import refuses

PRESS = press()


class BrokenSigner(Signer):
    """A signer whose key cannot be used."""

    def sign(self, document: bytes) -> str:
        """Fail, as a hardware key would."""
        raise OSError("no key")


def publish(
    database: Database, raw: dict[str, Any] = desk.NOTICE, **changes: Any
) -> StoredAnnouncement:
    """Publish an announcement at NOW."""
    return database.write_now(
        publications.publish, PRESS, checked(raw, **changes), actor=NamedActor(name="rina", now=NOW)
    )


def runs_of(database: Database, edition_id: int | None) -> dict[str, Row[Any]]:
    """Return the runs of an edition by channel."""
    statement = select(run).where(run.c.edition == edition_id)
    return {
        row.channel: row
        for row in database.read_now(lambda connection: connection.execute(statement).all())
    }


def announcement_of(database: Database, stored: StoredAnnouncement) -> Announcement:
    """Return the announcement as it is stored now."""
    row = database.read_now(announcements.find, stored.id)
    assert row is not None
    return row


def newest(database: Database, stored: StoredAnnouncement) -> EditionRow:
    """Return the newest edition of an announcement."""
    row = database.read_now(announcements.newest_edition, stored.id)
    assert row is not None
    return row


def acts(database: Database) -> list[tuple[str, str]]:
    """Return (actor, act) pairs of the audit log in order, after checking its chain."""
    database.read_now(audit.verify)
    statement = select(audit_tables.audit.c.actor, audit_tables.audit.c.act).order_by(
        audit_tables.audit.c.id
    )
    return [
        (row.actor, row.act)
        for row in database.read_now(lambda connection: connection.execute(statement).all())
    ]


def run_together(database_url: str, act: Callable[[Database], Any], times: int = 2) -> list[Any]:
    """Run `act` in threads that begin together, each with its own database; return the results, or
    the refusals raised instead.
    """
    barrier = Barrier(times)

    def work(_: int) -> Any:
        database = Database(database_url)
        try:
            barrier.wait()
            return act(database)
        except NotAllowed as refused:
            return refused
        finally:
            database.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


# --- publishing -----------------------------------------------------------------------------------


def test_publishing_stores_edition_signature_areas_and_outbox(database: Database) -> None:
    stored = publish(database)
    assert (stored.status, stored.number) == ("published", 1)
    assert is_code(stored.code)
    assert stored.url == f"https://info.cimahi.example/p/{stored.code}"
    row = newest(database, stored)
    assert row.id == stored.edition
    assert (row.edition.code, row.edition.key) == (stored.code, f"{stored.id}.1")
    assert signatures.verify(PRESS.signer.public_pem, row.document.encode(), row.signature)
    assert row.key_id == PRESS.signer.key_id
    assert set(runs_of(database, stored.edition)) == {"whatsapp", "telegram", "email"}
    assert acts(database) == [("rina", "publish")]
    current = announcement_of(database, stored)
    assert (current.state, current.created_by, current.published_at) == (
        "published",
        "rina",
        NOW.timestamp(),
    )
    assert current.fields == checked().fields


def test_an_edition_concerns_its_areas_what_contains_them_and_what_lies_within(
    database: Database,
) -> None:
    stored = publish(database, areas=["cibabat"])
    statement = select(edition_area.c.area).where(edition_area.c.edition == stored.edition)
    areas = database.read_now(lambda connection: connection.execute(statement).scalars().all())
    assert set(areas) == {"32.77", "32.77.03", "32.77.03.1002"}
    whole = publish(database, areas=["cimahi"])
    statement = select(edition_area.c.area).where(edition_area.c.edition == whole.edition)
    assert (
        len(database.read_now(lambda connection: connection.execute(statement).scalars().all()))
        == 19
    )


def test_a_run_waits_for_the_fan_out_in_its_lane(database: Database) -> None:
    routine = runs_of(database, publish(database).edition)["email"]
    stored = publish(database, desk.EMERGENCY)
    emergency = runs_of(database, stored.edition)["email"]
    assert (routine.lane, emergency.lane, stored.lane) == ("routine", "emergency", "emergency")
    assert (routine.state, routine.sealed, routine.cursor, routine.follows) == (
        "preparing",
        False,
        -1,
        None,
    )
    assert routine.published_at == NOW.timestamp()
    assert emergency.expires_at == datetime.fromisoformat("2026-11-25T10:00:00+07:00").timestamp()


def test_the_audience_is_bounded_by_the_exact_time_of_publication(database: Database) -> None:
    row = newest(database, publish(database))
    assert row.published_at == NOW.timestamp()
    assert row.edition.published_at == NOW.replace(microsecond=0)
    assert row.first_published_at == NOW.replace(microsecond=0).timestamp()


def test_an_announcement_goes_only_by_the_channels_it_names(database: Database) -> None:
    stored = publish(database, channels=["email", "feed"])
    assert set(runs_of(database, stored.edition)) == {"email"} == set(stored.channels)


def test_a_failure_in_the_middle_leaves_nothing(database: Database) -> None:
    broken = press(signer=BrokenSigner.from_seed(bytes(32)))
    with pytest.raises(OSError, match="no key"):
        database.write_now(
            publications.publish, broken, checked(), actor=NamedActor(name="rina", now=NOW)
        )
    assert [
        count(database, table)
        for table in (announcement, edition, edition_area, run, audit_tables.audit)
    ] == [0] * 5


def test_a_taken_code_is_drawn_again(database: Database) -> None:
    used = publish(database).code
    draws = iter([used, used, "CMH-2222-22"])
    row = Announcement(
        id="b" * 32,
        code="",
        state="draft",
        fields=checked().fields,
        created_at=0,
        updated_at=0,
        publish_at=None,
        published_at=None,
        created_by="rina",
        note="",
    )
    assert (
        database.write_now(announcements.insert_announcement, row, lambda: next(draws)).code
        == "CMH-2222-22"
    )
    with pytest.raises(RuntimeError, match="no free code"):
        database.write_now(announcements.insert_announcement, row, lambda: used)


def test_codes_and_ids_are_all_different_and_ids_sort_by_time(database: Database) -> None:
    many = [
        database.write_now(
            publications.save_draft,
            PRESS,
            checked(),
            actor=NamedActor(name="rina", now=later(seconds=second)),
        )
        for second in range(20)
    ]
    assert len({stored.code for stored in many}) == 20
    assert [stored.id for stored in many] == sorted(stored.id for stored in many)
    assert all(len(stored.id) == 32 and int(stored.id, 16) for stored in many)


def test_the_preview_is_what_will_be_published(database: Database) -> None:
    preview = publications.preview_edition(checked(), site=PRESS.site, now=NOW)
    published = newest(database, publish(database)).edition
    assert is_code(preview.code)
    assert (
        msgspec.structs.replace(preview, announcement=published.announcement, code=published.code)
        == published
    )
    assert count(database, announcement) == 1


def test_another_citys_prefix_stands_in_its_codes(database: Database) -> None:
    stored = database.write_now(
        publications.publish,
        press(code_prefix="BDG"),
        checked(),
        actor=NamedActor(name="cli", now=NOW),
    )
    assert is_code(stored.code, "BDG")


# --- drafts ---------------------------------------------------------------------------------------


def test_a_draft_has_its_code_from_the_start_and_no_edition(database: Database) -> None:
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    assert (draft.status, draft.edition) == ("draft", None)
    assert count(database, edition) == count(database, run) == 0
    published = database.write_now(
        publications.publish_stored,
        PRESS,
        draft.id,
        actor=NamedActor(name="dewi", now=later(minutes=1)),
    )
    assert (published.id, published.code, published.status) == (draft.id, draft.code, "published")
    assert acts(database) == [("rina", "edit"), ("dewi", "publish")]


def test_a_draft_can_be_changed_until_it_is_published(database: Database) -> None:
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    changed = checked(title="Air PDAM mati di Cibabat dan Pasirkaliki")
    database.write_now(
        publications.save_draft,
        PRESS,
        changed,
        actor=NamedActor(name="rina", now=NOW),
        announcement_id=draft.id,
    )
    assert announcement_of(database, draft).fields.title.endswith("Pasirkaliki")
    database.write_now(
        publications.publish,
        PRESS,
        changed,
        actor=NamedActor(name="cli", now=NOW),
        announcement_id=draft.id,
    )
    with refuses(NotAllowed, match="terbit"):
        database.write_now(
            publications.save_draft,
            PRESS,
            checked(),
            actor=NamedActor(name="rina", now=NOW),
            announcement_id=draft.id,
        )
    assert newest(database, draft).edition.wording("id").title.endswith("Pasirkaliki")


def test_an_author_publishes_nothing_alone(database: Database) -> None:
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    with pytest.raises(NotAllowed):
        database.write_now(
            publications.publish_stored,
            PRESS,
            draft.id,
            actor=NamedActor(name="rina", now=NOW),
            role="author",
        )
    assert count(database, edition) == 0


def test_a_stored_draft_is_checked_by_the_rules_of_the_day(database: Database) -> None:
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    with refuses(InvalidAnnouncement, match="sudah lewat"):
        database.write_now(
            publications.publish_stored,
            PRESS,
            draft.id,
            actor=NamedActor(name="dewi", now=later(days=1)),
        )
    assert announcement_of(database, draft).state == "draft"
    assert count(database, edition) == 0


def test_an_unknown_announcement_is_refused(database: Database) -> None:
    with refuses(NotAllowed, match="tidak ada"):
        database.write_now(
            publications.publish_stored, PRESS, "f" * 32, actor=NamedActor(name="dewi", now=NOW)
        )


def test_a_double_click_publishes_once(database_url: str) -> None:
    database = Database(database_url)
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    results = run_together(
        database_url,
        lambda own: own.write_now(
            publications.publish_stored, PRESS, draft.id, actor=NamedActor(name="dewi", now=NOW)
        ),
        times=4,
    )
    assert sum(isinstance(result, StoredAnnouncement) for result in results) == 1
    assert sum(isinstance(result, NotAllowed) for result in results) == 3
    assert (count(database, edition), count(database, run)) == (1, 3)
    database.close()


# --- schedules ------------------------------------------------------------------------------------


def test_a_schedule_stores_no_edition_until_its_time(database: Database) -> None:
    planned = publish(database, publish_at="2026-11-25 09:00")
    assert (planned.status, planned.edition) == ("scheduled", None)
    assert database.write_now(schedule.publish_due, PRESS, now=later(hours=1)) == []
    assert count(database, edition) == 0
    due = datetime.fromisoformat("2026-11-25T09:00:03+07:00")
    (published,) = database.write_now(schedule.publish_due, PRESS, now=due)
    assert (published.id, published.status, published.channels) == (
        planned.id,
        "published",
        PRESS.push_channels,
    )
    assert newest(database, planned).edition.effective == due
    assert announcement_of(database, planned).fields.publish_at is None
    assert database.write_now(schedule.publish_due, PRESS, now=due) == []
    assert acts(database) == [("rina", "schedule"), ("clock", "publish")]


def test_a_schedule_without_a_time_is_refused(database: Database) -> None:
    with refuses(InvalidAnnouncement, match="publish_at"):
        database.write_now(
            publications.schedule, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
        )


def test_racing_workers_publish_a_schedule_once(database_url: str) -> None:
    database = Database(database_url)
    planned = [publish(database, publish_at="2026-11-25 09:00") for _ in range(5)]
    due = datetime.fromisoformat("2026-11-25T09:00:00+07:00")
    results: Sequence[list[StoredAnnouncement]] = run_together(
        database_url, lambda own: own.write_now(schedule.publish_due, PRESS, now=due), times=4
    )
    assert sorted(stored.id for stored in itertools.chain(*results)) == sorted(
        stored.id for stored in planned
    )
    assert (count(database, edition), count(database, run)) == (5, 15)
    database.close()


def test_a_schedule_missed_by_more_than_thirty_minutes_asks_a_person(database: Database) -> None:
    planned = publish(database, publish_at="2026-11-25 09:00", expires=None)
    due = datetime.fromisoformat("2026-11-25T09:00:00+07:00")
    assert (
        database.write_now(schedule.publish_due, PRESS, now=due + STALE + (later(seconds=1) - NOW))
        == []
    )
    row = announcement_of(database, planned)
    assert (row.state, row.note) == (
        "approved",
        "Jadwal 25 Nov 2026 09.00 WIB terlewat lebih dari 30 menit. Periksa, lalu terbitkan atau jadwalkan lagi.",
    )
    assert acts(database)[-1] == ("clock", "miss")
    published = database.write_now(
        publications.publish_stored,
        PRESS,
        planned.id,
        actor=NamedActor(name="dewi", now=later(hours=5)),
    )
    assert published.status == "published"
    assert announcement_of(database, planned).note == ""


def test_a_schedule_missed_by_thirty_minutes_is_still_kept(database: Database) -> None:
    publish(database, publish_at="2026-11-25 09:00", expires=None)
    due = datetime.fromisoformat("2026-11-25T09:00:00+07:00")
    assert len(database.write_now(schedule.publish_due, PRESS, now=due + STALE)) == 1


def test_a_schedule_past_its_expiry_asks_a_person_and_holds_nobody_up(database: Database) -> None:
    over = publish(database, publish_at="2026-11-25 09:00", expires="2026-11-25 09:15")
    closed = publish(database, publish_at="2026-11-25 09:10", channels=["telegram"])
    good = publish(database, publish_at="2026-11-25 09:20")
    now = datetime.fromisoformat("2026-11-25T09:25:00+07:00")
    published = database.write_now(schedule.publish_due, press(push_channels=("email",)), now=now)
    assert [stored.id for stored in published] == [good.id]
    assert "sudah lewat" in announcement_of(database, over).note
    assert "telegram" in announcement_of(database, closed).note


def test_an_unscheduled_announcement_stays_approved_and_is_not_published(
    database: Database,
) -> None:
    planned = publish(database, publish_at="2026-11-25 09:00")
    stored = database.write_now(
        publications.unschedule,
        PRESS,
        planned.id,
        actor=NamedActor(name="dewi", now=NOW),
        role="approver",
    )
    assert stored.status == "approved"
    assert database.write_now(schedule.publish_due, PRESS, now=later(hours=2)) == []
    rescheduled = database.write_now(
        publications.schedule,
        PRESS,
        checked(publish_at="2026-11-25 11:00"),
        actor=NamedActor(name="dewi", now=NOW),
        announcement_id=planned.id,
        role="approver",
    )
    assert rescheduled.status == "scheduled"


def test_expired_announcements_end_and_others_stay(database: Database) -> None:
    over, without_end = publish(database), publish(database, expires=None)
    assert database.write_now(schedule.end_expired, later(hours=1)) == []
    assert database.write_now(schedule.end_expired, later(hours=7)) == [over.id]
    assert database.write_now(schedule.end_expired, later(hours=8)) == []
    assert (
        announcement_of(database, over).state,
        announcement_of(database, without_end).state,
    ) == (
        "ended",
        "published",
    )
    assert acts(database)[-1] == ("clock", "end")


# --- corrections ----------------------------------------------------------------------------------


def correct(
    database: Database, stored: StoredAnnouncement, now: datetime, **changes: Any
) -> StoredAnnouncement:
    """Correct an announcement: the water returns later."""
    changes = {"title": "Air PDAM mati di Cibabat sampai sore", **changes}
    return database.write_now(
        corrections.correct,
        PRESS,
        stored.id,
        checked(now=now, **changes),
        reason="Air kembali pukul 16.00.",
        actor=NamedActor(name="dewi", now=now),
    )


def test_a_correction_is_the_next_edition_under_the_same_code(database: Database) -> None:
    original = publish(database)
    stored = correct(database, original, later(hours=1))
    assert (stored.id, stored.code, stored.status, stored.number) == (
        original.id,
        original.code,
        "published",
        2,
    )
    first, second = database.read_now(announcements.versions, original.id)
    assert (first.newest, second.newest) == (False, True)
    assert (second.edition.change, second.edition.reason) == (
        "correction",
        "Air kembali pukul 16.00.",
    )
    assert (
        second.edition.first_published_at == first.edition.published_at == second.edition.effective
    )
    assert second.edition.published_at > first.edition.published_at
    assert signatures.verify(PRESS.signer.public_pem, second.document.encode(), second.signature)
    assert (
        announcement_of(database, original).fields.title == "Air PDAM mati di Cibabat sampai sore"
    )
    assert acts(database)[-1] == ("dewi", "correct")


def test_a_correction_ends_unfinished_runs_and_follows_the_edition_before(
    database: Database,
) -> None:
    original = publish(database)
    for channel, state in (("whatsapp", "running"), ("telegram", "paused"), ("email", "done")):
        statement = update(run).where(run.c.channel == channel).values(state=state)
        database.write_now(lambda connection, statement=statement: connection.execute(statement))
    stored = correct(database, original, later(hours=1))
    assert {name: row.state for name, row in runs_of(database, original.edition).items()} == {
        "whatsapp": "superseded",
        "telegram": "superseded",
        "email": "done",
    }
    assert {(row.state, row.follows) for row in runs_of(database, stored.edition).values()} == {
        ("preparing", original.edition)
    }


def test_a_second_correction_follows_the_first(database: Database) -> None:
    original = publish(database)
    second = correct(database, original, later(hours=1))
    third = correct(database, original, later(hours=2), title="Air PDAM mengalir lagi")
    assert third.number == 3
    assert {row.follows for row in runs_of(database, third.edition).values()} == {second.edition}
    assert [row.newest for row in database.read_now(announcements.versions, original.id)] == [
        False,
        False,
        True,
    ]


def test_a_correction_reaches_every_channel_of_the_original(database: Database) -> None:
    original = publish(database, channels=["whatsapp", "feed"])
    stored = correct(database, original, later(hours=1), channels=["email"])
    assert set(runs_of(database, stored.edition)) == {"whatsapp", "email"}
    area = AreaTree.built_in()["cibabat"].code
    pages = {
        name: database.read_now(archive.concerning, area, since=0, channel=name)
        for name in ("feed", "email", "display")
    }
    counts = {name: len(page.editions) for name, page in pages.items()}
    assert counts == {"feed": 1, "email": 1, "display": 0}


def test_a_correction_may_widen_the_areas(database: Database) -> None:
    original = publish(database, areas=["cibabat"])
    correct(database, original, later(hours=1), areas=["cibabat", "melong"])
    melong = AreaTree.built_in()["melong"].code
    assert [
        item.number for item in database.read_now(archive.concerning, melong, since=0).editions
    ] == [2]


def editions_shown(database: Database, slug: str, channel: str = "feed") -> list[tuple[int, str]]:
    """Return number and change of the editions that feeds or screens show for an area."""
    page = database.read_now(
        archive.concerning, AreaTree.built_in()[slug].code, since=0, channel=channel
    )
    return [(item.number, item.change) for item in page.editions]


@pytest.mark.parametrize("channel", ["feed", "display"])
def test_a_correction_to_other_areas_stands_wherever_an_earlier_edition_stood(
    database: Database, channel: str
) -> None:
    original = publish(database, areas=["cibabat"])
    correct(database, original, later(hours=1), areas=["melong"])
    assert (
        editions_shown(database, "cibabat", channel)
        == editions_shown(database, "melong", channel)
        == [(2, "correction")]
    )
    correct(database, original, later(hours=2), areas=["leuwigajah"])
    for slug in ("cibabat", "cimahi-utara", "melong", "leuwigajah", "cimahi"):
        assert editions_shown(database, slug, channel) == [(3, "correction")]
    withdraw(database, original, later(hours=3))
    for slug in ("cibabat", "cimahi-utara", "melong", "leuwigajah", "cimahi"):
        assert editions_shown(database, slug, channel) == [(4, "withdrawal")]
    assert editions_shown(database, "pasirkaliki", channel) == []


def test_areas_that_a_correction_left_count_no_announcement_in_force(database: Database) -> None:
    original = publish(database, areas=["cibabat"])
    correct(database, original, later(hours=1), areas=["melong"])
    tree = AreaTree.built_in()
    in_force = database.read_now(metrics.in_force_by_area, later(hours=2).timestamp())
    assert set(in_force) == tree.concerned([tree["melong"].code])


def test_a_channel_taken_off_keeps_showing_what_became_of_it(database: Database) -> None:
    original = publish(database, channels=["email", "feed"])
    for hours, act in ((1, {"title": "Air mati dua"}), (2, {"title": "Air mati tiga"})):
        correct(database, original, later(hours=hours), channels=["email"], **act)
        assert editions_shown(database, "cibabat") == [(hours + 1, "correction")]
    withdraw(database, original, later(hours=3))
    assert editions_shown(database, "cibabat") == [(4, "withdrawal")]
    assert editions_shown(database, "cibabat", "display") == []


def test_what_corrects_an_emergency_is_as_urgent_as_it_was(database: Database) -> None:
    original = publish(database, desk.EMERGENCY)
    stored = correct(database, original, later(minutes=5))
    calmed = newest(database, stored).edition
    assert (calmed.level, calmed.urgent) == ("info", True)
    assert not newest(
        database, correct(database, original, later(minutes=7), title="Air mati lagi")
    ).edition.urgent
    assert (stored.lane, {row.lane for row in runs_of(database, stored.edition).values()}) == (
        "emergency",
        {"emergency"},
    )
    last = withdraw(database, original, later(minutes=9))
    assert (last.lane, {row.lane for row in runs_of(database, last.edition).values()}) == (
        "emergency",
        {"emergency"},
    )


def test_a_notice_that_becomes_an_emergency_goes_by_the_lane_of_emergencies(
    database: Database,
) -> None:
    stored = correct(database, publish(database), later(minutes=5), **desk.EMERGENCY)
    assert {row.lane for row in runs_of(database, stored.edition).values()} == {"emergency"}


def test_an_ended_announcement_can_be_corrected_and_is_published_again(database: Database) -> None:
    original = publish(database)
    database.write_now(schedule.end_expired, later(hours=7))
    assert (
        correct(database, original, later(hours=8), expires="2026-11-25 20:00").status
        == "published"
    )


def test_a_correction_without_a_change_or_a_reason_is_refused(database: Database) -> None:
    original = publish(database)
    with refuses(NotAllowed, match="sama"):
        database.write_now(
            corrections.correct,
            PRESS,
            original.id,
            checked(),
            reason="Salah.",
            actor=NamedActor(name="dewi", now=NOW),
        )
    other = checked(title="Lain")
    for reason, message in (
        ("  ", "Belum diisi"),
        ("...", "Belum diisi"),
        ("x" * 301, "Kelebihan 1 karakter"),
    ):
        with refuses(InvalidAnnouncement, match=message):
            database.write_now(
                corrections.correct,
                PRESS,
                original.id,
                other,
                reason=reason,
                actor=NamedActor(name="dewi", now=NOW),
            )
    with refuses(InvalidAnnouncement, match="publish_at"):
        correct(database, original, NOW, publish_at="2026-11-25 12:00")
    assert count(database, edition) == 1


def test_a_draft_can_be_neither_corrected_nor_withdrawn(database: Database) -> None:
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    with refuses(NotAllowed, match="draf, jadi tidak dapat diralat"):
        correct(database, draft, NOW)
    with refuses(NotAllowed, match="draf, jadi tidak dapat dicabut"):
        database.write_now(
            corrections.withdraw,
            PRESS,
            draft.id,
            reason="Salah.",
            actor=NamedActor(name="dewi", now=NOW),
        )


def test_the_same_correction_twice_at_once_is_one_edition(database_url: str) -> None:
    database = Database(database_url)
    original = publish(database)
    results = run_together(
        database_url, lambda own: correct(own, original, later(hours=1)), times=3
    )
    assert sum(isinstance(result, StoredAnnouncement) for result in results) == 1
    assert [row.number for row in database.read_now(announcements.versions, original.id)] == [1, 2]
    database.close()


# --- withdrawals ----------------------------------------------------------------------------------


def withdraw(database: Database, stored: StoredAnnouncement, now: datetime) -> StoredAnnouncement:
    """Withdraw an announcement."""
    return database.write_now(
        corrections.withdraw,
        PRESS,
        stored.id,
        reason="Salah kelurahan.",
        actor=NamedActor(name="dewi", now=now),
    )


def test_a_withdrawal_goes_where_the_original_went_and_ends_the_announcement(
    database: Database,
) -> None:
    original = publish(database, desk.EMERGENCY, channels=["whatsapp", "display"])
    stored = withdraw(database, original, later(minutes=5))
    assert (stored.status, stored.number, stored.code) == ("ended", 2, original.code)
    row = newest(database, stored)
    assert row.withdrawn
    assert (row.edition.change, row.edition.reason, row.expires_at) == (
        "withdrawal",
        "Salah kelurahan.",
        None,
    )
    assert "Banjir" not in row.document
    (only,) = runs_of(database, stored.edition).values()
    assert (only.channel, only.lane, only.follows) == ("whatsapp", "emergency", original.edition)
    assert {old.state for old in runs_of(database, original.edition).values()} == {"superseded"}
    assert acts(database)[-1] == ("dewi", "withdraw")


def test_what_is_withdrawn_stays_withdrawn(database: Database) -> None:
    original = publish(database)
    withdraw(database, original, later(hours=1))
    with refuses(NotAllowed, match=r"sudah dicabut pada 25 Nov 2026 08\.43 WIB"):
        withdraw(database, original, later(hours=2))
    with refuses(NotAllowed, match="sudah dicabut"):
        correct(database, original, later(hours=2))
    assert len(database.read_now(announcements.versions, original.id)) == 2


def test_an_ended_announcement_can_still_be_withdrawn(database: Database) -> None:
    original = publish(database)
    database.write_now(schedule.end_expired, later(hours=7))
    assert withdraw(database, original, later(hours=8)).number == 2


def test_two_withdrawals_at_once_are_one(database_url: str) -> None:
    database = Database(database_url)
    original = publish(database)
    results = run_together(
        database_url, lambda own: withdraw(own, original, later(hours=1)), times=3
    )
    assert sum(isinstance(result, StoredAnnouncement) for result in results) == 1
    assert count(database, edition) == 2
    database.close()


def test_every_writer_leaves_a_whole_chain_of_acts(database_url: str) -> None:
    database = Database(database_url)
    drafts = [
        database.write_now(
            publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
        )
        for _ in range(3)
    ]

    def work(own: Database) -> None:
        for draft in drafts:
            own.write_now(_publish_if_allowed, publications.publish_stored, draft.id)
            own.write_now(
                publications.publish, PRESS, checked(), actor=NamedActor(name="cli", now=NOW)
            )

    run_together(database_url, work, times=3)
    assert sorted(acts(database)) == sorted(
        [("rina", "edit")] * 3 + [("dewi", "publish")] * 3 + [("cli", "publish")] * 9
    )
    database.close()


def _publish_if_allowed(
    connection: Connection, act: Callable[..., StoredAnnouncement], announcement_id: str
) -> None:
    with suppress(NotAllowed):
        act(connection, PRESS, announcement_id, actor=NamedActor(name="dewi", now=NOW))


def test_stored_fields_equal_the_published_ones(database: Database) -> None:
    original = checked(desk.CLARIFICATION)
    stored = database.write_now(
        publications.publish, PRESS, original, actor=NamedActor(name="cli", now=NOW)
    )
    raw = database.read_now(
        lambda connection: connection.execute(select(announcement.c.fields)).scalar_one()
    )
    assert (
        Fields.model_validate_json(raw)
        == original.fields
        == announcement_of(database, stored).fields
    )


# --- waking the workers -----------------------------------------------------------------------------------


async def test_publishing_wakes_workers_once_for_each_channel_after_the_commit(
    sqlite_url: str, tmp_path: Path, valkey_url: str
) -> None:
    environ = world.variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with world.program(environ, redis_url=valkey_url) as app:
        assert app.open_push == ("email",)
        stored = await world.publish(app, world.emergency())
        assert (stored.status, stored.lane, stored.channels) == (
            "published",
            "emergency",
            ("email",),
        )
        assert (await app.queue.waiting("emergency"), await app.queue.waiting("routine")) == (1, 0)


async def test_with_redis_away_the_announcement_is_stored_all_the_same(
    sqlite_url: str, tmp_path: Path
) -> None:
    environ = world.variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with world.program(environ, redis_url=f"unix://{tmp_path}/nobody.sock") as app:
        stored = await world.publish(app, world.notice())
        current = await app.database.read(announcements.find, stored.code)
        assert current is not None
        assert current.state == "published"
