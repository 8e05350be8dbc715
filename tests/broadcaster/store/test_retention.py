"""Folding: old rows become counts, and nothing that people are shown of them changes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from broadcaster.app import App
from broadcaster.delivery.status import overview
from broadcaster.domain.deliveries import SENT
from broadcaster.store import ledger, metrics, retention
from broadcaster.store.database import now
from broadcaster.store.failure_causes import Watcher
from broadcaster.store.retention import DAY, fold_old
from broadcaster.store.tables import announcement, delivery, folded, provider_message, run, slice_
from channels.base.contract import Receipt, Refused, Rejected, Skipped
from support.email_program import email_program
from support.fakes import FakeChannel
from support.runs import withdraw
from support.sending import check_counters, drain_all, retry_failed, table, with_channels
from support.world import notice, publish, rows, subscribe

PEOPLE = [(f"warga{n:02}@x.example", "cibabat" if n % 2 else "melong") for n in range(20)]
OUTCOMES = (
    Receipt(provider_id="id"),
    Receipt(),
    Rejected(code="550"),
    Refused(reason="opted_out"),
    Skipped(code="cap"),
)


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(database_url, tmp_path, PEOPLE, TELEGRAM_TOKEN="1:x") as opened:
        await subscribe(opened, "telegram", [("71", "cibabat")])
        provider = FakeChannel(provider=lambda r: OUTCOMES[int(r.address[5:7]) % 5], receipt_wait=1)
        yield with_channels(opened, provider, FakeChannel(name="telegram"))


async def finished(app: App, *, days: float, state: str = "archived", **changes: Any) -> str:
    """Publish and send an announcement whose sending ended `days` ago, with a row of each outcome;
    return its id.
    """
    stored = await publish(app, notice(areas=["cimahi"], **changes))
    for channel in ("email", "telegram"):
        await drain_all(app, channel)
    app.database.write_now(lambda c: c.execute(update(run).values(finished_at=now(c) - days * DAY)))
    app.database.write_now(
        lambda c: c.execute(
            update(announcement).where(announcement.c.id == stored.id).values(state=state)
        )
    )
    return stored.id


def fold(app: App, *, at_once: int = retention.FOLDED_AT_ONCE) -> list[int]:
    """Fold to the end; return the rows removed by each transaction."""
    removed = []
    while (count := app.database.write_now(lambda c: fold_old(c, now(c), at_once))) > 0:
        removed.append(count)
    return removed


def everything_shown(app: App, key: str) -> Any:
    """Return all that people and machines are shown of an announcement."""
    status = app.database.read_now(overview, key, app.site, Watcher())
    assert status is not None
    sums = metrics.Counts()
    return (
        status.as_json(),
        app.database.read_now(ledger.areas, key),
        app.database.read_now(ledger.failures, key),
        app.database.read_now(lambda c: sums.read(c, now(c))),
    )


async def test_what_people_are_told_stays_the_same_in_every_chunk_and_after(app: App) -> None:
    key = await finished(app, days=31)
    before, watcher = everything_shown(app, key), app.causes
    app.database.read_now(overview, key, app.site, watcher)
    while app.database.write_now(lambda c: fold_old(c, now(c), 3)):
        assert everything_shown(app, key) == before
        status = app.database.read_now(overview, key, app.site, watcher)
        assert status is not None
        assert status.as_json() == before[0], "to an earlier reader too"
    assert rows(app) == []
    assert table(app, provider_message) == []
    assert everything_shown(app, key) == before
    assert [(part.channel, part.number, part.open) for part in table(app, slice_)] == [
        ("email", 0, 0),
        ("telegram", 0, 0),
    ]
    assert sum(row.n for row in table(app, folded)) == 21


async def test_each_transaction_takes_a_bounded_number_of_rows(app: App) -> None:
    await finished(app, days=31)
    assert fold(app, at_once=8) == [8, 8, 4, 1]
    assert fold(app) == []


async def test_nothing_folds_before_thirty_days(app: App) -> None:
    await finished(app, days=29)
    assert fold(app) == []
    assert len(rows(app)) == 21


async def test_an_announcement_in_force_keeps_its_rows_for_a_year_as_a_correction_must_find_them(
    app: App,
) -> None:
    key = await finished(app, days=200, state="published")
    assert fold(app) == []
    app.database.write_now(lambda c: c.execute(update(run).values(finished_at=now(c) - 366 * DAY)))
    assert sum(fold(app)) == 21
    assert everything_shown(app, key)[0]["sending"] == "done"


async def test_no_channel_folds_while_another_one_still_sends(app: App) -> None:
    await finished(app, days=40)
    app.database.write_now(
        lambda c: c.execute(update(run).where(run.c.channel == "telegram").values(finished_at=None))
    )
    assert fold(app) == []


async def test_an_edition_whose_withdrawal_is_not_sent_yet_keeps_its_rows(app: App) -> None:
    key = await finished(app, days=40, state="published")
    withdraw(app, key)
    assert fold(app) == [], "the withdrawal goes to whom it reached"
    await drain_all(app)
    reached = {row.slot for row in rows(app, "email") if row.edition == 1 and row.state == SENT}
    assert {row.slot for row in rows(app, "email") if row.edition == 2} == reached


async def test_what_folded_is_never_sent_again(app: App) -> None:
    key = await finished(app, days=31)
    failed = app.database.read_now(ledger.progress, key).deliveries["email"]["failed"]
    app.database.write_now(lambda c: fold_old(c, now(c), 3))
    before = everything_shown(app, key)
    assert retry_failed(app, key) == (0, {"folded": failed})
    assert everything_shown(app, key) == before


async def test_younger_editions_are_left_as_they_are(app: App) -> None:
    await finished(app, days=31)
    young = await publish(app, notice())
    for channel in ("email", "telegram"):
        await drain_all(app, channel)
    fold(app)
    assert {row.edition for row in rows(app)} == {young.edition}
    check_counters_of(app, young.edition)


def check_counters_of(app: App, edition: int | None) -> None:
    """Check the counters of one edition's slices."""
    app.database.write_now(lambda c: c.execute(slice_.delete().where(slice_.c.edition != edition)))
    check_counters(app)


async def test_a_run_without_any_row_folds_too(app: App) -> None:
    key = await finished(app, days=31)
    app.database.write_now(lambda c: c.execute(delivery.delete()))
    assert fold(app) == []
    assert {row.folded_to for row in table(app, run)} == {retention.WHOLE}
    assert app.database.read_now(ledger.progress, key).sending == "done"
    assert len(app.database.read_now(lambda c: c.execute(select(slice_)).all())) == 2
