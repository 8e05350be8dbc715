"""What was published last: the pages that everybody opens now."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from broadcaster.store.announcements import stamp
from broadcaster.store.tables import announcement, edition

LATEST = 10
"""Editions whose pages everybody opens now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Latest:
    """The stamp, and the codes of what was published last: the pages that everybody opens now."""

    stamp: tuple[int, int]
    codes: frozenset[str]


def latest(connection: Connection, limit: int = LATEST) -> Latest:
    """What was published last."""
    newest = select(edition.c.announcement).order_by(edition.c.id.desc()).limit(limit)
    codes = select(announcement.c.code).where(announcement.c.id.in_(newest.scalar_subquery()))
    return Latest(stamp=stamp(connection), codes=frozenset(connection.execute(codes).scalars()))
