"""One announcement as the API's GET and `broadcaster show --json` answer it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from broadcaster.announcements import State
from broadcaster.signing import normalise_code
from broadcaster.store import ledger
from broadcaster.store.ledger import Progress
from broadcaster.store.tables import announcement
from channels.base.contract import Site


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Identity, state and sending of an announcement."""

    id: str
    code: str
    status: State
    url: str
    progress: Progress

    def as_json(self) -> dict[str, Any]:
        """The answer of the API; other systems read it, so its names never change."""
        return {
            "id": self.id,
            "code": self.code,
            "status": self.status,
            "url": self.url,
            "sending": self.progress.sending,
            "possible_duplicates": self.progress.possible_duplicates,
            "deliveries": {channel: dict(counts) for channel, counts in self.progress.deliveries.items()},
        }


def overview(connection: Connection, key: str, site: Site) -> Overview | None:
    """The announcement with this id or code; None when there is none."""
    row = connection.execute(select(announcement).where(announcement.c.id == key)).first()
    if row is None:
        code = normalise_code(key)
        row = connection.execute(select(announcement).where(announcement.c.code == code)).first() if code else None
    if row is None:
        return None
    return Overview(
        id=row.id, code=row.code, status=row.state, url=site.permalink(row.code), progress=ledger.progress(connection, row.id)
    )
