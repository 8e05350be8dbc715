"""Pages of the audit log with filters and prior state; fast with a million rows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Row, Select, case, func, select

from broadcaster.domain.audit_acts import Act
from broadcaster.store.audit import AuditEntry, entry_of
from broadcaster.store.audit_tables import audit

PAGE_SIZE = 50
CHUNK = 500
"""Rows of an export read at a time, so that no transaction lasts as long as a download."""
_WITH_STATE = '%"state":"%'
"""Pattern of a detail that records an announcement's new state; a quote within a text follows a
backslash.
"""
_APART = ("from", "before", "after", "state")


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Filter of the log; empty = no restriction. `since` <= at < `until`, epoch seconds."""

    actor: str = ""
    act: str = ""
    subject: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditLine:
    """A row with its digests (hex); `state` is the announcement's earlier state, "" if unknown."""

    entry: AuditEntry
    state: str
    previous: str
    digest: str

    @property
    def place(self) -> str:
        """Place of origin, "" if unknown."""
        return str(self.entry.detail.get("from", ""))

    @property
    def before(self) -> Mapping[str, Any]:
        """Earlier values of the changed fields."""
        return {
            **({"state": self.state} if self._moved and self.state else {}),
            **self._mapping("before"),
        }

    @property
    def after(self) -> Mapping[str, Any]:
        """Later values of the changed fields."""
        return {
            **({"state": self.entry.detail["state"]} if self._moved else {}),
            **self._mapping("after"),
        }

    @property
    def more(self) -> Mapping[str, Any]:
        """All other details."""
        return {name: value for name, value in self.entry.detail.items() if name not in _APART}

    @property
    def _moved(self) -> bool:
        return bool(self.entry.detail.get("state", "")) and self.entry.detail["state"] != self.state

    def _mapping(self, name: str) -> Mapping[str, Any]:
        value = self.entry.detail.get(name)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditPage:
    """A page of rows, newest first; `following` is the cursor of the next page, 0 at the end."""

    lines: tuple[AuditLine, ...]
    following: int


def page(
    connection: Connection, criteria: AuditFilter, *, before: int = 0, limit: int = PAGE_SIZE
) -> AuditPage:
    """Return a page of rows; `before`: only rows older than this id."""
    statement = _statement(criteria).order_by(audit.c.id.desc()).limit(limit + 1)
    if before:
        statement = statement.where(audit.c.id < before)
    lines = [_line(row) for row in connection.execute(statement)]
    return AuditPage(
        lines=tuple(lines[:limit]), following=lines[limit - 1].entry.id if len(lines) > limit else 0
    )


def chunk(
    connection: Connection, criteria: AuditFilter, after: int, limit: int = CHUNK
) -> list[AuditLine]:
    """Return the next rows of an export, oldest first; `after` is the last id so far, 0 at the
    beginning.
    """
    statement = _statement(criteria).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
    return [_line(row) for row in connection.execute(statement)]


def latest(
    connection: Connection, acts: Collection[Act], since: float, limit: int
) -> list[AuditEntry]:
    """Return the last rows of these acts since `since`, newest first."""
    statement = (
        select(audit)
        .where(audit.c.act.in_([act.value for act in acts]), audit.c.at >= since)
        .order_by(audit.c.id.desc())
        .limit(limit)
    )
    return [entry_of(row) for row in connection.execute(statement)]


def actors(connection: Connection) -> list[str]:
    """List every actor in the log."""
    return _distinct(connection, audit.c.actor)


def acts(connection: Connection) -> list[str]:
    """List every act in the log."""
    return _distinct(connection, audit.c.act)


def _statement(criteria: AuditFilter) -> Select[Any]:
    exact = {
        audit.c.actor: criteria.actor,
        audit.c.act: criteria.act,
        audit.c.subject: criteria.subject,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in exact.items() if value
    ]
    if criteria.since is not None:
        conditions.append(audit.c.at >= criteria.since)
    if criteria.until is not None:
        conditions.append(audit.c.at < criteria.until)
    earlier = audit.alias("earlier")
    stated = (
        select(earlier.c.detail)
        .where(
            earlier.c.subject == audit.c.subject,
            earlier.c.id < audit.c.id,
            earlier.c.detail.like(_WITH_STATE),
        )
        .order_by(earlier.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    was = case((audit.c.detail.like(_WITH_STATE), stated)).label("was")
    return select(audit, was).where(*conditions)


def _distinct(connection: Connection, column: Column[Any]) -> list[str]:
    """List the values of an indexed column with an index lookup for each, however many rows there
    are.
    """
    values = select(func.min(column).label("value")).cte("found", recursive=True)
    following = select(func.min(column)).where(column > values.c.value).scalar_subquery()
    values = values.union_all(select(following).where(values.c.value.is_not(None)))
    return [
        str(value)
        for value in connection.execute(select(values.c.value)).scalars()
        if value is not None
    ]


def _line(row: Row[Any]) -> AuditLine:
    state = str(msgspec.json.decode(row.was).get("state", "")) if row.was else ""
    return AuditLine(
        entry=entry_of(row), state=state, previous=row.previous.hex(), digest=row.digest.hex()
    )
