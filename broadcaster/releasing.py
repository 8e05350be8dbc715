"""The end of the hold: what was approved goes out, if it and its approval still stand at that
moment.
"""

from datetime import datetime

from sqlalchemy import Connection

from broadcaster import filling, lateness, publishing, second_person
from broadcaster.announcements import NotAllowed
from broadcaster.fields import InvalidAnnouncement
from broadcaster.publishing import DUE_AT_ONCE, Press, Stored, moved
from broadcaster.store import announcements as rows
from broadcaster.store import audit
from broadcaster.store.announcements import Announcement
from broadcaster.vouching import still_bound


def publish_held(connection: Connection, press: Press, *, now: datetime) -> list[Stored]:
    """Publish every approved announcement whose hold is over, each once; what no longer holds waits
    for a person.
    """
    published: list[Stored] = []
    for row in rows.released(connection, now.timestamp(), DUE_AT_ONCE):
        if why := second_person.lapsed(connection, row, tree=press.tree, city=press.site.city):
            publishing.lapse(connection, press, row, why, now)
            continue
        planned = lateness.planned_at(row.release_at)
        if lateness.is_stale(planned, now):
            _call_back(connection, row, f"Tidak jadi terbit. {lateness.why_stale(planned)}", now)
            continue
        try:
            filling.require_filled(connection, row.fields, row.blanks)
            still_bound(row, press.check(row.fields, now))
        except (InvalidAnnouncement, NotAllowed) as refused:
            _call_back(connection, row, f"Tidak jadi terbit. {' '.join(str(refused).split())}", now)
        else:
            published.append(
                publishing.publish_stored(
                    connection, press, row.id, actor=row.approved_by, now=now, role="clock"
                )
            )
            lateness.tell_late(connection, row, planned, now)
    return published


def _call_back(connection: Connection, row: Announcement, why: str, now: datetime) -> None:
    row = moved(connection, row, "call_back", "approver", now, release_at=None, note=why)
    lateness.tell_missed(connection, row, now)
    audit.append(
        connection, at=now, actor="clock", act="call_back", subject=row.id, detail={"why": why}
    )
