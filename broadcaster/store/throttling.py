"""Rates reduced on a provider's request: a rate halved after "too fast", mail domains that asked us
to wait.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, text

from broadcaster.store.channel_tables import channel_minute, held_domain, pace
from broadcaster.store.database import now
from subscribers.vault import SealBroken, Vault

RECOVERY = 0.1
"""Part of the full rate that returns each minute."""
FLOOR = 1 / 16
"""Part of the full rate below which a channel is never slowed."""
SETTLE_SECONDS = 10.0
"""Seconds after a halving during which further complaints, about messages already sent, are
ignored.
"""
UNREACHABLE = "unreachable"
"""Code by which a channel reports that nobody answered: no limit was imposed."""
UNREACHABLE_SECONDS = 90.0
"""Seconds after the last try for which a channel counts as unreachable: routine sending retries
each minute.
"""
LEAST_RATE = 20.0
"""Messages a second that any complaining provider takes: an unlimited channel is assumed to have
sent at least as many.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelPace:
    """A channel's permitted rate; `domains` are held ones: key of the name -> until when (epoch
    seconds).
    """

    full_rate: float = 0.0
    slowed_rate: float = 0.0
    slowed_at: float = 0.0
    code: str = ""
    domains: Mapping[bytes, float] = field(default_factory=dict)

    def rate(self, granted: float, at: float) -> float:
        """Return the messages a second at a time: at most `granted` (0 = unlimited), less while the
        channel recovers.
        """
        allowed = self.slowed_rate + RECOVERY * self.full_rate * max(0.0, at - self.slowed_at) / 60
        if allowed >= self.full_rate:
            return granted
        return min(allowed, granted) if granted > 0 else allowed

    def unreachable(self, at: float) -> bool:
        """True if it is slow because nobody answers, rather than at the provider's request."""
        return self.code == UNREACHABLE and at - self.slowed_at < UNREACHABLE_SECONDS


def pace_of(connection: Connection, channel: str) -> tuple[ChannelPace, float]:
    """Return a channel's pace and the database's time."""
    wall = now(connection)
    pace_row = connection.execute(select(pace).where(pace.c.channel == channel)).first()
    domains = {bytes(row.lookup): row.until for row in _held(connection, channel, wall)}
    if pace_row is None:
        return ChannelPace(domains=domains), wall
    slowed = {
        "full_rate": pace_row.full_rate,
        "slowed_rate": pace_row.slowed_rate,
        "slowed_at": pace_row.slowed_at,
    }
    return ChannelPace(**slowed, code=pace_row.code, domains=domains), wall


def slow_down(connection: Connection, channel: str, granted: float, code: str = "") -> float:
    """Halve the rate unless it was halved just now; return the rate.

    With `granted` 0 (unlimited) it is half of the recent rate.
    """
    wall = now(connection)
    connection.execute(
        text(
            "INSERT INTO pace (channel, full_rate, slowed_rate, slowed_at)"
            " VALUES (:channel, 0, 0, 0) ON CONFLICT DO NOTHING"
        ),
        {"channel": channel},
    )
    row = connection.execute(select(pace).where(pace.c.channel == channel).with_for_update()).one()
    before = ChannelPace(
        full_rate=row.full_rate, slowed_rate=row.slowed_rate, slowed_at=row.slowed_at
    ).rate(granted, wall)
    if wall - row.slowed_at < SETTLE_SECONDS:
        return before
    full = granted or (
        row.full_rate if before else max(_sent_lately(connection, channel, wall), LEAST_RATE)
    )
    slowed = max((before or full) / 2, full * FLOOR)
    connection.execute(
        pace.update()
        .where(pace.c.channel == channel)
        .values(full_rate=full, slowed_rate=slowed, slowed_at=wall, code=code)
    )
    return slowed


def _sent_lately(connection: Connection, channel: str, wall: float) -> float:
    """Return results a second, in this minute or the one before: the higher."""
    minute = int(wall // 60)
    statement = select(
        channel_minute.c.minute, func.sum(channel_minute.c.results).label("n")
    ).where(channel_minute.c.channel == channel, channel_minute.c.minute >= minute - 1)
    counts = {
        row.minute: int(row.n)
        for row in connection.execute(statement.group_by(channel_minute.c.minute))
    }
    return max(counts.get(minute, 0) / max(wall % 60, 1.0), counts.get(minute - 1, 0) / 60)


def domain_key(vault: Vault, channel: str, domain: str) -> bytes:
    """Return the keyed hash of a mail domain, whose name would reveal where a resident has a
    mailbox.
    """
    return vault.lookup(_sealed_as(channel), domain)


def _sealed_as(channel: str) -> str:
    return f"domain.{channel}"


def _held(connection: Connection, channel: str, wall: float) -> Sequence[Row[Any]]:
    held = select(held_domain).where(held_domain.c.channel == channel, held_domain.c.until > wall)
    return connection.execute(held).all()


def held_domains(connection: Connection, vault: Vault, channel: str) -> dict[str, float]:
    """Return the held domains for staff: name -> epoch seconds; the start of its key if a name
    cannot be opened.
    """
    named = {}
    for row in _held(connection, channel, now(connection)):
        try:
            name = vault.open(_sealed_as(channel), bytes(row.cipher))
        except SealBroken:
            name = f"#{bytes(row.lookup).hex()[:8]}"
        named[name] = float(row.until)
    return named


def hold_domain(
    connection: Connection, channel: str, vault: Vault, domain: str, seconds: float
) -> None:
    """Hold routine messages to a domain on all workers, as it asked. A shorter wait never ends a
    longer one.
    """
    wall = now(connection)
    connection.execute(
        delete(held_domain).where(held_domain.c.channel == channel, held_domain.c.until <= wall)
    )
    connection.execute(
        text(
            "INSERT INTO held_domain (channel, lookup, cipher, until)"
            " VALUES (:channel, :lookup, :cipher, :until) ON CONFLICT (channel, lookup)"
            " DO UPDATE SET until = :until WHERE held_domain.until < :until"
        ),
        {
            "channel": channel,
            "lookup": domain_key(vault, channel, domain),
            "cipher": vault.seal(_sealed_as(channel), domain),
            "until": wall + seconds,
        },
    )
