"""Small city for tests: an open program on a given database, with residents, whose channels talk to
the given servers.
"""

import base64
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from broadcaster.app import App, open_app
from broadcaster.delivery.drain import Deliverer
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import STATES
from broadcaster.publishing import press, publications
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.runtime import config
from broadcaster.store.leases import Holder, new_owner
from broadcaster.store.tables import delivery
from subscribers import importing

SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
BEFORE = "2026-01-01T00:00:00+07:00"


def variables(database_url: str, data_dir: Path, **more: str) -> dict[str, str]:
    """Return the environment of a program under test."""
    return {
        "BROADCASTER_DATABASE_URL": database_url,
        "BROADCASTER_DATA_DIR": str(data_dir),
        "BROADCASTER_SECRET_KEY": SECRET,
        "BROADCASTER_DOMAIN": "info.cimahi.example",
        **more,
    }


@asynccontextmanager
async def program(environ: Mapping[str, str], *, redis_url: str = "") -> AsyncIterator[App]:
    """Open the program."""
    async with open_app(config.read(environ), redis_url=redis_url) as app:
        yield app


async def subscribe(
    app: App,
    channel: str,
    people: Iterable[tuple[str, str]],
    *,
    language: str = "id",
    **columns: str,
) -> None:
    """Import (address, areas) pairs as confirmed subscribers of a channel who read `language`."""
    header = [
        "channel",
        "address",
        "areas",
        "topics",
        "language",
        "consent_source",
        "consent_at",
        *columns,
    ]
    lines = [",".join(header)]
    for address, areas in people:
        lines.append(
            ",".join([channel, address, areas, "", language, "test", BEFORE, *columns.values()])
        )
    parsers = {name: app.loaded.modules[name].parse_address for name in app.push}
    topics = [topic.slug for topic in app.settings.topics]
    rows = list(importing.read_rows(iter(f"{line}\n" for line in lines), app.tree, topics, parsers))
    good = [row for row in rows if isinstance(row, importing.Row)]
    assert len(good) == len(rows), [row for row in rows if row not in good][:3]
    await app.database.write(
        importing.import_rows, app.vault, app.tree, good, datetime.now(UTC).timestamp() - 60
    )


def notice(**changes: Any) -> dict[str, Any]:
    """Return the fields of a Cibabat notice."""
    return {
        "title": "Air PDAM mati di Cibabat, Rabu 08.00-14.00",
        "body": "Tampung air secukupnya sebelum pukul 07.00. Mobil tangki siaga di kantor kelurahan.",
        "areas": ["cibabat"],
        "category": "gangguan-layanan",
        **changes,
    }


def emergency(**changes: Any) -> dict[str, Any]:
    """Return the fields of an emergency in Cibabat."""
    return notice(
        title="Banjir di Jl. Amir Machmud",
        level="emergency",
        expires=(datetime.now(UTC) + timedelta(hours=3)).isoformat(),
        instruction="1. Pindah ke tempat tinggi.\n2. Matikan listrik.",
        **changes,
    )


async def publish(app: App, fields: Mapping[str, Any]) -> StoredAnnouncement:
    """Publish at once, as the command line does."""
    checked = press.Press.of(app).examine(fields, app.clock())
    return await publications.publish_now(
        app, checked, actor=NamedActor(name="test", now=app.clock())
    )


def deliverer(app: App, *, lease: float = 30.0) -> Deliverer:
    """Return a worker's engine without its process."""
    return Deliverer(app=app, holder=Holder(owner=new_owner(), lease=lease))


def rows(app: App, channel: str = "") -> list[Any]:
    """Return every delivery row, in slot order."""
    query = select(delivery).order_by(delivery.c.edition, delivery.c.channel, delivery.c.slot)
    if channel:
        query = query.where(delivery.c.channel == channel)
    return list(app.database.read_now(lambda connection: connection.execute(query).all()))


def states(app: App, channel: str = "") -> dict[str, int]:
    """Count the rows in each state."""
    counts: dict[str, int] = {}
    for row in rows(app, channel):
        counts[STATES[row.state]] = counts.get(STATES[row.state], 0) + 1
    return counts
