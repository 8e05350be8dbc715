"""Queue of the messages of one `send` call, as connections take and complete them."""

import asyncio
from collections import deque
from collections.abc import Iterable

from channels.base.contract import MayWrite, Outgoing, Result
from channels.base.outcomes import Outcome
from channels.base.sending import Halts


class Piece:
    """A message of a batch; `tries` counts the connections that broke while its envelope was
    open.
    """

    __slots__ = ("batch", "outgoing", "tries")

    def __init__(self, batch: "Batch", outgoing: Outgoing) -> None:
        self.batch = batch
        self.outgoing = outgoing
        self.tries = 0


class Batch:
    """Waiting messages, the number in flight, and results not yet fetched.

    A message without a result was not written, or its caller is gone.
    """

    def __init__(self, messages: Iterable[Outgoing], *, may_write: MayWrite) -> None:
        self.pending = deque(Piece(self, outgoing) for outgoing in messages)
        self.results: list[Result] = []
        self.stopped = False
        self.owed = 0
        self._may_write = may_write
        self._halts = Halts()
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def over(self) -> bool:
        """True if no further result will come; raises the exception that `may_write` raised."""
        over = not self.owed and (self.stopped or not self.pending)
        if over and self._error is not None:
            raise self._error
        return over

    def take(self) -> Piece:
        """Take the next message, which is in flight from now on."""
        self.owed += 1
        return self.pending.popleft()

    def may_begin(self) -> bool:
        """True if a content may be written now; asked once per message, and False is final."""
        if self.stopped:
            return False
        try:
            allowed = self._may_write()
        except Exception as error:  # noqa: BLE001 # reason: raised to the caller by `over`
            self._error, allowed = error, False
        if not allowed:
            self.stopped = True
            self._wake()
        return allowed

    def settle(self, piece: Piece, outcome: Outcome) -> None:
        """Record the outcome of a message in flight."""
        self.owed -= 1
        self.answer(piece.outgoing, outcome)

    def answer(self, outgoing: Outgoing, outcome: Outcome) -> None:
        """Record an outcome, also of a message that was never queued; one that halts the channel
        stops the batch.
        """
        self.stopped |= self._halts.end(outcome)
        self.results.append(Result(outgoing=outgoing, outcome=outcome))
        self._wake()

    def refuse(self, messages: Iterable[Outgoing], outcome: Outcome) -> None:
        """Give messages that are not queued this outcome, as long as they might be begun."""
        for outgoing in messages:
            if self.may_begin():
                self.answer(outgoing, outcome)

    def leave(self, piece: Piece) -> None:
        """Drop a message in flight without a result."""
        self.owed -= 1
        self._wake()

    def hand_back(self, piece: Piece) -> None:
        """Return a message of which nothing was written to the front of the queue."""
        self.pending.appendleft(piece)
        self.leave(piece)

    def fail(self, outcome: Outcome) -> None:
        """Give all waiting messages the same outcome, as long as they might be begun."""
        while self.pending and self.may_begin():
            self.settle(self.take(), outcome)

    async def changed(self) -> None:
        """Wait for a result or the end of the batch."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
