"""Approvals: content and audience bound by a hash that must still match at publication. Pure."""

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
    """Check a form against every rule, and that an approval of it can hold. Raises
    InvalidAnnouncement.
    """
    checked = press.examine(form, now)
    require_own_picture(press, checked.fields)
    return checked


def require_own_picture(press: Press, fields: Fields) -> None:
    """Raise InvalidAnnouncement for a picture on a host that the city did not name: it could be
    replaced after approval.
    """
    image = fields.image or ""
    host = (urlsplit(image).hostname or "").rstrip(".")
    known = any(host == own or host.endswith(f".{own}") for own in press.link_hosts)
    if image and not known and not own_id(image, press.site):
        raise InvalidAnnouncement([Problem(field="image", code=NewsroomCode.IMAGE_ELSEWHERE)])


def still_bound(row: Announcement, checked: CheckedAnnouncement) -> str:
    """Return the bound in force; raises NotAllowed if content or audience is no longer what was
    submitted.
    """
    current = approval_hash(checked)
    if row.bound != current:
        raise NotAllowed(StepCode.CHANGED_SINCE_SUBMITTED)
    return current


def bound_anew(press: Press, form: Mapping[str, Any], now: datetime) -> str:
    """Return the bound of an edited form; empty if the form is incomplete."""
    try:
        return approval_hash(examined(press, form, now))
    except InvalidAnnouncement:
        return ""
