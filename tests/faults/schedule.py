"""Schedule of faults: what goes wrong in a run and after how many accepted messages, drawn from a
seed, and carried out.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from faults.city import ROUTINE, SMALL, WORKERS, City
from faults.processes import FAKETIME, Disk, wrong_clock

MOMENTS = (40, 4_400)
"""Fewest and most accepted messages after which something happens."""
SLOW = frozenset(
    {
        "email 429",
        "email 500",
        "email 503",
        "whatsapp 500",
        "whatsapp 503",
        "telegram 500",
        "telegram 503",
    }
)
"""Answers after which a routine message waits for a minute: then the announcement expires, so that
the run ends sooner.
"""
EXPIRES_IN = 10.0
DOWN_SECONDS = 1.0
"""Seconds that a resource stays away: Valkey, the database server, room on the disk."""
CLOCKS = (-7, -3, 3, 11)
"""Minutes by which a worker's wall clock is off."""

KILLS = (
    "kill busy", "kill idle", "kill workers", "kill web", "kill valkey", "flush valkey", "replace valkey",
    "end busy", "end idle", "suspend busy", "suspend idle", "database away", "wrong clock",
)  # fmt: skip
"""A worker is busy when it sent the last message: the other may have nothing to lose."""
MISCHIEF = tuple(
    f"{channel} {kind}"
    for channel in ("email", "whatsapp", "telegram")
    for kind in ("429", "500", "503", "hang", "cut", "twice")
)
PEOPLE = ("correct", "pause", "urgent")
HOOKS = ("prompt", "early", "late", "twice", "shuffled")


@dataclass(frozen=True, kw_only=True, order=True)
class Act:
    """Event after `at` accepted messages; `number` is how many requests it concerns, or minutes."""

    at: int
    what: str
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Events of one run."""

    seed: int
    kind: str
    acts: tuple[Act, ...]
    hooks: str
    expires_in: float | None
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed} on {self.kind}: webhooks {self.hooks}, expires in {self.expires_in} s"
        ]
        return "\n".join(
            lines
            + [f"  after {act.at}: {act.what} {act.number or ''}".rstrip() for act in self.acts]
        )

    @property
    def needs_disk(self) -> bool:
        """True if the data must lie on a disk that can be filled."""
        return self.kind == "sqlite" and any(act.what == "database away" for act in self.acts)


def impossible(kind: str) -> dict[str, str]:
    """Return what cannot be played here, with the reason."""
    reasons = {}
    if kind == "sqlite" and (why := Disk.why_not()):
        reasons["database away"] = why
    if kind == "sqlite":
        reasons["wrong clock"] = "the processes of one machine share its clock"
    elif FAKETIME is None:
        reasons["wrong clock"] = "libfaketime is not installed"
    return reasons


def draw(seed: int, kind: str) -> Schedule:
    """Return the schedule of a seed; the same on every machine, except for what cannot be played
    there.
    """
    dice = random.Random(seed)
    drawn = [*dice.sample(KILLS, dice.randint(1, 4)), *dice.sample(MISCHIEF, dice.randint(0, 3))]
    drawn += [what for what in PEOPLE if dice.random() < 0.25]
    dice.shuffle(drawn)
    acts = [Act(at=dice.randint(*MOMENTS), what=what, number=_number(what, dice)) for what in drawn]
    without = impossible(kind)
    possible = tuple(sorted(act for act in acts if act.what not in without))
    slow = any(act.what in SLOW for act in possible)
    return Schedule(
        seed=seed,
        kind=kind,
        acts=possible,
        hooks=dice.choice(HOOKS),
        expires_in=EXPIRES_IN if slow else None,
        left_out=tuple(f"{act.what}: {without[act.what]}" for act in acts if act.what in without),
    )


def _number(what: str, dice: random.Random) -> int:
    if what == "wrong clock":
        return dice.choice(CLOCKS)
    if what.endswith("hang"):
        return dice.randint(1, 4)
    return dice.randint(5, 40) if what in MISCHIEF else 0


@dataclass
class ScheduleRun:
    """Schedule being carried out in a city; `uncertain` is how many messages its kills may have
    left without an answer.
    """

    city: City
    schedule: Schedule
    lease: float
    uncertain: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    WINDOW = 250
    """Rows of one worker that may be marked and unsettled."""

    async def play(self) -> None:
        """Wait for each moment and carry out its act; moments that are not reached, because all was
        sent before, are left out.
        """
        for act in self.schedule.acts:
            if not await self._reached(act.at):
                self.city.say(f"all was sent before: {act.what}")
                continue
            self.city.say(f"{act.what} {act.number or ''}".rstrip())
            self._tasks.append(asyncio.create_task(self._do(act)))
        await asyncio.gather(*self._tasks)
        self.city.providers.behave()

    async def _reached(self, count: int) -> bool:
        """True if so many messages were accepted before the end."""
        while self.city.accepted < count:
            for _look in range(50):
                await asyncio.sleep(0.005)
                if self.city.accepted >= count:
                    return True
            with suppress(DBAPIError):
                if self._quiet() and await self.city.is_over():
                    return False
        return True

    def _quiet(self) -> bool:
        return all(task.done() for task in self._tasks)

    async def _do(self, act: Act) -> None:
        verb, _, whom = act.what.partition(" ")
        if act.what in MISCHIEF:
            self.city.providers.misbehave(verb, whom, act.number)
            return
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "kill workers": self._kill_workers,
            "kill valkey": self._kill_valkey,
            "flush valkey": self._flush,
            "replace valkey": self._replace_valkey,
            "database away": self._database_away,
            "wrong clock": lambda: self._wrong_clock(act.number),
            "correct": self._correct,
            "pause": self._pause,
            "urgent": lambda: self.city.publish("darurat", areas=SMALL, urgent=True),
        }
        named = {"kill": self._kill, "end": self._end, "suspend": self._suspend}
        await (acts[act.what]() if act.what in acts else named[verb](self._named(whom)))

    def _named(self, whom: str) -> str:
        """Return the part that is meant."""
        if whom not in ("busy", "idle"):
            return whom
        last = next(
            (
                message.worker
                for message in reversed(self.city.providers.record.taken)
                if message.worker in ROUTINE
            ),
            ROUTINE[0],
        )
        return last if whom == "busy" else next(name for name in ROUTINE if name != last)

    # --- processes ------------------------------------------------------------------------------

    async def _kill(self, name: str) -> None:
        if self.city.supervisor.parts[name].kill() and name in WORKERS:
            self.uncertain += self.WINDOW

    async def _kill_workers(self) -> None:
        for name in WORKERS:
            await self._kill(name)

    async def _end(self, name: str) -> None:
        part = self.city.supervisor.parts[name]
        async with part.busy:
            await self.city.supervisor.terminate(part)

    async def _suspend(self, name: str) -> None:
        """Suspend a worker past its lease, so that others take over while it still believes itself
        to be the holder.
        """
        part = self.city.supervisor.parts[name]
        async with part.busy:
            if part.send(signal.SIGSTOP):
                self.uncertain += self.WINDOW
                await asyncio.sleep(self.lease * 1.5)
                part.send(signal.SIGCONT)

    async def _wrong_clock(self, minutes: int) -> None:
        """Restart a worker on a machine whose clock is off."""
        part = self.city.supervisor.parts[self._named("busy")]
        async with part.busy:
            part.environ = {**part.environ, **wrong_clock(minutes)}
            await self.city.supervisor.terminate(part)

    # --- infrastructure -------------------------------------------------------------------------

    async def _kill_valkey(self) -> None:
        self.city.valkey.kill()
        await asyncio.sleep(DOWN_SECONDS)
        self.city.valkey.start()

    async def _replace_valkey(self) -> None:
        self.city.valkey.kill()
        self.city.valkey.forget()
        self.city.valkey.start()

    async def _flush(self) -> None:
        await asyncio.to_thread(self.city.valkey.flush)

    async def _database_away(self) -> None:
        """Take the database away; what was not saved when a lease ran out is uncertain for every
        worker.
        """
        self.uncertain += self.WINDOW * len(WORKERS)
        self.city.supervisor.excused = True
        if self.city.server is not None:
            await asyncio.to_thread(self.city.server.shut_down)
            self.city.server.start()
            await asyncio.to_thread(self.city.server.wait)
        elif self.city.disk is not None:
            await asyncio.to_thread(self.city.disk.fill)
            await asyncio.sleep(DOWN_SECONDS)
            self.city.disk.free()

    # --- people ---------------------------------------------------------------------------------

    async def _correct(self) -> None:
        await self.city.correct("ralat", after="pertama", expires_in=self.schedule.expires_in)

    async def _pause(self) -> None:
        await self.city.steer("pause", "pertama")
        await asyncio.sleep(DOWN_SECONDS)
        await self.city.steer("resume", "pertama")


def seeds(count: int, first: int | None) -> Iterator[int]:
    """Yield `first` alone, or `count` seeds drawn anew: the same ones in each worker of one test
    run.
    """
    if first is not None:
        yield first
        return
    dice = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
    for _number in range(count):
        yield dice.randrange(2**32)
