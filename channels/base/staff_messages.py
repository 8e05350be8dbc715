"""What one person is told outside announcements: residents are answered, staff are told. A channel
may offer it or not.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from channels.base.contract import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Plain text for one person; `key` is the same when it is sent again, and legal in a
    Message-ID.
    """

    key: str
    subject: str
    text: str


@runtime_checkable
class Answering(Protocol):
    """A push channel through which residents can be answered (dialogues only, never announcements)."""

    async def answer(self, address: str, text: str) -> Outcome:
        """Send free text to one address."""


@runtime_checkable
class Telling(Protocol):
    """A push channel by which staff can be told something (never residents, never an announcement)."""

    async def tell(self, address: str, note: Note) -> Outcome:
        """Send a note to one address; in a simulation it is marked as such."""


@runtime_checkable
class Inviting(Protocol):
    """A push channel whose people must write first: it has an address that opens the chat with a
    word to send.
    """

    async def invitation(self, word: str) -> str:
        """The address that opens a chat with us and sends `word` (<= 64 of [A-Za-z0-9_-]); empty
        while it cannot be told.
        """
