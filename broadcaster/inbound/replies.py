"""Answers to residents, sent beside the inbox: a slow provider holds up no stop, and nobody gets
more than some a minute.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

import structlog

from broadcaster.app import App
from broadcaster.store.custody import is_held
from channels.base.staff_messages import ReplyChannel

log = structlog.get_logger(__name__)

ANSWERS_AT_ONCE = 20
"""Residents answered at the same time on one channel."""
ANSWER_SECONDS = 15.0
"""How long one answer may take."""
WAITING_LIMIT = 1_000
"""Answers that may wait for their turn; further ones are dropped, as what they answer has been
applied.
"""
ANSWERS_A_MINUTE = 5
"""Answers to one address within a minute; a stop that is new is always confirmed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one resident is told; `owed`: however many answers they got already."""

    channel: str
    address: str = field(repr=False)
    text: str
    owed: bool = False


class Answerer:
    """Sends answers in tasks of its own; what fails is logged and forgotten. Belongs to one event
    loop.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._places: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(ANSWERS_AT_ONCE)
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._minute = 0
        self._answered: Counter[tuple[str, str]] = Counter()
        self._latest: dict[tuple[str, str], asyncio.Task[None]] = {}

    def post(self, answers: Iterable[Answer]) -> None:
        """Begin to send these, and return at once; each person reads their answers in the order of
        what they wrote.
        """
        withheld: Counter[str] = Counter()
        for due in answers:
            if not self._may(due):
                withheld[due.channel] += 1
                continue
            person = (due.channel, due.address)
            task = asyncio.create_task(self._in_turn(due, self._latest.get(person)))
            self._tasks.add(task)
            self._latest[person] = task
            task.add_done_callback(partial(self._forget, person))
        for channel, count in withheld.items():
            log.warning("answers_withheld", channel=channel, count=count)

    async def settle(self, seconds: float | None = None) -> None:
        """Wait for what is being sent; after `seconds` the rest is given up."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _may(self, due: Answer) -> bool:
        minute = int(self._app.clock().timestamp() // 60)
        if minute != self._minute:
            self._minute, self._answered = minute, Counter()
        person = (due.channel, due.address)
        self._answered[person] += 1
        return len(self._tasks) < WAITING_LIMIT and (
            due.owed or self._answered[person] <= ANSWERS_A_MINUTE
        )

    def _forget(self, person: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._latest.get(person) is task:
            del self._latest[person]

    async def _in_turn(self, due: Answer, before: asyncio.Task[None] | None) -> None:
        """Answer once the person's answer before this one has ended, however it ended."""
        if before is not None:
            await asyncio.wait([before])
        await self._answer(due)

    async def _answer(self, due: Answer) -> None:
        out = self._app.push[due.channel]
        if not isinstance(out, ReplyChannel) or not self._app.loaded.is_open(due.channel):
            return
        try:
            if await self._app.database.read(is_held):
                return  # where this database is at home they are answered
            async with self._places[due.channel], asyncio.timeout(ANSWER_SECONDS):
                outcome = type(await out.answer(due.address, due.text)).__name__
        except Exception as error:  # noqa: BLE001  whatever keeps one resident from an answer, the others get theirs
            outcome = type(error).__name__
        if outcome != "Receipt":
            log.warning("resident_not_answered", channel=due.channel, outcome=outcome)
