"""List of sendings: those under way and the recent ones."""

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.store import sendings
from broadcaster.store.announcement_lists import Item
from broadcaster.store.sendings import Sending
from broadcaster.web.base.authorization import app_of
from broadcaster.web.staff import frame
from broadcaster.web.staff.progress import ENDED, Bar, bar


@dataclass(frozen=True, kw_only=True)
class SendingRow:
    """Row of the list; `published_at` in epoch seconds."""

    item: Item
    sending: str
    bar: Bar
    published_at: float


async def show(request: Request) -> Response:
    """Show the list."""
    running, recent = await app_of(request).database.read(read_lists)
    return frame.page(request, "sendings.html", running=running, recent=recent, over=ENDED)


def read_lists(connection: Connection) -> tuple[list[SendingRow], list[SendingRow]]:
    """Read the sendings under way and the recent ones."""
    running = sendings.going(connection)
    recent = sendings.recent(connection, but=[row.item.id for row in running])
    return [_row(row) for row in running], [_row(row) for row in recent]


def _row(sending: Sending) -> SendingRow:
    state = sending.progress.sending if sending.progress.states else "none"
    return SendingRow(
        item=sending.item,
        sending=state,
        bar=bar(sending.progress),
        published_at=sending.published_at,
    )
