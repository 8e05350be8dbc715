"""Progress of a sending as its page shows it: counts, percentages, pace, keys of words. Pure.

`broadcaster.delivery.status` reads the figures. A percentage is rounded down and reaches 100 only
when nothing is open. "Sampai" counts only where the channel gives proof of arrival.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from broadcaster.delivery.channel_view import ChannelView
from broadcaster.delivery.status import Overview
from broadcaster.domain.provider_codes import explanations
from broadcaster.domain.waiting import ChannelWait
from broadcaster.store.failure_causes import Causes
from broadcaster.store.ledger import Progress
from broadcaster.web.staff.pace import Observation, Pace, pace
from channels.base.contract import PushChannel
from subscribers.areas import Area, AreaTree

Heap = Literal[
    "waiting", "sent", "arrived", "failed", "unconfirmed", "skipped", "cancelled", "expired"
]
HEAPS: Mapping[Heap, tuple[str, ...]] = {
    "waiting": ("pending", "sending"),
    "sent": ("sent",),
    "arrived": ("delivered", "read"),
    "failed": ("failed",),
    "unconfirmed": ("unconfirmed",),
    "skipped": ("skipped",),
    "cancelled": ("cancelled",),
    "expired": ("expired",),
}
"""Ledger states grouped as people read them; each state is in exactly one heap."""
ALWAYS: tuple[Heap, ...] = ("waiting", "sent", "arrived", "failed", "skipped")
"""Heaps that are shown even when empty."""
RETRYABLE = ("failed", "unconfirmed")
"""States that "try again" reopens for another attempt."""
ENDED = ("done", "stopped", "superseded", "none")
"""States of a sending, or of one channel's run, in which nothing more is sent.

"none": the announcement uses no channel that sends.
"""


def percentage(part: int, whole: int) -> int:
    """Return `part` as a percentage of `whole`, rounded down; 0 if `whole` is 0."""
    return part * 100 // whole if whole > 0 else 0


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Number of rows in each heap."""

    heaps: Mapping[Heap, int]

    @property
    def total(self) -> int:
        """Number of all rows."""
        return sum(self.heaps.values())

    @property
    def processed(self) -> int:
        """Number of rows that are neither waiting nor being sent."""
        return self.total - self.heaps["waiting"]

    @property
    def percent(self) -> int:
        """Percentage that is processed, rounded down."""
        return percentage(self.processed, self.total)


def tally(counts: Mapping[str, int]) -> Tally:
    """Group counts by ledger state into heaps."""
    return Tally(
        heaps={
            heap: sum(counts.get(state, 0) for state in states) for heap, states in HEAPS.items()
        }
    )


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Progress bar of a sending."""

    tally: Tally
    percent: int

    @property
    def sectors(self) -> Sequence[tuple[Heap, float, float]]:
        """Heaps that are not empty, each with its start and its width in per cent."""
        order: tuple[Heap, ...] = (
            "arrived",
            "sent",
            "skipped",
            "unconfirmed",
            "failed",
            "cancelled",
            "expired",
        )
        sectors, start = [], 0.0
        for heap in order:
            width = self.tally.heaps[heap] * 100 / self.tally.total if self.tally.total else 0.0
            if width:
                sectors.append((heap, round(start, 3), round(width, 3)))
            start += width
        return sectors


def bar(progress: Progress) -> Bar:
    """Return the progress bar of the whole sending."""
    rows = tally(_sum(progress.deliveries.values()))
    return Bar(
        tally=rows, percent=_percent(rows, over=progress.sending in ENDED or not progress.states)
    )


@dataclass(frozen=True, kw_only=True)
class ChannelLine:
    """Progress of one channel.

    `word`: a key below "staff.send.channel."; `at`: the time it speaks of (epoch seconds, 0: none).
    `arrived`: in per cent, None for a channel without proof of arrival.
    """

    name: str
    label: str
    tally: Tally
    percent: int
    arrived: int | None
    word: str
    at: float
    why: str
    held: int


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Rows of one channel that failed, or wait for another try, for one reason.

    `codes`: provider codes with their counts, most frequent first. `next_try`: epoch seconds, 0 for
    rows that are not tried again.
    """

    channel: str
    state: str
    reason: str
    count: int
    codes: Sequence[tuple[str, int]]
    next_try: float = 0.0

    @property
    def explanations(self) -> list[str]:
        """Meanings of the codes, as keys below "staff.send.code."."""
        return explanations(code for code, _count in self.codes)


@dataclass(frozen=True, kw_only=True)
class ProgressTile:
    """Kelurahan on the grid; without rows it was not addressed.

    `word` is a key below "staff.send.tile.".
    """

    area: Area
    column: int
    row: int
    tally: Tally
    word: str


@dataclass(frozen=True, kw_only=True)
class SendingView(Bar):
    """Contents of the page.

    `can`: acts now possible, as addresses name them. `elsewhere`: labels and counts of areas
    without a tile. `doubles`: messages that may have been sent twice.
    """

    sending: str
    people: int | None
    pace: Pace | None
    heaps: Sequence[Heap]
    channels: Sequence[ChannelLine]
    failing: Sequence[FailureGroup]
    causes_complete: bool
    holds: Sequence[ChannelWait]
    doubles: int
    tiles: Sequence[ProgressTile]
    elsewhere: Sequence[tuple[str, Tally]]
    can: Sequence[str]

    @property
    def over(self) -> bool:
        """True if nothing but late receipts can change it."""
        return self.sending in ENDED and not self.tally.heaps["waiting"]


def build_view(
    status: Overview,
    areas: Mapping[str, Mapping[str, int]],
    observations: Sequence[Observation],
    *,
    tree: AreaTree,
    push: Mapping[str, PushChannel],
) -> SendingView:
    """Build the page from the ledger's figures and the recent observations."""
    progress = status.progress
    progress_bar = bar(progress)
    whole = progress_bar.tally
    sending = progress.sending if progress.states else "none"
    return SendingView(
        sending=sending,
        people=progress.people,
        tally=whole,
        percent=progress_bar.percent,
        pace=pace(observations, whole.heaps["waiting"]) if sending == "running" else None,
        heaps=[heap for heap in HEAPS if heap in ALWAYS or whole.heaps[heap]],
        channels=[
            _channel(name, counts, status.channels[name], push.get(name))
            for name, counts in progress.deliveries.items()
        ],
        failing=group_failures(status.causes),
        causes_complete=status.causes.complete,
        holds=status.holds,
        doubles=progress.possible_duplicates,
        tiles=_tiles(tree, areas, progress.sending),
        elsewhere=_elsewhere(tree, areas),
        can=possible_acts(progress),
    )


def possible_acts(progress: Progress) -> list[str]:
    """List the acts that are possible now, as addresses name them."""
    offered = {
        "preparing": ["jeda", "hentikan"],
        "running": ["jeda", "hentikan"],
        "paused": ["lanjut", "hentikan"],
    }
    possible = list(offered.get(progress.sending, ())) if progress.states else []
    unreached = sum(counts[state] for counts in progress.deliveries.values() for state in RETRYABLE)
    return [
        *possible,
        *(["coba-lagi"] if unreached and progress.sending not in ("paused", "stopped") else []),
    ]


def group_failures(causes: Causes) -> list[FailureGroup]:
    """Group causes by channel and reason: rows to be tried again first, then the most frequent."""
    waiting: dict[tuple[str, str], Counter[str]] = {}
    first: dict[tuple[str, str], float] = {}
    for wait in causes.waiting:
        key = (wait.channel, wait.reason)
        waiting.setdefault(key, Counter())[wait.provider_code] += wait.count
        first[key] = min(wait.next_try, first.get(key, wait.next_try))
    closed: dict[tuple[str, str, str], Counter[str]] = {}
    for cause in causes.failures:
        closed.setdefault((cause.channel, cause.state, cause.reason), Counter())[
            cause.provider_code
        ] += cause.count
    retrying = [
        FailureGroup(
            channel=channel,
            state="pending",
            reason=reason,
            count=codes.total(),
            codes=_codes(codes),
            next_try=first[channel, reason],
        )
        for (channel, reason), codes in waiting.items()
    ]
    done = [
        FailureGroup(
            channel=channel, state=state, reason=reason, count=codes.total(), codes=_codes(codes)
        )
        for (channel, state, reason), codes in closed.items()
    ]
    return retrying + sorted(done, key=lambda group: (-group.count, group.channel, group.reason))


def _codes(codes: Counter[str]) -> list[tuple[str, int]]:
    return [(code, count) for code, count in codes.most_common() if code]


def _percent(rows: Tally, *, over: bool) -> int:
    """Return the percentage processed; at most 99 until `over`, as rows may still be added."""
    return (rows.percent if rows.total else 100) if over else min(99, rows.percent)


def _sum(parts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    whole: Counter[str] = Counter()
    for counts in parts:
        whole.update(counts)
    return whole


def _channel(
    name: str, counts: Mapping[str, int], channel_view: ChannelView, channel: PushChannel | None
) -> ChannelLine:
    rows = tally(counts)
    proves = rows.heaps["arrived"] > 0 or (channel is not None and channel.receipt_wait > 0)
    word, at = _word(channel_view)
    return ChannelLine(
        name=name,
        label=channel.label if channel is not None else name,
        tally=rows,
        percent=_percent(rows, over=channel_view.sending in ENDED),
        arrived=percentage(rows.heaps["arrived"], rows.total) if proves else None,
        word=word,
        at=at,
        why=channel_view.why,
        held=channel_view.held,
    )


def _word(channel_view: ChannelView) -> tuple[str, float]:
    """Choose the word for a channel, and its time.

    A state set by a person or by the end of the run comes before the provider's.
    """
    if channel_view.sending not in ("preparing", "running"):
        return channel_view.sending, 0.0
    if channel_view.state.halted:
        return ("probing" if channel_view.state.halted == "probe" else "halted"), 0.0
    if channel_view.state.paused_until:
        return "limited", channel_view.state.paused_until
    return channel_view.sending, 0.0


def _tiles(
    tree: AreaTree, areas: Mapping[str, Mapping[str, int]], sending: str
) -> list[ProgressTile]:
    tiles = []
    for area in tree.kelurahan:
        if area.tile is not None:
            rows = tally(areas.get(area.code, {}))
            tiles.append(
                ProgressTile(
                    area=area,
                    column=area.tile[0],
                    row=area.tile[1],
                    tally=rows,
                    word=_tile_word(rows, sending),
                )
            )
    return sorted(tiles, key=lambda tile: (tile.row, tile.column))


def _tile_word(rows: Tally, sending: str) -> str:
    if not rows.total:
        return "none"
    if rows.heaps["waiting"]:
        return "paused" if sending == "paused" else "going"
    if rows.heaps["cancelled"]:
        return "stopped"
    return "failing" if rows.heaps["failed"] or rows.heaps["unconfirmed"] else "done"


def _elsewhere(tree: AreaTree, areas: Mapping[str, Mapping[str, int]]) -> list[tuple[str, Tally]]:
    """Count the areas without a tile: the city, whole kecamatan, kelurahan off the grid."""
    tiled = {area.code for area in tree.kelurahan if area.tile is not None}
    return [
        (_label(tree, code), tally(counts))
        for code, counts in sorted(areas.items())
        if code not in tiled
    ]


def _label(tree: AreaTree, code: str) -> str:
    area = tree.get(code)
    return area.label if area is not None else code
