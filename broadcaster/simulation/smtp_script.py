"""Scripts for the stand-in mail server, by step, by recipient or reply by reply; and the transcript
of a scripted conversation.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias


class Move(Enum):
    """Ways to answer other than by a reply of the script's own."""

    GOOD = auto()
    """The reply of a healthy server."""
    DROP = auto()
    """The connection ends; a content has been taken all the same."""
    CLOSE = auto()
    """A good reply, then the connection ends."""
    SILENCE = auto()
    """No reply, for ever; a content has been taken all the same."""
    EXTRA = auto()
    """A good reply and a second that nobody asked for."""
    BYTES = auto()
    """A good reply, each byte in a packet of its own."""
    LINES = auto()
    """A good reply of several lines."""
    ANYWAY = auto()
    """DATA is answered with 354 though no recipient was accepted; otherwise good."""


Play: TypeAlias = Move | int | str
"""A move, a bare code, or the text of a reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Reply to a recipient at RCPT, DATA or content: begun when `gate` is set; a content that was
    taken is answered `delay` seconds later.
    """

    reply: Play
    step: str = "RCPT"
    gate: asyncio.Event | None = None
    delay: float = 0.0


_GOOD = Answer(reply=Move.GOOD)


@dataclass(kw_only=True)
class Script:
    """Answers of a server; whatever no part names gets a good reply.

    `tape` holds a play for each reply after EHLO, `recipients` an answer by address, `steps` a
    play, or a list used up in turn, by command ("MAIL"), "greeting" or "content". The first that
    has an answer gives it.
    """

    tape: Iterable[Play] = ()
    recipients: Mapping[str, Answer] = field(default_factory=dict)
    steps: dict[str, Play | list[Play]] = field(default_factory=dict)
    _tape: Iterator[Play] = field(init=False)

    def __post_init__(self) -> None:
        self._tape = iter(self.tape)

    def answer(self, step: str, address: str) -> Answer:
        """Answer for the next reply, which is about `address` where one was named."""
        play = next(self._tape, None) if step not in ("greeting", "EHLO") else None
        if play is not None:
            return Answer(reply=_quick(step, play))
        answer = self.recipients.get(address)
        if answer is not None and answer.step == step:
            return answer
        planned = self.steps.get(step, Move.GOOD)
        if isinstance(planned, list):
            planned = planned.pop(0) if planned else Move.GOOD
        return _GOOD if planned is Move.GOOD else Answer(reply=planned)


def _quick(step: str, play: Play) -> Play:
    """Nothing depends on the reply to QUIT, and silence costs the client its patience."""
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
    """Acts that a client must never do."""
    got_mail: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first content is complete."""
