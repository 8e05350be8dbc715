"""The newest editions, to which periodic queries limit themselves: rows of editions are long and
only grow in number.
"""

from sqlalchemy import ColumnElement, func, select

from broadcaster.store.tables import edition

EXAMINED = 1_000
"""Newest editions to consider: more than are published within the days that periodic queries cover.
"""


def is_recent() -> ColumnElement[bool]:
    """True if an edition is among the newest."""
    newest = select(func.coalesce(func.max(edition.c.id), 0)).scalar_subquery()
    return edition.c.id > newest - EXAMINED
