"""SMTP PIPELINING (RFC 2920): one write carries the end of a message and the envelope of the next.

The content is written only after 354, so a connection has at most one message in flight and one
open envelope. Replies are matched by order alone; an unsolicited reply ends the connection, since
later ones could not be attributed.
"""

import asyncio
from typing import Protocol

from channels.base.outcomes import Failure, Outcome, Receipt
from channels.base.sending import unforeseen
from channels.base.smtp.batches import Batch, Piece
from channels.base.smtp.envelope import Offer, content, opening, unfit
from channels.base.smtp.replies import Stage, disconnected, failure_of

LINE_LIMIT = 2048
"""Octets of one line of a reply; RFC 5321 allows 512."""
REPLY_LIMIT = 32_768
"""Octets of all lines of one reply."""
TRIES = 1
"""Number of times a message is reopened after a connection broke during its envelope."""
PING_TIMEOUT = 5.0
"""Seconds to wait for a reply to NOOP and QUIT."""
STALL = 1.0
"""Seconds without a reply after which the next message, merely waiting, is given to another
connection.
"""
SLACK = 64
"""Octets of TLS overhead on the write buffer."""

_END = b".\r\n"
_IDLE, _CONTENT, _RSET, _MAIL, _RCPT, _DATA, _ASKED = range(7)
_CODES = {b"%d" % code: code for code in range(200, 600)}


class Source(Protocol):
    """Supplier of messages for a pipe, notified of their outcomes."""

    def pull(self) -> Piece | None:
        """Return the next waiting message, or None."""

    def requeue(self, piece: Piece) -> None:
        """Take back a message of which nothing was written."""

    def spare(self) -> bool:
        """True if another connection could take a message now."""

    def take_over(self, piece: Piece) -> None:
        """Give a message of which only the envelope was written to another connection."""

    def resting(self, pipe: "Pipe") -> None:
        """Called when nothing is waiting or in flight; `pump` resumes the pipe."""

    def lost(self, pipe: "Pipe") -> None:
        """Called when the connection is gone and its messages are settled or given back."""


class Pipe(asyncio.Protocol):
    """An open connection in pipelined mode: callbacks only, no task or timer per message."""

    def __init__(
        self, transport: asyncio.Transport, source: Source, *, offer: Offer, timeout: float
    ) -> None:
        """Take over a connection that is ready for MAIL; `timeout`: seconds for the whole dialogue
        about one message.
        """
        self._transport = transport
        self._source = source
        self._offer = offer
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._step = _IDLE
        self._written: Piece | None = None
        self._opened: Piece | None = None
        self._content = b""
        self._behind = 0  # octets of the envelope written after a content
        self._unclean = False  # a refused envelope is still open at the server
        self._used = False  # the server has answered about a message before
        self._partial = b""
        self._earlier: list[bytes] = []  # lines of an unfinished reply
        self._ahead = 0  # complete lines not yet processed
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._asked: asyncio.Future[bool] | None = None
        self._lost = False
        transport.set_protocol(self)

    # --- replies ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Process replies, which may be split anywhere."""
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        self._ahead = len(lines)
        try:
            for line in lines:
                self._ahead -= 1
                self._line(line)
                if self._lost:
                    return
        except Exception as error:  # noqa: BLE001 # reason: our own bug must not lose an outcome
            self._fail(error)
        if len(self._partial) > LINE_LIMIT:
            self.drop("a reply without end")

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle the messages in flight."""
        self.drop("connection lost")
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(False)

    def _line(self, line: bytes) -> None:
        code, mark = _CODES.get(line[:3]), line[3:4]
        if code is None or mark not in b" -\r" or len(line) > LINE_LIMIT:
            return self.drop("not a reply")
        if mark == b"-" or self._earlier:
            self._earlier.append(line)
            if self._earlier[0][:3] != line[:3] or sum(map(len, self._earlier)) > REPLY_LIMIT:
                return self.drop("not a reply")
            if mark == b"-":
                return None
            line = b"    " + b" ".join(each[4:] for each in self._earlier)
            self._earlier.clear()
        return self._reply(code, line)

    def _reply(self, code: int, line: bytes) -> None:
        step = self._step
        if step == _MAIL:
            self._step = _RCPT
            if code != 250 and self._opened is not None:
                self._refuse(self._opened, "mail", code, line)
        elif step == _RCPT:
            self._step = _DATA
            if code not in (250, 251) and self._opened is not None:
                self._refuse(self._opened, "rcpt", code, line)
        elif step == _DATA:
            self._data(code, line)
        elif step == _CONTENT:
            self._answer(code, line)
        elif step == _RSET and code == 250:
            self._step = _MAIL
        elif step == _ASKED and self._asked is not None and not self._asked.done():
            self._step = _IDLE
            self._asked.set_result(code == 250)
        else:
            self.drop("a reply out of turn")
        if code == 421:
            self.drop("the server closes")

    # --- messages ---------------------------------------------------------------------------------

    def pump(self) -> None:
        """Begin the next message if nothing is in flight; rest if none is waiting."""
        if self._ahead or self._partial or self._earlier:
            return self.drop("a reply out of turn")
        envelope = self._open()
        if not envelope:
            self._step = _IDLE
            return self._source.resting(self)
        self._step = _RSET if self._unclean else _MAIL
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(min(self._timeout, STALL), self._watch)
        self._transport.write(b"RSET\r\n" + envelope if self._unclean else envelope)
        self._unclean = False
        return None

    def _open(self) -> bytes:
        """Return the envelope of the next message that this server can take; empty if none is
        waiting.
        """
        while (piece := self._source.pull()) is not None:
            envelope = piece.outgoing.payload
            try:
                failure: Failure | None = unfit(envelope, self._offer)
                if failure is None:
                    self._content = content(envelope)
                    octets = opening(envelope, self._offer)
                    self._opened = piece
                    return octets
            except Exception as error:  # noqa: BLE001 # reason: it must not stop the rest
                failure = unforeseen(error, piece.outgoing)
            piece.batch.settle(piece, failure)
        return b""

    def _data(self, code: int, line: bytes) -> None:
        if code == 354:
            return self._write()
        if self._opened is not None:
            self._refuse(self._opened, "data", code, line)
        if code != 421 and not self._lost:
            self._used = self._unclean = True
            self.pump()
        return None

    def _write(self) -> None:
        """Write a content followed by the next envelope."""
        piece = self._opened
        # refused earlier, yet the server asks for its content: not even an empty one may be sent
        if piece is None:
            return self.drop("content asked for after a refusal")
        if self._ahead or self._partial:
            return self.drop("a reply out of turn")
        if not piece.batch.may_begin():
            self._opened = None
            piece.batch.leave(piece)
            return self.drop("not to be written")
        self._used, self._step = True, _CONTENT
        self._written, self._opened = piece, None
        octets = self._content
        behind = self._open()
        self._behind = len(behind)
        self._transport.write(b"".join((octets, _END, behind)))
        return None

    def _answer(self, code: int, line: bytes) -> None:
        """Handle the reply to a content."""
        early = self._transport.get_write_buffer_size() > self._behind + SLACK
        if (piece := self._written) is not None:
            outcome = self._outcome(piece, code, line, early=early)
            self._written = None
            piece.batch.settle(piece, outcome)
        if early or (code < 400 and code != 250):
            self.drop("a reply out of turn")
        elif code == 421:
            pass  # the envelope after the content is given back when the connection ends
        elif self._behind:
            self._since, self._step = self._loop.time(), _MAIL
        else:
            self.pump()

    @staticmethod
    def _outcome(piece: Piece, code: int, line: bytes, *, early: bool) -> Outcome:
        envelope = piece.outgoing.payload
        if code == 250 and early:
            return disconnected("content", "answered before all was written")
        if code == 250:
            return Receipt(provider_id=envelope.message_id)
        return failure_of("content", code, _text(line), envelope.to.rpartition("@")[2])

    def _refuse(self, piece: Piece, stage: Stage, code: int, line: bytes) -> None:
        """Settle a refused envelope; the remaining replies of its group are ignored."""
        failure = failure_of(stage, code, _text(line), piece.outgoing.payload.to.rpartition("@")[2])
        self._opened = None
        if stage == "mail" and (code == 421 or code < 400):
            self._give_back(piece, failure, free=code == 421)
        else:
            piece.batch.settle(piece, failure)
        if code < 400:
            self.drop("a reply out of turn")

    # --- end of a connection ----------------------------------------------------------------------

    def drop(self, why: str) -> None:
        """Abort the connection: a written content is uncertain, an open envelope is not."""
        if self._lost:
            return
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        written, self._written = self._written, None
        opened, self._opened = self._opened, None
        if written is not None:
            written.batch.settle(written, disconnected("content", why))
        if opened is not None:
            blameless = self._step in (_CONTENT, _RSET)
            # the whole envelope was written at once: the recipient may be the cause, whichever
            # reply was due
            self._give_back(
                opened, disconnected("mail" if blameless else "rcpt", why), free=blameless
            )
        self._source.lost(self)

    def _give_back(self, piece: Piece, failure: Failure, *, free: bool = False) -> None:
        """Give a message to another connection if this one has served before.

        `free`: the connection ended for another reason than the message, so this is not counted as
        a try.
        """
        if self._used and (free or piece.tries < TRIES):
            piece.tries += not free
            self._source.requeue(piece)
        else:
            piece.batch.settle(piece, failure)

    def _fail(self, error: Exception) -> None:
        """Handle a bug of ours: the written content may have been delivered."""
        written, self._written = self._written, None
        if written is not None:
            written.batch.settle(written, unforeseen(error, written.outgoing))
        self.drop("unforeseen error")

    def abandon(self, batch: Batch) -> None:
        """Detach a batch whose caller is gone: its unanswered content ends the connection (and a
        later 354 its envelope).
        """
        if self._written is not None and self._written.batch is batch:
            self._written = None
            self.drop("cancelled")

    def _watch(self) -> None:
        """Run the connection's only timer, reset to the time left for the current dialogue."""
        self._timer = None
        if self._lost or self._step in (_IDLE, _ASKED):
            return None
        waited = self._loop.time() - self._since
        if waited >= self._timeout:
            return self.drop("timeout")
        if (
            waited >= STALL
            and self._step == _CONTENT
            and self._opened is not None
            and self._source.spare()
        ):
            # the server may still ask for its content: the connection then ends, see _write
            opened, self._opened = self._opened, None
            self._source.take_over(opened)
        self._timer = self._loop.call_later(
            max(0.01, min(self._timeout - waited, STALL)), self._watch
        )
        return None

    # --- idle -------------------------------------------------------------------------------------

    async def answers(self) -> bool:
        """True if the server still answers on an idle connection; a dead one is dropped."""
        if not await self._ask(b"NOOP\r\n"):
            self.drop("no answer")
        return not self._lost

    async def quit(self) -> None:
        """Send QUIT, then close the connection."""
        if not self._lost and self._step == _IDLE:
            await self._ask(b"QUIT\r\n")
        self.drop("left")

    async def _ask(self, command: bytes) -> bool:
        if self._lost or self._step != _IDLE:
            return False
        self._step, self._asked = _ASKED, self._loop.create_future()
        try:
            self._transport.write(command)
            async with asyncio.timeout(PING_TIMEOUT):
                return await self._asked
        except TimeoutError:
            return False
        except BaseException:  # reason: if cancelled mid-dialogue, the connection cannot be reused
            self.drop("cancelled")
            raise


def _text(line: bytes) -> str:
    return line[4:].decode("utf-8", "replace")
