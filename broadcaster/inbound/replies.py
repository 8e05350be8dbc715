"""Answers to residents, sent beside the inbox: a slow provider delays no stop, and each address
gets a limited number a minute.
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
"""Seconds that one answer may take."""
WAITING_LIMIT = 1_000
"""Maximum answers waiting for their turn; further ones are dropped, since the messages behind them
have been applied.
"""
ANSWERS_A_MINUTE = 5
"""Answers to one address within a minute; a new stop is always confirmed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResidentReply:
    """An answer to one resident; `owed` exempts it from the limit per minute."""

    channel: str
    address: str = field(repr=False)
    text: str
    owed: bool = False


class ReplySender:
    """Sends answers in its own tasks; failures are logged and dropped. Belongs to one
    event loop.
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

    def post(self, answers: Iterable[ResidentReply]) -> None:
        """Start to send these and return at once; each person gets their answers in the order of
        their messages.
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
        """Wait for answers being sent; after `seconds` cancel the rest."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _may(self, due: ResidentReply) -> bool:
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

    async def _in_turn(self, due: ResidentReply, before: asyncio.Task[None] | None) -> None:
        """Send an answer once the person's previous one has ended, however it ended."""
        if before is not None:
            await asyncio.wait([before])
        await self._answer(due)

    async def _answer(self, due: ResidentReply) -> None:
        out = self._app.push[due.channel]
        if not isinstance(out, ReplyChannel) or not self._app.loaded.is_open(due.channel):
            return
        try:
            if await self._app.database.read(is_held):
                return  # they are answered where this database is at home
            async with self._places[due.channel], asyncio.timeout(ANSWER_SECONDS):
                outcome = type(await out.answer(due.address, due.text)).__name__
        except Exception as error:  # noqa: BLE001  others still get theirs
            outcome = type(error).__name__
        if outcome != "Receipt":
            log.warning("resident_not_answered", channel=due.channel, outcome=outcome)
