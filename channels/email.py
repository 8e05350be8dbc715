"""Email over a few long-lived SMTP connections: each message is built once as bytes, then filled
per recipient.
"""

import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from email import message_from_bytes, policy
from email.utils import parseaddr
from typing import ClassVar
from urllib.parse import quote

import aiosmtplib
from pydantic import ConfigDict, Field, field_validator

from channels.base import contract
from channels.base.contract import Finding, Recipient
from channels.base.edition import Edition
from channels.base.email_addresses import read_mail
from channels.base.outcomes import Halted, Refused
from channels.base.settings import ChannelSettings, Rate
from channels.base.smtp.batches import Batch
from channels.base.smtp.composition import PART_LIMIT, area_values, compose, day_value
from channels.base.smtp.connection import Connection, NoConnection, Server
from channels.base.smtp.envelope import Envelope
from channels.base.smtp.mime import (
    VALUE_LIMIT,
    GroupFrames,
    quoted_value,
)
from channels.base.smtp.pool import Pool
from channels.base.smtp.staff_mail import StaffMail

_SAFE_ADDRESS = re.compile(r'[^\s<>"@\x00-\x1f\x7f]+@[^\s<>"@\x00-\x1f\x7f]+')


# --- settings -------------------------------------------------------------------------------------


class Settings(ChannelSettings):
    """EMAIL_URL, _FROM, _BOUNCE_DOMAIN (empty: no VERP), _CONNECTIONS, _RATE (messages per second,
    0 = no limit), _TIMEOUT.
    """

    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True)

    prefix: ClassVar[str] = "EMAIL_"
    required: ClassVar[tuple[str, ...]] = ("url", "from_")

    url: str = Field("", repr=False)
    from_: str = Field("", alias="from")
    bounce_domain: str = ""
    connections: int = Field(10, ge=1, le=1000)
    rate: Rate = 0
    timeout: float = Field(15.0, gt=0)
    """Seconds for the whole dialogue about one message."""

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        Server.of(url) if url else None
        return url

    @field_validator("from_")
    @classmethod
    def _from(cls, text: str) -> str:
        parse_address(parseaddr(text)[1]) if text else None
        return text

    @property
    def sender(self) -> tuple[str, str]:
        """Name and address of the From header."""
        name, address = parseaddr(self.from_)
        return name or self.site.sender, address or f"info@{self.site.domain}"


def parse_address(text: str) -> str:
    """Return the address as written, its domain in lower-case ASCII; raises BadAddress."""
    return read_mail(text)


# --- the channel ----------------------------------------------------------------------------------


class Email(StaffMail):
    """Push channel over a pool of connections that outlive single `send` calls."""

    name = "email"
    label = "Email"
    limits = contract.Limits(text=PART_LIMIT, measure="bytes")
    receipt_wait = 0.0
    spaced = False
    tier = 0

    def __init__(
        self,
        settings: Settings,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tls` replaces the system's certificates; `clock` returns monotonic seconds."""
        self._settings = settings
        self._site = settings.site
        self._tls = tls
        self._clock = clock
        self._address = settings.sender[1]
        self._pool = Pool(
            self._connection,
            size=settings.connections,
            signs_in=_signs_in(settings.url),
            clock=clock,
        )

    @property
    def rate(self) -> float:
        """Messages per second; 0 = no limit of our own."""
        return self._settings.rate

    def spacing(self, address: str) -> float:
        """Return the minimum seconds between two messages to an address."""
        return 0.0

    def render(self, edition: Edition, lang: str) -> contract.Message:
        """Build the whole message as bytes with holes; those with an area's values are filled once
        per area.
        """
        return contract.Message(
            edition=edition,
            lang=lang,
            frame=GroupFrames(compose(edition, lang, self._site, self._settings.sender)),
        )

    def personalise(self, message: contract.Message, recipient: Recipient) -> contract.Outgoing:
        """Fill the holes by joining bytes."""
        token, key, to = recipient.token, recipient.address_key, recipient.address
        plain_token = token.isalnum() and token.isascii()
        if not plain_token:
            token = quote(token, safe="")
        short = plain_token and len(token) <= 72
        area = recipient.area
        frame, sound = message.frame.known.get(area) or message.frame.add(
            area, area_values(area, self._site.domain)
        )
        token_octets = token.encode()
        data = frame.fill(
            {
                "to": to.encode(),
                "key": key.encode(),
                "since": day_value(recipient.since, message.lang),
                "token": token_octets,
                "token_quoted": token_octets
                if short or (len(token) <= 72 and token[:1] != ".")
                else quoted_value(token),
            }
        )
        sound = sound and short and key.isalnum() and 4 * max(len(key), len(to)) <= VALUE_LIMIT
        sound = sound and _SAFE_ADDRESS.fullmatch(to) is not None
        # no provider id: the Message-ID derives from edition and address, so storing it would be
        # redundant
        payload = Envelope(self._return_path(recipient), to, data, "", sound)
        return contract.Outgoing(recipient=recipient, message=message, payload=payload)

    def _return_path(self, recipient: Recipient) -> str:
        local = f"bounce+{recipient.delivery}.{recipient.address_key[:8]}"
        if self._settings.bounce_domain and len(local) <= 64:
            return f"{local}@{self._settings.bounce_domain}"
        return self._address

    def preview(self, outgoing: contract.Outgoing) -> dict[str, str]:
        """Return subject, from, to, text and html, parsed from the exact bytes that are sent."""
        mail = message_from_bytes(outgoing.payload.data, policy=policy.default)
        parts = {name: str(mail[name]) for name in ("subject", "from", "to")}
        for name, subtype in (("text", "plain"), ("html", "html")):
            body = mail.get_body((subtype,))
            parts[name] = body.get_content().replace("\r\n", "\n") if body else ""
        return parts

    def send(
        self, messages: Sequence[contract.Outgoing], *, may_write: contract.MayWrite
    ) -> AsyncIterator[contract.Result]:
        """Send over all connections at once; concurrent batches share them."""
        able: list[contract.Outgoing] = []
        unable: list[contract.Outgoing] = []
        for outgoing in messages:
            carried = outgoing.payload.sound or _SAFE_ADDRESS.fullmatch(outgoing.payload.to)
            (able if carried else unable).append(outgoing)
        batch = Batch(able, may_write=may_write)
        batch.refuse(
            unable,
            Refused(
                reason="address_dead", code="unsafe", detail="not an address that SMTP can carry"
            ),
        )
        return self._pool.send(batch)

    def precheck_webhook(self, headers: Mapping[str, str]) -> None:
        """Reject every request: email has no webhook."""
        raise contract.BadSignature

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[contract.Event]:
        """Reject every webhook: email has none."""
        raise contract.BadSignature

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Return None: email has no webhook."""
        return None

    async def check(self) -> Sequence[Finding]:
        """Check EHLO and AUTH, the sender's domain, one-click unsubscribe over https, and the
        return path.
        """
        if missing := self._settings.missing():
            return [
                Finding(
                    ok=False,
                    what=f"{' dan '.join(missing)} belum diisi",
                    mend="Isi server dan alamat pengirim email.",
                )
            ]
        return [await self._server_finding(), *self._setting_findings()]

    async def _server_finding(self) -> Finding:
        server = Server.of(self._settings.url)
        place = f"Server email {server.host}:{server.port}"
        if failure := await self._pool.probe():
            mend = "Periksa EMAIL_URL: nama dan sandi, port, dan starttls."
            return Finding(
                ok=False,
                what=f"{place} tidak dapat dipakai ({failure.code}: {failure.detail})",
                mend=mend,
            )
        return Finding(ok=True, what=f"{place} menerima kita")

    def _setting_findings(self) -> list[Finding]:
        domain = self._settings.sender[1].rpartition("@")[2]
        aligned = (
            domain == self._site.domain
            or self._site.domain.endswith(f".{domain}")
            or domain.endswith(f".{self._site.domain}")
        )
        return [
            Finding(
                ok=True if aligned else None,
                what=f"Alamat pengirim memakai domain {domain}",
                mend=""
                if aligned
                else f"Pakai domain situs ({self._site.domain}), dengan SPF, DKIM, dan DMARC.",
            ),
            self._one_click_finding(),
            Finding(
                ok=True, what="Email yang terpantul kembali ke alamat yang menyebut pengirimannya"
            )
            if self._settings.bounce_domain
            else Finding(
                ok=None,
                what="Email yang terpantul kembali ke alamat pengirim",
                mend="Isi EMAIL_BOUNCE_DOMAIN.",
            ),
        ]

    def _one_click_finding(self) -> Finding:
        if self._site.base_url.startswith("https://"):
            return Finding(
                ok=True, what="Berhenti berlangganan cukup satu tekan (RFC 8058), lewat https"
            )
        mend = "Isi BROADCASTER_BASE_URL dengan alamat https."
        what = "Berhenti berlangganan dengan satu tekan (RFC 8058) memerlukan https"
        return Finding(ok=None if self._site.simulated else False, what=what, mend=mend)

    async def probe(self) -> bool:
        """Try EHLO and AUTH on a separate connection."""
        return await self._pool.probe() is None

    def _connection(self) -> Connection:
        return Connection(self._client, timeout=self._settings.timeout, clock=self._clock)

    def _client(self) -> aiosmtplib.SMTP:
        if missing := self._settings.missing():
            raise NoConnection(Halted(code="settings", detail=f"missing: {', '.join(missing)}"))
        server = Server.of(self._settings.url)
        if self._tls is None and (server.tls or server.starttls is not False):
            self._tls = ssl.create_default_context()
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.starttls,
            local_hostname=self._site.domain,
            timeout=self._settings.timeout,
            tls_context=self._tls,
        )

    async def aclose(self) -> None:
        """Close every connection with QUIT."""
        await self._pool.aclose()


def _signs_in(url: str) -> bool:
    return bool(url and Server.of(url).user)


def open_channel(settings: Settings) -> contract.PushChannel:
    """Open the email channel."""
    return Email(settings)
