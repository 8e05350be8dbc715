"""Validity of editions in feeds and on screens, and the times at which it changes: shared by the
pull channels.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from channels.base.edition import Edition

WITHDRAWN_FOR = timedelta(days=30)
"""Period for which withdrawn entries stay listed: readers keep entries that merely vanish."""


def expired(edition: Edition, now: datetime) -> bool:
    """True if its end has come; the last valid instant is the one before `expires`."""
    return edition.expires is not None and edition.expires <= now


def concerns(edition: Edition, area: str) -> bool:
    """True if an edition is about an area (a Kemendagri code), not only an earlier edition of
    it.
    """
    return any(
        f"{other.code}.".startswith(f"{area}.") or f"{area}.".startswith(f"{other.code}.")
        for other in edition.areas
    )


def listed(edition: Edition, now: datetime) -> bool:
    """True if feeds list it: unexpired, or withdrawn within the last 30 days."""
    if edition.change == "withdrawal":
        return now < edition.published_at + WITHDRAWN_FOR
    return not expired(edition, now)


def on_screen(edition: Edition, now: datetime) -> bool:
    """True if screens show it: neither withdrawn nor expired, and an alert only from `effective`
    on.
    """
    if edition.change == "withdrawal" or expired(edition, now):
        return False
    return edition.kind != "alert" or edition.effective <= now


def next_change(editions: Iterable[Edition], now: datetime) -> datetime | None:
    """Return the first moment after `now` at which one of them appears or disappears without a new
    edition.
    """
    return min((moment for moment in _turns(editions) if moment > now), default=None)


def last_change(editions: Iterable[Edition], now: datetime) -> datetime | None:
    """Return the last moment until `now` at which one of them was published, appeared or
    disappeared.
    """
    moments = [edition.published_at for edition in editions]
    return max((moment for moment in [*moments, *_turns(editions)] if moment <= now), default=None)


def _turns(editions: Iterable[Edition]) -> Iterator[datetime]:
    for edition in editions:
        if edition.change == "withdrawal":
            yield edition.published_at + WITHDRAWN_FOR
            continue
        if edition.kind == "alert":
            yield edition.effective
        if edition.expires is not None:
            yield edition.expires
