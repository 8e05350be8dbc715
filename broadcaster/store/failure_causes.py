"""Causes of failed and waiting rows, cheap enough to be polled each second even with a million
rows.

Rows are read by slice, and again only where the slice's counters, claims or due time indicate a
change. A call reads SLICES_READ slices at most; what it could not read is reported as it was,
and the result is marked incomplete.
"""

import math
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, or_, select, text

from broadcaster.domain.deliveries import PENDING, STATES
from broadcaster.store.ledger import NOT_ARRIVED, Cause, Failure, most_first, newest_edition_id
from broadcaster.store.tables import folded, run, slice_

SLICES_READ = 100
"""Slices (of some 1,000 rows) that a call reads: about 40 ms."""
GOOD_FOR = 60.0
"""Seconds after which a slice is read again although nothing seems to have changed."""
UNREACHABLE = re.compile(r"unreachable|disconnected|timeout|slow|\w*(Error|TimedOut|Timeout)")
"""Codes by which channels report that nobody answered: their own, and names of connection errors.
"""
TROUBLE = re.compile(r"(HTTP )?50[0-4]")
"""Codes of a provider that is out of order."""
EDITIONS = 16
"""Editions that a process caches."""


@dataclass(frozen=True, kw_only=True)
class WaitingCause:
    """Rows that wait for a later try, by the provider's code; `next_try` is the earliest, epoch
    seconds.

    `reason`, a key of retry_policy.REASONS or WAITS, is set unless the provider asked for the wait.
    """

    channel: str
    reason: str = ""
    provider_code: str
    count: int
    next_try: float


@dataclass(frozen=True, kw_only=True)
class Causes:
    """Causes of failed and waiting rows; `complete` if every slice was read since its change."""

    failures: Sequence[Failure] = ()
    waiting: Sequence[WaitingCause] = ()
    complete: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _SliceCauses:
    """Causes within a slice: closed rows by cause; waiting ones as (reason, provider's code, count,
    first and last due time).
    """

    mark: tuple[Any, ...]
    at: float
    closed: Mapping[Cause, int]
    waits: Sequence[tuple[str, str, int, float, float]]


@dataclass
class Watcher:
    """A process's cache of causes; thread-safe."""

    limit: float = SLICES_READ
    good_for: float = GOOD_FOR
    clock: Callable[[], float] = time.monotonic
    _seen: OrderedDict[int, dict[tuple[str, int], _SliceCauses]] = field(
        default_factory=OrderedDict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def causes(self, connection: Connection, announcement: str, wall: float) -> Causes:
        """Return the causes of the announcement's newest edition at `wall` (epoch seconds)."""
        newest = newest_edition_id(connection, announcement)
        if newest is None:
            return Causes()
        with self._lock:
            complete = self._refresh(connection, newest)
            return _causes(self._seen[newest], _folded(connection, newest), wall, complete=complete)

    def _refresh(self, connection: Connection, edition: int) -> bool:
        """Read changed slices up to the limit; True if that was all of them."""
        seen = self._seen.setdefault(edition, {})
        self._seen.move_to_end(edition)
        while len(self._seen) > EDITIONS:
            self._seen.popitem(last=False)
        now, places = (
            self.clock(),
            {
                (row.channel, row.number): row
                for row in connection.execute(_slices_to_watch(edition))
            },
        )
        for gone in seen.keys() - places.keys():
            del seen[gone]
        changed = [
            place
            for place, row in places.items()
            if place not in seen or seen[place].mark != tuple(row)
        ]
        old = sorted(
            (seen[place].at, place) for place in seen if now - seen[place].at > self.good_for
        )
        to_read = list(dict.fromkeys([*changed, *(place for _at, place in old)]))
        for place in to_read if math.isinf(self.limit) else to_read[: int(self.limit)]:
            seen[place] = _read_slice(connection, edition, places[place], now)
        return len(changed) <= self.limit


def _slices_to_watch(edition: int) -> Any:
    """Select slices with rows that failed or may wait; before a slice's first claim all its rows
    are merely due.
    """
    counters = [slice_.c[f"n_{STATES[state]}"] for state in (PENDING, *NOT_ARRIVED)]
    closed = sum(counters[2:], counters[1])
    return (
        select(
            slice_.c.channel,
            slice_.c.number,
            slice_.c.last_slot,
            slice_.c.epoch,
            slice_.c.due_at,
            *counters,
            case(
                (run.c.folded_to > slice_.c.after_slot, run.c.folded_to), else_=slice_.c.after_slot
            ).label("after"),
        )
        .join(run, and_(run.c.edition == slice_.c.edition, run.c.channel == slice_.c.channel))
        .where(slice_.c.edition == edition, slice_.c.last_slot > run.c.folded_to)
        .where(or_(closed > 0, and_(slice_.c.n_pending > 0, slice_.c.epoch > 0)))
        .order_by(slice_.c.channel, slice_.c.number)
    )


_ROWS = text(
    f"""
SELECT state, reason, provider_code, count(*) AS n, min(due_at) AS first, max(due_at) AS last
FROM delivery
WHERE edition = :edition AND channel = :channel AND slot > :after AND slot <= :last
  AND (state = {PENDING} AND due_at > 0 OR state IN ({", ".join(map(str, NOT_ARRIVED))}))
GROUP BY state, reason, provider_code, CAST(due_at AS bigint)
"""
)


def _read_slice(connection: Connection, edition: int, place: Row[Any], now: float) -> _SliceCauses:
    """Group a slice's rows; waiting ones by the second of their next try."""
    span = {
        "edition": edition,
        "channel": place.channel,
        "after": place.after,
        "last": place.last_slot,
    }
    closed: Counter[Cause] = Counter()
    later = []
    for state, reason, code, count, first, last in connection.execute(_ROWS, span):
        if state == PENDING:
            later.append((reason or "", code or "", count, first, last))
        else:
            closed[place.channel, STATES[state], reason or "", code or ""] += count
    return _SliceCauses(mark=tuple(place), at=now, closed=closed, waits=later)


def _folded(connection: Connection, edition: int) -> Counter[Cause]:
    rows = select(
        folded.c.channel,
        folded.c.state,
        folded.c.reason,
        folded.c.provider_code,
        func.sum(folded.c.n).label("n"),
    )
    cause = (folded.c.channel, folded.c.state, folded.c.reason, folded.c.provider_code)
    mine = rows.where(folded.c.edition == edition, folded.c.state.in_(NOT_ARRIVED)).group_by(*cause)
    return Counter(
        {
            (row.channel, STATES[row.state], row.reason, row.provider_code): int(row.n)
            for row in connection.execute(mine)
        }
    )


def _causes(
    seen: Mapping[tuple[str, int], _SliceCauses],
    closed: Counter[Cause],
    wall: float,
    *,
    complete: bool,
) -> Causes:
    waits: dict[tuple[str, str, str], tuple[int, float]] = {}
    for (channel, _number), part in seen.items():
        closed.update(part.closed)
        for reason, code, count, first, last in part.waits:
            if last > wall:
                place = (channel, reason or reason_of(code), code)
                before, earliest = waits.get(place, (0, math.inf))
                waits[place] = (before + count, min(earliest, first))
    waiting = [
        WaitingCause(
            channel=channel, reason=reason, provider_code=code, count=count, next_try=due_at
        )
        for (channel, reason, code), (count, due_at) in sorted(
            waits.items(), key=lambda item: item[1][1]
        )
    ]
    return Causes(failures=most_first(closed), waiting=waiting, complete=complete)


def reason_of(code: str) -> str:
    """Return why rows with this code wait, a key of retry_policy.WAITS; "" if the provider asked
    for it.
    """
    if code == "tier":
        return code
    return (
        "unreachable"
        if UNREACHABLE.fullmatch(code)
        else "trouble"
        if TROUBLE.fullmatch(code)
        else ""
    )
