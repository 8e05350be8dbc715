"""Reviewers: the people who may approve an announcement, and their notification."""

from collections.abc import Collection

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.newsroom.desk import Desk
from broadcaster.staff import second_person
from broadcaster.store import drafts, nudges
from broadcaster.store.announcements import Announcement


def ask_reviewers(
    connection: Connection, desk: Desk, row: Announcement, checked: CheckedAnnouncement
) -> None:
    """Notify everyone who may approve the announcement."""
    who = reviewers(connection, desk, checked, drafts.editors(connection, row.id))
    nudges.add(connection, who, row.id, "review", desk.at)


def reviewers(
    connection: Connection, desk: Desk, checked: CheckedAnnouncement, editors: Collection[str]
) -> list[Account]:
    """Return everyone who may approve the announcement."""
    agency = checked.fields.agency or desk.press.site.city
    return second_person.able(connection, agency, [area.code for area in checked.areas], editors)
