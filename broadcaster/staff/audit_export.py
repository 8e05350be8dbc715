"""Export of the audit log, one line of JSON or CSV per row, from which the hash chain can be
recomputed.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime import csv_safe
from broadcaster.store import audit, audit_lists
from broadcaster.store.audit_lists import AuditFilter, AuditLine
from broadcaster.store.database import Database
from channels.base.moments import WIB

Form = Literal["csv", "jsonl"]
COLUMNS = (
    "id",
    "time",
    "actor",
    "act",
    "subject",
    "from",
    "before",
    "after",
    "more",
    "previous",
    "digest",
)
"""Columns of the CSV: time in WIB; before, after and more as JSON; digests in hex."""


def json_line(line: AuditLine) -> str:
    """Return a row as JSON: `detail` as in the chain, `at` in exact epoch seconds, `state_before`
    if the state changed.

    digest = SHA-256(previous, as bytes, followed by the JSON of at, actor, act, subject and detail,
    where detail is itself a string of JSON; all with sorted names and without spaces).
    """
    entry = line.entry
    fields = {
        "id": entry.id,
        "at": entry.at,
        "time": time_text(entry.at),
        "actor": entry.actor,
        "act": entry.act,
        "subject": entry.subject,
        "detail": entry.detail,
        "state_before": line.state,
        "previous": line.previous,
        "digest": line.digest,
    }
    return msgspec.json.encode(fields).decode() + "\n"


def table_line(line: AuditLine) -> str:
    """Return a row as CSV in the order of COLUMNS."""
    entry = line.entry
    return csv_safe.line(
        [
            str(entry.id),
            time_text(entry.at),
            entry.actor,
            entry.act,
            entry.subject,
            line.place,
            _json(line.before),
            _json(line.after),
            _json(line.more),
            line.previous,
            line.digest,
        ]
    )


async def exported(database: Database, wanted: AuditFilter, form: Form) -> AsyncIterator[str]:
    """Yield the selected rows as text, oldest first, some hundred rows at a time."""
    format_line: Callable[[AuditLine], str] = table_line if form == "csv" else json_line
    if form == "csv":
        yield csv_safe.line(COLUMNS)
    after = 0
    while lines := await database.read(audit_lists.chunk, wanted, after):
        after = lines[-1].entry.id
        yield "".join(format_line(line) for line in lines)


def note_export(connection: Connection, actor: Actor, wanted: AuditFilter, form: Form) -> None:
    """Audit the export of this part of the log."""
    selection = {
        name: value
        for name in ("actor", "act", "subject", "since", "until")
        if (value := getattr(wanted, name))
    }
    audit.append(connection, actor, Act.AUDIT_EXPORT, "audit", form=form, wanted=selection)


def time_text(seconds: float) -> str:
    """Format epoch seconds in WIB, to the second: "2026-11-25T07:43:00+07:00"."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(WIB).isoformat(timespec="seconds")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode() if value else ""
