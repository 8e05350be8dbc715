"""Operators' acts on subscribers' data: what each stores, and the audit entry beside it."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from broadcaster.app import App
from broadcaster.domain.actor import NamedActor
from broadcaster.residents import register
from broadcaster.store import audit_lists
from broadcaster.store.audit import AuditEntry
from broadcaster.store.audit_lists import AuditFilter
from subscribers import importing, residents
from support.subscriber_samples import HEADER
from support.world import program, variables

FILE = "0" * 64


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with program(variables(database_url, tmp_path)) as app:
        yield app


def rows_of(app: App, *addresses: str) -> list[importing.Row]:
    """Read the rows of a file that signs these mail addresses up in Cibabat."""
    lines = [HEADER, *(f"email,{address},cibabat,,id,formulir,2026-01-03" for address in addresses)]
    parsers = {"email": app.loaded.modules["email"].parse_address}
    rows = importing.read_rows(iter(f"{line}\n" for line in lines), app.tree, (), parsers)
    return [row for row in rows if isinstance(row, importing.Row)]


def operator(app: App) -> NamedActor:
    """Return the person who acts."""
    return NamedActor(name="joko", now=app.clock())


async def entries(app: App) -> Sequence[AuditEntry]:
    """Read the audit log, newest first."""
    page = await app.database.read(audit_lists.page, AuditFilter())
    return [line.entry for line in page.lines]


async def count(app: App) -> int:
    """Count the stored addresses."""
    counts = await app.database.read(residents.count)
    return sum(sum(states.values()) for states in counts.values())


async def test_a_chunk_is_imported_together_with_the_entry_that_names_its_file(app: App) -> None:
    rows = rows_of(app, "siti@contoh.example", "budi@contoh.example")
    outcomes = await register.import_rows(app, rows, file=FILE, actor=operator(app))
    assert len(outcomes) == await count(app) == 2
    (entry,) = await entries(app)
    assert (entry.act, entry.actor, entry.subject) == (
        "subscribers_import",
        "joko",
        register.SUBJECT,
    )
    assert (entry.detail["file"], entry.detail["lines"]) == (FILE, "2-3")
    assert entry.detail[outcomes[0]] == 2


async def test_a_chunk_of_nothing_leaves_no_entry(app: App) -> None:
    assert await register.import_rows(app, [], file=FILE, actor=operator(app)) == []
    assert await register.try_rows(app, []) == []
    assert await entries(app) == []


async def test_a_trial_has_the_outcomes_of_an_import_and_stores_nothing(app: App) -> None:
    rows = rows_of(app, "siti@contoh.example")
    tried = await register.try_rows(app, rows)
    assert (await count(app), await entries(app)) == (0, [])
    assert tried == await register.import_rows(app, rows, file=FILE, actor=operator(app))


async def test_an_export_is_in_the_log_with_the_number_of_addresses(app: App) -> None:
    await register.import_rows(
        app, rows_of(app, "siti@contoh.example"), file=FILE, actor=operator(app)
    )
    await register.note_export(app, actor=operator(app))
    entry, _import = await entries(app)
    assert (entry.act, entry.detail["count"]) == ("subscribers_export", 1)


async def test_who_reads_or_erases_an_address_is_in_the_log_by_its_number(app: App) -> None:
    await register.note_reading(app, 7, of="trace", actor=operator(app))
    await app.database.write(register.note_erasure, 7, channel="email", actor=operator(app))
    erased, read = await entries(app)
    assert {erased.subject, read.subject} == {"address:7"}
    assert (read.act, read.detail["of"]) == ("read-addresses", "trace")
    assert (erased.act, erased.detail["channel"]) == ("subscriber_erase", "email")
