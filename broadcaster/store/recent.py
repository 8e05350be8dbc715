"""The newest editions: rows of editions are long and only grow in number, so whoever looks at every
sweep looks at these.
"""

from sqlalchemy import ColumnElement, func, select

from broadcaster.store.tables import edition

LOOKED_AT = 1_000
"""Newest editions that are looked at: more are not published in the days that a sweep asks about."""


def is_recent() -> ColumnElement[bool]:
    """Whether an edition is one of them."""
    newest = select(func.coalesce(func.max(edition.c.id), 0)).scalar_subquery()
    return edition.c.id > newest - LOOKED_AT
