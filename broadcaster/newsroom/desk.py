"""The desk: the person who acts on an announcement, and checks of their jurisdiction."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from broadcaster.domain.actor import StaffActor, require
from broadcaster.domain.lifecycle import NotAllowed, Role
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.publishing.press import Press
from broadcaster.publishing.transitions import held
from broadcaster.staff import second_person
from broadcaster.store.announcements import Announcement

HOLD = timedelta(seconds=30)
"""Time between approval and publication of routine news, in which it can be called back."""
OWN_STATES = ("draft", "returned")
"""States in which nobody is asked to approve it: its author may correct any choice."""


@dataclass(frozen=True, kw_only=True)
class Desk(StaffActor):
    """An actor in the newsroom; `hold` can be shorter in tests."""

    press: Press
    hold: timedelta = HOLD


def require_steering(connection: Connection, desk: Desk, announcement_id: str) -> None:
    """Raise NotAllowed unless the person may pause, resume, stop and retry this announcement's
    sending.
    """
    require(desk, "steer")
    require_jurisdiction(desk, held(connection, announcement_id))


def acting_role(desk: Desk) -> Role:
    """Return the role in which the person acts: approvers write as approvers."""
    return "approver" if desk.account.may("approve") else "author"


def require_access(desk: Desk, row: Announcement) -> None:
    """Raise NotAllowed unless the announcement lies within the person's duties, or is still their
    own draft.
    """
    if not desk.account.may("approve"):
        require(desk, "write")
    if row.state not in OWN_STATES or row.created_by != desk.account.actor:
        require_jurisdiction(desk, row)


def require_jurisdiction(desk: Desk, row: Announcement) -> None:
    """Raise NotAllowed unless the announcement's agency and areas are within the person's."""
    codes = second_person.codes_of(row.fields, desk.press.tree)
    if not desk.account.covers(row.fields.agency or desk.press.site.city, codes):
        raise NotAllowed(StepCode.NOT_YOURS)


def require_cover(desk: Desk, checked: CheckedAnnouncement) -> None:
    """Raise NotAllowed unless the checked announcement lies within the person's jurisdiction."""
    agency = checked.fields.agency or desk.press.site.city
    if not desk.account.covers(agency, [area.code for area in checked.areas]):
        raise NotAllowed(StepCode.NOT_YOURS)
