"""Connections of the stand-in mail server that follow its script and keep a transcript."""

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

from broadcaster.simulation.smtp_script import Move, Play, ScriptedAnswer, SmtpScript, Transcript
from broadcaster.simulation.smtp_session import GO_ON, GREETING, SessionServer, SmtpSession, path_of

_ACCEPTED = re.compile(rb"250 [ -~]{0,505}\r\n")
"""Reply that accepts message content, within the length that RFC 5321 allows."""
_SEQUENCE = (b"503", b"554")
"""Replies to commands out of sequence, which no script overrides."""


class ScriptedServer(SessionServer, Protocol):
    """Server with a script."""

    script: SmtpScript
    transcript: Transcript


class ScriptedSession(SmtpSession):
    """Connection whose state follows the replies sent: a command refused by the script has no
    effect.
    """

    def __init__(self, server: ScriptedServer) -> None:
        super().__init__(server)
        self._script = server.script
        self._transcript = server.transcript
        self._gate: asyncio.Task[Literal[True]] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister the connection and cancel the pending answer."""
        super().connection_lost(exc)
        if self._gate is not None:
            self._gate.cancel()

    def _greet(self) -> None:
        self._ask("greeting", "", lambda answer: self._say(_text(answer.reply, GREETING), answer))

    def _group(self, position: int) -> int:
        return 0  # never grouped: the script decides each reply

    def _line(self, position: int) -> int:
        verb = self._buffer[position : position + 4].upper()
        end = super()._line(position)
        if verb == b"DATA" and 0 <= end < len(self._buffer):
            self._transcript.misuses.append("something was written before DATA was answered")
        return end

    def _obey(self, line: bytes) -> None:
        self._transcript.commands.append(line.decode("utf-8", "replace"))
        step = line[:4].decode("ascii", "replace").upper()
        if step == "RCPT":
            address = (path_of(line) or "").lower()
            self._transcript.tried[address] += 1
        else:
            address = self._recipient()
        step = "EHLO" if step == "HELO" else step
        self._ask(step, address, lambda answer: self._say(self._replied(line, answer), answer))

    def _answer(self, content: bytes) -> None:
        self._transcript.got_mail.set()
        if not self._recipients:
            self._transcript.misuses.append("a content without a recipient")
        self._ask("content", self._recipient(), partial(self._judge, content))

    def _recipient(self) -> str:
        return self._recipients[-1] if self._recipients else ""

    def _ask(self, step: str, address: str, finish: Callable[[ScriptedAnswer], None]) -> None:
        """Call `finish` with the scripted answer once its gate is set."""
        answer = self._script.answer(step, address)
        if answer.gate is None or answer.gate.is_set():
            finish(answer)
            return
        self._held = True
        self._gate = asyncio.create_task(answer.gate.wait())
        self._gate.add_done_callback(lambda _: self._resume(partial(finish, answer)))

    def _replied(self, line: bytes, answer: ScriptedAnswer) -> bytes:
        """Return the reply to a command; undo its effect unless the reply has the usual code."""
        before = (self._signed_in, self._sender, [*self._recipients], self._in_content)
        good = self._reply(line)
        if answer.reply is Move.ANYWAY and line[:4].upper() == b"DATA":
            good, self._in_content = GO_ON, True
        reply = good if good.startswith(_SEQUENCE) else _text(answer.reply, good)
        if reply[:3] != good[:3]:
            self._signed_in, self._sender, self._recipients, self._in_content = before
        if self._in_content:
            self._transcript.asked.append(self._recipient())
        return reply

    def _judge(self, content: bytes, answer: ScriptedAnswer) -> None:
        """Accept message content unless the answer refuses it."""
        sender, recipients = self._sender or "", self._recipients
        self._sender, self._recipients = None, []
        reply = _text(answer.reply, b"250")
        if not reply.startswith((b"4", b"5")):
            self._transcript.taken += [(to, content) for to in recipients or [""]]
            good = self._server.take(sender, recipients, content)
            if good is None:
                self.drop()
                return
            reply = _text(answer.reply, good)
        if answer.reply not in (Move.DROP, Move.SILENCE) and _ACCEPTED.fullmatch(reply):
            at = asyncio.get_running_loop().time()
            self._transcript.arrived.update(dict.fromkeys(recipients, at))
        if not answer.delay:
            self._say(reply, answer)
            return
        self._held = True
        resume = partial(self._resume, partial(self._say, reply, answer))
        asyncio.get_running_loop().call_later(answer.delay, resume)

    def _say(self, reply: bytes, answer: ScriptedAnswer) -> None:
        """Send a reply with the behaviour that the answer asks for."""
        move = answer.reply
        if move in (Move.DROP, Move.SILENCE):
            self._fall_silent(hang_up=move is Move.DROP)
        elif move is Move.BYTES:
            self._flush()
            for octet in reply:
                self._transport.write(bytes([octet]))
        else:
            self._out.append(_mannered(reply, move))
        if move is Move.CLOSE or reply.startswith(b"421"):
            self._closing = True

    def _fall_silent(self, *, hang_up: bool) -> None:
        self._held = True
        self._flush()
        if hang_up:
            self.drop()


def _text(play: Play, good: bytes) -> bytes:
    """Return the reply of a play, or `good` if it is a move."""
    if isinstance(play, Move):
        return good
    text = play if isinstance(play, str) else f"{play} {play // 100}.9.9 no"
    return text.encode("latin-1") + b"\r\n"


def _mannered(reply: bytes, move: Play) -> bytes:
    if move is Move.EXTRA:
        return reply + b"250 2.0.0 nobody asked\r\n"
    if move is Move.LINES:
        code = reply[:3]
        return code + b"-satu\r\n" + code + b"-\r\n" + reply
    return reply
