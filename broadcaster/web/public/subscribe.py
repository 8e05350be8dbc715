"""Page on how to follow a kelurahan: its feeds and screens, and the open messengers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.store import metrics
from broadcaster.web.base import pages
from broadcaster.web.base.area_groups import groups
from broadcaster.web.base.authorization import app_of
from broadcaster.web.public import feed_links
from subscribers.areas import Area


@dataclass(frozen=True, kw_only=True)
class AreaEntry:
    """Kelurahan in the list; `count` is its number of announcements in force."""

    area: Area
    count: int
    feeds: Sequence[feed_links.FeedLink]


@dataclass(frozen=True, kw_only=True)
class AreaGroup:
    """Kecamatan in the list."""

    kecamatan: Area
    places: Sequence[AreaEntry]


@dataclass(frozen=True, kw_only=True)
class AreaTile:
    """Kelurahan on the tile map; `group` is the index of its kecamatan."""

    area: Area
    column: int
    row: int
    group: int
    count: int


async def show(request: Request) -> Response:
    """Render the page."""
    app = app_of(request)
    counts = await app.database.read(metrics.in_force_by_area, app.clock().timestamp())
    listed = [
        AreaGroup(
            kecamatan=group.kecamatan,
            places=[_place(app, area, counts) for area in group.kelurahan],
        )
        for group in groups(app)
    ]
    messengers = [app.push[name].label for name in app.open_push]
    return pages.page(
        request,
        "subscribe.html",
        groups=listed,
        tiles=_tiles(listed),
        city_feeds=feed_links.of_area(app.pull.values(), app.tree.city),
        messengers=", ".join(messengers),
    )


def _place(app: App, area: Area, counts: Mapping[str, int]) -> AreaEntry:
    return AreaEntry(
        area=area, count=counts.get(area.code, 0), feeds=feed_links.of_area(app.pull.values(), area)
    )


def _tiles(listed: Sequence[AreaGroup]) -> list[AreaTile]:
    tiles = [
        AreaTile(
            area=place.area,
            column=place.area.tile[0],
            row=place.area.tile[1],
            group=number,
            count=place.count,
        )
        for number, group in enumerate(listed)
        for place in group.places
        if place.area.tile is not None
    ]
    return sorted(tiles, key=lambda tile: (tile.row, tile.column))
