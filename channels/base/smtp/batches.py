"""The messages of one call of `send`, as connections take and settle them."""

import asyncio
from collections import deque
from collections.abc import Iterable

from channels.base.contract import MayWrite, Outcome, Outgoing, Result
from channels.base.sending import Halts


class Piece:
    """One message of a batch; `tries` counts the connections that broke under its envelope."""

    __slots__ = ("batch", "outgoing", "tries")

    def __init__(self, batch: "Batch", outgoing: Outgoing) -> None:
        self.batch = batch
        self.outgoing = outgoing
        self.tries = 0


class Batch:
    """What waits, how many are out, and the results not yet fetched. No result = not written, or
    nobody asks any more.
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
        """Whether no further result comes; raises what `may_write` raised."""
        over = not self.owed and (self.stopped or not self.pending)
        if over and self._error is not None:
            raise self._error
        return over

    def take(self) -> Piece:
        """The next message, owed from now on."""
        self.owed += 1
        return self.pending.popleft()

    def may_begin(self) -> bool:
        """Whether a content may be written now; asked once per message, and once False it stays so."""
        if self.stopped:
            return False
        try:
            allowed = self._may_write()
        except Exception as error:  # noqa: BLE001 # reason: it is the caller's, who gets it back once nothing is owed
            self._error, allowed = error, False
        if not allowed:
            self.stopped = True
            self._wake()
        return allowed

    def settle(self, piece: Piece, outcome: Outcome) -> None:
        """Note what became of a message."""
        self.owed -= 1
        self.answer(piece.outgoing, outcome)

    def answer(self, outgoing: Outgoing, outcome: Outcome) -> None:
        """Note an outcome, also of a message that never waited; what halts the channel stops the
        batch.
        """
        self.stopped |= self._halts.end(outcome)
        self.results.append(Result(outgoing=outgoing, outcome=outcome))
        self._wake()

    def refuse(self, messages: Iterable[Outgoing], outcome: Outcome) -> None:
        """Give messages that never wait this outcome, as long as they might be begun."""
        for outgoing in messages:
            if self.may_begin():
                self.answer(outgoing, outcome)

    def leave(self, piece: Piece) -> None:
        """Let go of a message without a result."""
        self.owed -= 1
        self._wake()

    def hand_back(self, piece: Piece) -> None:
        """Put a message of which nothing was written in front again."""
        self.pending.appendleft(piece)
        self.leave(piece)

    def fail(self, outcome: Outcome) -> None:
        """Give all that wait the same outcome, as long as they might be begun."""
        while self.pending and self.may_begin():
            self.settle(self.take(), outcome)

    async def changed(self) -> None:
        """Wait for a result, or for the end."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
