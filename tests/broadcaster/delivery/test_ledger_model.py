"""The ledger under random histories: several workers, deaths, receipts and staff actions in any
order; its promises are checked after each step.

Real store functions on real databases. Time passes by moving every time in the database into the
past.
"""

import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from broadcaster.app import App
from broadcaster.domain.deliveries import PENDING, SENDING, STATES, UNCONFIRMED, MarkedRow
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.retry_policy import UNCERTAIN_LIMIT, Moment, consequence, decide
from broadcaster.inbound import status_updates
from broadcaster.store import address_effects, channels, fanout, gate, ledger, outcomes, slices
from broadcaster.store.failure_causes import Watcher
from broadcaster.store.leases import Holder, LeaseLost, lease_clock
from broadcaster.store.slices import Claim
from broadcaster.store.tables import delivery, run, slice_
from channels.base.contract import (
    Deferred,
    Failure,
    Outcome,
    Receipt,
    Refused,
    Rejected,
    Skipped,
    StatusEvent,
)
from subscribers import consent
from support.email_program import email_program
from support.runs import correct, withdraw
from support.sending import check_counters, counters, retry_failed, table
from support.world import notice, publish, subscribe

PEOPLE = 24
SMALL = fanout.Sizes(first=4, chunk=13, slice_=7)
"""Chunks and slices small enough for several in one run."""
LEASE = 30.0
STEPS = {"sqlite": 160, "postgresql": 110}
SEEDS = {"sqlite": range(16), "postgresql": range(100, 105)}
LATE = (1.0, 6.0, 31.0, 400.0, 4_000.0)
"""Seconds that may pass between two steps."""
FAILURES: tuple[Failure, ...] = (
    Refused(reason="address_dead"), Refused(reason="opted_out"), Rejected(code="550"), Skipped(code="cap"), Deferred(code="451"),
)  # fmt: skip


@dataclass
class Worker:
    """A worker: what its process keeps in memory."""

    holder: Holder
    claim: Claim | None = None
    filling: fanout.FanOut | None = None
    cursor: int = -1
    marked: list[MarkedRow] = field(default_factory=list)
    answers: list[tuple[MarkedRow, Outcome]] = field(default_factory=list)


@dataclass
class World:
    """The database, the workers, and what the provider knows: how many copies of each delivery are
    out.
    """

    app: App
    dice: random.Random
    workers: list[Worker]
    announcements: list[str] = field(default_factory=list)
    copies: Counter[tuple[int, int]] = field(default_factory=Counter)
    accepted: dict[tuple[int, int, int], bool] = field(default_factory=dict)
    last_states: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    admitted: Counter[int] = field(default_factory=Counter)
    parallel: bool = False
    watcher: Watcher = field(default_factory=Watcher)
    checks: int = 0

    def write(self, act: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one transaction."""
        return self.app.database.write_now(act, *args, **kwargs)

    # --- acts of a worker ---------------------------------------------------------------------------

    def fill(self, worker: Worker) -> None:
        """Fill one chunk of the fan-out."""
        if worker.filling is None:
            worker.filling = self.write(
                fanout.claim_fanout, channel="email", lane="routine", holder=worker.holder
            )
        if worker.filling is not None:
            with suppress(LeaseLost):
                if not self.write(fanout.fill_chunk, worker.filling, worker.holder, SMALL):
                    return
            worker.filling = None

    def claim(self, worker: Worker) -> None:
        """Claim a slice."""
        if worker.claim is None:
            worker.claim = self.write(
                slices.claim_slice,
                channel="email",
                lane="routine",
                holder=worker.holder,
                reopen_wait=30.0,
                uncertain_limit=UNCERTAIN_LIMIT,
            )
            worker.cursor = worker.claim.after_slot if worker.claim is not None else -1

    def mark(self, worker: Worker) -> None:
        """Mark rows at the gate."""
        if worker.claim is None or worker.marked or worker.answers:
            return
        try:
            marked = self.write(
                gate.mark,
                worker.claim,
                worker.holder,
                cursor=worker.cursor,
                limit=self.dice.randrange(1, 12),
            )
        except LeaseLost:
            self.release(worker)
            return
        worker.marked, worker.cursor = list(marked.rows), marked.cursor
        if marked.exhausted and not marked.rows:
            self.release(worker)

    def send(self, worker: Worker) -> None:
        """Send some marked rows to the provider, while the lease holds."""
        if worker.claim is None or not self._holds_lease(worker):
            return
        for _ in range(self.dice.randrange(1, 6)):
            if worker.marked:
                row = worker.marked.pop(0)
                worker.answers.append((row, self._provider(worker.claim.edition, row)))

    def _holds_lease(self, worker: Worker) -> bool:
        claim = worker.claim
        assert claim is not None
        return bool(
            self.write(
                lambda c: c.execute(
                    select(slice_.c.number).where(
                        slice_.c.edition == claim.edition,
                        slice_.c.channel == claim.channel,
                        slice_.c.number == claim.number,
                        slice_.c.owner == worker.holder.owner,
                        slice_.c.epoch == claim.epoch,
                        slice_.c.lease_until > lease_clock(c),
                    )
                ).first()
            )
        )

    def _provider(self, edition: int, row: MarkedRow) -> Outcome:
        ledger_row = next(
            r for r in table(self.app, delivery) if (r.edition, r.slot) == (edition, row.slot)
        )
        assert self.parallel or (ledger_row.state, ledger_row.attempt) == (SENDING, row.attempt), (
            "written without being marked"
        )
        outcome: Outcome = self.dice.choice(
            (Receipt(provider_id=f"{edition}.{row.slot}.{row.attempt}"),) * 6
            + (
                *FAILURES,
                Deferred(uncertain=True),
                Deferred(uncertain=True),
                Deferred(throttle=True, retry_after=0.0),
            )
        )
        took = isinstance(outcome, Receipt) or (
            isinstance(outcome, Deferred) and outcome.uncertain and self.dice.random() < 0.7
        )
        if took:
            self.copies[edition, row.slot] += 1
            self.accepted[edition, row.slot, row.attempt] = True
        return outcome

    def settle(self, worker: Worker) -> None:
        """Commit the outcomes, sometimes twice, as after a lost connection."""
        if worker.claim is None or not worker.answers:
            return
        for _ in range(self.dice.choice((1, 1, 1, 2))):
            self.write(self._record, worker.claim, list(worker.answers))
        worker.answers.clear()

    def _record(
        self, connection: Connection, claim: Claim, answers: list[tuple[MarkedRow, Outcome]]
    ) -> None:
        moment = Moment(
            now=slices.now(connection),
            published_at=claim.published_at,
            expires_at=claim.expires_at,
            emergency=False,
            receipt_wait=30.0,
        )
        decisions = [decide(row, outcome, moment) for row, outcome in answers]
        meanings = [
            m
            for row, outcome in answers
            if (m := consequence(row, outcome, "2026-11-23")) is not None
        ]
        address_effects.record(
            connection,
            self.app.vault,
            claim,
            decisions,
            meanings,
            keep_ids=True,
            results=len(decisions),
        )

    def release(self, worker: Worker) -> None:
        """Settle, hand back and release: an orderly end."""
        if worker.claim is None:
            return
        self.settle(worker)
        self.write(outcomes.hand_back, worker.claim, worker.marked)
        self.write(slices.release, worker.claim, worker.holder)
        worker.claim, worker.marked = None, []

    def die(self, worker: Worker) -> None:
        """Die as by SIGKILL: what only the memory knew is lost. The holder's name is never used
        again.
        """
        worker.holder = Holder(owner=f"{worker.holder.owner}'", lease=LEASE)
        worker.claim, worker.filling, worker.marked, worker.answers = None, None, [], []

    # --- acts of others -----------------------------------------------------------------------------

    def receipt(self, _worker: Worker) -> None:
        """Report something later about a message that the provider took: early, late, twice, out of
        order.
        """
        if not self.accepted:
            return
        edition, slot, attempt = place = self.dice.choice(list(self.accepted))
        state = self.dice.choice(("sent", "delivered", "read", "failed"))
        if not self.accepted[place] and state != "failed":
            return  # a provider reports nothing more of a message that it gave up
        failure = self.dice.choice(FAILURES) if state == "failed" else None
        if state == "failed" and self.accepted[place]:
            self.accepted[place] = False
            self.copies[edition, slot] -= 1
        event = StatusEvent(
            dedupe=f"{place}{state}",
            delivery=self.dice.choice((f"{edition}.{slot}.{attempt}", "")),
            provider_id=f"{edition}.{slot}.{attempt}",
            state=state,
            failure=failure,
            at=self.app.clock(),
        )
        self.write(
            lambda c: status_updates.apply_status(
                c, self.app.vault, "email", event, slices.now(c), receipt_wait=30.0
            )
        )

    def unsubscribe(self, _worker: Worker) -> None:
        """Unsubscribe a resident, now and then; discard held suppressions as an operator does."""
        row = self.dice.choice(table(self.app, delivery) or [None])
        if row is not None and self.dice.random() < 0.3:
            self.write(consent.stop, row.address, source="test", at=1.0)
        self.write(channels.release_held, "email", apply=False)
        self.write(channels.resume_channel, "email")

    def pass_time(self, _worker: Worker) -> None:
        """Make everything in the database older."""
        self.age(self.dice.choice(LATE))

    def age(self, seconds: float) -> None:
        """Move every time into the past."""

        def move_back(c: Connection) -> None:
            # Locked, so that nobody compares old times with new ones.
            c.execute(select(slice_.c.number).with_for_update())
            for moved, names in (
                (delivery, ("due_at",)),
                (slice_, ("due_at", "lease_until")),
                (run, ("lease_until", "published_at", "expires_at")),
            ):
                for name in names:
                    c.execute(
                        update(moved)
                        .where(moved.c[name] > 0)
                        .values({name: moved.c[name] - seconds})
                    )

        self.write(move_back)
        self.watcher = Watcher()  # only a test changes the time of a waiting row

    def steer(self, _worker: Worker) -> None:
        """Pause, resume, cancel, send again, correct or withdraw, as staff do."""
        announcement = self.dice.choice(self.announcements)
        match self.dice.choice(
            (
                "pause",
                "resume",
                "resume",
                "resume",
                "cancel",
                "retry",
                "retry",
                "correct",
                "withdraw",
                "expire",
            )
        ):
            case "pause":
                self.write(ledger.pause, announcement, "test")
            case "resume":
                self.write(ledger.resume, announcement)
            case "cancel" if self.dice.random() < 0.3:
                self.write(ledger.cancel, announcement)
            case "retry":
                retry_failed(self.app, announcement)
            case "expire" if self.dice.random() < 0.2:
                newest = self.app.database.read_now(ledger.newest_edition_id, announcement)
                self.write(
                    lambda c: c.execute(
                        update(run)
                        .where(run.c.edition == newest)
                        .values(expires_at=slices.now(c) + self.dice.choice((1, 100)))
                    )
                )
            case "correct" if self.dice.random() < 0.5:
                with suppress(NotAllowed):
                    correct(self.app, announcement, title=f"Ralat nomor {self.dice.random()}")
            case "withdraw" if self.dice.random() < 0.3:
                with suppress(NotAllowed):
                    withdraw(self.app, announcement)

    # --- promises -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Check what holds after every step."""
        check_counters(self.app)
        rows, runs, parts = table(self.app, delivery), table(self.app, run), table(self.app, slice_)
        for current in runs:
            own_rows = [row for row in rows if row.edition == current.edition]
            open_rows = [row for row in own_rows if row.state in (PENDING, SENDING)]
            assert current.finished_at is None or not open_rows, (
                f"a finished run has open rows: {current}"
            )
            if current.sealed:
                spans = [
                    (part.after_slot, part.last_slot)
                    for part in parts
                    if part.edition == current.edition
                ]
                assert all(
                    sum(after < row.slot <= last for after, last in spans) == 1 for row in own_rows
                ), "a row without a slice"
        for part in parts:
            own_rows = [
                row
                for row in rows
                if row.edition == part.edition and part.after_slot < row.slot <= part.last_slot
            ]
            waits = [row.due_at for row in own_rows if row.state == PENDING] + [
                0.0 for row in own_rows if row.state == SENDING
            ]
            if part.owner is None and waits:
                assert part.due_at <= min(waits), f"rows are due before their slice: {part}"
        self.check_duplicates(parts)
        self.checks += 1
        if self.checks % 4 == 0:
            self.check_answers(rows, runs, parts)

    def check_answers(self, rows: list[Any], runs: list[Any], parts: list[Any]) -> None:
        """Check that what people and machines are told is what the rows say."""
        for announcement in self.announcements:
            edition = self.app.database.read_now(ledger.newest_edition_id, announcement)
            own_rows = [row for row in rows if row.edition == edition]
            progress = self.app.database.read_now(ledger.progress, announcement)
            assert +Counter(progress.deliveries["email"]) == Counter(
                STATES[row.state] for row in own_rows
            )
            is_open = any(row.state in (PENDING, SENDING) for row in own_rows) or not all(
                r.sealed for r in runs if r.edition == edition
            )
            assert not (is_open and (progress.percent == 100 or progress.sending == "done")), (
                "shown as done while a row is open"
            )
            wall = self.app.database.read_now(slices.now)
            causes = self.app.database.read_now(self.watcher.causes, announcement, wall)
            closed = [row for row in own_rows if row.state in ledger.NOT_ARRIVED]
            assert {
                (c.state, c.reason, c.provider_code): c.count for c in causes.failures
            } == Counter(
                (STATES[row.state], row.reason or "", row.provider_code or "") for row in closed
            )
            assert all(row.reason for row in closed), "closed without a reason"
            if any(part.edition == edition and part.open and part.due_at <= wall for part in parts):
                continue  # a worker is about to take it, and waiting rows are reported again then
            waits = [row for row in own_rows if row.state == PENDING and row.due_at > wall]
            assert sum(wait.count for wait in causes.waiting) == len(waits)
            assert min((wait.next_try for wait in causes.waiting), default=None) == min(
                (r.due_at for r in waits), default=None
            )

    def check_admitted(self, move: str) -> None:
        """Check that possible duplicates are counted exactly: one for each uncertain attempt that
        is made again.
        """
        rows, before = table(self.app, delivery), self.last_states
        for row in rows:
            state, uncertain = before.get((row.edition, row.slot), (PENDING, 0))
            is_repeated = row.uncertain > uncertain or (state == UNCONFIRMED and move == "steer")
            self.admitted[row.edition] += is_repeated and row.state == PENDING
        self.last_states = {(row.edition, row.slot): (row.state, row.uncertain) for row in rows}
        counted: Counter[int] = Counter()
        for part in table(self.app, slice_):
            counted[part.edition] += part.possible_duplicates
        assert +counted == +self.admitted

    def check_duplicates(self, parts: list[Any]) -> None:
        """Check that every copy beyond the first is admitted."""
        for edition in {part.edition for part in parts}:
            doubled = sum(
                number - 1
                for (number_of_edition, _slot), number in self.copies.items()
                if number_of_edition == edition and number > 1
            )
            admitted = sum(part.possible_duplicates for part in parts if part.edition == edition)
            # An attempt on the wire whose answer is unknown is admitted when it is tried again.
            assert doubled <= admitted, f"edition {edition}: {doubled} doubled, {admitted} admitted"

    def finish(self) -> None:
        """End it: all workers die, everything resumes, one good worker comes. All closes and nobody
        is left out.
        """
        for worker in self.workers:
            self.die(worker)
        for announcement in self.announcements:
            self.write(ledger.resume, announcement)
        worker, self.dice = self.workers[0], random.Random(1)
        for _ in range(400):
            self.age(4_000.0)
            self.write(channels.resume_channel, "email")
            self.fill(worker)
            self.claim(worker)
            if worker.claim is not None:
                marked = self.write(
                    gate.mark,
                    worker.claim,
                    worker.holder,
                    cursor=worker.claim.after_slot,
                    limit=1000,
                )
                self.accept_all(worker, worker.claim.edition, marked.rows)
                self.release(worker)
            self.write(slices.finish_idle)
            self.check()
            if all(current.finished_at is not None for current in table(self.app, run)):
                break
        else:
            raise AssertionError(
                [
                    (r.edition, r.state, r.sealed)
                    for r in table(self.app, run)
                    if r.finished_at is None
                ]
            )
        self.check_all_closed()

    def accept_all(self, worker: Worker, edition: int, rows: Iterable[MarkedRow]) -> None:
        """Let the provider accept every message."""
        for row in rows:
            self.copies[edition, row.slot] += 1
            answer = Receipt(provider_id=f"{edition}.{row.slot}.{row.attempt}")
            worker.answers.append((row, answer))

    def check_all_closed(self) -> None:
        """Check that every row is closed and counted, and that what is called sent was accepted."""
        for current in table(self.app, run):
            own_rows = [row for row in table(self.app, delivery) if row.edition == current.edition]
            assert all(row.state not in (PENDING, SENDING) for row in own_rows)
            assert counters(self.app, edition=current.edition) == Counter(
                STATES[row.state] for row in own_rows
            )
            for row in own_rows:
                if STATES[row.state] in ("sent", "delivered", "read"):
                    assert (
                        any(key[:2] == (row.edition, row.slot) for key in self.accepted)
                        or self.copies[row.edition, row.slot] > 0
                    )


async def open_world(app: App, seed: int) -> World:
    """Open a world of three workers and two announcements."""
    world = World(
        app=app,
        dice=random.Random(seed),
        workers=[Worker(holder=Holder(owner=f"worker{n}", lease=LEASE)) for n in range(3)],
    )
    for n in range(2):
        world.announcements.append((await publish(app, notice(title=f"Kabar {n}"))).id)
    return world


def moves_of(world: World) -> list[Callable[[Worker], None]]:
    """Return the possible moves, the usual ones more often than the rare."""
    usual = [world.claim, world.mark, world.send, world.settle] * 5 + [
        world.pass_time,
        world.receipt,
        world.die,
    ] * 3
    return [
        *usual,
        world.fill,
        world.fill,
        world.release,
        world.unsubscribe,
        world.steer,
        world.steer,
    ]


async def play(app: App, seed: int, steps: int) -> None:
    """Play one random history."""
    world = await open_world(app, seed)
    dice, moves = world.dice, moves_of(world)
    for _ in range(steps):
        move = dice.choice(moves)
        move(dice.choice(world.workers))
        world.check()
        world.check_admitted(move.__name__)
    world.finish()


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        database_url, tmp_path, [(f"warga{n:03}@contoh.example", "cibabat") for n in range(PEOPLE)]
    ) as opened:
        for n in range(6):
            for name in ("lama", "baru"):
                await subscribe(
                    opened,
                    "email",
                    [(f"{name}{n}@contoh.example", "cibabat")],
                    subscriber=f"orang-{n}",
                )
        yield opened


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", SEEDS["sqlite"])
async def test_random_histories_keep_every_promise(app: App, seed: int) -> None:
    await play(app, seed, STEPS["sqlite"])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("seed", SEEDS["postgresql"])
async def test_random_histories_keep_every_promise_on_postgresql(app: App, seed: int) -> None:
    await play(app, seed, STEPS["postgresql"])


@pytest.mark.parametrize("seed", range(3))
async def test_workers_at_the_same_time_keep_the_promises_too(app: App, seed: int) -> None:
    world = await open_world(app, seed)
    world.parallel = True
    failed: list[BaseException] = []

    def work(worker: Worker, dice: random.Random) -> None:
        try:
            for _ in range(100):
                dice.choice(moves_of(world))(worker)
        except BaseException as error:  # noqa: BLE001  reported below
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(worker, random.Random(f"{seed}{worker.holder.owner}")))
        for worker in world.workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    world.finish()
