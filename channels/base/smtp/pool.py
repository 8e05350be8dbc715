"""Connection pool shared by all batches: assigns messages to connections and handles failures to
connect.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable

from channels.base.contract import Result
from channels.base.outcomes import Deferred, Failure, Halted
from channels.base.sending import unforeseen
from channels.base.sign_in import SignIn
from channels.base.smtp.batches import Batch, Piece
from channels.base.smtp.connection import Connection, NoConnection
from channels.base.smtp.pipelining import STALL, Pipe

REST = 5.0
"""Seconds before trying a server again that refused further connections."""
DOWN_AFTER = 300.0
"""Seconds without any connection after which the channel halts."""


class Pool:
    """Connections that outlive batches; the batches take turns, message by message."""

    def __init__(
        self,
        make: Callable[[], Connection],
        *,
        size: int,
        signs_in: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make` returns an unopened connection; `size`: maximum number; `signs_in`: with a
        password.
        """
        self._make = make
        self._clock = clock
        self._sign_in = SignIn(clock, accepted=not signs_in)
        self._connections = [make() for _ in range(size)]
        self._idle = list(self._connections)
        self._batches: deque[Batch] = deque()
        self._pipes: dict[Pipe, Connection] = {}
        self._opening: dict[Connection, asyncio.Task[None]] = {}
        self._overdue: set[Connection] = set()  # slow to open, so that others are opened alongside
        self._talking: dict[Connection, tuple[Piece, asyncio.Task[None]]] = {}
        self._resting: dict[Connection, asyncio.TimerHandle] = {}
        self._unreachable: tuple[float, Failure] | None = None
        self._down_since: float | None = None

    async def send(self, batch: Batch) -> AsyncGenerator[Result, None]:
        """Send a batch and yield each result as it comes; closing early abandons the messages in
        flight.
        """
        self._batches.append(batch)
        self._serve()
        try:
            while True:
                results, batch.results = batch.results, []
                for result in results:
                    yield result
                if batch.results:
                    continue
                if batch.over:
                    return
                await batch.changed()
        finally:
            self._close(batch)

    def _close(self, batch: Batch) -> None:
        batch.stopped = True
        if batch in self._batches:
            self._batches.remove(batch)
        if not batch.owed:
            return
        for pipe in list(self._pipes):
            pipe.abandon(batch)
        for piece, task in list(self._talking.values()):
            if piece.batch is batch:
                task.cancel()

    # --- Source for pipes -------------------------------------------------------------------------

    def pull(self) -> Piece | None:
        """Return the next message, from the batch whose turn it is."""
        batches = self._batches
        while batches:
            batch = batches[0]
            if batch.stopped or not batch.pending:
                batches.popleft()
                continue
            batches.rotate(-1)
            return batch.take()
        return None

    def requeue(self, piece: Piece) -> None:
        """Take back a message of which nothing was written."""
        piece.batch.hand_back(piece)
        if piece.batch not in self._batches:
            self._batches.append(piece.batch)

    def spare(self) -> bool:
        """True if another connection could take a message now."""
        return bool(self._idle) and self._sign_in.accepted

    def take_over(self, piece: Piece) -> None:
        """Give a message, of which only the envelope was opened at a silent connection, to another
        one.
        """
        self.requeue(piece)
        self._serve()

    def resting(self, pipe: Pipe) -> None:
        """Record that a pipe is idle."""
        connection = self._pipes[pipe]
        connection.touch()
        self._idle.append(connection)

    def lost(self, pipe: Pipe) -> None:
        """Record that a pipe broke: its connection is reopened when needed."""
        connection = self._pipes.pop(pipe)
        connection.close()
        if connection not in self._idle and connection not in self._opening:
            self._idle.append(connection)
        self._serve()

    # --- connections ------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Wake as many connections as there are messages waiting."""
        waiting = sum(len(batch.pending) for batch in self._batches if not batch.stopped)
        wanted = waiting - len(self._opening.keys() - self._overdue)
        while wanted > 0 and self._idle:
            connection = next((each for each in reversed(self._idle) if each.alive), self._idle[-1])
            if not connection.alive and not self._may_open():
                return
            self._idle.remove(connection)
            wanted -= 1
            if connection.awake and connection.pipe is not None:
                connection.pipe.pump()
            else:
                self._opening[connection] = asyncio.create_task(self._work(connection))
                asyncio.get_running_loop().call_later(STALL, self._look_at, connection)

    def _may_open(self) -> bool:
        """True if one more connection may be opened; if none can be, all waiting messages fail."""
        if not self._sign_in.accepted and self._opening:
            return False  # the attempt under way tells whether we are let in
        if failure := self._known_unreachable():
            self._fail(failure)
        return failure is None

    def _look_at(self, connection: Connection) -> None:
        """Open other connections alongside one that is slow to open."""
        if connection in self._opening:
            self._overdue.add(connection)
            self._serve()

    async def _work(self, connection: Connection) -> None:
        """Open a connection and use it; a pipe returns itself, other connections are returned
        here.
        """
        pipe: Pipe | None = None
        rests = False
        try:
            await connection.ready()
            if (pipe := connection.flow(self)) is not None:
                self._pipes[pipe] = connection
            self._unreachable = self._down_since = None
            task = self._opening.pop(connection)
            self._sign_in.succeeded()
            self._serve()
            if pipe is None:
                await self._talk(connection, task)
        except NoConnection as none:
            self._opening.pop(connection, None)
            rests = isinstance(none.failure, Deferred) and self._any_other()
            if not rests:
                self._fail(self._not_connected(none.failure))
        except Exception as error:  # noqa: BLE001 # reason: the waiting message must get an outcome
            connection.close()
            if (piece := self.pull()) is not None:
                piece.batch.settle(piece, unforeseen(error, piece.outgoing))
        finally:
            self._opening.pop(connection, None)
            self._overdue.discard(connection)
            if pipe is None:
                self._give_back(connection, rests=rests)
        if pipe is not None:
            pipe.pump()

    async def _talk(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """Deliver message by message to a server without PIPELINING. Raises NoConnection."""
        while (piece := self.pull()) is not None:
            self._talking[connection] = (piece, task)
            try:
                outcome = await connection.deliver(piece.outgoing.payload, piece.batch.may_begin)
            except NoConnection:
                self.requeue(piece)
                raise
            except Exception as error:  # noqa: BLE001 # reason: it may follow the write
                connection.close()
                outcome = unforeseen(error, piece.outgoing)
            except BaseException:  # a cancelled delivery is uncertain; raised again
                piece.batch.leave(piece)
                raise
            finally:
                del self._talking[connection]
            if outcome is None:
                piece.batch.leave(piece)
            else:
                piece.batch.settle(piece, outcome)

    def _any_other(self) -> bool:
        return bool(self._opening) or any(connection.alive for connection in self._connections)

    def _give_back(self, connection: Connection, *, rests: bool) -> None:
        if rests:
            self._resting[connection] = asyncio.get_running_loop().call_later(
                REST, self._rested, connection
            )
        else:
            self._rested(connection)

    def _rested(self, connection: Connection) -> None:
        self._resting.pop(connection, None)
        self._idle.append(connection)
        self._serve()

    # --- failures to connect ----------------------------------------------------------------------

    def _known_unreachable(self) -> Failure | None:
        if any(connection.alive for connection in self._connections):
            return None
        if self._unreachable and self._clock() < self._unreachable[0]:
            return self._unreachable[1]
        return self._sign_in.pause()

    def _not_connected(self, failure: Failure) -> Failure:
        now = self._clock()
        self._down_since = now if self._down_since is None else self._down_since
        if isinstance(failure, Deferred) and now - self._down_since >= DOWN_AFTER:
            failure = Halted(code=failure.code, detail=failure.detail, resume="probe")
        elif isinstance(failure, Halted):
            self._sign_in.refused(failure)
        self._unreachable = (now + 1.0, failure)
        return failure

    def _fail(self, failure: Failure) -> None:
        """Give this outcome to all waiting messages."""
        for batch in list(self._batches):
            batch.fail(failure)

    async def probe(self) -> Failure | None:
        """Open and close an extra connection; None if the server accepted us."""
        connection = self._make()
        try:
            await connection.ready()
        except NoConnection as none:
            return none.failure
        await connection.quit()
        self._unreachable = self._down_since = None
        self._sign_in.succeeded()
        return None

    async def aclose(self) -> None:
        """Close every connection with QUIT."""
        tasks = [*self._opening.values(), *(task for _piece, task in self._talking.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection, handle in self._resting.items():
            handle.cancel()
            self._idle.append(connection)
        self._resting.clear()
        await asyncio.gather(*(connection.quit() for connection in self._connections))
