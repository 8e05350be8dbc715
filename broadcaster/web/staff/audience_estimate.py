"""Estimate of an audience: people, addresses by channel, screens, and people left out by reason."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster.app import App
from broadcaster.store import announcement_lists
from broadcaster.web.base.authorization import app_of
from channels.base.contract import Edition
from subscribers import audience
from subscribers.audience import Audience

CACHE_SECONDS = 30.0
"""Lifetime of a cached count: the audience changes slowly, and each keystroke asks for it."""
CACHE_SIZE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """An estimate, with channels named by label.

    - `people` are reached at one address per open channel; `recipients` counts those addresses.
    - `closed` and `unchosen` count further people whom only a channel that is closed, or not
      chosen, would reach.
    - `left_out` counts subscribers whom no channel reaches, by reason.
    - `screens` counts the kelurahan whose screens show it.
    - `minutes` is the time until the last message at the providers' rates.
    """

    people: int
    recipients: Mapping[str, int]
    closed: Mapping[str, int]
    unchosen: Mapping[str, int]
    screens: int
    left_out: Mapping[str, int]
    minutes: int

    @property
    def addresses(self) -> int:
        """Total number of messages."""
        return sum(self.recipients.values())

    @property
    def without(self) -> int:
        """Number of subscribers in these areas who get nothing."""
        return sum((*self.left_out.values(), *self.closed.values(), *self.unchosen.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class AudienceCount:
    """A cached count: addresses by channel, people reached, and people not reached.

    `further` counts people whom only another channel would reach, `left_out` the rest by reason.
    """

    addresses: Mapping[str, int]
    people: int
    further: Mapping[str, int]
    left_out: Mapping[str, int]


@dataclass(kw_only=True)
class Estimates:
    """Cache of recent counts, one per web process."""

    known: dict[tuple[frozenset[str], str, bool, frozenset[str]], tuple[float, AudienceCount]] = (
        field(default_factory=dict)
    )


async def of(request: Request, edition: Edition, chosen: tuple[str, ...] = ()) -> Reach:
    """Estimate the reach of an edition on the channels in `chosen`; empty means every open one."""
    app = app_of(request)
    areas = app.tree.concerned(area.code for area in edition.areas)
    channels = [name for name in app.open_push if not chosen or name in chosen]
    counted = await _counted(request.app.state.estimates, app, areas, edition, channels)
    rates = [(counted.addresses.get(name, 0), app.push[name].rate) for name in channels]
    return Reach(
        people=counted.people,
        recipients={app.push[name].label: counted.addresses.get(name, 0) for name in channels},
        closed={
            app.push[name].label: number
            for name, number in counted.further.items()
            if name not in app.open_push
        },
        unchosen={
            app.push[name].label: number
            for name, number in counted.further.items()
            if name in app.open_push
        },
        screens=sum(area.code in areas for area in app.tree.kelurahan),
        left_out=counted.left_out,
        minutes=math.ceil(max((number / rate / 60 for number, rate in rates if rate), default=0)),
    )


async def agencies(app: App) -> list[str]:
    """List the city and every agency that has written before."""
    return list(
        dict.fromkeys([app.site.city, *await app.database.read(announcement_lists.agencies)])
    )


async def _counted(
    estimates: Estimates,
    app: App,
    areas: frozenset[str],
    edition: Edition,
    channels: Collection[str],
) -> AudienceCount:
    key = (areas, edition.topic.slug, edition.emergency, frozenset(channels))
    now = app.clock().timestamp()
    at, counted = estimates.known.get(key, (0.0, None))
    if counted is None or not at <= now < at + CACHE_SECONDS:
        criteria = Audience(
            areas=areas, topic=edition.topic.slug, emergency=edition.emergency, confirmed_before=now
        )
        counted = await app.database.read(
            _count, criteria, channels, [name for name in app.push if name not in channels]
        )
        if len(estimates.known) >= CACHE_SIZE:
            estimates.known.clear()
        estimates.known[key] = (now, counted)
    return counted


def _count(
    connection: Connection, criteria: Audience, channels: Collection[str], others: Collection[str]
) -> AudienceCount:
    addresses = audience.count(connection, criteria)
    people = audience.people(connection, criteria, channels)
    further = {
        name: audience.people(connection, criteria, [*channels, name]) - people
        for name in others
        if addresses.get(name)
    }
    return AudienceCount(
        addresses=addresses,
        people=people,
        further={name: number for name, number in further.items() if number},
        left_out=audience.left_out(connection, criteria, [*channels, *others]),
    )
