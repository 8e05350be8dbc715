"""The schedule: due announcements are published once, however many processes ask; those no longer
valid wait for a person.
"""

from datetime import datetime

from sqlalchemy import Connection

from broadcaster.domain import rules
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.domain.rules import CheckedAnnouncement, approval_hash
from broadcaster.publishing import lateness, placeholder_check
from broadcaster.publishing.issue import edition_details, first_edition
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.publishing.transitions import moved, row_details
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.staff import second_person
from broadcaster.store import announcements, audit, nudges
from broadcaster.store.announcements import Announcement
from channels.base.moments import moment_text

DUE_AT_ONCE = 20
"""Maximum schedules that one call of `publish_due` takes."""


def publish_due(connection: Connection, press: Press, *, now: datetime) -> list[StoredAnnouncement]:
    """Publish due announcements, each once however many processes ask; those too late or no longer
    valid wait for a person.
    """
    published: list[StoredAnnouncement] = []
    released: list[Announcement] = []
    missed: list[Announcement] = []
    for row in announcements.due(connection, now.timestamp(), DUE_AT_ONCE):
        checked = _still_holds(connection, press, row, now)
        if why := _lapsed(connection, press, row, checked):
            lapse(connection, press, row, why, now)
        elif isinstance(checked, str):
            missed.append(moved(connection, row, "miss", "clock", now, note=checked))
        else:
            moved_row = moved(
                connection,
                row,
                "publish",
                "clock",
                now,
                fields=checked.fields,
                published_at=now.timestamp(),
            )
            published.append(first_edition(connection, press, moved_row, checked, now))
            released.append(moved_row)
    for row in missed:
        lateness.report_missed(connection, row, now)
        audit.append(
            connection,
            NamedActor.clock(now),
            Act.MISS,
            row.id,
            **row_details(row),
            role="clock",
            why=row.note,
        )
    for stored, row in zip(published, released, strict=True):
        audit.append(
            connection, NamedActor.clock(now), Act.PUBLISH, stored.id, **edition_details(stored)
        )
        lateness.report_late(connection, row, lateness.planned_at(row.publish_at), now)
    return published


def _still_holds(
    connection: Connection, press: Press, row: Announcement, now: datetime
) -> CheckedAnnouncement | str:
    """Return the announcement as it may be published now, or why a person must look at it."""
    planned = lateness.planned_at(row.publish_at)
    if lateness.is_stale(planned, now):
        return lateness.why_stale(planned)
    try:
        placeholder_check.require_filled(connection, row.fields, row.blanks)
        return press.check(row.fields.model_copy(update={"publish_at": None}), now)
    except InvalidAnnouncement as error:
        why = " ".join(indonesian(error).split("\n"))
        return f"Jadwal {moment_text(planned)} tidak dijalankan. {why}"


def _lapsed(
    connection: Connection, press: Press, row: Announcement, checked: CheckedAnnouncement | str
) -> str:
    """Return in words why the approval of a schedule no longer holds; "" while it does."""
    if (
        row.bound
        and isinstance(checked, CheckedAnnouncement)
        and row.bound != approval_hash(checked)
    ):
        return "Isi atau wilayahnya tidak lagi sama dengan yang disetujui."
    return second_person.lapsed(connection, row, tree=press.tree, city=press.site.city)


def lapse(
    connection: Connection, press: Press, row: Announcement, why: str, now: datetime
) -> Announcement:
    """Return an approved announcement to review, because its approval no longer holds; its people
    read why.
    """
    planned = row.fields.publish_at
    fields = (
        row.fields.model_copy(update={"publish_at": None})
        if planned and planned <= now
        else row.fields
    )
    bound = row.bound or approval_hash(
        rules.resolve_names(fields, tree=press.tree, topics=press.topics)
    )
    row = moved(
        connection,
        row,
        "lapse",
        "clock",
        now,
        fields=fields,
        bound=bound,
        approved_by="",
        approved_at=None,
        release_at=None,
        publish_at=None,
        note=f"Tidak jadi terbit. {why} Perlu persetujuan lagi.",
    )
    people = second_person.people_of(connection, row, tree=press.tree, city=press.site.city)
    nudges.add(connection, people, row.id, "lapsed", now.timestamp())
    audit.append(
        connection,
        NamedActor.clock(now),
        Act.LAPSE,
        row.id,
        **row_details(row),
        role="clock",
        why=why,
    )
    return row


def end_expired(connection: Connection, now: datetime) -> list[str]:
    """Move announcements whose time is over from published to ended; return their ids."""
    over = [
        moved(connection, row, "end", "clock", now)
        for row in announcements.ended(connection, now.timestamp())
    ]
    for row in over:
        audit.append(
            connection, NamedActor.clock(now), Act.END, row.id, **row_details(row), role="clock"
        )
    return [row.id for row in over]
