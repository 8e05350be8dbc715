"""Concurrent sending: the loop shared by push channels that make one request per message."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from channels.base.contract import MayWrite, Outgoing, Result
from channels.base.http import NotWritten, writing
from channels.base.outcomes import SEVERAL, Deferred, Halted, Outcome, Receipt

SendOne = Callable[[Outgoing], Awaitable[Outcome]]

log = structlog.get_logger(__name__)


async def each(
    messages: Sequence[Outgoing], send_one: SendOne, *, concurrency: int, may_write: MayWrite
) -> AsyncGenerator[Result, None]:
    """Pass every message to `send_one`, at most `concurrency` at once, and yield each Result as it
    completes.

    Nothing new begins after Halts.end or once `may_write()` is False; messages in flight are still
    awaited and yielded. Closing the generator early cancels them.
    """
    done: asyncio.Queue[Result | None] = asyncio.Queue()
    round_ = _Round(iter(messages), send_one, may_write, done)
    workers = [
        asyncio.create_task(round_.work()) for _ in range(min(max(concurrency, 1), len(messages)))
    ]
    try:
        running = len(workers)
        while running:
            result = await done.get()
            if result is None:
                running -= 1
            else:
                yield result
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


class Halts:
    """Counter of the failures of one call that name our account, up to the number that ends it."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def end(self, outcome: Outcome) -> bool:
        """Count an outcome; True once nothing more should begin.

        That is at once if the channel is halted, or after SEVERAL failures without a success.
        """
        if isinstance(outcome, Receipt):
            self._in_a_row = 0
        elif isinstance(outcome, Halted):
            self._in_a_row += outcome.about == "either"
            return outcome.about == "sender" or self._in_a_row >= SEVERAL
        return False


class _Round:
    """State shared by the workers of one call: the remaining messages and the stop flag."""

    def __init__(
        self,
        left: Iterator[Outgoing],
        send_one: SendOne,
        may_write: MayWrite,
        done: asyncio.Queue[Result | None],
    ) -> None:
        self._left = left
        self._send_one = send_one
        self._may_write = may_write
        self._done = done
        self._halts = Halts()
        self._stopped = self._halted = False

    async def work(self) -> None:
        """Process messages until none is left or the round stops; None in the queue marks this
        worker's end.
        """
        writing.set(self._may_begin)
        try:
            with suppress(NotWritten):  # a message without a Result was not sent
                while (outgoing := self._next()) is not None:
                    outcome = await attempt(self._send_one, outgoing)
                    self._halted |= self._halts.end(outcome)
                    self._stopped |= self._halted
                    self._done.put_nowait(Result(outgoing=outgoing, outcome=outcome))
        finally:
            self._done.put_nowait(None)

    def _next(self) -> Outgoing | None:
        if self._stopped:
            return None
        outgoing = next(self._left, None)
        if outgoing is None or not self._may_write():
            self._stopped = True
            return None
        return outgoing

    def _may_begin(self) -> bool:
        """True if a request that waited may still be written: not once another one has ended the
        round.
        """
        return not self._halted and self._may_write()


async def attempt(send_one: SendOne, outgoing: Outgoing) -> Outcome:
    """Send one message; an unexpected exception becomes Deferred(uncertain=True), logged without
    the address.
    """
    try:
        return await send_one(outgoing)
    except Exception as error:  # noqa: BLE001 # reason: it may follow the write
        return unforeseen(error, outgoing)


def unforeseen(error: Exception, outgoing: Outgoing) -> Deferred:
    """Log where `error` arose, without its text (it may contain the address); return an uncertain
    outcome.
    """
    log.error(
        "send_failed_unforeseen",
        delivery=outgoing.recipient.delivery,
        error=type(error).__name__,
        at=_origin(error),
    )
    return Deferred(
        uncertain=True, code=type(error).__name__, detail="unforeseen error in the channel"
    )


def _origin(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
