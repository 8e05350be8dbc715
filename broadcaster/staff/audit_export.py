"""The audit log for others to keep: each row as a line of JSON or CSV, from which the chain can be
computed again.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.csv_safe import line as csv_line
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
"""Of the CSV: time in WIB; before, after and more as JSON; digests in hex."""


def json_line(line: AuditLine) -> str:
    """A row as JSON: `detail` as it is in the chain, `at` in exact epoch seconds, `state_before`
    where a state changed.

    digest = SHA-256(previous, as bytes, followed by the JSON of at, actor, act, subject and detail,
    where detail is itself a string of JSON; all with sorted names and without spaces).
    """
    entry = line.entry
    told = {
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
    return msgspec.json.encode(told).decode() + "\n"


def table_line(line: AuditLine) -> str:
    """A row as CSV, as COLUMNS names it."""
    entry = line.entry
    return csv_line(
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
    """Every row that is wanted, the oldest first, some hundred at a time; however long the log is."""
    written: Callable[[AuditLine], str] = table_line if form == "csv" else json_line
    if form == "csv":
        yield csv_line(COLUMNS)
    after = 0
    while lines := await database.read(audit_lists.chunk, wanted, after):
        after = lines[-1].entry.id
        yield "".join(written(line) for line in lines)


def note_export(connection: Connection, actor: Actor, wanted: AuditFilter, form: Form) -> None:
    """Audit that a copy of this part of the log is taken."""
    asked = {
        name: value
        for name in ("actor", "act", "subject", "since", "until")
        if (value := getattr(wanted, name))
    }
    audit.append(connection, actor, Act.AUDIT_EXPORT, "audit", form=form, wanted=asked)


def time_text(seconds: float) -> str:
    """A moment in epoch seconds, to the second: "2026-11-25T07:43:00+07:00"."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(WIB).isoformat(timespec="seconds")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode() if value else ""
