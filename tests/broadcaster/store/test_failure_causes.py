"""Causes of failed and waiting rows: as the rows say, at a bounded cost."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete, event, update

from broadcaster.app import App
from broadcaster.store import failure_causes, ledger
from broadcaster.store.database import now
from broadcaster.store.failure_causes import Causes, Watcher, reason_of
from broadcaster.store.tables import delivery, slice_
from channels.base.contract import Deferred, Outcome, Receipt, Recipient, Skipped
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import drain_all, fill, with_channels
from support.world import notice, publish

PEOPLE = [f"warga{n:02}@x.example" for n in range(24)]


@dataclass
class ManualClock:
    """Clock that a test sets."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


def skip_or_defer(recipient: Recipient) -> Outcome:
    """Skip every fourth recipient, defer another fourth."""
    number = int(recipient.address[5:7]) % 4
    return {0: Skipped(code="131049"), 1: Deferred(code="130429", retry_after=600.0)}.get(
        number, Receipt()
    )


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        database_url, tmp_path, [(address, "cibabat") for address in PEOPLE]
    ) as opened:
        yield with_channels(opened, FakeChannel(provider=skip_or_defer))


@pytest.fixture
async def announcement_id(app: App) -> str:
    """Publish a notice of which six rows are skipped and six wait, in six slices; return its id."""
    stored = await publish(app, notice(channels=["email"]))
    fill(app)
    app.database.write_now(_split_into_six_slices)
    await drain_all(app)
    return stored.id


def _split_into_six_slices(connection: ledger.Connection) -> None:
    whole = connection.execute(slice_.select()).one()
    slots = sorted(row.slot for row in connection.execute(delivery.select()))
    connection.execute(delete(slice_))
    for number in range(6):
        after = slots[number * 4 - 1] if number else -1
        last = slots[number * 4 + 3] if number < 5 else whole.last_slot
        place = {
            "number": number,
            "after_slot": after,
            "last_slot": last,
            "open": 4,
            "n_pending": 4,
        }
        connection.execute(slice_.insert().values({**whole._mapping, **place}))


def causes_of(app: App, key: str, watcher: Watcher) -> Causes:
    """Return the causes as this watcher sees them now."""
    return app.database.read_now(lambda c: watcher.causes(c, key, now(c)))


async def test_failures_and_waiting_rows_are_reported_with_code_and_next_try(
    app: App, announcement_id: str
) -> None:
    wall = app.database.read_now(now)
    causes = causes_of(app, announcement_id, Watcher())
    assert list(causes.failures) == app.database.read_now(ledger.failures, announcement_id)
    assert [(c.channel, c.state, c.reason, c.provider_code, c.count) for c in causes.failures] == [
        ("email", "skipped", "skipped", "131049", 6)
    ]
    (waiting,) = causes.waiting
    assert (waiting.channel, waiting.provider_code, waiting.count) == ("email", "130429", 6)
    assert 590 < waiting.next_try - wall <= 601
    assert causes.complete


async def test_rows_whose_time_has_come_do_not_wait(app: App, announcement_id: str) -> None:
    watcher = Watcher()
    assert causes_of(app, announcement_id, watcher).waiting
    later = app.database.read_now(lambda c: watcher.causes(c, announcement_id, now(c) + 700))
    assert later.waiting == []


async def test_one_call_looks_at_a_few_slices_and_says_that_it_is_not_complete(
    app: App, announcement_id: str
) -> None:
    watcher = Watcher(limit=1)
    answers = [causes_of(app, announcement_id, watcher) for _ in range(7)]
    counts = [
        sum(c.count for c in causes.failures) + sum(w.count for w in causes.waiting)
        for causes in answers
    ]
    assert 0 < counts[0] <= 4, "no more than one slice holds"
    assert counts == sorted(counts)
    assert counts[-1] == 12
    assert [causes.complete for causes in answers] == [count == 12 for count in counts]


async def test_a_slice_is_looked_at_again_only_once_it_changed(
    app: App, announcement_id: str
) -> None:
    watcher, looks = Watcher(), []
    causes_of(app, announcement_id, watcher)

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        looks.extend([statement] if "count(*) AS n, min(due_at) AS first" in statement else [])

    event.listen(app.database.reader_engine, "before_cursor_execute", note)
    causes_of(app, announcement_id, watcher)
    assert looks == []
    app.database.write_now(lambda c: c.execute(update(delivery).values(due_at=0)))
    app.database.write_now(
        lambda c: c.execute(update(slice_).where(slice_.c.open > 0).values(due_at=0))
    )
    app = with_channels(app, FakeChannel())
    await drain_all(app)
    assert causes_of(app, announcement_id, watcher).waiting == []
    assert 0 < len(looks) <= 6
    assert [cause.count for cause in causes_of(app, announcement_id, watcher).failures] == [6]


async def test_what_seems_unchanged_is_looked_at_once_a_minute(
    app: App, announcement_id: str
) -> None:
    clock = ManualClock()
    watcher = Watcher(clock=clock)
    causes_of(app, announcement_id, watcher)
    app.database.write_now(
        lambda c: c.execute(
            update(delivery)
            .where(delivery.c.provider_code == "131049")
            .values(provider_code="131050")
        )
    )
    assert [cause.provider_code for cause in causes_of(app, announcement_id, watcher).failures] == [
        "131049"
    ]
    clock.at = failure_causes.GOOD_FOR + 1
    assert [cause.provider_code for cause in causes_of(app, announcement_id, watcher).failures] == [
        "131050"
    ]


async def test_a_process_remembers_a_few_editions_only(app: App, announcement_id: str) -> None:
    watcher = Watcher()
    for number in range(failure_causes.EDITIONS + 3):
        stored = await publish(app, notice(title=f"Kabar {number}", channels=["email"]))
        causes_of(app, stored.id, watcher)
    assert len(watcher._seen) == failure_causes.EDITIONS
    assert [cause.count for cause in causes_of(app, announcement_id, watcher).failures] == [6]


async def test_before_the_first_publication_nothing_keeps_it_from_arriving(app: App) -> None:
    assert causes_of(app, "nothing", Watcher()) == Causes()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("unreachable", "unreachable"),
        ("disconnected", "unreachable"),
        ("ClientConnectorError", "unreachable"),
        ("TimedOut", "unreachable"),
        ("502", "trouble"),
        ("tier", "tier"),
        ("429", ""),
        ("421", ""),
        ("452", ""),
        ("", ""),
    ],
)
def test_only_a_provider_that_asks_to_wait_is_reported_as_asking(code: str, reason: str) -> None:
    assert reason_of(code) == reason
