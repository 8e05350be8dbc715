"""Whom an announcement would reach: recipients by channel and kelurahan with a screen, for the composer and the approver."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from broadcaster.app import App
from broadcaster.store import listing
from channels.base.contract import Edition
from subscribers import audience
from subscribers.audience import Audience

SECONDS = 10.0
"""How long an estimate is believed: people come and go slowly, and it is asked for at every key."""
KEPT = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """An estimate: recipients of each open channel (by label), kelurahan whose screens show it."""

    recipients: Mapping[str, int]
    closed: tuple[str, ...]
    screens: int

    @property
    def people(self) -> int:
        """Messages in all."""
        return sum(self.recipients.values())


@dataclass(kw_only=True)
class _Estimates:
    known: dict[tuple[frozenset[str], str, bool], tuple[float, Mapping[str, int]]] = field(default_factory=dict)


_estimates = _Estimates()


async def of(app: App, edition: Edition, chosen: tuple[str, ...] = ()) -> Reach:
    """The reach of an edition by the channels chosen (none: all that are open)."""
    areas = app.tree.concerned(area.code for area in edition.areas)
    counted = await _counted(app, areas, edition)
    going = [name for name in app.open_push if not chosen or name in chosen]
    return Reach(
        recipients={app.push[name].label: counted.get(name, 0) for name in going},
        closed=tuple(channel.label for name, channel in app.push.items() if name not in app.open_push),
        screens=sum(area.code in areas for area in app.tree.kelurahan),
    )


async def agencies(app: App) -> list[str]:
    """Agencies that have written before, and the city itself."""
    return list(dict.fromkeys([app.site.city, *await app.database.read(listing.agencies)]))


async def _counted(app: App, areas: frozenset[str], edition: Edition) -> Mapping[str, int]:
    key, now = (areas, edition.topic.slug, edition.emergency), app.clock().timestamp()
    at, counted = _estimates.known.get(key, (0.0, {}))
    if not at <= now < at + SECONDS:
        who = Audience(areas=areas, topic=edition.topic.slug, emergency=edition.emergency, confirmed_before=now)
        counted = await app.database.read(audience.count, who)
        if len(_estimates.known) >= KEPT:
            _estimates.known.clear()
        _estimates.known[key] = (now, counted)
    return counted
