"""Speed of the newsroom's pages: 10,000 announcements and 200,000 subscribers in SQLite; p95 of
each page over HTTP.

Run: PYTHONPATH=tests:. python tests/benchmarks/bench_pages.py [--announcements N] [--subscribers N]
[--requests N]
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from benchmarks.crowd import Crowd
from broadcaster.app import App
from broadcaster.domain.accounts import AccountRole
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.publishing import transitions
from broadcaster.publishing.press import Press
from broadcaster.store import announcements, audit
from broadcaster.store.announcements import Announcement
from broadcaster.store.migrate import migrate
from broadcaster.store.tables import announcement
from support.browsing import Running, running
from support.sending import fill
from support.staffing import Browser, signed_in

PAGES_MS, LISTS_MS = 100.0, 200.0
"""Goals: p95 of a page, and of the list with its search."""
BATCH = 1_000
STATES = (
    "draft",
    "review",
    "published",
    "published",
    "published",
    "published",
    "ended",
    "ended",
    "archived",
    "returned",
)
PLACES = ("cibabat", "melong", "cipageran", "setiamanah", "utama")
WHO = {"first page": "dewi", "call of a warning": "dewi", "people": "ani", "audit": "ani"}
"""Account that opens a page, where it is not rina."""
WRITTEN = {
    "title": "Vaksin gratis di semua puskesmas", "body": "Bawa KTP. Tidak perlu mendaftar. " * 20, "areas": "cimahi",
    "category": "kesehatan", "level": "info", "expires": "2026-12-25T14:00",
}  # fmt: skip
SUBJECTS = (
    "Air PDAM mati",
    "Jalan ditutup",
    "Posyandu balita",
    "Vaksin gratis",
    "Pemadaman listrik",
    "Pasar murah",
)


def rows(app: App, count: int, now: float) -> Iterator[dict[str, Any]]:
    """Yield announcements as the composer would have left them, spread over two years."""
    press = Press.of(app)
    for number in range(count):
        place, state = PLACES[number % len(PLACES)], STATES[number % len(STATES)]
        raw = {
            "title": f"{SUBJECTS[number % len(SUBJECTS)]} di {place.title()}, nomor {number}",
            "body": "Tampung air secukupnya. Mobil tangki siaga di kantor kelurahan sampai sore. "
            * 8,
            "areas": [place],
            "category": app.settings.topics[number % len(app.settings.topics)].slug,
            "agency": "Perumda Tirta",
        }
        fields = press.examine(raw, app.clock()).fields
        at = now - number * 6_000.0
        row = Announcement(
            id=transitions.new_id(app.clock() - timedelta(seconds=number * 6_000)),
            code=f"CMH-{number:04d}-ZZ",
            state="draft",
            fields=fields,
            created_at=at,
            updated_at=at,
            publish_at=None,
            published_at=at if state in ("published", "ended") else None,
            created_by="staff:rina",
            note="",
        )
        values = {name: getattr(row, name) for name in Announcement.__slots__}
        yield {**values, "state": state, **announcements._columns(fields)}


def load(app: App, count: int) -> None:
    """Write them in bulk."""
    batch: list[dict[str, Any]] = []

    def write(connection: Connection) -> None:
        connection.execute(insert(announcement), batch)

    for row in rows(app, count, app.clock().timestamp()):
        batch.append(row)
        if len(batch) == BATCH:
            app.database.write_now(write)
            batch.clear()
    if batch:
        app.database.write_now(write)


async def prepare(site: Running, count: int) -> tuple[dict[str, Browser], str]:
    """Fill the site; returns the browsers by name, and the announcement whose sending to everybody
    waits.
    """
    load(site.app, count)
    stored = await site.publish(
        expires=None, effective=None, areas="cimahi", title="Vaksin gratis di semua puskesmas"
    )
    for channel in site.app.open_push:
        fill(site.app, channel)

    def history(connection: Connection) -> None:
        for number in range(50):
            audit.append(
                connection,
                NamedActor(name="staff:rina", now=site.clock()),
                Act.EDIT,
                stored.id,
                n=number,
            )

    await site.app.database.write(history)
    staff: dict[str, AccountRole] = {"rina": "author", "dewi": "approver", "ani": "admin"}
    return {name: await signed_in(site, name, role) for name, role in staff.items()}, stored.id


async def drafted(rina: Browser) -> str:
    """Save a draft for the whole city, with a second version; returns its address."""
    saved = await rina.post("/redaksi/simpan", WRITTEN)
    place = str(json.loads(saved.text)["place"])
    await rina.post(
        f"{place}/simpan", {**WRITTEN, "title": "Vaksin gratis, jadwal baru", "versi": "1"}
    )
    return place


def pages(identity: str, draft: str) -> Sequence[tuple[str, str, float]]:
    """Return (name, address, goal in ms); "preview" is sent as a form."""
    listed = "/redaksi/pengumuman"
    return (
        ("first page", "/redaksi/", PAGES_MS),
        ("composer, new", "/redaksi/tulis", PAGES_MS),
        ("composer", f"{draft}/tulis", PAGES_MS),
        ("preview", "/redaksi/pratinjau", PAGES_MS),
        ("check", f"{draft}/periksa", PAGES_MS),
        ("versions", f"{draft}/riwayat", PAGES_MS),
        ("emergency", "/redaksi/darurat?bahaya=banjir", PAGES_MS),
        ("call of a warning", "/redaksi/alarm", PAGES_MS),
        ("templates", "/redaksi/templat", PAGES_MS),
        ("account", "/redaksi/akun", PAGES_MS),
        ("people", "/redaksi/pengguna", PAGES_MS),
        ("audit", "/redaksi/audit", PAGES_MS),
        ("list", listed, LISTS_MS),
        ("list, search", f"{listed}?kata=posyandu+melong", LISTS_MS),
        ("list, search without a hit", f"{listed}?kata=tidakada", LISTS_MS),
        (
            "list, filters",
            f"{listed}?tab=berakhir&opd=Perumda+Tirta&tingkat=info&dari=2026-01-01",
            LISTS_MS,
        ),
        ("list, mine", f"{listed}?tab=draf&saya=1", LISTS_MS),
        ("reading", f"{listed}/{identity}", PAGES_MS),
        ("correction", f"{listed}/{identity}/ralat", PAGES_MS),
        ("withdrawal", f"{listed}/{identity}/cabut", PAGES_MS),
        ("sendings", "/redaksi/pengiriman", PAGES_MS),
        ("progress", f"/redaksi/pengiriman/{identity}", PAGES_MS),
        ("channels", "/redaksi/kanal", PAGES_MS),
    )


async def times(browser: Browser, address: str, requests: int) -> list[float]:
    """Return the milliseconds of each request, sorted; the first ones are not counted."""
    milliseconds = []
    for number in range(requests + 3):
        started = time.perf_counter()
        form = {**WRITTEN, "title": f"Vaksin gratis, hari ke-{number}"}
        response = await (
            browser.post(address, form) if address == "/redaksi/pratinjau" else browser.get(address)
        )
        if response.status != 200:
            raise RuntimeError(f"{address}: {response.status}")
        if number >= 3:
            milliseconds.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.02)
    return sorted(milliseconds)


async def measure(options: argparse.Namespace) -> bool:
    """Print the table; returns True if every goal was met."""
    with folder() as data:
        url = f"sqlite:///{data / 'siaran.db'}"
        migrate(url)
        async with running(url, data) as site:
            for channel in site.app.push:
                share = options.subscribers // len(site.app.push)
                Crowd(channel=channel, count=share).load(
                    url, site.app.vault, site.clock().timestamp() - 86_400
                )
            staff, identity = await prepare(site, options.announcements)
            draft = await drafted(staff["rina"])
            met = True
            print(f"{'page':<28}{'p50 ms':>9}{'p95 ms':>9}{'goal ms':>9}")
            for name, address, goal in pages(identity, draft):
                milliseconds = await times(staff[WHO.get(name, "rina")], address, options.requests)
                middle, late = (
                    milliseconds[len(milliseconds) // 2],
                    milliseconds[int(len(milliseconds) * 0.95)],
                )
                met = met and late < goal
                print(
                    f"{name:<28}{middle:>9.1f}{late:>9.1f}{goal:>9.0f}{'' if late < goal else '  missed'}",
                    flush=True,
                )
            return met


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a temporary folder for the database."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--announcements", type=int, default=10_000)
    parser.add_argument("--subscribers", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=60)
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
