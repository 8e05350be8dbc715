"""CSV export of a delivery's failed rows, streamed: reasons in words, addresses masked."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from broadcaster.app import App
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.masking import masked
from broadcaster.domain.retry_policy import REASONS
from broadcaster.runtime.csv_safe import line
from broadcaster.runtime.i18n import words
from broadcaster.store import audit, failed_rows
from broadcaster.store.failed_rows import ClosedRow
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import actor_of, app_of
from broadcaster.web.staff.announcement_page import find_announcement
from channels.base.moments import WIB
from subscribers.vault import SealBroken

COLUMNS = ("channel", "area", "address", "state", "reason", "code", "attempts", "at")
"""Keys below "staff.send.csv."."""


async def show(request: Request) -> Response:
    """Stream the file; the audit entry is written before it starts."""
    row, app, t = await find_announcement(request), app_of(request), words(pages.lang_of(request))
    await app.database.write(
        audit.append, actor_of(request), Act.READ_ADDRESSES, row.id, of="failed", masked=True
    )

    async def lines() -> AsyncIterator[str]:
        yield "\ufeff" + line([t(f"staff.send.csv.{name}") for name in COLUMNS])
        for part in await app.database.read(failed_rows.parts, row.id):
            after = -1
            while page := await app.database.read(failed_rows.page, part, after):
                after = page[-1].slot
                yield "".join(line(row_values(app, failed, t).values()) for failed in page)

    name = f"gagal-{row.code}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def row_values(app: App, row: ClosedRow, t: Callable[[str], str]) -> Mapping[str, str]:
    """Word a row as the values of COLUMNS."""
    area, channel = app.tree.get(row.area), app.push.get(row.channel)
    return {
        "channel": channel.label if channel is not None else row.channel,
        "area": area.label if area is not None else row.area,
        "address": _address(app, row, t),
        "state": t(f"staff.send.heap.{row.state}"),
        "reason": t(f"staff.send.reason.{row.reason}") if row.reason in REASONS else row.reason,
        "code": row.provider_code,
        "attempts": str(row.attempts),
        "at": datetime.fromtimestamp(row.closed_at, WIB).strftime("%Y-%m-%d %H:%M:%S")
        if row.closed_at
        else "",
    }


def _address(app: App, row: ClosedRow, t: Callable[[str], str]) -> str:
    """Return the masked address, "" if it was erased, or a note if it cannot be decrypted."""
    try:
        return masked(app.vault.open(row.channel, row.cipher)) if row.cipher else ""
    except SealBroken:
        return t("staff.send.csv.unopened")
