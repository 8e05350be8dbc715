"""Scripted replies of the stand-in mail server, by step, by recipient or in sequence, and the
transcript of a scripted conversation.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias


class Move(Enum):
    """Behaviours of the server other than a reply written in the script."""

    GOOD = auto()
    """The reply of a healthy server."""
    DROP = auto()
    """Drop the connection; message content is accepted nevertheless."""
    CLOSE = auto()
    """Send a good reply, then close the connection."""
    SILENCE = auto()
    """Never reply; message content is accepted nevertheless."""
    EXTRA = auto()
    """Send a good reply and a second, unsolicited one."""
    BYTES = auto()
    """Send a good reply, one byte per write."""
    LINES = auto()
    """Send a good reply of several lines."""
    ANYWAY = auto()
    """Answer DATA with 354 even without an accepted recipient; otherwise reply as usual."""


Play: TypeAlias = Move | int | str
"""Behaviour, bare reply code, or text of a reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptedAnswer:
    """Reply at one step for one recipient.

    It is sent once `gate` is set; accepted content is answered `delay` seconds later.
    """

    reply: Play
    step: str = "RCPT"
    gate: asyncio.Event | None = None
    delay: float = 0.0


_GOOD = ScriptedAnswer(reply=Move.GOOD)


@dataclass(kw_only=True)
class SmtpScript:
    """Scripted replies of a server; steps that no part covers get a good reply.

    `tape` gives one play per reply after EHLO, `recipients` an answer by address, `steps` a play,
    or a list consumed in order, by command ("MAIL"), "greeting" or "content". They are consulted
    in this order.
    """

    tape: Iterable[Play] = ()
    recipients: Mapping[str, ScriptedAnswer] = field(default_factory=dict)
    steps: dict[str, Play | list[Play]] = field(default_factory=dict)
    _tape: Iterator[Play] = field(init=False)

    def __post_init__(self) -> None:
        self._tape = iter(self.tape)

    def answer(self, step: str, address: str) -> ScriptedAnswer:
        """Return the answer for the next reply; `address` is the recipient it concerns, or ""."""
        play = next(self._tape, None) if step not in ("greeting", "EHLO") else None
        if play is not None:
            return ScriptedAnswer(reply=_quick(step, play))
        answer = self.recipients.get(address)
        if answer is not None and answer.step == step:
            return answer
        planned = self.steps.get(step, Move.GOOD)
        if isinstance(planned, list):
            planned = planned.pop(0) if planned else Move.GOOD
        return _GOOD if planned is Move.GOOD else ScriptedAnswer(reply=planned)


def _quick(step: str, play: Play) -> Play:
    """Turn silence at QUIT into a drop: it only makes the client wait for its timeout."""
    return Move.DROP if step == "QUIT" and play is Move.SILENCE else play


@dataclass
class Transcript:
    """Record of a scripted conversation."""

    commands: list[str] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    """Number of RCPTs by address."""
    asked: list[str] = field(default_factory=list)
    """Recipients whose content was asked for with 354."""
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    """Recipient and content, as sent, of every message that was not refused."""
    arrived: dict[str, float] = field(default_factory=dict)
    """Loop time at which a recipient's content got its 250."""
    misuses: list[str] = field(default_factory=list)
    """Protocol violations of the client."""
    got_mail: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first content is complete."""
