"""Announcement and edition rows as web, feeds and delivery read them, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from broadcaster.domain import signatures
from broadcaster.domain.actor import NamedActor
from broadcaster.publishing import corrections, publications, schedule
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.store import announcements, archive
from broadcaster.store.archive import ArchiveFilter, ArchivePage
from broadcaster.store.database import Database
from broadcaster.store.tables import announcement
from channels.base.contract import Edition
from subscribers.areas import AreaTree
from support import desk
from support.desk import NOW, checked, count, later, press

PRESS = press()
TREE = AreaTree.built_in()
DAY = timedelta(days=1)


def publish(
    database: Database, now: datetime = NOW, raw: dict[str, Any] = desk.NOTICE, **changes: Any
) -> StoredAnnouncement:
    """Publish an announcement at `now`; it has no end unless `changes` give one."""
    changes = {"expires": None, **changes}
    return database.write_now(
        publications.publish,
        PRESS,
        checked(raw, now=now, **changes),
        actor=NamedActor(name="rina", now=now),
    )


def concerning(
    database: Database, slug: str, since: datetime = NOW - 30 * DAY, **options: Any
) -> ArchivePage:
    """Return one page of the editions that concern an area."""
    return database.read_now(
        archive.concerning, TREE[slug].code, since=since.timestamp(), **options
    )


def archived_codes(database: Database, **filters: Any) -> list[str]:
    """Return the codes of the archive's announcements; the count must agree."""
    page = database.read_now(archive.list_public, ArchiveFilter(**filters), limit=100)
    assert len(page.editions) == database.read_now(archive.count_public, ArchiveFilter(**filters))
    return codes(page)


def codes(page: ArchivePage) -> list[str]:
    """Return the codes in page order."""
    return [edition.code for edition in page.editions]


# --- one announcement -----------------------------------------------------------------------------


def test_an_announcement_is_found_by_its_id_and_by_its_code(database: Database) -> None:
    stored = publish(database)
    by_id, by_code = (
        database.read_now(announcements.find, stored.id),
        database.read_now(announcements.find, stored.code),
    )
    assert by_id is not None
    assert by_id == by_code
    assert (by_id.state, by_id.fields.title) == ("published", desk.NOTICE["title"])


def test_an_unknown_key_finds_nothing(database: Database) -> None:
    publish(database)
    for key in ("", "CMH-2222-22", "f" * 32, "' OR 1=1 --"):
        assert database.read_now(announcements.find, key) is None
        assert database.read_now(announcements.newest_edition, key) is None
        assert database.read_now(announcements.versions, key) == []


def test_a_draft_has_no_edition(database: Database) -> None:
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    assert database.read_now(announcements.newest_edition, draft.code) is None
    assert archived_codes(database) == []
    assert concerning(database, "cimahi").editions == ()


def test_every_version_is_kept_and_each_signature_holds(database: Database) -> None:
    stored = publish(database)
    better = checked(title="Air mati sampai sore", expires=None)
    database.write_now(
        corrections.correct,
        PRESS,
        stored.id,
        better,
        reason="Lebih lama.",
        actor=NamedActor(name="dewi", now=later(hours=1)),
    )
    database.write_now(
        corrections.withdraw,
        PRESS,
        stored.id,
        reason="Batal.",
        actor=NamedActor(name="dewi", now=later(hours=2)),
    )
    versions = database.read_now(announcements.versions, stored.code)
    assert [(row.number, row.newest, row.withdrawn, row.edition.change) for row in versions] == [
        (1, False, False, "original"),
        (2, False, False, "correction"),
        (3, True, True, "withdrawal"),
    ]
    for row in versions:
        assert signatures.verify(PRESS.signer.public_pem, row.document.encode(), row.signature)
        assert database.read_now(announcements.edition_document, row.id) == row.edition
    assert database.read_now(announcements.newest_edition, stored.id) == versions[-1]


def test_an_unknown_edition_is_a_lookup_error(database: Database) -> None:
    with pytest.raises(LookupError, match="4711"):
        database.read_now(announcements.edition_document, 4711)


def test_the_stamp_changes_with_every_edition(database: Database) -> None:
    stamps = [database.read_now(announcements.stamp)]
    stored = publish(database)
    stamps.append(database.read_now(announcements.stamp))
    database.write_now(
        corrections.withdraw,
        PRESS,
        stored.id,
        reason="Batal.",
        actor=NamedActor(name="dewi", now=later(hours=1)),
    )
    stamps.append(database.read_now(announcements.stamp))
    database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    stamps.append(database.read_now(announcements.stamp))
    assert stamps[0] == (0, 0)
    assert len(set(stamps)) == 3
    assert stamps[2] == stamps[3]


# --- what concerns an area --------------------------------------------------------------------------


def test_a_notice_stands_in_its_areas_in_those_above_and_in_those_below(database: Database) -> None:
    cibabat = publish(database, areas=["cibabat"]).code
    utara = publish(database, later(minutes=1), areas=["cimahi-utara"]).code
    city = publish(database, later(minutes=2), areas=["cimahi"]).code
    assert codes(concerning(database, "cibabat")) == [city, utara, cibabat]
    assert codes(concerning(database, "citeureup")) == [city, utara]
    assert codes(concerning(database, "cimahi-utara")) == [city, utara, cibabat]
    assert codes(concerning(database, "cimahi")) == [city, utara, cibabat]
    assert codes(concerning(database, "melong")) == [city]


def test_only_the_newest_edition_stands_there_at_the_place_of_the_first(database: Database) -> None:
    first = publish(database)
    second = publish(database, later(hours=1))
    better = checked(title="Air mati sampai sore", expires=None)
    database.write_now(
        corrections.correct,
        PRESS,
        first.id,
        better,
        reason="Lebih lama.",
        actor=NamedActor(name="dewi", now=later(hours=2)),
    )
    page = concerning(database, "cibabat")
    assert codes(page) == [second.code, first.code]
    assert [edition.number for edition in page.editions] == [1, 2]


def test_what_is_in_force_stays_however_old_and_what_is_over_goes_after_a_while(
    database: Database,
) -> None:
    long_ago = NOW - 90 * DAY
    in_force = publish(database, long_ago, expires=NOW + DAY).code
    without_end = publish(database, long_ago + DAY).code
    over_lately = publish(database, long_ago + 2 * DAY, expires=NOW - DAY).code
    publish(database, long_ago, expires=NOW - 31 * DAY)
    withdrawn_long_ago, withdrawn_lately = (
        publish(database, long_ago),
        publish(database, long_ago + 3 * DAY),
    )
    for stored, at in ((withdrawn_long_ago, NOW - 31 * DAY), (withdrawn_lately, NOW - DAY)):
        database.write_now(
            corrections.withdraw,
            PRESS,
            stored.id,
            reason="Batal.",
            actor=NamedActor(name="dewi", now=at),
        )
    assert codes(concerning(database, "cibabat")) == [
        withdrawn_lately.code,
        over_lately,
        without_end,
        in_force,
    ]


def test_a_channel_sees_only_what_is_to_go_there(database: Database) -> None:
    everywhere = publish(database).code
    feed_only = publish(database, later(minutes=1), channels=["feed", "email"]).code
    assert codes(concerning(database, "cibabat", channel="feed")) == [feed_only, everywhere]
    assert codes(concerning(database, "cibabat", channel="display")) == [everywhere]
    assert codes(concerning(database, "cibabat", channel="mail")) == [everywhere]
    assert codes(concerning(database, "cibabat")) == [feed_only, everywhere]


def test_pages_show_everything_once_and_in_order(database: Database) -> None:
    stored = [publish(database, later(seconds=number // 3)) for number in range(7)]
    for limit in (1, 2, 3, 7, 50):
        editions = list(pages(database, limit))
        assert sorted(edition.code for edition in editions) == sorted(item.code for item in stored)
        places = [(edition.first_published_at, edition.code) for edition in editions]
        assert places == sorted(places, reverse=True)


def pages(database: Database, limit: int) -> Iterator[Edition]:
    """Yield every edition that concerns Cibabat, page by page."""
    before = ""
    while True:
        page = concerning(database, "cibabat", limit=limit, before=before)
        assert len(page.editions) <= limit
        yield from page.editions
        before = page.following
        if not before:
            return
        assert before == archive.cursor_of(page.editions[-1])


def test_an_unreadable_cursor_gives_the_first_page(database: Database) -> None:
    code = publish(database).code
    for before in (
        "x",
        "1.",
        ".CMH-7K4Q-2M",
        "9" * 30 + ".A",
        "-1.A",
        "1.' OR 1=1",
        "\u0661.CMH-7K4Q-2M",
    ):
        assert codes(concerning(database, "cibabat", before=before)) == [code]


# --- the archive ------------------------------------------------------------------------------------


def test_the_archive_shows_everything_ever_published_newest_first(database: Database) -> None:
    over = publish(database, expires=NOW + DAY).code
    taken_back = publish(database, later(minutes=1))
    database.write_now(
        corrections.withdraw,
        PRESS,
        taken_back.id,
        reason="Batal.",
        actor=NamedActor(name="dewi", now=later(minutes=2)),
    )
    database.write_now(schedule.end_expired, NOW + 2 * DAY)
    assert archived_codes(database) == [taken_back.code, over]


def test_the_archive_can_be_narrowed_by_area_category_and_time(database: Database) -> None:
    water = publish(database, areas=["cibabat"]).code
    health = publish(database, later(hours=1), areas=["melong"], category="kesehatan").code
    assert archived_codes(database, area=TREE["melong"].code) == [health]
    assert archived_codes(database, area=TREE["cimahi"].code) == [health, water]
    assert archived_codes(database, category="gangguan-layanan") == [water]
    assert archived_codes(database, area=TREE["melong"].code, category="gangguan-layanan") == []
    first = NOW.replace(microsecond=0).timestamp()
    assert archived_codes(database, since=first + 1) == [health]
    assert archived_codes(database, until=first + 1) == [water]
    assert archived_codes(database, since=first, until=first) == []


FOUND = ("pdam", "PDAM cibabat", "truk  kelurahan", "100%", "%", "é", "josé")
NOT_FOUND = ("pdam melong", "_", "100_", "wordings", "title", "' OR 1=1 --", "besok", "\\")


def test_a_search_finds_words_in_title_summary_and_body_and_nothing_else(
    database: Database,
) -> None:
    code = publish(
        database, body="Tampung air. Diskon 100% untuk truk tangki di kantor kelurahan, kata José."
    ).code
    assert {text for text in FOUND if archived_codes(database, text=text) == [code]} == set(FOUND)
    assert {text for text in NOT_FOUND if archived_codes(database, text=text)} == set()


def test_a_search_finds_a_code(database: Database) -> None:
    stored = publish(database)
    publish(database)
    assert archived_codes(database, text=stored.code.lower()) == [stored.code]


def test_a_search_no_longer_finds_what_was_withdrawn(database: Database) -> None:
    stored = publish(database)
    database.write_now(
        corrections.withdraw,
        PRESS,
        stored.id,
        reason="Salah kelurahan.",
        actor=NamedActor(name="dewi", now=later(minutes=2)),
    )
    assert archived_codes(database, text="tangki") == []
    assert archived_codes(database, text="salah kelurahan") == [stored.code]


def test_the_archive_has_pages(database: Database) -> None:
    for number in range(5):
        publish(database, later(seconds=number))
    first = database.read_now(archive.list_public, ArchiveFilter(), limit=3)
    second = database.read_now(
        archive.list_public, ArchiveFilter(), limit=3, before=first.following
    )
    assert (len(first.editions), len(second.editions), second.following) == (3, 2, "")
    assert not set(codes(first)) & set(codes(second))


# --- writing ----------------------------------------------------------------------------------------


def test_a_move_happens_only_from_the_state_that_was_read(database: Database) -> None:
    draft = database.write_now(
        publications.save_draft, PRESS, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    before = database.read_now(announcements.find, draft.id)
    assert before is not None
    database.write_now(
        lambda connection: connection.execute(update(announcement).values(state="review"))
    )
    assert database.write_now(announcements.move, before, "published", 1.0) is False
    after = database.read_now(announcements.find, draft.id)
    assert after is not None
    assert after.state == "review"
    assert count(database, announcement) == 1
