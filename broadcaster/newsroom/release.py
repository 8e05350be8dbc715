"""Release at the end of the hold: approved announcements are published if their approval still
stands.
"""

from datetime import datetime

from sqlalchemy import Connection

from broadcaster.domain.actor import NamedActor, require
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import NotAllowed, OwnWork
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom.approvals import examined, still_bound
from broadcaster.newsroom.desk import (
    Desk,
    acting_role,
    require_access,
    require_cover,
)
from broadcaster.newsroom.forms import Outdated, form_of
from broadcaster.newsroom.review import require_decidable
from broadcaster.publishing import lateness, placeholder_check, publications, reasons, schedule
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.publishing.schedule import DUE_AT_ONCE
from broadcaster.publishing.transitions import held, moved
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.staff import second_person
from broadcaster.store import accounts, announcements, audit, drafts, nudges
from broadcaster.store.announcements import Announcement


def publish_held(
    connection: Connection, press: Press, *, now: datetime
) -> list[StoredAnnouncement]:
    """Publish every approved announcement whose hold is over, each once; those no longer valid wait
    for a person.
    """
    published: list[StoredAnnouncement] = []
    for row in announcements.released(connection, now.timestamp(), DUE_AT_ONCE):
        if why := second_person.lapsed(connection, row, tree=press.tree, city=press.site.city):
            schedule.lapse(connection, press, row, why, now)
            continue
        planned = lateness.planned_at(row.release_at)
        if lateness.is_stale(planned, now):
            _call_back(connection, row, f"Tidak jadi terbit. {lateness.why_stale(planned)}", now)
            continue
        try:
            placeholder_check.require_filled(connection, row.fields, row.blanks)
            still_bound(row, press.check(row.fields, now))
        except (InvalidAnnouncement, NotAllowed) as error:
            why = " ".join(indonesian(error).split())
            _call_back(connection, row, f"Tidak jadi terbit. {why}", now)
        else:
            published.append(
                publications.publish_stored(
                    connection,
                    press,
                    row.id,
                    actor=NamedActor(name=row.approved_by, now=now),
                    role="clock",
                )
            )
            lateness.report_late(connection, row, planned, now)
    return published


def _call_back(connection: Connection, row: Announcement, why: str, now: datetime) -> None:
    row = moved(connection, row, "call_back", "approver", now, release_at=None, note=why)
    lateness.report_missed(connection, row, now)
    audit.append(connection, NamedActor.clock(now), Act.CALL_BACK, row.id, why=why)


def publish_approved(
    connection: Connection, desk: Desk, announcement_id: str
) -> StoredAnnouncement:
    """Publish an approved announcement now, without waiting for its hold or after a missed
    schedule. Raises NotAllowed.
    """
    desk, row, checked = require_decidable(connection, desk, announcement_id)
    still_bound(row, checked)
    editors = drafts.editors(connection, row.id) | {row.submitted_by}
    if desk.account.actor in editors:
        raise OwnWork(StepCode.OWN_PUBLICATION)
    second_person.require_independent(connection, desk.account, editors, desk.now)
    return publications.publish_stored(connection, desk.press, row.id, actor=desk, role="approver")


def unschedule(connection: Connection, desk: Desk, announcement_id: str) -> StoredAnnouncement:
    """Take an announcement off the schedule; it stays approved and waits for a person. Raises
    NotAllowed.
    """
    row = held(connection, announcement_id)
    require_access(desk, row)
    return publications.unschedule(
        connection,
        desk.press,
        announcement_id,
        actor=desk,
        role=acting_role(desk),
    )


def break_glass(
    connection: Connection,
    desk: Desk,
    announcement_id: str,
    *,
    reason: str,
    allowed: bool,
    version: int | None = None,
) -> StoredAnnouncement:
    """Publish an emergency alone, where the city allows it; every administrator is alarmed.

    `version`: the version that this person saw. Raises NotAllowed, Outdated.
    """
    if not allowed:
        raise NotAllowed(StepCode.ALONE_NOT_ALLOWED)
    why = reasons.read(reason)
    row = held(connection, announcement_id)
    if version is not None and version != row.version:
        raise Outdated
    checked = examined(desk.press, form_of(row), desk.now)
    if checked.fields.level != "emergency":
        raise NotAllowed(StepCode.ALONE_EMERGENCY_ONLY)
    require(desk, "write")
    require_cover(desk, checked)
    alone = publications.publish(
        connection,
        desk.press,
        checked,
        actor=desk,
        announcement_id=row.id,
        role="breaker",
    )
    alarmed = accounts.with_role(connection, "admin")
    others = second_person.watchers(connection, {desk.account.actor})
    nudges.add(
        connection,
        {person.id: person for person in (*alarmed, *others)}.values(),
        row.id,
        "break_glass",
        desk.at,
    )
    details = {"code": row.code, "state": alone.status, "reason": why}
    audit.append(connection, desk, Act.BREAK_GLASS, row.id, **details)
    return alone
