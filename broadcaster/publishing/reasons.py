"""Reasons: one sentence why an announcement is returned, rejected, corrected or withdrawn;
residents read those of the last two.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from broadcaster.domain import placeholders
from broadcaster.domain.fields import piled
from broadcaster.domain.refusal_codes import NewsroomCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.domain.rules import foreign_links
from broadcaster.publishing import placeholder_check
from channels.base import hyperlinks
from channels.base.legibility import has_letter
from channels.base.rendering import one_line

LIMIT = 300
"""Maximum code points of a reason."""


def read(text: str) -> str:
    """Return the reason on one line; raises InvalidAnnouncement."""
    reason = one_line(text)
    if not has_letter(reason):
        raise InvalidAnnouncement([Problem(field="reason", code=NewsroomCode.REASON_MISSING)])
    if (over := len(reason) - LIMIT) > 0:
        sizes = {"over": over, "limit": LIMIT}
        raise InvalidAnnouncement(
            [Problem(field="reason", code=NewsroomCode.REASON_TOO_LONG, parameters=sizes)]
        )
    if (unreadable := piled("reason", text)) is not None:
        raise InvalidAnnouncement([unreadable])
    return reason


def read_public(connection: Connection, text: str, *, link_hosts: Collection[str]) -> str:
    """Return a reason that residents read; also raises InvalidAnnouncement for a template's blank
    or a link to a host not named.
    """
    reason = read(text)
    if held := placeholders.in_text(reason, placeholder_check.known(connection)):
        raise InvalidAnnouncement([placeholders.refused("reason", held)])
    if problems := list(foreign_links("reason", set(hyperlinks.hosts_in(reason)), link_hosts)):
        raise InvalidAnnouncement(problems)
    return reason
