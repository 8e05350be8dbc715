"""Why rows did not arrive and why they wait: as the rows say, at a bounded cost."""

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
from support.fakes import FakeChannel
from support.sending import drain_all, fill, with_channels
from support.world import notice, program, publish, subscribe, variables

PEOPLE = [f"warga{n:02}@x.example" for n in range(24)]


@dataclass
class Watch:
    """A clock that a test moves."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


def moody(recipient: Recipient) -> Outcome:
    """Every fourth is skipped, every other fourth put off."""
    number = int(recipient.address[5:7]) % 4
    return {0: Skipped(code="131049"), 1: Deferred(code="130429", retry_after=600.0)}.get(
        number, Receipt()
    )


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    environ = variables(
        database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as made:
        await subscribe(made, "email", [(address, "cibabat") for address in PEOPLE])
        yield with_channels(made, FakeChannel(provider=moody))


@pytest.fixture
async def sent(app: App) -> str:
    """The id of an announcement of which six are skipped and six wait, in six slices."""
    stored = await publish(app, notice(channels=["email"]))
    fill(app)
    app.database.write_now(_cut)
    await drain_all(app)
    return stored.id


def _cut(connection: ledger.Connection) -> None:
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


def look(app: App, key: str, watcher: Watcher) -> Causes:
    return app.database.read_now(lambda c: watcher.causes(c, key, now(c)))


async def test_failures_and_waiting_rows_are_told_with_code_and_next_try(
    app: App, sent: str
) -> None:
    wall = app.database.read_now(now)
    found = look(app, sent, Watcher())
    assert list(found.failures) == app.database.read_now(ledger.failures, sent)
    assert [(c.channel, c.state, c.reason, c.provider_code, c.count) for c in found.failures] == [
        ("email", "skipped", "skipped", "131049", 6)
    ]
    (waiting,) = found.waiting
    assert (waiting.channel, waiting.provider_code, waiting.count) == ("email", "130429", 6)
    assert 590 < waiting.next_try - wall <= 601
    assert found.complete


async def test_rows_whose_time_has_come_do_not_wait(app: App, sent: str) -> None:
    watcher = Watcher()
    assert look(app, sent, watcher).waiting
    later = app.database.read_now(lambda c: watcher.causes(c, sent, now(c) + 700))
    assert later.waiting == []


async def test_one_call_looks_at_a_few_slices_and_says_that_it_is_not_complete(
    app: App, sent: str
) -> None:
    watcher = Watcher(limit=1)
    answers = [look(app, sent, watcher) for _ in range(7)]
    counts = [
        sum(c.count for c in found.failures) + sum(w.count for w in found.waiting)
        for found in answers
    ]
    assert 0 < counts[0] <= 4, "no more than one slice holds"
    assert counts == sorted(counts)
    assert counts[-1] == 12
    assert [found.complete for found in answers] == [count == 12 for count in counts]


async def test_a_slice_is_looked_at_again_only_once_it_changed(app: App, sent: str) -> None:
    watcher, looks = Watcher(), []
    look(app, sent, watcher)

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        looks.extend([statement] if "count(*) AS n, min(due_at) AS first" in statement else [])

    event.listen(app.database.reader_engine, "before_cursor_execute", note)
    look(app, sent, watcher)
    assert looks == []
    app.database.write_now(lambda c: c.execute(update(delivery).values(due_at=0)))
    app.database.write_now(
        lambda c: c.execute(update(slice_).where(slice_.c.open > 0).values(due_at=0))
    )
    app = with_channels(app, FakeChannel())
    await drain_all(app)
    assert look(app, sent, watcher).waiting == []
    assert 0 < len(looks) <= 6
    assert [cause.count for cause in look(app, sent, watcher).failures] == [6]


async def test_what_seems_unchanged_is_looked_at_once_a_minute(app: App, sent: str) -> None:
    clock = Watch()
    watcher = Watcher(clock=clock)
    look(app, sent, watcher)
    app.database.write_now(
        lambda c: c.execute(
            update(delivery)
            .where(delivery.c.provider_code == "131049")
            .values(provider_code="131050")
        )
    )
    assert [cause.provider_code for cause in look(app, sent, watcher).failures] == ["131049"]
    clock.at = failure_causes.GOOD_FOR + 1
    assert [cause.provider_code for cause in look(app, sent, watcher).failures] == ["131050"]


async def test_a_process_remembers_a_few_editions_only(app: App, sent: str) -> None:
    watcher = Watcher()
    for number in range(failure_causes.EDITIONS + 3):
        stored = await publish(app, notice(title=f"Kabar {number}", channels=["email"]))
        look(app, stored.id, watcher)
    assert len(watcher._seen) == failure_causes.EDITIONS
    assert [cause.count for cause in look(app, sent, watcher).failures] == [6]


async def test_before_the_first_publication_nothing_keeps_it_from_arriving(app: App) -> None:
    assert look(app, "nothing", Watcher()) == Causes()


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
def test_only_a_provider_that_asks_to_wait_is_said_to(code: str, reason: str) -> None:
    assert reason_of(code) == reason
