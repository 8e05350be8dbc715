"""Progress of a sending, and the controls over it: pause, resume, cancel."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    func,
    select,
    union_all,
    update,
)

from broadcaster.domain.codes import normalise_code
from broadcaster.domain.deliveries import (
    CANCELLED,
    EXPIRED,
    FAILED,
    PENDING,
    SENDING,
    SKIPPED,
    STATES,
    UNCONFIRMED,
)
from broadcaster.store import people
from broadcaster.store.fanout import rows_without_slice, seal
from broadcaster.store.slices import finish_run
from broadcaster.store.tables import announcement, delivery, edition, folded, run, slice_

NOT_ARRIVED = (FAILED, SKIPPED, CANCELLED, EXPIRED, UNCONFIRMED)
"""States of a closed row that is not known to have arrived."""
Cause = tuple[str, str, str, str]
"""Channel, state, reason (a key of retry_policy.REASONS), provider's code."""

_RANK = ("preparing", "running", "paused", "stopped", "done")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Number of closed rows that did not arrive, or may not have, for the same cause; `reason` is a
    key of retry_policy.REASONS.
    """

    channel: str
    state: str
    reason: str
    provider_code: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of sending an announcement's newest edition."""

    sending: str
    possible_duplicates: int
    deliveries: Mapping[str, Mapping[str, int]]
    states: Mapping[str, str]
    why: Mapping[str, str]
    people: int | None = None
    """Different persons among the rows; None until they are counted."""
    urgent: bool = False
    """True if it uses the emergency lane, as a correction of an emergency does whatever its own
    level.
    """

    @property
    def total(self) -> int:
        """Number of delivery rows."""
        return sum(sum(counts.values()) for counts in self.deliveries.values())

    @property
    def open(self) -> int:
        """Rows that are pending or being sent."""
        return sum(counts["pending"] + counts["sending"] for counts in self.deliveries.values())

    @property
    def percent(self) -> int:
        """Closed part in percent, rounded down; 100 only when the last chunk is sealed and nothing
        is open.
        """
        if self.sending == "done":
            return 100
        return min(99, (self.total - self.open) * 100 // self.total) if self.total else 0


def heading(connection: Connection, key: str) -> Row[Any] | None:
    """Return the id, code, state and level of the announcement with this id or code, which may be
    spelt as people write it; None if there is none.
    """
    columns: Sequence[Column[Any]] = (
        announcement.c.id,
        announcement.c.code,
        announcement.c.state,
        announcement.c.level,
    )
    statement = select(*columns)
    row = connection.execute(statement.where(announcement.c.id == key)).first()
    code = normalise_code(key) if row is None else None
    return connection.execute(statement.where(announcement.c.code == code)).first() if code else row


def last_sent(connection: Connection) -> str | None:
    """Return the id of the announcement sent last; None before the first."""
    last = (
        select(edition.c.announcement)
        .join(run, run.c.edition == edition.c.id)
        .order_by(run.c.published_at.desc(), edition.c.id.desc())
        .limit(1)
    )
    return connection.execute(last).scalar()


def newest_edition_id(connection: Connection, announcement: str) -> int | None:
    """Return the id of the announcement's newest edition; None before the first publication."""
    statement = select(edition.c.id).where(edition.c.announcement == announcement, edition.c.newest)
    return connection.execute(statement).scalar()


def lanes(connection: Connection, announcement: str) -> list[tuple[str, str]]:
    """List channel and lane of every run of the announcement's newest edition."""
    newest = select(run.c.channel, run.c.lane).where(
        run.c.edition == newest_edition_id(connection, announcement)
    )
    return [(row.channel, row.lane) for row in connection.execute(newest.order_by(run.c.channel))]


def progress(connection: Connection, announcement: str) -> Progress:
    """Count rows per channel and state of the announcement's newest edition; empty before the first
    publication.
    """
    newest = newest_edition_id(connection, announcement)
    runs = connection.execute(
        select(run).where(run.c.edition == newest).order_by(run.c.channel)
    ).all()
    sums = [func.coalesce(func.sum(slice_.c[f"n_{state}"]), 0).label(state) for state in STATES]
    counted = connection.execute(
        select(
            slice_.c.channel,
            func.coalesce(func.sum(slice_.c.possible_duplicates), 0).label("doubles"),
            *sums,
        )
        .where(slice_.c.edition == newest)
        .group_by(slice_.c.channel)
    ).all()
    deliveries = {row.channel: dict.fromkeys(STATES, 0) for row in runs}
    for row in counted:
        deliveries[row.channel] = {state: int(getattr(row, state)) for state in STATES}
    for row in runs:
        if not row.sealed:
            deliveries[row.channel]["pending"] += rows_without_slice(
                connection, row.edition, row.channel
            )
    return Progress(
        sending=_sending([row.state for row in runs]),
        possible_duplicates=sum(int(row.doubles) for row in counted),
        deliveries=deliveries,
        states={row.channel: row.state for row in runs},
        why={row.channel: row.stopped_by for row in runs if row.stopped_by},
        people=people.known(connection, newest),
        urgent=any(row.lane == "emergency" for row in runs),
    )


def _sending(states: list[str]) -> str:
    """Combine the channels' states into the least finished; without push channels the sending is
    done.
    """
    known = ["stopped" if state == "superseded" else state for state in states]
    return min(known, key=_RANK.index, default="done")


def unreadable(connection: Connection) -> Mapping[str, int]:
    """Count, by channel, rows waiting because their address cannot be decrypted (reads every row
    being sent).
    """
    waiting = (
        select(delivery.c.channel, func.count().label("n"))
        .join(run, (run.c.edition == delivery.c.edition) & (run.c.channel == delivery.c.channel))
        .where(
            run.c.finished_at.is_(None),
            delivery.c.state == PENDING,
            delivery.c.reason == "unreadable",
        )
    )
    return {row.channel: row.n for row in connection.execute(waiting.group_by(delivery.c.channel))}


def areas(connection: Connection, announcement: str) -> Mapping[str, Mapping[str, int]]:
    """Count rows per area and state (reads every row of the edition, 0.9 s for a million: not for
    polling).
    """
    newest = newest_edition_id(connection, announcement)
    rows = (
        select(delivery.c.area, delivery.c.state, func.count().label("n"))
        .where(delivery.c.edition == newest)
        .group_by(delivery.c.area, delivery.c.state)
    )
    # a single statement, so that a row folded meanwhile is counted once
    gone = select(folded.c.area, folded.c.state, folded.c.n).where(folded.c.edition == newest)
    result: dict[str, dict[str, int]] = {}
    for area, state, count in connection.execute(union_all(rows, gone)).all():
        result.setdefault(area, dict.fromkeys(STATES, 0))[STATES[state]] += count
    return result


def failures(connection: Connection, announcement: str) -> list[Failure]:
    """Count rows that did not arrive by cause, most first (reads every row: polling uses
    store/failure_causes.py).
    """
    newest = newest_edition_id(connection, announcement)
    cause = [delivery.c.channel, delivery.c.state, delivery.c.reason, delivery.c.provider_code]
    closed = (delivery.c.edition == newest, delivery.c.state.in_(NOT_ARRIVED))
    rows = select(*cause, func.count().label("n")).where(*closed).group_by(*cause)
    gone = select(
        folded.c.channel, folded.c.state, folded.c.reason, folded.c.provider_code, folded.c.n
    ).where(folded.c.edition == newest, folded.c.state.in_(NOT_ARRIVED))
    counts: Counter[Cause] = Counter()
    grouped: Sequence[Any] = connection.execute(union_all(rows, gone)).all()
    for channel, state, reason, code, count in grouped:
        counts[channel, STATES[state], reason or "", code or ""] += count
    return most_first(counts)


def most_first(counts: Mapping[Cause, int]) -> list[Failure]:
    """Sort the causes by count, largest first."""
    return [
        Failure(channel=channel, state=state, reason=reason, provider_code=code, count=count)
        for (channel, state, reason, code), count in sorted(
            counts.items(), key=lambda item: (-item[1], item[0])
        )
    ]


def pause(connection: Connection, announcement: str, why: str) -> bool:
    """Stop sending until resumed; the gate takes effect within a second. False if nothing was
    running.
    """
    newest = newest_edition_id(connection, announcement)
    going = (run.c.edition == newest, run.c.state.in_(("preparing", "running")))
    # the fan-out's lease ends, so that any worker may continue after a resume
    changed = connection.execute(
        update(run)
        .where(*going)
        .values(state="paused", stopped_by=why, owner=None, lease_until=None)
    )
    return bool(changed.rowcount)


def resume(connection: Connection, announcement: str) -> bool:
    """Continue a paused sending; False if nothing was paused."""
    newest = newest_edition_id(connection, announcement)
    paused = and_(run.c.edition == newest, run.c.state == "paused")
    filled = connection.execute(
        update(run).where(paused, run.c.sealed).values(state="running", stopped_by="")
    )
    unfilled = connection.execute(
        update(run).where(paused, ~run.c.sealed).values(state="preparing", stopped_by="")
    )
    if filled.rowcount and newest is not None:
        for channel in (
            connection.execute(select(run.c.channel).where(run.c.edition == newest)).scalars().all()
        ):
            finish_run(connection, newest, channel)
    return bool(filled.rowcount + unfilled.rowcount)


def cancel(connection: Connection, announcement: str, why: str = "") -> bool:
    """Stop sending and close open rows as cancelled; messages already sent cannot be recalled.
    False if all was closed.
    """
    return end_runs(
        connection, run.c.edition == newest_edition_id(connection, announcement), "stopped", why
    )


def end_runs(connection: Connection, which: ColumnElement[bool], state: str, why: str) -> bool:
    """Stop these runs (`state`: stopped or superseded); the gate closes their pending rows. False
    if all were over.
    """
    unfinished = (which, run.c.state.in_(("preparing", "running", "paused")))
    statement = (
        select(run.c.edition, run.c.channel, run.c.sealed)
        .where(*unfinished)
        .order_by(run.c.edition, run.c.channel)
    )
    ended = connection.execute(statement.with_for_update()).all()
    for row in ended:
        mine = and_(run.c.edition == row.edition, run.c.channel == row.channel)
        connection.execute(update(run).where(mine).values(state=state, stopped_by=why, owner=None))
        if not row.sealed:
            seal(connection, row.edition, row.channel)
        finish_run(connection, row.edition, row.channel)
    return bool(ended)


def recount(
    connection: Connection, edition_id: int, channel: str, number: int | None = None
) -> None:
    """Set the counters of all slices, or of slice `number`, from their rows; reopened unconfirmed
    rows become possible duplicates.
    """
    mine = [slice_.c.edition == edition_id, slice_.c.channel == channel]
    if number is not None:
        mine.append(slice_.c.number == number)
    spans = (
        select(slice_.c.number, slice_.c.after_slot, slice_.c.last_slot)
        .where(*mine)
        .order_by(slice_.c.number)
    )
    # locked, so that outcomes being recorded change the counters afterwards, not in between
    for span in connection.execute(spans.with_for_update()).all():
        rows = connection.execute(
            select(delivery.c.state, func.count().label("n"))
            .where(
                delivery.c.edition == edition_id,
                delivery.c.channel == channel,
                delivery.c.slot > span.after_slot,
                delivery.c.slot <= span.last_slot,
            )
            .group_by(delivery.c.state)
        ).all()
        counts = {row.state: row.n for row in rows}
        values: dict[str, object] = {
            f"n_{name}": counts.get(state, 0) for state, name in enumerate(STATES)
        }
        values["open"] = counts.get(PENDING, 0) + counts.get(SENDING, 0)
        left = counts.get(UNCONFIRMED, 0)
        again = case((slice_.c.n_unconfirmed > left, slice_.c.n_unconfirmed - left), else_=0)
        values["possible_duplicates"] = slice_.c.possible_duplicates + again
        connection.execute(
            update(slice_).where(*mine, slice_.c.number == span.number).values(**values, due_at=0)
        )
