"""The most recently published announcements, whose pages are requested most."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from broadcaster.store.announcements import stamp
from broadcaster.store.tables import announcement, edition

LATEST = 10
"""Number of newest editions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Latest:
    """Codes of the most recently published announcements, and the stamp they were read at."""

    stamp: tuple[int, int]
    codes: frozenset[str]


def latest(connection: Connection, limit: int = LATEST) -> Latest:
    """Read the most recently published announcements."""
    newest = select(edition.c.announcement).order_by(edition.c.id.desc()).limit(limit)
    codes = select(announcement.c.code).where(announcement.c.id.in_(newest.scalar_subquery()))
    return Latest(stamp=stamp(connection), codes=frozenset(connection.execute(codes).scalars()))
