"""Health checks and metrics for monitoring."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import get_args

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from broadcaster.app import SharedClock
from broadcaster.runtime.queue import LANES
from broadcaster.runtime.version import version
from broadcaster.store import inbox, metrics, migrate
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.refusals import RefusalKind

NOT_KEPT = {"Cache-Control": "no-store"}


async def alive(request: Request) -> Response:
    """Answer 200 while the process runs."""
    return PlainTextResponse("ok\n", headers=NOT_KEPT)


async def ready(request: Request) -> Response:
    """Answer 200 once the database answers and is migrated, else 503.

    Without Redis the process is still ready, only slower: it is reported as "degraded".
    """
    app = app_of(request)
    database = await _database(request)
    redis = "ok" if await app.queue.ping() else "degraded"
    content = {"ready": database == "ok", "database": database, "redis": redis}
    return Response(
        msgspec.json.encode(content),
        status_code=200 if database == "ok" else 503,
        media_type="application/json",
        headers=NOT_KEPT,
    )


async def _database(request: Request) -> str:
    """Return "ok", "unreachable" or "not migrated"; a passed migration check is not repeated."""
    app = app_of(request)
    try:
        await app.database.read(_touch)
        if isinstance(app.clock, SharedClock):
            await app.clock.follow(app.database)
        if not getattr(request.app.state, "migrated", False):
            missing = await asyncio.to_thread(migrate.pending, app.settings.database)
            request.app.state.migrated = not missing
    except SQLAlchemyError:
        return "unreachable"
    return "ok" if request.app.state.migrated else "not migrated"


def _touch(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


async def show_metrics(request: Request) -> Response:
    """Answer metrics in the Prometheus text format; none is about a person."""
    app = app_of(request)
    now = app.clock().timestamp()
    figures = await app.database.read(metrics.read, now, app.counts)
    waiting = {lane: await app.queue.waiting(lane) for lane in LANES}
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FigureCollector(figures, waiting, now))
    registry.register(_ProcessCollector(request.app))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST, headers=NOT_KEPT)


class _FigureCollector:
    """Collector of the metrics of one scrape."""

    def __init__(self, figures: metrics.Figures, waiting: Mapping[str, int], now: float) -> None:
        self.figures = figures
        self.waiting = waiting
        self.now = now

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its labels."""
        figures = self.figures
        counts: Mapping[tuple[str, ...], float] = {
            (channel, state): count for channel, state, count in figures.deliveries
        }
        yield _gauge("siaran_deliveries", "Deliveries in the ledger", counts, "channel", "state")
        yield _gauge(
            "siaran_possible_duplicates",
            "Messages that may have come twice",
            _by(figures.possible_duplicates),
            "channel",
        )
        yield _gauge(
            "siaran_lag_seconds",
            "Age of the oldest delivery that is due and unsent",
            _by(figures.lag),
            "lane",
        )
        yield _gauge("siaran_rings_waiting", "Doorbell jobs queued", _by(self.waiting), "lane")
        yield _gauge(
            "siaran_channel_halted",
            "1 while a channel's circuit breaker is open",
            _by(figures.halted),
            "channel",
        )
        yield _gauge(
            "siaran_channel_paused_seconds",
            "Seconds for which a provider asked us to wait",
            _by(figures.paused),
            "channel",
        )
        yield _gauge(
            "siaran_held_suppressions",
            "Suppressions held for an operator",
            _by(figures.held),
            "channel",
        )
        yield _gauge(
            "siaran_runs_paused",
            "Sendings that wait for a person",
            _by(figures.runs_paused),
            "channel",
        )
        yield from self._inbox()
        yield _gauge("siaran_build_info", "The version that runs", {(version(),): 1}, "version")

    def _inbox(self) -> Iterator[Metric]:
        """Yield metrics of unprocessed inbound events.

        Every kind is present even at 0, so that alerts always find a number.
        """
        counts, ages, delays = {}, {}, {}
        for kind in inbox.KINDS.values():
            backlog = self.figures.inbox.get(
                kind, inbox.Backlog(count=0, received_at=self.now, due_at=self.now)
            )
            counts[kind] = backlog.count
            ages[kind] = max(0.0, self.now - backlog.received_at)
            delays[kind] = max(0.0, self.now - backlog.due_at)
        yield _gauge(
            "siaran_inbox_waiting",
            "Events of providers and residents that wait to be applied",
            _by(counts),
            "kind",
        )
        yield _gauge(
            "siaran_inbox_oldest_seconds",
            "Age of the oldest event that waits to be applied",
            _by(ages),
            "kind",
        )
        yield _gauge(
            "siaran_inbox_late_seconds",
            "How long the most overdue event has been due",
            _by(delays),
            "kind",
        )


class _ProcessCollector:
    """Collector of connections, bodies and refusals of this process."""

    def __init__(self, web: Starlette) -> None:
        self.web = web

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its labels."""
        refused = CounterMetricFamily(
            "siaran_refused", "Requests, bodies and connections refused", labels=("kind",)
        )
        for kind in get_args(RefusalKind):
            refused.add_metric([kind], self.web.state.refusals.counts[kind])
        yield refused
        shares = {name: share.held for name, share in self.web.state.bodies.shares.items()}
        yield _gauge("siaran_body_bytes", "Bytes of bodies held", _by(shares), "share")
        admission = getattr(self.web.state, "admission", None)
        if admission is not None:
            yield _gauge(
                "siaran_connections",
                "Open connections by what they do",
                _by(admission.counts()),
                "state",
            )


def _by(values: Mapping[str, float]) -> Mapping[tuple[str, ...], float]:
    return {(name,): value for name, value in values.items()}


def _gauge(
    name: str, meaning: str, values: Mapping[tuple[str, ...], float], *labels: str
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
