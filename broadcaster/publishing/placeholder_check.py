"""Nothing leaves with a blank of a template in it: held against every stored template, whatever
road a text comes by.
"""

from sqlalchemy import Connection

from broadcaster.domain import placeholders
from broadcaster.domain.fields import Fields
from broadcaster.domain.lifecycle import Action
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.store import templates

ACTS: tuple[Action, ...] = ("submit", "approve", "schedule", "publish", "correct")
"""Steps towards residents: none is taken with a blank."""


def known(connection: Connection, own: str = "") -> frozenset[str]:
    """Collect the blanks of every template, and those of one that is gone since the announcement
    was begun (`own`).
    """
    return templates.blanks(connection) | templates.read_blanks(own)


def require_filled(connection: Connection, fields: Fields, own: str = "") -> None:
    """Raises InvalidAnnouncement with each field that still holds a blank."""
    if problems := list(placeholders.problems(fields, known(connection, own))):
        raise InvalidAnnouncement(problems)


def require_filled_step(
    connection: Connection, action: Action, fields: Fields, own: str = ""
) -> None:
    """Before a step towards residents: raises InvalidAnnouncement with each field that still holds
    a blank.
    """
    if action in ACTS:
        require_filled(connection, fields, own)
