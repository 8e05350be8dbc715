"""Page of one sending: its progress, live by server-sent events, and the acts that control it.

It uses Starlette's StreamingResponse rather than sse-starlette 3.7, which for a thousand idle
streams took 5 tasks each instead of 2, 50 microseconds of CPU a second instead of 20 and 20 kB
more; its import takes 29 ms and replaces uvicorn's handle_exit. It would save only the 5 lines of
`event`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from broadcaster.app import App
from broadcaster.delivery import controls
from broadcaster.delivery.waiting_words import remedy, sentence
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom.desk import require_steering
from broadcaster.runtime.i18n import words
from broadcaster.store import announcements, audit, drafts, retention
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.audit import AuditEntry
from broadcaster.store.sessions import HALF
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, actor_of, app_of, current_session
from broadcaster.web.base.edition_view import view
from broadcaster.web.staff import actors, frame
from broadcaster.web.staff.announcement_page import find_announcement
from broadcaster.web.staff.edition_history import publication
from broadcaster.web.staff.live_progress import LiveProgress
from broadcaster.web.staff.progress import SendingView

EVENT_SECONDS = 1.0
"""Seconds between two events of a stream."""
HEARTBEAT_SECONDS = 5.0
"""Seconds without a change after which the stream sends a comment to stay open."""
SESSION_CHECK_SECONDS = 5.0
"""Seconds between two checks of the session; the stream ends when it has ended."""
ACTS: Mapping[str, controls.SendingControl] = {
    "jeda": "pause",
    "lanjut": "resume",
    "hentikan": "cancel",
}
"""Acts by the names that addresses give them."""
CONFIRMED = (*ACTS, "coba-lagi", "ralat", "cabut")
"""Acts that the page can confirm."""
KEPT_DAYS = (
    round(retention.FOLD_AFTER / retention.DAY),
    round(retention.FOLD_ANYWAY / retention.DAY),
)
"""Days for which unreached people stay known by name: after the end, and at most."""


async def show(request: Request) -> Response:
    """Show the page; with `?cetak=1` the receipt to print on one sheet."""
    return await _page(request, await _sent(request))


async def steer(request: Request) -> Response:
    """Pause, resume or cancel the sending; the act is the last part of the path."""
    name = request.url.path.rsplit("/", 1)[-1]
    why = words("id")(f"staff.send.why.{name}", name=account_of(request).full_name)

    async def act(row: Announcement) -> None:
        await controls.steer(app_of(request), row.id, ACTS[name], why=why, actor=actor_of(request))

    return await _control(request, name, act)


async def retry(request: Request) -> Response:
    """Reopen the failed rows for one more attempt."""

    async def act(row: Announcement) -> None:
        await controls.retry_failed(app_of(request), row.id, actor=actor_of(request))

    return await _control(request, "coba-lagi", act)


async def stream(request: Request) -> Response:
    """Stream the live part of the page: at most once a second, when it changed.

    The stream ends with `event: selesai` when the sending is over, or with `event: keluar` when the
    session is. Raises 429 when the account has too many streams.
    """
    row = await _sent(request)
    live_progress = live_progress_of(request)
    slot = live_progress.stream(account_of(request).id)
    await slot.__aenter__()

    async def events() -> AsyncIterator[str]:
        try:
            async for event in _events(request, row):
                yield event
        finally:
            await slot.__aexit__(None, None, None)

    return StreamingResponse(
        events(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def live_progress_of(request: Request) -> LiveProgress:
    """Return the progress that this process shares between its requests."""
    live_progress: LiveProgress = request.app.state.live_progress
    return live_progress


async def _events(request: Request, row: Announcement) -> AsyncIterator[str]:
    """Yield the events of a stream; a client that left is noticed at the next one.

    No resource is held between two events.
    """
    app, last_piece, sent_at, checked_at = app_of(request), "", time.monotonic(), time.monotonic()
    yield "retry: 2000\n\n"
    while True:
        if time.monotonic() - checked_at >= SESSION_CHECK_SECONDS:
            session, checked_at = await current_session(request), time.monotonic()
            if session is None or session.way == HALF or not session.account.may("read"):
                yield event("keluar", "")
                return
        progress = await live_progress_of(request).read(app, row.id)
        piece = pages.render(request, "staff/sending_live.html", **_live(request, row, progress))
        if progress.over:
            yield event("selesai", piece)
            return
        if piece != last_piece:
            last_piece, sent_at = piece, time.monotonic()
            yield event("", piece)
        elif time.monotonic() - sent_at >= HEARTBEAT_SECONDS:
            sent_at = time.monotonic()
            yield ": masih terhubung\n\n"
        await asyncio.sleep(EVENT_SECONDS)


def event(name: str, data: str) -> str:
    """Format a server-sent event; without `event:` if `name` is empty."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return (f"event: {name}\n" if name else "") + lines + "\n"


async def _sent(request: Request) -> Announcement:
    """Find the published announcement that the path names. Raises 404."""
    row = await find_announcement(request)
    if row.published_at is None:
        raise HTTPException(404)
    return row


async def _control(
    request: Request, name: str, act: Callable[[Announcement], Awaitable[None]]
) -> Response:
    app, row, desk = app_of(request), await _sent(request), frame.desk_of(request)
    try:
        await app.database.write(require_steering, desk, row.id)
        await act(row)
    except NotAllowed as error:
        return await _page(request, row, problem=frame.sentence(request, error), status=409)
    live_progress_of(request).drop(row.id)
    return RedirectResponse(f"/redaksi/pengiriman/{row.id}?selesai={name}", 303)


async def _page(
    request: Request, row: Announcement, *, problem: str = "", status: int = 200
) -> Response:
    app, t = app_of(request), words(pages.lang_of(request))

    def read(connection: Connection) -> tuple[list[AuditEntry], Mapping[str, str], Any, Any]:
        acts = audit.about(connection, row.id)
        named = [entry.actor for entry in acts] + [
            row.created_by,
            row.submitted_by,
            row.approved_by,
            "",
        ]
        return (
            acts,
            actors.display_names(connection, named, t),
            announcements.newest_edition(connection, row.id),
            drafts.proposed(connection, row.id),
        )

    acts, names, newest, waiting = await app.database.read(read)
    issued = publication(row, newest, acts)
    progress = await live_progress_of(request).read(app, row.id)
    finished = request.query_params.get("selesai", "")
    template = "sending_receipt.html" if request.query_params.get("cetak") else "sending.html"
    return frame.page(
        request,
        template,
        status=status,
        problem=problem,
        acts=acts,
        names=names,
        given=actors.typed_reason,
        newest=newest,
        waiting=waiting,
        withdrawal=next((entry for entry in reversed(acts) if entry.act == Act.WITHDRAW), None),
        finished=finished if finished in CONFIRMED and not problem else "",
        retried=_retried(acts),
        left_out=controls.LEFT_OUT,
        issued=issued,
        kept_days=KEPT_DAYS,
        lead=_lead(app, newest),
        **_live(request, row, progress),
    )


def _live(request: Request, row: Announcement, progress: SendingView) -> dict[str, Any]:
    """Return the variables of the live part (`sending_live.html`)."""
    app, lang, t = app_of(request), pages.lang_of(request), words(pages.lang_of(request))
    return {
        "held_up": [
            (sentence(hold, app.labels.get(hold.channel, hold.channel), t, lang), remedy(hold, t))
            for hold in progress.holds
        ],
        "row": row,
        "progress": progress,
        "current": app.clock(),
        "labels": {name: channel.label for name, channel in app.push.items()},
        "pulled": [
            app.pull[name].label
            for name in app.pull
            if not row.fields.channels or name in row.fields.channels
        ],
        "columns": app.tree.grid[0],
        "may_steer": account_of(request).may("steer"),
    }


def _retried(acts: list[AuditEntry]) -> Mapping[str, Any]:
    """Return the counts of the last retry: `retried` rows reopened, `left_out` by reason."""
    return next(
        (entry.detail for entry in reversed(acts) if entry.act == Act.RETRIED),
        {"retried": 0, "left_out": {}},
    )


def _lead(app: App, newest: EditionRow | None) -> str:
    """Return the summary of the newest edition; "" if its text begins with it."""
    if newest is None:
        return ""
    return view(newest.edition, now=app.clock(), lang="id", base_url=app.site.base_url).lead
