"""Program whose channel is a fake, its ledger filled and drained and its leases forgotten, for
tests of delivery.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from sqlalchemy import Table, select, update

from broadcaster.app import App
from broadcaster.delivery.drain import Deliverer
from broadcaster.domain.deliveries import STATES
from broadcaster.store import fanout, retries, slices
from broadcaster.store.channel_tables import channel_state
from broadcaster.store.leases import Holder, new_owner
from broadcaster.store.tables import delivery, run, slice_
from channels.base.contract import PushChannel

HOLDER = Holder(owner="filler", lease=30)


def with_channels(app: App, *channels: PushChannel) -> App:
    """Return the program with these channels in place of its own."""
    return replace(app, push={**app.push, **{channel.name: channel for channel in channels}})


async def drain_until_quiet(
    engine: Deliverer, channel: str = "email", lane: str = "routine"
) -> None:
    """Drain until nothing is due."""
    while await engine.drain(channel, lane, seconds=5):
        pass


async def drain_all(app: App, channel: str = "email", lane: str = "routine") -> None:
    """Drain as often as the sweeper would ring; raises AssertionError if the work has no end."""
    for _ring in range(20):
        if (channel, lane) not in app.database.read_now(slices.busy_lanes):
            return
        await Deliverer(app=app, holder=Holder(owner=new_owner(), lease=30)).drain(
            channel, lane, seconds=5
        )
    raise AssertionError("the work has no end")


def fill(app: App, channel: str = "email", lane: str = "routine") -> int:
    """Fan out everything of a lane, to the seal; returns how many runs were filled."""
    filled = 0
    while (
        claim := app.database.write_now(
            fanout.claim_fanout, channel=channel, lane=lane, holder=HOLDER
        )
    ) is not None:
        while not app.database.write_now(fanout.fill_chunk, claim, HOLDER):
            pass
        filled += 1
    return filled


def forget_leases(app: App) -> None:
    """Let every lease expire (a killed process never gives its own back)."""
    app.database.write_now(
        lambda c: (
            c.execute(update(slice_).values(lease_until=0)),
            c.execute(update(run).values(lease_until=0)),
        )
    )


def everything_due(app: App) -> None:
    """Make every retry due."""
    app.database.write_now(
        lambda c: (
            c.execute(update(delivery).values(due_at=0)),
            c.execute(update(slice_).values(due_at=0)),
        )
    )


def retry_failed(app: App, announcement: str) -> tuple[int, dict[str, int]]:
    """Reopen what failed, as the API does; returns how many rows, and how many were left out by
    reason.
    """
    opened, left_out = 0, Counter[str]()
    for first in app.database.read_now(retries.parts, announcement):
        part: retries.Part | None = first
        while part is not None:
            done = app.database.write_now(retries.open_next, part)
            opened, part = opened + done.opened, done.rest
            left_out.update(done.left_out)
    return opened, dict(left_out)


def table(app: App, which: Table) -> list[Any]:
    """Return every row of a table, by its key."""
    query = select(which).order_by(*which.primary_key.columns)
    return list(app.database.read_now(lambda connection: connection.execute(query).all()))


def counters(app: App, channel: str = "email", edition: int | None = None) -> dict[str, int]:
    """Return the sums of the slices' counters by state; states without rows are left out."""
    slices = [
        row
        for row in table(app, slice_)
        if row.channel == channel and edition in (None, row.edition)
    ]
    sums = {state: sum(getattr(row, f"n_{state}") for row in slices) for state in STATES}
    return {state: number for state, number in sums.items() if number}


def unfinished(app: App) -> str:
    """Describe open runs and slices, all rows by state and error, and the channels."""
    runs = [row for row in table(app, run) if row.finished_at is None]
    slices_left = [row for row in table(app, slice_) if row.open or row.owner]
    states = Counter(
        (row.channel, STATES[row.state], row.reason, row.provider_code)
        for row in table(app, delivery)
    )
    parts: list[Any] = [*runs, *slices_left, *states.items(), *table(app, channel_state)]
    return "\n".join([f"at {app.clock().timestamp():.0f}:", *map(str, parts)])


def check_counters(app: App) -> None:
    """Check that every slice's counters match its rows."""
    rows = table(app, delivery)
    for part in table(app, slice_):
        mine = [
            STATES[row.state]
            for row in rows
            if (row.edition, row.channel) == (part.edition, part.channel)
            and part.after_slot < row.slot <= part.last_slot
        ]
        assert {state: getattr(part, f"n_{state}") for state in STATES} == {
            state: mine.count(state) for state in STATES
        }
        assert part.open == mine.count("pending") + mine.count("sending")
