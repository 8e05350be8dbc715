"""Feeds rendered and parsed for tests."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import msgspec

from channels import feed
from channels.base.contract import Area, Document, Edition, PageRequest
from support import samples

FORMATS = ("rss", "atom", "json")
LATER = samples.NOW + timedelta(hours=2)
"""Time at which the flood of the samples is still on, and the notice corrected and withdrawn."""
TREE = json.loads(
    (Path(__file__).resolve().parents[2] / "subscribers" / "cimahi.json").read_text(
        encoding="utf-8"
    )
)
AREAS = [
    Area(code=area["code"], name=area["name"], slug=area["slug"])
    for area in [TREE["city"], *TREE["kecamatan"], *TREE["kelurahan"]]
]
EDITIONS = [  # one of each sort, no two of the same moment
    samples.correction(),
    samples.alert(code="CMH-ALRT-22", first_published_at=samples.NOW - timedelta(hours=1)),
    samples.clarification(code="CMH-CLAR-22", first_published_at=samples.NOW - timedelta(days=1)),
    msgspec.structs.replace(
        samples.withdrawal(), code="CMH-WDRN-22", first_published_at=samples.NOW - timedelta(days=2)
    ),
]


def render_feed(
    extension: str,
    editions: Sequence[Edition] = EDITIONS,
    *,
    now: datetime = LATER,
    area: Area = samples.CIBABAT,
    query: Mapping[str, str] | None = None,
    hub: str = "",
    simulated: bool = False,
) -> Document:
    """Render the document of an area in one format."""
    channel = feed.open_channel(feed.Settings(site=samples.site(simulated=simulated), hub=hub))
    return channel.render_page(
        PageRequest(
            path=f"/feed/{{area}}.{extension}",
            area=area,
            query=query or {},
            editions=editions,
            now=now,
        )
    )


def items(editions: Sequence[Edition] = EDITIONS, **options: Any) -> list[dict[str, Any]]:
    """Return the items of the JSON feed."""
    rows: list[dict[str, Any]] = json.loads(render_feed("json", editions, **options).body)["items"]
    return rows


def read_entries(extension: str, body: bytes) -> list[tuple[str, str, datetime, datetime]]:
    """Parse a feed of any format into id, title, published and updated of each entry."""
    if extension == "json":
        return [
            (
                item["id"],
                item["title"],
                datetime.fromisoformat(item["date_published"]),
                datetime.fromisoformat(item["date_modified"]),
            )
            for item in json.loads(body)["items"]
        ]
    parsed = feedparser.parse(body)
    assert not parsed.bozo, parsed.get("bozo_exception")
    return [
        (entry.id, entry.title, moment(entry.published_parsed), moment(entry.updated_parsed))
        for entry in parsed.entries
    ]


def moment(parsed: Any) -> datetime:
    """Convert feedparser's UTC tuple to a time."""
    year, month, day, hour, minute, second = parsed[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).astimezone(samples.WIB)


def many(count: int, **changes: Any) -> list[Edition]:
    """Return `count` notices, several of them in the same second."""
    return [
        samples.notice(
            code=f"CMH-{number:04}-2M",
            first_published_at=samples.NOW - timedelta(minutes=number // 3),
            expires=None,
            **changes,
        )
        for number in range(count)
    ]
