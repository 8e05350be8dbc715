"""Check for unfilled blanks of templates: whatever way a text comes, it is compared with every
stored template.
"""

from sqlalchemy import Connection

from broadcaster.domain import placeholders
from broadcaster.domain.fields import Fields
from broadcaster.domain.lifecycle import Action
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.store import templates

ACTS: tuple[Action, ...] = ("submit", "approve", "schedule", "publish", "correct")
"""Steps towards residents; none may be taken with a blank."""


def known(connection: Connection, own: str = "") -> frozenset[str]:
    """Return the blanks of every template, and `own`: those of the announcement's template, which
    may be gone since.
    """
    return templates.blanks(connection) | templates.read_blanks(own)


def require_filled(connection: Connection, fields: Fields, own: str = "") -> None:
    """Raise InvalidAnnouncement with each field that still holds a blank."""
    if problems := list(placeholders.problems(fields, known(connection, own))):
        raise InvalidAnnouncement(problems)


def require_filled_step(
    connection: Connection, action: Action, fields: Fields, own: str = ""
) -> None:
    """Raise InvalidAnnouncement with each field that still holds a blank, before a step towards
    residents.
    """
    if action in ACTS:
        require_filled(connection, fields, own)
