"""Emergency warnings: written and submitted to a second person in one transaction."""

import re
import unicodedata

from sqlalchemy import Connection

from broadcaster.domain.hazards import PLACE
from broadcaster.domain.refusal_codes import NewsroomCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.newsroom import drafts, review
from broadcaster.newsroom.desk import Desk
from broadcaster.newsroom.forms import Form
from broadcaster.store.announcements import Announcement
from channels.base.contract import SUMMARY_LIMIT
from channels.base.rendering import plain
from channels.base.running_text import running
from channels.base.truncation import cut

_NUMBER = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*])\s+", re.MULTILINE)


def lead(instruction: str) -> str:
    """Return the first instruction on one line, as short as a screen can show it."""
    return cut(running(plain(_NUMBER.sub("- ", instruction))), SUMMARY_LIMIT)


def submit(connection: Connection, desk: Desk, form: Form) -> Announcement:
    """Store a warning and ask a second person to approve it; nothing is stored if it is refused.

    Raises NotAllowed, InvalidAnnouncement; also for a title that still holds the place's
    placeholder.
    """
    draft = drafts.save(connection, desk, form)
    if PLACE in unicodedata.normalize("NFKC", draft.fields.title):
        place = {"placeholder": PLACE}
        raise InvalidAnnouncement(
            [Problem(field="title", code=NewsroomCode.PLACE_MISSING, parameters=place)]
        )
    return review.submit(connection, desk, draft.id)
