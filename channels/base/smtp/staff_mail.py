"""Plain email to a single staff member: one text part, over a separate connection, never queued
behind the residents' mail.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Protocol

from channels.base.edition import Site
from channels.base.outcomes import Deferred, Outcome
from channels.base.rendering import clean, one_line
from channels.base.smtp.connection import Connection, NoConnection
from channels.base.smtp.envelope import Envelope
from channels.base.smtp.mime import mailbox, part, phrase
from channels.base.staff_messages import Note


class _SenderSettings(Protocol):
    """The settings of a channel that name the sender."""

    @property
    def site(self) -> Site:
        """The city."""

    @property
    def sender(self) -> tuple[str, str]:
        """Name and address of the From header."""


class _MailChannel(Protocol):
    """A channel that can open SMTP connections."""

    @property
    def _settings(self) -> _SenderSettings: ...

    def _connection(self) -> Connection: ...


def staff_email(note: Note, to: str, *, sender: tuple[str, str], site: Site, at: datetime) -> bytes:
    """Build the whole message; the same note has the same Message-ID, so that mail programs detect
    duplicates.
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


class StaffMail:
    """Mixin for a channel that sends email."""

    async def notify(self: _MailChannel, address: str, note: Note) -> Outcome:
        """Send a note as an email."""
        sender = self._settings.sender
        data = staff_email(
            note, address, sender=sender, site=self._settings.site, at=datetime.now(UTC)
        )
        connection = self._connection()
        try:
            outcome = await connection.deliver(Envelope(sender[1], address, data, ""))
        except NoConnection as none:
            return none.failure
        finally:
            await connection.quit()
        return outcome if outcome is not None else Deferred(code="unwritten")
