"""Whom an announcement would reach: recipients by channel, kelurahan with a screen, who is left out and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster.app import App
from broadcaster.store import listing
from broadcaster.web.access import app_of
from channels.base.contract import Edition
from subscribers import audience
from subscribers.audience import Audience

SECONDS = 30.0
"""How long an estimate is believed: people come and go slowly, and it is asked for at every key."""
KEPT = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """An estimate: recipients of each open channel (by label), those who would have been by a closed one, kelurahan whose
    screens show it, subscribers left out by why, minutes until the last message at the providers' rates."""

    recipients: Mapping[str, int]
    closed: Mapping[str, int]
    screens: int
    left_out: Mapping[str, int]
    minutes: int

    @property
    def people(self) -> int:
        """Messages in all."""
        return sum(self.recipients.values())

    @property
    def skipped(self) -> int:
        """Subscribers of these areas who get nothing by an address of theirs."""
        return sum(self.left_out.values()) + sum(self.closed.values())


Counted = tuple[Mapping[str, int], Mapping[str, int]]


@dataclass(kw_only=True)
class Estimates:
    """What one web process counted lately."""

    known: dict[tuple[frozenset[str], str, bool], tuple[float, Counted]] = field(default_factory=dict)


async def of(request: Request, edition: Edition, chosen: tuple[str, ...] = ()) -> Reach:
    """The reach of an edition by the channels chosen (none: all that are open)."""
    app = app_of(request)
    areas = app.tree.concerned(area.code for area in edition.areas)
    counted, left_out = await _counted(request.app.state.estimates, app, areas, edition)
    going = [name for name in app.open_push if not chosen or name in chosen]
    rates = [(counted.get(name, 0), app.push[name].rate) for name in going]
    return Reach(
        recipients={app.push[name].label: counted.get(name, 0) for name in going},
        closed={one.label: counted[name] for name, one in app.push.items() if name not in app.open_push and counted.get(name)},
        screens=sum(area.code in areas for area in app.tree.kelurahan),
        left_out=left_out,
        minutes=math.ceil(max((number / rate / 60 for number, rate in rates if rate), default=0)),
    )


async def agencies(app: App) -> list[str]:
    """Agencies that have written before, and the city itself."""
    return list(dict.fromkeys([app.site.city, *await app.database.read(listing.agencies)]))


async def _counted(estimates: Estimates, app: App, areas: frozenset[str], edition: Edition) -> Counted:
    key, now = (areas, edition.topic.slug, edition.emergency), app.clock().timestamp()
    at, counted = estimates.known.get(key, (0.0, ({}, {})))
    if not at <= now < at + SECONDS:
        who = Audience(areas=areas, topic=edition.topic.slug, emergency=edition.emergency, confirmed_before=now)

        def count(connection: Connection) -> Counted:
            return audience.count(connection, who), audience.left_out(connection, who)

        counted = await app.database.read(count)
        if len(estimates.known) >= KEPT:
            estimates.known.clear()
        estimates.known[key] = (now, counted)
    return counted
