"""Stand-in SMTP server on loopback with readable inboxes, fault injection and scripts for tests."""

import asyncio
import re
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy

from broadcaster.simulation.faults import Faults
from broadcaster.simulation.smtp_script import SmtpScript, Transcript
from broadcaster.simulation.smtp_scripted_session import ScriptedSession
from broadcaster.simulation.smtp_session import SmtpSession

HOST = "127.0.0.1"
MAILS = 20  # messages kept per inbox
INBOXES = 200  # inboxes kept, apart from watched addresses
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """Accepted message; `raw` is the message as a mail client would receive it."""

    sender: str
    to: str
    message_id: str
    raw: bytes
    at: datetime


def received_parts(raw: bytes) -> dict[str, str]:
    """Read subject, from, to, text and html of a message, in the shape of the channel's preview."""
    mail = message_from_bytes(raw, policy=policy.default)
    parts = {name: str(mail[name]) for name in ("subject", "from", "to")}
    bodies = {
        part.get_content_type(): str(part.get_content()).replace("\r\n", "\n")
        for part in mail.walk()
        if not part.is_multipart()
    }
    return {**parts, "text": bodies.get("text/plain", ""), "html": bodies.get("text/html", "")}


class SmtpStandIn:
    """Mail server whose results are in `inbox(address)`, `newest`, `counts` and, with `record`,
    `accepted`; `faults` may change at any time.

    `credentials` (user, password) are required if given. Inboxes are kept for the addresses and
    domains in `watch` and for the first INBOXES others. `pipelining` says if PIPELINING is offered.
    A `script` takes precedence over the faults and fills `transcript`.
    """

    def __init__(
        self,
        *,
        credentials: tuple[str, str] | None = None,
        faults: Faults | None = None,
        watch: Collection[str] = (),
        record: bool = False,
        pipelining: bool = True,
        inbox_size: int = MAILS,
        script: SmtpScript | None = None,
    ) -> None:
        self.credentials = credentials
        self.faults = faults or Faults()
        self.watch = frozenset(item.lower() for item in watch)
        self.record = record
        self.pipelining = pipelining
        self.inbox_size = inbox_size
        self.scripted = script is not None
        self.script = script or SmtpScript()
        self.transcript = Transcript()
        self.accepted: list[tuple[str, str]] = []
        """(recipient, Message-ID) of each message, recorded before the reply is sent."""
        self.counts: Counter[str] = Counter()
        self.newest: deque[Mail] = deque(maxlen=50)
        self.sessions: set[SmtpSession] = set()
        self._inboxes: dict[str, deque[Mail]] = {}
        self._greylisted: set[str] = set()

    @asynccontextmanager
    async def running(
        self, port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[str]:
        """Serve on loopback and yield the EMAIL_URL of this server.

        Port 0 picks any free one. Raises OSError when `port` is taken.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._session, HOST, port, ssl=tls, backlog=256)
        sign_in = ":".join(self.credentials) + "@" if self.credentials else ""
        try:
            actual_port = server.sockets[0].getsockname()[1]
            yield f"{'smtps' if tls else 'smtp'}://{sign_in}{HOST}:{actual_port}"
        finally:
            server.close()
            self.hang_up()
            await server.wait_closed()

    def hang_up(self) -> None:
        """Abort every connection without a reply."""
        for session in list(self.sessions):
            session.drop()

    def inbox(self, address: str) -> tuple[Mail, ...]:
        """Return the last messages to an address, oldest first."""
        return tuple(self._inboxes.get(address.lower(), ()))

    def recipient_reply(self, address: str) -> bytes | None:
        """Return the refusal of an address under the current faults; None accepts it."""
        faults = self.faults
        if faults.rate_429 and faults.limited():
            self.counts["limited"] += 1
            return b"421 4.7.0 Too many messages, come back later\r\n"
        if faults.blocked and faults.blocks(address):
            self.counts["blocked"] += 1
            return b"550 5.1.1 User unknown\r\n"
        if faults.greylist and address not in self._greylisted and faults.greylists(address):
            self._greylisted.add(address)
            self.counts["greylisted"] += 1
            return b"451 4.7.1 Greylisted, come back later\r\n"
        return None

    def take(self, sender: str, recipients: list[str], content: bytes) -> bytes | None:
        """Store a message and return the reply; None if the connection drops before it."""
        if self.faults.rate_5xx and self.faults.broken():
            self.counts["broken"] += 1
            return b"451 4.3.0 Local error in processing\r\n"
        message_id = _message_id(content)
        for to in recipients:
            if self.record:
                self.accepted.append((to, message_id))
            if self._keeps(to):
                self._keep(
                    Mail(
                        sender=sender,
                        to=to,
                        message_id=message_id,
                        raw=_unstuffed(content),
                        at=datetime.now(UTC),
                    )
                )
        self.counts["accepted"] += len(recipients)
        if self.faults.cut and self.faults.cutting():
            self.counts["cut"] += 1
            return None
        return f"250 2.0.0 Ok: queued as 4{self.counts['accepted']:010X}\r\n".encode()

    def _session(self) -> SmtpSession:
        return ScriptedSession(self) if self.scripted else SmtpSession(self)

    def _keeps(self, address: str) -> bool:
        if address in self._inboxes or len(self._inboxes) < INBOXES:
            return True
        return bool(self.watch) and (
            address in self.watch or address.rpartition("@")[2] in self.watch
        )

    def _keep(self, mail: Mail) -> None:
        self._inboxes.setdefault(mail.to, deque(maxlen=self.inbox_size)).append(mail)
        self.newest.append(mail)


def _message_id(content: bytes) -> str:
    start = content.find(b"\r\nMessage-ID: <")
    if start >= 0:
        return content[start + 15 : content.index(b">", start)].decode("utf-8", "replace")
    match = _MESSAGE_ID.search(content)
    return match[1].decode("utf-8", "replace") if match else ""


def _unstuffed(content: bytes) -> bytes:
    raw = content.replace(b"\r\n..", b"\r\n.")
    return raw[1:] if raw.startswith(b"..") else raw
