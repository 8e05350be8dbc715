"""Transitions: an announcement locked, moved by a conditional update, and described for the audit
log.
"""

import secrets
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain.lifecycle import Action, NotAllowed, Role, may
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.publishing import placeholder_check
from broadcaster.store import announcements
from broadcaster.store.announcements import Announcement


def new_id(now: datetime) -> str:
    """Return a fresh announcement id: 32 hex digits that sort by time (48 bits of milliseconds, 80
    random bits).
    """
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def held(connection: Connection, announcement_id: str) -> Announcement:
    """Return the announcement, locked against other writers; raises NotAllowed if there is none."""
    row = announcements.locked(connection, announcement_id)
    if row is None:
        raise NotAllowed(StepCode.NO_ANNOUNCEMENT)
    return row


def moved(
    connection: Connection,
    row: Announcement,
    action: Action,
    role: Role,
    now: datetime,
    **values: Any,
) -> Announcement:
    """Return the announcement after `action`, moved by a conditional update; raises NotAllowed."""
    if row.training and action in ("publish", "schedule"):
        raise NotAllowed(StepCode.DRILL)
    state = may(row.state, action, role)
    placeholder_check.require_filled_step(
        connection, action, values.get("fields", row.fields), row.blanks
    )
    if not announcements.move(connection, row, state, now.timestamp(), **values):
        raise NotAllowed(StepCode.CHANGED_BY_OTHER)
    return replace(row, state=state, updated_at=now.timestamp(), **values)


def row_details(row: Announcement) -> dict[str, str]:
    """Return the audit details of an announcement: its code, and its state after the act."""
    return {"code": row.code, "state": row.state}
