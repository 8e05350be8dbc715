"""Whole site on loopback for tests: a real App on a fresh SQLite file, served by our own server and
asked over HTTP.
"""

import asyncio
import contextlib
import gzip
import re
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from broadcaster.app import App, open_app
from broadcaster.domain.actor import NamedActor
from broadcaster.publishing import corrections, publications
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.runtime import config
from broadcaster.simulation.ports import LOOPBACK, free_port
from broadcaster.store import tokens
from broadcaster.web.base.admission import ConnectionLimits
from broadcaster.web.server import serve
from subscribers import importing
from support import samples

CREDENTIALS = {
    "BROADCASTER_SIMULATION_URL": "http://127.0.0.1:9",
    "EMAIL_URL": "smtp://127.0.0.1:9",
    "TELEGRAM_API_URL": "http://127.0.0.1:9",
    "WHATSAPP_API_URL": "http://127.0.0.1:9/v25.0",
    "EMAIL_FROM": "Info Kota Cimahi <info@info.cimahi.example>",
    "TELEGRAM_TOKEN": "1234567:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "TELEGRAM_WEBHOOK_SECRET": "rahasia-telegram",
    "WHATSAPP_TOKEN": "contoh-token",
    "WHATSAPP_PHONE_ID": "1029384756",
    "WHATSAPP_APP_SECRET": "rahasia-aplikasi",
    "WHATSAPP_VERIFY_TOKEN": "rahasia-jabat-tangan",
}
"""Settings with which every push channel is open; nothing is ever sent, as no worker runs."""

NOTICE: Mapping[str, Any] = {
    "title": "Air PDAM mati di Cibabat, Rabu 25 Nov 08.00-14.00",
    "summary": "Tampung air secukupnya sebelum pukul 07.00.",
    "body": "Perumda Tirta mengganti pipa induk di **Jl. Amir Machmud**.\n\n- Kantor Kelurahan Cibabat\n- Lapangan RW 05",
    "areas": ["cibabat"],
    "category": "gangguan-layanan",
    "agency": "Perumda Tirta",
    "effective": "2026-11-25 08:00",
    "expires": "2026-11-25 14:00",
}
EMERGENCY: Mapping[str, Any] = {
    "title": "Banjir di Jl. Amir Machmud, pindah ke tempat tinggi",
    "body": "Sungai Cimahi meluap.",
    "areas": ["cibabat"],
    "category": "cuaca",
    "level": "emergency",
    "expires": "2026-11-25 10:00",
    "instruction": "1. Pindah ke tempat tinggi.\n2. Matikan listrik.",
}


@dataclass
class Clock:
    """Clock that stands still until a test sets it."""

    now: datetime = samples.NOW

    def __call__(self) -> datetime:
        """Return the time that was set."""
        return self.now


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Response as a browser got it; `text` is unpacked, `raw` as it came."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    text: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Running:
    """Site while a test runs."""

    url: str
    app: App
    clock: Clock
    session: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Answer:
        """Send one request without following redirects and without cookies of earlier ones."""
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            raw = await response.read()
            packed = response.headers.get("Content-Encoding") == "gzip"
            return Answer(
                status=response.status,
                headers=response.headers,
                raw=raw,
                text=(gzip.decompress(raw) if packed and raw else raw).decode(errors="replace"),
                cookies={name: cookie.value for name, cookie in response.cookies.items()},
            )

    @property
    def port(self) -> int:
        """Port that the site listens on."""
        return int(self.url.rsplit(":", 1)[1])

    async def post(self, path: str, content: Any, token: str = "", **headers: str) -> Answer:
        """Post JSON to the API."""
        return await self.ask(path, "POST", json=content, headers=bearer(token) | headers)

    async def publish(
        self, fields: Mapping[str, Any] = NOTICE, **changes: Any
    ) -> StoredAnnouncement:
        """Publish as the program does, at the clock's time."""
        press = Press.of(self.app)
        checked = press.examine({**fields, **changes}, self.clock())
        return await self.app.database.write(
            publications.publish, press, checked, actor=NamedActor(name="test", now=self.clock())
        )

    async def correct(
        self,
        stored: StoredAnnouncement,
        reason: str,
        fields: Mapping[str, Any] = NOTICE,
        **changes: Any,
    ) -> StoredAnnouncement:
        """Publish the next edition."""
        press = Press.of(self.app)
        checked = press.examine({**fields, **changes}, self.clock())
        return await self.app.database.write(
            corrections.correct,
            press,
            stored.id,
            checked,
            reason=reason,
            actor=NamedActor(name="test", now=self.clock()),
        )

    async def withdraw(self, stored: StoredAnnouncement, reason: str) -> StoredAnnouncement:
        """Withdraw an announcement."""
        return await self.app.database.write(
            corrections.withdraw,
            Press.of(self.app),
            stored.id,
            reason=reason,
            actor=NamedActor(name="test", now=self.clock()),
        )

    async def token(self, *scopes: str) -> str:
        """Create an API token."""
        name = f"uji {len(await self.app.database.read(tokens.everyone))}"
        return await self.app.database.write(tokens.add, name, list(scopes))

    async def subscriber(
        self, address: str = "warga@contoh.example", channel: str = "email", areas: str = "cibabat"
    ) -> int:
        """Import a confirmed subscriber; returns the id of the address."""
        lines = [
            "channel,address,areas,topics,language,consent_source,consent_at",
            f"{channel},{address},{areas},,id,uji,2026-11-03T09:00",
        ]
        parsers = {name: self.app.loaded.modules[name].parse_address for name in self.app.push}
        rows = list(importing.read_rows(lines, self.app.tree, (), parsers))
        good = [row for row in rows if isinstance(row, importing.Row)]
        await self.app.database.write(
            importing.import_rows, self.app.vault, self.app.tree, good, 0.0
        )
        newest = await self.app.database.read(
            lambda connection: connection.exec_driver_sql("SELECT max(id) FROM address").scalar()
        )
        return int(newest or 0)


@contextlib.asynccontextmanager
async def running(
    database_url: str, data_dir: object, *, limits: ConnectionLimits | None = None, **settings: str
) -> AsyncIterator[Running]:
    """Serve the site on a free port until the block ends; `settings` are variables that replace the
    usual ones.
    """
    with listening() as (sock, port):
        environ = {
            **CREDENTIALS,
            "BROADCASTER_DATA_DIR": str(data_dir),
            "BROADCASTER_DATABASE_URL": database_url,
            "BROADCASTER_BASE_URL": f"http://127.0.0.1:{port}",
            "BROADCASTER_DOMAIN": "info.cimahi.example",
            **settings,
        }
        clock, ready = Clock(), asyncio.Event()
        async with open_app(config.read(environ), clock=clock) as app:
            serving = asyncio.create_task(
                serve(app, "127.0.0.1", port, ready, listening=sock, limits=limits)
            )
            await ready.wait()
            jar = aiohttp.DummyCookieJar()
            async with aiohttp.ClientSession(cookie_jar=jar, auto_decompress=False) as session:
                yield Running(url=f"http://127.0.0.1:{port}", app=app, clock=clock, session=session)
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    """Yield a socket bound to a free port of loopback, and the port. It is declared as TCP:
    otherwise answers wait 40 ms for the client's acknowledgement.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.bind((LOOPBACK, free_port()))
        yield sock, sock.getsockname()[1]


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries an API token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def hrefs(html: str) -> list[str]:
    """Return every address that a page links to or loads."""
    return re.findall(r"""(?:href|src|action)="([^"]*)\"""", html)
