"""Issuing an edition: measured, signed and stored with its runs, in the transaction of its act."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain import editions
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import Role
from broadcaster.domain.rules import CheckedAnnouncement, content_hash
from broadcaster.publishing.press import Press, StoredAnnouncement, stored_as
from broadcaster.store import announcements, audit, media
from broadcaster.store.announcements import Announcement
from channels.base.contract import Edition


def release(
    connection: Connection,
    press: Press,
    row: Announcement,
    checked: CheckedAnnouncement,
    *,
    actor: Actor,
    role: Role,
) -> StoredAnnouncement:
    """Publish the first edition and audit it."""
    stored = first_edition(connection, press, row, checked, actor.now)
    bound = content_hash(checked.fields, [area.code for area in checked.areas])
    details = {"role": role, "content": bound}
    audit.append(connection, actor, Act.PUBLISH, row.id, **edition_details(stored), **details)
    return stored


def first_edition(
    connection: Connection,
    press: Press,
    row: Announcement,
    checked: CheckedAnnouncement,
    now: datetime,
) -> StoredAnnouncement:
    """Issue the first edition with its runs."""
    frozen = editions.freeze(checked, site=press.site, announcement=row.id, code=row.code, at=now)
    chosen = checked.fields.channels
    going = tuple(name for name in press.push_channels if not chosen or name in chosen)
    return issue_edition(connection, press, row, frozen, chosen=chosen, going=going, now=now)


def issue_edition(
    connection: Connection,
    press: Press,
    row: Announcement,
    frozen: Edition,
    *,
    chosen: tuple[str, ...],
    going: tuple[str, ...],
    now: datetime,
    follows: int | None = None,
) -> StoredAnnouncement:
    """Sign and store an edition with its runs; `chosen` are the channels it names, `going` the push
    channels it uses.
    """
    frozen = media.measured(connection, frozen, press.site)
    concerned = press.tree.concerned(area.code for area in frozen.areas)
    edition_id = announcements.insert_edition(
        connection, frozen, signer=press.signer, channels=chosen, concerned=concerned, at=now
    )
    lane = announcements.open_runs(connection, edition_id, going, follows)
    stored = stored_as(press, row)
    return replace(stored, edition=edition_id, number=frozen.number, channels=going, lane=lane)


def edition_details(stored: StoredAnnouncement) -> dict[str, Any]:
    """Return the audit details of an issued edition."""
    return {
        "code": stored.code,
        "edition": stored.edition,
        "number": stored.number,
        "channels": stored.channels,
    }
