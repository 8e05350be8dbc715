"""The simulation page: phones, inbox and screen of a kelurahan, live.

A visitor publishes drafts, sets faults of the providers, and replies as a resident.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from broadcaster.app import App
from broadcaster.delivery.status import Overview, overview
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.publishing.press import Press
from broadcaster.publishing.publications import ring
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.simulation import city, news
from broadcaster.simulation.residents import CHAT, MAIL, PHONE
from broadcaster.simulation.showing import Bubble, bubbles
from broadcaster.store import announcements, archive, ledger
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.form_values import text_of
from broadcaster.web.base.framed_documents import framed
from channels.base.contract import Edition
from subscribers.areas import Area

DEFAULT_AREA = "cibabat"
TIMEOUT_SECONDS = 3.0
"""Timeout of requests to the providers' process."""
FEED_ITEMS = 4
LETTERS = 4
"""Number of mails to staff on the page."""
TEXT_LIMIT = 300
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
PARTS = ("ponsel", "obrolan", "surat", "umpan", "draf", "peta", "angka", "staf")
"""Parts of the page that refresh every second; each has its own template."""


@dataclass(frozen=True, kw_only=True)
class Slider:
    """A fault setting: `most` and `step` are in `unit`, and the providers get value / `scale`."""

    name: str
    most: int
    step: int
    unit: str
    scale: float


SLIDERS = (
    Slider(name="latency_ms", most=3000, step=100, unit="ms", scale=1),
    Slider(name="rate_429", most=60, step=5, unit="%", scale=100),
    Slider(name="rate_5xx", most=60, step=5, unit="%", scale=100),
    Slider(name="blocked", most=20, step=1, unit="%", scale=100),
    Slider(name="greylist", most=100, step=10, unit="%", scale=100),
    Slider(name="cut", most=20, step=1, unit="%", scale=100),
)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A draft on the page, and its figures once it is published."""

    key: str
    title: str
    level: str
    areas: str
    topic: str
    sent: Overview | None


@dataclass(frozen=True, kw_only=True)
class MapTile:
    """A kelurahan on the map; `count` is its messages of the newest announcement."""

    area: Area
    column: int
    row: int
    group: int
    count: int


# --- the page -----------------------------------------------------------------------------------


async def show(request: Request) -> Response:
    """Show the complete page; a script only refreshes it."""
    app, area = app_of(request), _area(request)
    values = await _values(request, area)
    kelurahan = [(group, app.tree.children(group)) for group in app.tree.kecamatan]
    return pages.page(
        request,
        "simulation.html",
        groups=kelurahan,
        sliders=SLIDERS,
        parts=PARTS,
        cache_control="no-store",
        **values,
    )


async def state(request: Request) -> Response:
    """Render the parts that refresh."""
    values = await _values(request, _area(request))
    return pages.page(
        request, "simulation/parts.html", parts=PARTS, cache_control="no-store", **values
    )


async def progress(request: Request) -> Response:
    """Answer the figures of an announcement as the API does; 404 if it is unknown."""
    app = app_of(request)
    figures = await app.database.read(overview, request.path_params["id"], app.site, app.causes)
    if figures is None:
        raise HTTPException(404)
    return JSONResponse(figures.as_json(), headers={"Cache-Control": "no-store"})


async def mail(request: Request) -> Response:
    """Serve a mail's HTML as a document for a frame; its policy allows only its inline styles."""
    area, identity = request.path_params["area"], request.path_params["id"]
    parts = await _get(app_of(request), f"/mail/{area}/{identity}")
    if parts is None:
        raise HTTPException(404)
    return framed(parts["html"], sandbox=_SANDBOX)


# --- actions ------------------------------------------------------------------------------------


async def publish(request: Request) -> Response:
    """Publish the draft whose button was clicked."""
    app, form = app_of(request), await request.form()
    try:
        stored = await app.database.write(
            city.publish_draft, Press.of(app), _text(form, "draf"), app.clock()
        )
    except (InvalidAnnouncement, NotAllowed) as error:
        raise HTTPException(409, detail=indonesian(error)) from error
    if stored is not None:
        await ring(app, stored)
    return _back(request, form)


async def renew_drafts(request: Request) -> Response:
    """Create every published draft again."""
    app, form = app_of(request), await request.form()
    await app.database.write(city.add_drafts, Press.of(app), app.clock())
    return _back(request, form)


async def set_faults(request: Request) -> Response:
    """Set the providers' faults from the sliders."""
    form = await request.form()
    faults = {slider.name: _number(form, slider) / slider.scale for slider in SLIDERS}
    await _post(
        app_of(request), "/faults", dict.fromkeys(faults, 0.0) if "normal" in form else faults
    )
    return _back(request, form)


async def reply(request: Request) -> Response:
    """Send a resident's reply or button click to the providers."""
    form = await request.form()
    text, payload = _text(form, "teks").strip(), _text(form, "muatan")
    channel = CHAT if _text(form, "kanal") == CHAT else PHONE
    if text:
        await _post(
            app_of(request),
            "/type",
            {"area": _text(form, "wilayah"), "channel": channel, "text": text, "payload": payload},
        )
    return _back(request, form)


def _back(request: Request, form: FormData) -> Response:
    """Redirect to the page; answers 204 to a script."""
    if "application/json" in request.headers.get("accept", ""):
        return Response(status_code=204)
    area = app_of(request).tree.get(_text(form, "wilayah"))
    return RedirectResponse(
        f"/simulasi?wilayah={area.slug}" if area else "/simulasi", status_code=303
    )


def _text(form: FormData, name: str) -> str:
    return text_of(form, name)[:TEXT_LIMIT]


def _number(form: FormData, slider: Slider) -> float:
    try:
        return min(max(float(_text(form, slider.name) or 0), 0.0), float(slider.most))
    except ValueError:
        return 0.0


# --- contents -----------------------------------------------------------------------------------


def _area(request: Request) -> Area:
    tree = app_of(request).tree
    area = tree.get(request.query_params.get("wilayah", "")) or tree.get(DEFAULT_AREA)
    return area if area in tree.kelurahan else tree.kelurahan[0]


async def _values(request: Request, area: Area) -> dict[str, Any]:
    app, lang = app_of(request), pages.lang_of(request)
    phones = await _get(app, f"/state/{area.slug}")
    drafts = await app.database.read(_drafts, app, lang)
    newest = await app.database.read(_newest, app, lang)
    counts = await app.database.read(ledger.areas, newest.sent.id) if newest and newest.sent else {}
    feed = await app.database.read(
        archive.concerning,
        area.code,
        since=app.clock().timestamp(),
        limit=FEED_ITEMS,
        channel="feed",
    )
    messages = {code: sum(states.values()) for code, states in counts.items()}
    return {
        "area": area,
        "phones": phones,
        "labels": {name: channel.label for name, channel in app.push.items()},
        "chats": {name: _bubbles(phones, name) for name in (PHONE, CHAT)},
        "mails": phones[MAIL][::-1] if phones else [],
        "letters": phones["staff"][::-1][:LETTERS] if phones else [],
        "counters": phones["counters"] if phones else {},
        "faults": phones["faults"] if phones else {},
        "doubled": sum(counts["doubled"] for counts in phones["counters"].values())
        if phones
        else 0,
        "drafts": drafts,
        "newest": newest,
        "tiles": _tiles(app, messages),
        "elsewhere": _elsewhere(app, messages),
        "entries": [_entry(edition, lang) for edition in feed.editions],
    }


def _bubbles(phones: Mapping[str, Any] | None, channel: str) -> list[Bubble]:
    return bubbles(channel, phones[channel]) if phones else []


def _entry(edition: Edition, lang: str) -> dict[str, Any]:
    return {
        "code": edition.code,
        "title": edition.wording(lang).title,
        "at": edition.published_at,
        "level": edition.level,
    }


def _drafts(connection: Connection, app: App, lang: str) -> list[Draft]:
    stored = city.announcements_of(connection)
    return [
        draft
        for item in news.drafts(app.clock())
        if item.key in stored
        and (draft := _draft(connection, app, item.key, stored[item.key], lang)) is not None
    ]


def _draft(connection: Connection, app: App, key: str, identity: str, lang: str) -> Draft | None:
    row = announcements.find(connection, identity)
    if row is None:
        return None
    fields = row.fields
    sent = overview(connection, identity, app.site) if row.state != "draft" else None
    translated = fields.translations.get("en") if lang == "en" else None
    return Draft(
        key=key,
        title=translated.title if translated else fields.title,
        level=fields.level,
        areas=", ".join(app.tree[area].label for area in fields.areas),
        topic=next(
            topic.label(lang) for topic in app.settings.topics if topic.slug == fields.category
        ),
        sent=sent,
    )


def _newest(connection: Connection, app: App, lang: str) -> Draft | None:
    """Find the last announcement sent, from this page or elsewhere."""
    identity = ledger.last_sent(connection)
    return _draft(connection, app, "", identity, lang) if identity else None


def _tiles(app: App, counts: Mapping[str, int]) -> list[MapTile]:
    groups = {
        code: number
        for number, group in enumerate(app.tree.kecamatan)
        for code in (area.code for area in app.tree.children(group))
    }
    tiles = [
        MapTile(
            area=area,
            column=area.tile[0],
            row=area.tile[1],
            group=groups[area.code],
            count=counts.get(area.code, 0),
        )
        for area in app.tree.kelurahan
        if area.tile is not None
    ]
    return sorted(tiles, key=lambda tile: (tile.row, tile.column))


def _elsewhere(app: App, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Count messages to subscribers of the whole city or a kecamatan, which have no tile."""
    tiled = {area.code for area in app.tree.kelurahan if area.tile is not None}
    return [
        (app.tree[code].label, count)
        for code, count in sorted(counts.items())
        if code in app.tree and code not in tiled
    ]


# --- the providers' process ---------------------------------------------------------------------


async def _get(app: App, path: str) -> Any:
    """Get a path as JSON; None if the process is down or has no such path."""
    try:
        async with _session() as session, session.get(app.settings.simulation_url + path) as answer:
            return msgspec.json.decode(await answer.read()) if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


async def _post(app: App, path: str, body: Mapping[str, Any]) -> None:
    try:
        async with (
            _session() as session,
            session.post(app.settings.simulation_url + path, json=body) as answer,
        ):
            if answer.status >= 400:
                raise HTTPException(400)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise HTTPException(503) from error


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
