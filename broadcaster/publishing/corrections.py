"""Corrections and withdrawals: the next edition, sent to everyone whom earlier ones may have
reached.
"""

from datetime import datetime

from sqlalchemy import Connection

from broadcaster.domain import editions
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import Action, NotAllowed, Role, may
from broadcaster.domain.refusal_codes import NewsroomCode, StepCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.domain.rules import CheckedAnnouncement, content_hash
from broadcaster.publishing import reasons
from broadcaster.publishing.issue import edition_details, issue_edition
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.publishing.transitions import held, moved
from broadcaster.store import announcements, audit
from broadcaster.store.announcements import Announcement, EditionRow
from channels.base.contract import Edition


def correct(
    connection: Connection,
    press: Press,
    announcement_id: str,
    checked: CheckedAnnouncement,
    *,
    reason: str,
    actor: Actor,
    role: Role = "grant",
) -> StoredAnnouncement:
    """Publish the next edition, to everyone whom earlier ones may have reached too. Raises
    NotAllowed, InvalidAnnouncement.
    """
    reason = reasons.read_public(connection, reason, link_hosts=press.allowed_hosts)
    _refuse_schedule(checked)
    row, previous = _published(connection, announcement_id, "correct", role)
    if checked.fields == row.fields:
        raise NotAllowed(StepCode.SAME_AS_PUBLISHED)
    frozen = _freeze(press, row, checked, previous, reason=reason, now=actor.now)
    chosen = _joined(tuple(previous.channels.split()), checked.fields.channels)
    row = moved(connection, row, "correct", role, actor.now, fields=checked.fields)
    superseded = announcements.supersede_runs(connection, row.id, "Digantikan ralat.")
    going = tuple(
        name for name in press.push_channels if not chosen or name in chosen or name in superseded
    )
    stored = issue_edition(
        connection,
        press,
        row,
        frozen,
        chosen=chosen,
        going=going,
        now=actor.now,
        follows=previous.id,
    )
    content = content_hash(checked.fields, [area.code for area in checked.areas])
    details = {"role": role, "reason": reason, "content": content}
    audit.append(connection, actor, Act.CORRECT, row.id, **edition_details(stored), **details)
    return stored


def _refuse_schedule(checked: CheckedAnnouncement) -> None:
    """Raise InvalidAnnouncement for a correction with a time of publication of its own."""
    if checked.fields.publish_at is not None:
        problem = Problem(field="publish_at", code=NewsroomCode.CORRECTION_SCHEDULED)
        raise InvalidAnnouncement([problem])


def _freeze(
    press: Press,
    row: Announcement,
    checked: CheckedAnnouncement,
    previous: EditionRow,
    *,
    reason: str,
    now: datetime,
) -> Edition:
    """Freeze the edition that corrects the previous one."""
    return editions.freeze(
        checked,
        site=press.site,
        announcement=row.id,
        code=row.code,
        at=now,
        number=previous.number + 1,
        change="correction",
        reason=reason,
        first=previous.edition.first_published_at,
        urgent=previous.edition.emergency,
    )


def withdraw(
    connection: Connection,
    press: Press,
    announcement_id: str,
    *,
    reason: str,
    actor: Actor,
    role: Role = "grant",
) -> StoredAnnouncement:
    """Publish the edition that withdraws the announcement, to everyone it may have reached. Raises
    NotAllowed.
    """
    reason = reasons.read_public(connection, reason, link_hosts=press.allowed_hosts)
    row, previous = _published(connection, announcement_id, "withdraw", role)
    frozen = editions.withdrawal(previous.edition, reason=reason, at=actor.now)
    row = moved(connection, row, "withdraw", role, actor.now)
    superseded = announcements.supersede_runs(connection, row.id, "Pengumuman dicabut.")
    going = tuple(name for name in press.push_channels if name in superseded)
    stored = issue_edition(
        connection,
        press,
        row,
        frozen,
        chosen=tuple(previous.channels.split()),
        going=going,
        now=actor.now,
        follows=previous.id,
    )
    details = {"role": role, "reason": reason}
    audit.append(connection, actor, Act.WITHDRAW, row.id, **edition_details(stored), **details)
    return stored


def _published(
    connection: Connection, announcement_id: str, action: Action, role: Role
) -> tuple[Announcement, EditionRow]:
    """Return the announcement, locked, with its newest edition; raises NotAllowed if there is none
    or it was withdrawn.
    """
    row = held(connection, announcement_id)
    may(row.state, action, role)
    previous = announcements.newest_edition(connection, announcement_id)
    if previous is None:
        raise NotAllowed(StepCode.NEVER_PUBLISHED)
    if previous.withdrawn:
        raise NotAllowed(StepCode.WITHDRAWN, at=previous.edition.published_at)
    return row, previous


def _joined(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """Return the channels of a correction: never fewer than before; an empty tuple means all."""
    return tuple(dict.fromkeys(before + after)) if before and after else ()
