"""The ledger under random hands: several workers, deaths, receipts and people's acts in any order;
its promises after each step.

Real store functions on real databases. Time passes by moving every time in the database into the
past.
"""

import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from broadcaster.app import App
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import PENDING, SENDING, STATES, UNCONFIRMED, MarkedRow
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.retry_policy import UNCERTAIN_LIMIT, Moment, consequence, decide
from broadcaster.inbound import status_updates
from broadcaster.publishing import corrections
from broadcaster.publishing.press import Press
from broadcaster.store import address_effects, fanout, gate, ledger, outcomes, slices
from broadcaster.store import channels as channel_store
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
from support.sending import check_counters, counters, retry_failed, table
from support.world import notice, program, publish, subscribe, variables

PEOPLE = 24
SMALL = fanout.Sizes(first=4, chunk=13, slice_=7)
"""Chunks and slices so small that a run has several."""
LEASE = 30.0
STEPS = {"sqlite": 160, "postgresql": 110}
SEEDS = {"sqlite": range(16), "postgresql": range(100, 105)}
LATE = (1.0, 6.0, 31.0, 400.0, 4_000.0)
"""Seconds that may pass between two steps."""
FAILURES: tuple[Failure, ...] = (
    Refused(reason="address_dead"), Refused(reason="opted_out"), Rejected(code="550"), Skipped(code="cap"), Deferred(code="451"),
)  # fmt: skip


@dataclass
class Hand:
    """A worker's hand: what a process keeps in its memory."""

    holder: Holder
    claim: Claim | None = None
    filling: fanout.FanOut | None = None
    cursor: int = -1
    marked: list[MarkedRow] = field(default_factory=list)
    answered: list[tuple[MarkedRow, Outcome]] = field(default_factory=list)


@dataclass
class World:
    """The database, the hands, and what the provider knows: how many copies of each delivery are
    out.
    """

    app: App
    dice: random.Random
    hands: list[Hand]
    announcements: list[str] = field(default_factory=list)
    out: Counter[tuple[int, int]] = field(default_factory=Counter)
    written: dict[tuple[int, int, int], bool] = field(default_factory=dict)
    seen: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    admitted: Counter[int] = field(default_factory=Counter)
    parallel: bool = False
    watcher: Watcher = field(default_factory=Watcher)
    checks: int = 0

    def write(self, act: Any, *args: Any, **kwargs: Any) -> Any:
        """One transaction."""
        return self.app.database.write_now(act, *args, **kwargs)

    # --- what a hand does ---------------------------------------------------------------------------

    def fill(self, hand: Hand) -> None:
        """One chunk of the fan-out."""
        if hand.filling is None:
            hand.filling = self.write(
                fanout.claim_fanout, channel="email", lane="routine", holder=hand.holder
            )
        if hand.filling is not None:
            with suppress(LeaseLost):
                if not self.write(fanout.fill_chunk, hand.filling, hand.holder, SMALL):
                    return
            hand.filling = None

    def claim(self, hand: Hand) -> None:
        """Take a slice."""
        if hand.claim is None:
            hand.claim = self.write(
                slices.claim_slice,
                channel="email",
                lane="routine",
                holder=hand.holder,
                reopen_wait=30.0,
                uncertain_limit=UNCERTAIN_LIMIT,
            )
            hand.cursor = hand.claim.after_slot if hand.claim is not None else -1

    def mark(self, hand: Hand) -> None:
        """Pass the gate."""
        if hand.claim is None or hand.marked or hand.answered:
            return
        try:
            found = self.write(
                gate.mark,
                hand.claim,
                hand.holder,
                cursor=hand.cursor,
                limit=self.dice.randrange(1, 12),
            )
        except LeaseLost:
            self.release(hand)
            return
        hand.marked, hand.cursor = list(found.rows), found.cursor
        if found.exhausted and not found.rows:
            self.release(hand)

    def send(self, hand: Hand) -> None:
        """Hand some marked rows to the provider, while the lease holds."""
        if hand.claim is None or not self._holds(hand):
            return
        for _ in range(self.dice.randrange(1, 6)):
            if hand.marked:
                row = hand.marked.pop(0)
                hand.answered.append((row, self._provider(hand.claim.edition, row)))

    def _holds(self, hand: Hand) -> bool:
        claim = hand.claim
        assert claim is not None
        return bool(
            self.write(
                lambda c: c.execute(
                    select(slice_.c.number).where(
                        slice_.c.edition == claim.edition,
                        slice_.c.channel == claim.channel,
                        slice_.c.number == claim.number,
                        slice_.c.owner == hand.holder.owner,
                        slice_.c.epoch == claim.epoch,
                        slice_.c.lease_until > lease_clock(c),
                    )
                ).first()
            )
        )

    def _provider(self, edition: int, row: MarkedRow) -> Outcome:
        found = next(
            r for r in table(self.app, delivery) if (r.edition, r.slot) == (edition, row.slot)
        )
        assert self.parallel or (found.state, found.attempt) == (SENDING, row.attempt), (
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
            self.out[edition, row.slot] += 1
            self.written[edition, row.slot, row.attempt] = True
        return outcome

    def settle(self, hand: Hand) -> None:
        """Commit the outcomes; sometimes twice, as after a lost connection."""
        if hand.claim is None or not hand.answered:
            return
        for _ in range(self.dice.choice((1, 1, 1, 2))):
            self.write(self._record, hand.claim, list(hand.answered))
        hand.answered.clear()

    def _record(
        self, connection: Connection, claim: Claim, answered: list[tuple[MarkedRow, Outcome]]
    ) -> None:
        moment = Moment(
            now=slices.now(connection),
            published_at=claim.published_at,
            expires_at=claim.expires_at,
            emergency=False,
            receipt_wait=30.0,
        )
        decisions = [decide(row, outcome, moment) for row, outcome in answered]
        meanings = [
            m
            for row, outcome in answered
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

    def release(self, hand: Hand) -> None:
        """Settle, hand back, release: a hand's orderly end."""
        if hand.claim is None:
            return
        self.settle(hand)
        self.write(outcomes.hand_back, hand.claim, hand.marked)
        self.write(slices.release, hand.claim, hand.holder)
        hand.claim, hand.marked = None, []

    def die(self, hand: Hand) -> None:
        """SIGKILL: what only the memory knew is gone. The same holder's name is never used again."""
        hand.holder = Holder(owner=f"{hand.holder.owner}'", lease=LEASE)
        hand.claim, hand.filling, hand.marked, hand.answered = None, None, [], []

    # --- what others do -----------------------------------------------------------------------------

    def receipt(self, _hand: Hand) -> None:
        """The provider says something later about a message it took: early, late, twice, out of
        order.
        """
        if not self.written:
            return
        edition, slot, attempt = place = self.dice.choice(list(self.written))
        state = self.dice.choice(("sent", "delivered", "read", "failed"))
        if not self.written[place] and state != "failed":
            return  # a provider that gave a message up says no more of it
        failure = self.dice.choice(FAILURES) if state == "failed" else None
        if state == "failed" and self.written[place]:
            self.written[place] = False
            self.out[edition, slot] -= 1
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

    def stop_someone(self, _hand: Hand) -> None:
        """A resident stops; now and then an operator discards held suppressions."""
        who = self.dice.choice(table(self.app, delivery) or [None])
        if who is not None and self.dice.random() < 0.3:
            self.write(consent.stop, who.address, source="test", at=1.0)
        self.write(channel_store.release_held, "email", apply=False)
        self.write(channel_store.resume_channel, "email")

    def pass_time(self, _hand: Hand) -> None:
        """Everything in the database becomes older."""
        self.age(self.dice.choice(LATE))

    def age(self, seconds: float) -> None:
        """Move every time into the past."""

        def act(c: Connection) -> None:
            c.execute(
                select(slice_.c.number).with_for_update()
            )  # so that nobody compares old times with new ones
            for one, names in (
                (delivery, ("due_at",)),
                (slice_, ("due_at", "lease_until")),
                (run, ("lease_until", "published_at", "expires_at")),
            ):
                for name in names:
                    c.execute(
                        update(one).where(one.c[name] > 0).values({name: one.c[name] - seconds})
                    )

        self.write(act)
        self.watcher = Watcher()  # nothing but a test changes the time of a row that waits

    def act(self, _hand: Hand) -> None:
        """A person pauses, resumes, cancels, sends again, corrects or takes back."""
        chosen = self.dice.choice(self.announcements)
        press, now = Press.of(self.app), self.app.clock()
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
                self.write(ledger.pause, chosen, "test")
            case "resume":
                self.write(ledger.resume, chosen)
            case "cancel" if self.dice.random() < 0.3:
                self.write(ledger.cancel, chosen)
            case "retry":
                retry_failed(self.app, chosen)
            case "expire" if self.dice.random() < 0.2:
                newest = self.app.database.read_now(ledger.newest_edition_id, chosen)
                self.write(
                    lambda c: c.execute(
                        update(run)
                        .where(run.c.edition == newest)
                        .values(expires_at=slices.now(c) + self.dice.choice((1, 100)))
                    )
                )
            case "correct" if self.dice.random() < 0.5:
                checked = press.examine(notice(title=f"Ralat nomor {self.dice.random()}"), now)
                with suppress(NotAllowed):
                    self.write(
                        corrections.correct,
                        press,
                        chosen,
                        checked,
                        reason="salah",
                        actor=NamedActor(name="t", now=now),
                    )
            case "withdraw" if self.dice.random() < 0.3:
                with suppress(NotAllowed):
                    self.write(
                        corrections.withdraw,
                        press,
                        chosen,
                        reason="salah",
                        actor=NamedActor(name="t", now=now),
                    )

    # --- promises -----------------------------------------------------------------------------------

    def check(self) -> None:
        """What holds after every step."""
        check_counters(self.app)
        rows, runs, parts = table(self.app, delivery), table(self.app, run), table(self.app, slice_)
        for one in runs:
            mine = [row for row in rows if row.edition == one.edition]
            still = [row for row in mine if row.state in (PENDING, SENDING)]
            assert one.finished_at is None or not still, f"a finished run has open rows: {one}"
            if one.sealed:
                spans = [
                    (part.after_slot, part.last_slot)
                    for part in parts
                    if part.edition == one.edition
                ]
                assert all(
                    sum(after < row.slot <= last for after, last in spans) == 1 for row in mine
                ), "a row without a slice"
        for part in parts:
            mine = [
                row
                for row in rows
                if row.edition == part.edition and part.after_slot < row.slot <= part.last_slot
            ]
            waits = [row.due_at for row in mine if row.state == PENDING] + [
                0.0 for row in mine if row.state == SENDING
            ]
            if part.owner is None and waits:
                assert part.due_at <= min(waits), f"rows are due before their slice: {part}"
        self.check_duplicates(parts)
        self.checks += 1
        if self.checks % 4 == 0:
            self.check_answers(rows, runs, parts)

    def check_answers(self, rows: list[Any], runs: list[Any], parts: list[Any]) -> None:
        """What people and machines are told is what the rows say."""
        for announcement in self.announcements:
            edition = self.app.database.read_now(ledger.newest_edition_id, announcement)
            mine = [row for row in rows if row.edition == edition]
            told = self.app.database.read_now(ledger.progress, announcement)
            assert +Counter(told.deliveries["email"]) == Counter(STATES[row.state] for row in mine)
            still = any(row.state in (PENDING, SENDING) for row in mine) or not all(
                r.sealed for r in runs if r.edition == edition
            )
            assert not (still and (told.percent == 100 or told.sending == "done")), (
                "told as done while a row is open"
            )
            wall = self.app.database.read_now(slices.now)
            causes = self.app.database.read_now(self.watcher.causes, announcement, wall)
            closed = [row for row in mine if row.state in ledger.NOT_ARRIVED]
            assert {
                (c.state, c.reason, c.provider_code): c.count for c in causes.failures
            } == Counter(
                (STATES[row.state], row.reason or "", row.provider_code or "") for row in closed
            )
            assert all(row.reason for row in closed), "closed without a reason"
            if any(part.edition == edition and part.open and part.due_at <= wall for part in parts):
                continue  # somebody is about to work on it: what waits is told again then
            waits = [row for row in mine if row.state == PENDING and row.due_at > wall]
            assert sum(wait.count for wait in causes.waiting) == len(waits)
            assert min((wait.next_try for wait in causes.waiting), default=None) == min(
                (r.due_at for r in waits), default=None
            )

    def check_admitted(self, move: str) -> None:
        """Possible duplicates are counted exactly: one for each uncertain attempt that is made
        again.
        """
        rows, before = table(self.app, delivery), self.seen
        for row in rows:
            state, uncertain = before.get((row.edition, row.slot), (PENDING, 0))
            again = row.uncertain > uncertain or (state == UNCONFIRMED and move == "act")
            self.admitted[row.edition] += again and row.state == PENDING
        self.seen = {(row.edition, row.slot): (row.state, row.uncertain) for row in rows}
        said: Counter[int] = Counter()
        for part in table(self.app, slice_):
            said[part.edition] += part.possible_duplicates
        assert +said == +self.admitted

    def check_duplicates(self, parts: list[Any]) -> None:
        """Every copy beyond the first is admitted."""
        for edition in {part.edition for part in parts}:
            doubled = sum(
                number - 1
                for (mine, _slot), number in self.out.items()
                if mine == edition and number > 1
            )
            admitted = sum(part.possible_duplicates for part in parts if part.edition == edition)
            # an attempt on the wire whose answer is unknown is admitted when it is tried again
            assert doubled <= admitted, f"edition {edition}: {doubled} doubled, {admitted} admitted"

    def finish(self) -> None:
        """Everybody dies, everything resumes, one good worker comes: all closes, nobody is left
        out.
        """
        for hand in self.hands:
            self.die(hand)
        for announcement in self.announcements:
            self.write(ledger.resume, announcement)
        hand, self.dice = self.hands[0], random.Random(1)
        for _ in range(400):
            self.age(4_000.0)
            self.write(channel_store.resume_channel, "email")
            self.fill(hand)
            self.claim(hand)
            if hand.claim is not None:
                found = self.write(
                    gate.mark, hand.claim, hand.holder, cursor=hand.claim.after_slot, limit=1000
                )
                for row in found.rows:
                    self.out[hand.claim.edition, row.slot] += 1
                    hand.answered.append(
                        (row, Receipt(provider_id=f"{hand.claim.edition}.{row.slot}.{row.attempt}"))
                    )
                self.release(hand)
            self.write(slices.finish_idle)
            self.check()
            if all(one.finished_at is not None for one in table(self.app, run)):
                break
        else:
            raise AssertionError(
                [
                    (r.edition, r.state, r.sealed)
                    for r in table(self.app, run)
                    if r.finished_at is None
                ]
            )
        for one in table(self.app, run):
            got = [row for row in table(self.app, delivery) if row.edition == one.edition]
            assert all(row.state not in (PENDING, SENDING) for row in got)
            assert counters(self.app, edition=one.edition) == Counter(
                STATES[row.state] for row in got
            )
            for row in got:
                if STATES[row.state] in ("sent", "delivered", "read"):
                    assert (
                        any(key[:2] == (row.edition, row.slot) for key in self.written)
                        or self.out[row.edition, row.slot] > 0
                    )


async def new_world(app: App, seed: int) -> World:
    """Three hands and two announcements."""
    world = World(
        app=app,
        dice=random.Random(seed),
        hands=[Hand(holder=Holder(owner=f"hand{n}", lease=LEASE)) for n in range(3)],
    )
    for n in range(2):
        world.announcements.append((await publish(app, notice(title=f"Kabar {n}"))).id)
    return world


def moves_of(world: World) -> list[Callable[[Hand], None]]:
    """What may happen, the usual more often than the rare."""
    usual = [world.claim, world.mark, world.send, world.settle] * 5 + [
        world.pass_time,
        world.receipt,
        world.die,
    ] * 3
    return [*usual, world.fill, world.fill, world.release, world.stop_someone, world.act, world.act]


async def play(app: App, seed: int, steps: int) -> None:
    """One random history."""
    world = await new_world(app, seed)
    dice, moves = world.dice, moves_of(world)
    for _ in range(steps):
        move = dice.choice(moves)
        move(dice.choice(world.hands))
        world.check()
        world.check_admitted(move.__name__)
    world.finish()


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    environ = variables(
        database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as opened:
        await subscribe(
            opened, "email", [(f"warga{n:03}@contoh.example", "cibabat") for n in range(PEOPLE)]
        )
        for n in range(6):
            for which in ("lama", "baru"):
                await subscribe(
                    opened,
                    "email",
                    [(f"{which}{n}@contoh.example", "cibabat")],
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
async def test_hands_at_the_same_time_keep_the_promises_too(app: App, seed: int) -> None:
    world = await new_world(app, seed)
    world.parallel = True
    failed: list[BaseException] = []

    def work(hand: Hand, dice: random.Random) -> None:
        try:
            for _ in range(100):
                dice.choice(moves_of(world))(hand)
        except BaseException as error:  # noqa: BLE001  shown by the test
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(hand, random.Random(f"{seed}{hand}")))
        for hand in world.hands
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    world.finish()
