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
from broadcaster.web.staff.progress import OVER, Bar, bar


@dataclass(frozen=True, kw_only=True)
class Line:
    """Row of the list; `published_at` in epoch seconds."""

    item: Item
    sending: str
    bar: Bar
    published_at: float


async def show(request: Request) -> Response:
    """Show the list."""
    running, recent = await app_of(request).database.read(look)
    return frame.page(request, "sendings.html", running=running, recent=recent, over=OVER)


def look(connection: Connection) -> tuple[list[Line], list[Line]]:
    """Read the sendings under way and the recent ones."""
    running = sendings.going(connection)
    recent = sendings.recent(connection, but=[one.item.id for one in running])
    return [_line(one) for one in running], [_line(one) for one in recent]


def _line(one: Sending) -> Line:
    sending = one.progress.sending if one.progress.states else "none"
    return Line(
        item=one.item, sending=sending, bar=bar(one.progress), published_at=one.published_at
    )
