"""What a second person vouches for: words, places and pictures that are still the same when they go
out. Pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from broadcaster.domain.fields import Fields
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import NewsroomCode, StepCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.domain.rules import CheckedAnnouncement, approval_hash
from broadcaster.publishing.press import Press
from broadcaster.store.announcements import Announcement
from channels.base.pictures import own_id


def examined(press: Press, form: Mapping[str, Any], now: datetime) -> CheckedAnnouncement:
    """A form held against every rule, and against what can be vouched for. Raises
    InvalidAnnouncement.
    """
    checked = press.examine(form, now)
    require_own_picture(press, checked.fields)
    return checked


def require_own_picture(press: Press, fields: Fields) -> None:
    """Raises InvalidAnnouncement for a picture on a host that the city did not name: it may be
    another one once approved.
    """
    image = fields.image or ""
    host = (urlsplit(image).hostname or "").rstrip(".")
    known = any(host == one or host.endswith(f".{one}") for one in press.link_hosts)
    if image and not known and not own_id(image, press.site):
        raise InvalidAnnouncement([Problem(field="image", code=NewsroomCode.IMAGE_ELSEWHERE)])


def still_bound(row: Announcement, checked: CheckedAnnouncement) -> str:
    """The bound in force; raises NotAllowed where content or audience is no longer what was
    submitted.
    """
    current = approval_hash(checked)
    if row.bound != current:
        raise NotAllowed(StepCode.CHANGED_SINCE_SUBMITTED)
    return current


def bound_anew(press: Press, form: Mapping[str, Any], now: datetime) -> str:
    """What an edit does to review: bound to what stands there now, or to nothing where it is
    incomplete.
    """
    try:
        return approval_hash(examined(press, form, now))
    except InvalidAnnouncement:
        return ""
