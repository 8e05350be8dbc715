"""The channels page: state and recent figures of each channel, and the actions on it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.delivery import channel_controls
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.runtime.inbox_alarm import find_overdue
from broadcaster.store.channel_figures import MINUTES, ChannelFigures, channel_figures
from broadcaster.store.tier import ceiling
from broadcaster.web.base.authorization import account_of, actor_of, app_of
from broadcaster.web.staff import frame

ADDRESS = "/redaksi/kanal"
CONFIRMATIONS = ("dibuka", "diterapkan", "dibuang")


@dataclass(frozen=True, kw_only=True)
class ChannelCard:
    """A channel on the page.

    `word` is a key below "staff.send.channel.state."; `rate` is in messages a second, `tier` in
    people a day.
    """

    name: str
    label: str
    word: str
    rate: float
    tier: int
    figures: ChannelFigures

    @property
    def routine(self) -> int:
        """People a day whom routine news may reach; the rest is reserved for emergencies."""
        return ceiling(self.tier, emergency=False)


async def show(request: Request) -> Response:
    """Show the page."""
    return await _page(request)


async def resume(request: Request) -> Response:
    """Resume a halted channel once the cause is fixed."""
    channel = _named(request)
    act = partial(
        channel_controls.resume_channel, app_of(request), channel, actor=actor_of(request)
    )
    return await _acted(request, act, "dibuka")


async def decide(request: Request) -> Response:
    """Apply or discard held suppressions."""
    channel, sent = _named(request), await request.form()
    if sent.get("putusan") not in ("terapkan", "buang"):
        raise HTTPException(400)
    apply = sent.get("putusan") == "terapkan"
    act = partial(
        channel_controls.decide_held,
        app_of(request),
        channel,
        apply=apply,
        actor=actor_of(request),
    )
    return await _acted(request, act, "diterapkan" if apply else "dibuang")


def word_of(figures: ChannelFigures, *, is_open: bool) -> str:
    """Return the channel's state as a catalogue key; the most severe one wins."""
    if not is_open:
        return "closed"
    if figures.state.halted:
        return "probing" if figures.state.halted == "probe" else "halted"
    if figures.paused:
        return "limited"
    if figures.unreachable:
        return "unreachable"
    return "slowed" if figures.slowed else "open"


def cards(connection: Connection, app: App) -> list[ChannelCard]:
    """List a card for each installed push channel."""
    listed = []
    for name, channel in app.push.items():
        is_open = app.loaded.is_open(name)
        figures = channel_figures(
            connection, app.vault, name, rate=channel.rate, limited=channel.tier > 0
        )
        word = word_of(figures, is_open=is_open)
        listed.append(
            ChannelCard(
                name=name,
                label=channel.label,
                word=word,
                rate=channel.rate,
                tier=channel.tier,
                figures=figures,
            )
        )
    return listed


async def _page(request: Request, *, problem: str = "", status: int = 200) -> Response:
    app, account = app_of(request), account_of(request)
    confirmation = request.query_params.get("selesai", "")
    return frame.page(
        request,
        "channels.html",
        status=status,
        problem=problem,
        cards=await app.database.read(cards, app),
        late=await app.database.read(find_overdue, app.clock().timestamp()),
        pulled=[channel.label for channel in app.pull.values()],
        minutes=MINUTES,
        may_steer=account.may("steer") and account.everywhere,
        said=confirmation if confirmation in CONFIRMATIONS else "",
    )


async def _acted(request: Request, act: Callable[[], Awaitable[Any]], done: str) -> Response:
    try:
        channel_controls.require_channels(frame.desk_of(request))
        await act()
    except NotAllowed as error:
        return await _page(request, problem=frame.sentence(request, error), status=409)
    return RedirectResponse(f"{ADDRESS}?selesai={done}", 303)


def _named(request: Request) -> str:
    name = str(request.path_params["name"])
    if name not in app_of(request).push:
        raise HTTPException(404)
    return name
