"""The archive's index on both databases: any part of any word finds the newest edition, and only by
the index.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, select

from broadcaster.domain.actor import NamedActor
from broadcaster.publishing import corrections, publications
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.store import archive, search
from broadcaster.store.archive import ArchiveFilter
from broadcaster.store.database import Database
from broadcaster.store.tables import search_posting, search_word
from support.desk import NOW, checked, later, press
from support.query_plans import plan

PRESS = press()


def publish(database: Database, minutes: int = 0, **changes: Any) -> StoredAnnouncement:
    """Publish an announcement."""
    now = later(minutes=minutes)
    return database.write_now(
        publications.publish,
        PRESS,
        checked(now=now, **{"expires": None, **changes}),
        actor=NamedActor(name="rina", now=now),
    )


def search_codes(database: Database, text: str) -> list[str]:
    """Return the codes that a search finds, newest first."""
    page = database.read_now(archive.list_public, ArchiveFilter(text=text), limit=100)
    assert len(page.editions) == database.read_now(archive.count_public, ArchiveFilter(text=text))
    return [edition.code for edition in page.editions]


@hypothesis.given(st.text(min_size=1), st.data())
def test_any_part_of_a_word_is_part_of_an_entry(text: str, data: st.DataObject) -> None:
    for word in (text * 5).lower().split():
        start = data.draw(st.integers(0, len(word) - 1))
        part = word[start : start + data.draw(st.integers(1, search.TERM_LIMIT))]
        assert any(part in entry for entry in search.entries_of([text * 5]))


@hypothesis.given(st.text(max_size=2_000))
def test_no_entry_is_longer_than_an_index_takes(text: str) -> None:
    assert all(0 < len(entry) <= search.PIECE_LIMIT for entry in search.entries_of([text]))


def test_a_search_has_few_terms_of_bounded_length() -> None:
    assert search.terms_of("Satu DUA tiga empat lima enam") == [
        "satu",
        "dua",
        "tiga",
        "empat",
        "lima",
    ]
    assert search.terms_of("x" * 500) == ["x" * search.TERM_LIMIT]
    assert search.terms_of(" \n") == []


def test_parts_of_long_words_and_of_addresses_are_found(database: Database) -> None:
    code = publish(
        database, body=f"Lihat https://contoh.example/{'a' * 200}/denah{'b' * 90}.pdf"
    ).code
    for text in ("contoh.example", "a" * 60, "aaa/denahbbb", "denah", "b.pdf", "https://contoh"):
        assert search_codes(database, text) == [code], text


def test_what_nearly_every_word_holds_finds_all_of_them_newest_first(database: Database) -> None:
    words = " ".join(f"kata{number}" for number in range(search.FEW + 20))
    codes = [publish(database, number, body=words).code for number in range(3)]
    publish(database, title="Lain", summary="Lain.", body="Lain.")
    assert search_codes(database, "kata") == codes[::-1]
    assert search_codes(database, "kata kata7") == codes[::-1]
    assert search_codes(database, "kata tidakada") == []


def test_a_corrected_edition_takes_the_place_of_the_one_before(database: Database) -> None:
    stored = publish(database, body="Mobil tangki siaga.")
    better = checked(expires=None, body="Air kembali mengalir.")
    database.write_now(
        corrections.correct,
        PRESS,
        stored.id,
        better,
        reason="Lebih cepat.",
        actor=NamedActor(name="dewi", now=later(hours=1)),
    )
    assert search_codes(database, "tangki") == []
    assert search_codes(database, "mengalir") == [stored.code]
    editions = database.read_now(
        lambda c: c.execute(select(search_posting.c.edition).distinct()).scalars().all()
    )
    assert len(editions) == 1


def test_a_draft_is_not_in_the_index(database: Database) -> None:
    database.write_now(
        publications.save_draft,
        PRESS,
        checked(body="Rahasia sampai terbit."),
        actor=NamedActor(name="rina", now=NOW),
    )
    assert (
        database.read_now(
            lambda c: c.execute(select(func.count()).select_from(search_word)).scalar()
        )
        == 0
    )


def test_a_publication_that_is_undone_leaves_nothing_in_the_index(database: Database) -> None:
    def publish_and_fail(connection: Connection) -> None:
        publications.publish(
            connection, PRESS, checked(expires=None), actor=NamedActor(name="rina", now=NOW)
        )
        raise InterruptedError

    with pytest.raises(InterruptedError):
        database.write_now(publish_and_fail)
    assert (
        database.read_now(
            lambda c: c.execute(select(func.count()).select_from(search_word)).scalar()
        )
        == 0
    )


def test_many_publish_the_same_words_at_once(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        codes = list(threads.map(lambda number: publish(database, number).code, range(12)))
    assert sorted(search_codes(database, "pdam")) == sorted(codes)


@pytest.fixture
def index_queries(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Yield the queries of the archive's index, with their parameters."""
    recorded: list[tuple[str, Any]] = []

    def note(
        _conn: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        if statement.startswith("SELECT") and "search_posting" in statement:
            recorded.append((statement, parameters))

    event.listen(database.reader_engine, "before_cursor_execute", note)
    yield recorded
    event.remove(database.reader_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("text", ["tangki", "tangki pdam", "kata"])
def test_a_search_reads_no_document_but_those_it_finds(
    database: Database, index_queries: list[tuple[str, Any]], text: str
) -> None:
    words = " ".join(f"kata{number}" for number in range(search.FEW + 20))
    publish(database, body=f"Truk tangki. {words}")
    assert search_codes(database, text)
    queries = list(index_queries)

    def plans(connection: Connection) -> list[str]:
        if connection.dialect.name == "postgresql":
            # By choice it would scan a table of one page.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [
            step
            for statement, parameters in queries
            for step in plan(connection, statement, parameters)
        ]

    steps = database.read_now(plans)
    assert len(queries) == 2
    assert not [
        step
        for step in steps
        for table in ("edition", "search_posting")
        if f"{step} ".find(f"SCAN {table} ") >= 0
    ]
    assert not [
        step
        for step in steps
        for table in ("edition", "search_posting")
        if f"Seq Scan on {table} " in f"{step} "
    ]
    assert any("search_posting" in step for step in steps)
