"""Messages to single people outside announcements: replies to residents, notes to staff.

Channels may support them or not.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from channels.base.outcomes import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Plain text for one person; `key` is the same if it is resent, and legal in a Message-ID."""

    key: str
    subject: str
    text: str


@runtime_checkable
class ReplyChannel(Protocol):
    """A push channel that can reply to residents (in dialogues only, never announcements)."""

    async def answer(self, address: str, text: str) -> Outcome:
        """Send free text to one address."""


@runtime_checkable
class StaffChannel(Protocol):
    """A push channel that can send notes to staff (never to residents, never an announcement)."""

    async def notify(self, address: str, note: Note) -> Outcome:
        """Send a note to one address; marked as such in a simulation."""


@runtime_checkable
class InvitationChannel(Protocol):
    """A push channel in which people must write first: it has a link that opens the chat with a
    prepared word.
    """

    async def invitation(self, word: str) -> str:
        """Return the link that opens a chat with us and sends `word` (<= 64 of [A-Za-z0-9_-]);
        empty if it cannot be determined.
        """
