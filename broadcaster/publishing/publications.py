"""Publishing: freeze, sign, store and outbox in one transaction; also drafts and schedules.

Each function with a Connection is one transaction, to be run through `Database.write`; it does
nothing but SQL and pure work.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain import editions
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.codes import draw_code
from broadcaster.domain.lifecycle import Action, Role, may
from broadcaster.domain.refusal_codes import NewsroomCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.publishing import placeholder_check
from broadcaster.publishing.issue import release
from broadcaster.publishing.press import Press, StoredAnnouncement, stored_as
from broadcaster.publishing.transitions import held, moved, new_id, row_details
from broadcaster.store import announcements, audit
from broadcaster.store.announcements import Announcement
from channels.base.contract import Edition, Site

# --- new and stored announcements -----------------------------------------------------------------


def save_draft(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    *,
    actor: Actor,
    announcement_id: str | None = None,
    role: Role = "author",
) -> StoredAnnouncement:
    """Store a draft with its code, or change a stored announcement (which drops its approval).
    Raises NotAllowed.
    """
    row = _put(
        connection,
        press,
        checked,
        "edit",
        role=role,
        actor=actor,
        announcement_id=announcement_id,
    )
    audit.append(connection, actor, Act.EDIT, row.id, **row_details(row), role=role)
    return stored_as(press, row)


def schedule(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    *,
    actor: Actor,
    announcement_id: str | None = None,
    role: Role = "grant",
) -> StoredAnnouncement:
    """Store an announcement to be published at its `publish_at`; no edition yet. Raises NotAllowed,
    InvalidAnnouncement.
    """
    if checked.fields.publish_at is None:
        raise InvalidAnnouncement(
            [Problem(field="publish_at", code=NewsroomCode.PUBLISH_AT_MISSING)]
        )
    row = _put(
        connection,
        press,
        checked,
        "schedule",
        role=role,
        actor=actor,
        announcement_id=announcement_id,
    )
    audit.append(
        connection,
        actor,
        Act.SCHEDULE,
        row.id,
        **row_details(row),
        role=role,
        publish_at=checked.fields.publish_at.isoformat(),
    )
    return stored_as(press, row)


def unschedule(
    connection: Connection,
    press: Press,
    announcement_id: str,
    *,
    actor: Actor,
    role: Role,
) -> StoredAnnouncement:
    """Take an announcement off the schedule; it stays approved. Raises NotAllowed."""
    row = held(connection, announcement_id)
    fields = row.fields.model_copy(update={"publish_at": None})
    row = moved(connection, row, "unschedule", role, actor.now, fields=fields, publish_at=None)
    audit.append(connection, actor, Act.UNSCHEDULE, row.id, **row_details(row), role=role)
    return stored_as(press, row)


def publish(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    *,
    actor: Actor,
    announcement_id: str | None = None,
    role: Role = "grant",
) -> StoredAnnouncement:
    """Publish at once, or schedule if `publish_at` is given, in one transaction. Raises
    NotAllowed.
    """
    if checked.fields.publish_at is not None:
        return schedule(
            connection,
            press,
            checked,
            actor=actor,
            announcement_id=announcement_id,
            role=role,
        )
    row = _put(
        connection,
        press,
        checked,
        "publish",
        role=role,
        actor=actor,
        announcement_id=announcement_id,
    )
    return release(connection, press, row, checked, actor=actor, role=role)


def publish_stored(
    connection: Connection,
    press: Press,
    announcement_id: str,
    *,
    actor: Actor,
    role: Role = "grant",
) -> StoredAnnouncement:
    """Publish a stored announcement now; only the first of repeated calls does. Raises NotAllowed,
    InvalidAnnouncement.
    """
    row = held(connection, announcement_id)
    may(row.state, "publish", role)
    checked = press.check(row.fields.model_copy(update={"publish_at": None}), actor.now)
    row = moved(
        connection,
        row,
        "publish",
        role,
        actor.now,
        fields=checked.fields,
        published_at=actor.at,
        note="",
    )
    return release(connection, press, row, checked, actor=actor, role=role)


async def publish_now(
    app: App,
    checked: CheckedAnnouncement,
    *,
    actor: Actor,
    announcement_id: str | None = None,
    role: Role = "grant",
) -> StoredAnnouncement:
    """Run `publish`, then wake the workers of its channels; returns once it is safely stored."""
    stored = await app.database.write(
        publish,
        Press.of(app),
        checked,
        actor=actor,
        announcement_id=announcement_id,
        role=role,
    )
    await ring(app, stored)
    return stored


async def ring(app: App, stored: StoredAnnouncement) -> None:
    """Wake the workers after the commit; if the signal is lost, the sweeper finds the work."""
    for channel in stored.channels:
        await app.queue.ring(channel, stored.lane)


# --- after publishing -----------------------------------------------------------------------------


def preview_edition(
    checked: CheckedAnnouncement, *, site: Site, now: datetime, prefix: str = "CMH"
) -> Edition:
    """Return the edition that publishing now would freeze; its id and code are drawn but not
    stored.
    """
    return editions.freeze(
        checked, site=site, announcement=new_id(now), code=draw_code(prefix), at=now
    )


# --- pieces ---------------------------------------------------------------------------------------


def _put(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    action: Action,
    *,
    role: Role,
    actor: Actor,
    announcement_id: str | None,
) -> Announcement:
    """Store fields in the state that follows `action`: in a new announcement, or in the
    stored one.
    """
    fields, at = checked.fields, actor.at
    values: dict[str, Any] = {
        "publish_at": fields.publish_at.timestamp() if fields.publish_at else None,
        "published_at": at if action == "publish" else None,
    }
    if announcement_id is not None:
        return moved(
            connection,
            held(connection, announcement_id),
            action,
            role,
            actor.now,
            fields=fields,
            note="",
            **values,
        )
    state = may("draft", action, role)
    placeholder_check.require_filled_step(connection, action, fields)
    row = Announcement(
        id=new_id(actor.now),
        code="",
        state=state,
        fields=fields,
        created_at=at,
        updated_at=at,
        created_by=actor.name,
        note="",
        **values,
    )
    return announcements.insert_announcement(connection, row, lambda: draw_code(press.code_prefix))
