"""A plain letter to one person of staff: one text part, over a connection of its own, never behind
the residents' mail.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Protocol

from channels.base.contract import Deferred, Outcome, Site
from channels.base.rendering import clean, one_line
from channels.base.smtp.connection import Connection, NoConnection
from channels.base.smtp.envelope import Envelope
from channels.base.smtp.mime import mailbox, part, phrase
from channels.base.staff_messages import Note


class _Desk(Protocol):
    """What a channel's settings say of who writes."""

    @property
    def site(self) -> Site:
        """The city."""

    @property
    def sender(self) -> tuple[str, str]:
        """Name and address of the From line."""


class _Post(Protocol):
    """A channel that has SMTP connections to open."""

    @property
    def _settings(self) -> _Desk: ...

    def _connection(self) -> Connection: ...


def letter(note: Note, to: str, *, sender: tuple[str, str], site: Site, at: datetime) -> bytes:
    """The whole message; the same note has the same Message-ID, so that a mail program can tell one
    that came twice.
    """
    subject = one_line(f"[SIMULASI] {note.subject}" if site.simulated else note.subject)
    headers = [
        ("From", mailbox(*sender)),
        ("To", to),
        ("Subject", phrase(subject, "Subject")),
        ("Date", format_datetime(at)),
        ("Message-ID", f"<{note.key}@{site.domain}>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
    return head + part("text/plain", "id", clean(note.text))


class Letters:
    """Mixed into a channel that sends mail."""

    async def tell(self: _Post, address: str, note: Note) -> Outcome:
        """Send a note as a letter."""
        sender = self._settings.sender
        data = letter(note, address, sender=sender, site=self._settings.site, at=datetime.now(UTC))
        connection = self._connection()
        try:
            outcome = await connection.deliver(Envelope(sender[1], address, data, ""))
        except NoConnection as none:
            return none.failure
        finally:
            await connection.quit()
        return outcome if outcome is not None else Deferred(code="unwritten")
