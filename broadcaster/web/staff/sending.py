"""Following one sending: its page, the same piece by stream, and the acts by which people steer it.

Starlette's own StreamingResponse stays: for a thousand idle streams sse-starlette 3.7 took 5 tasks
each instead of 2, 50 microseconds of CPU a second instead of 20 and 20 kB more, its import 29 ms.
It replaces uvicorn's handle_exit while it is imported, and would save the 5 lines of `event` here.
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
from broadcaster.web.staff.announcement import found
from broadcaster.web.staff.edition_history import publication
from broadcaster.web.staff.live_progress import Watching
from broadcaster.web.staff.progress import Sight

EVERY = 1.0
"""Seconds between two events of a stream."""
HEARTBEAT = 5.0
"""After so many seconds without a change the stream says that it lives."""
CHECK_SESSION = 5.0
"""A stream ends at most so many seconds after the session behind it."""
ACTS: Mapping[str, controls.SendingControl] = {
    "jeda": "pause",
    "lanjut": "resume",
    "hentikan": "cancel",
}
"""Acts as addresses name them."""
DONE = (*ACTS, "coba-lagi", "ralat", "cabut")
KEPT_DAYS = (
    round(retention.FOLD_AFTER / retention.DAY),
    round(retention.FOLD_ANYWAY / retention.DAY),
)
"""How long who got nothing is known by name: after the end, and at most."""


async def show(request: Request) -> Response:
    """The page; with `?cetak=1` the receipt on one sheet."""
    return await _page(request, await _sent(request))


async def steer(request: Request) -> Response:
    """Pause, resume, or stop the rest; the act is the last part of the path."""
    name = request.url.path.rsplit("/", 1)[-1]
    why = words("id")(f"staff.send.why.{name}", name=account_of(request).full_name)

    async def act(row: Announcement) -> None:
        await controls.steer(app_of(request), row.id, ACTS[name], why=why, actor=actor_of(request))

    return await _acted(request, name, act)


async def retry(request: Request) -> Response:
    """Open one more attempt wherever it failed."""

    async def act(row: Announcement) -> None:
        await controls.retry_failed(app_of(request), row.id, actor=actor_of(request))

    return await _acted(request, "coba-lagi", act)


async def stream(request: Request) -> Response:
    """The changing piece of the page, once a second while it changes; then `event: selesai`, and
    the end.
    """
    row = await _sent(request)
    watching = watching_of(request)
    held = watching.stream(account_of(request).id)
    await held.__aenter__()

    async def events() -> AsyncIterator[str]:
        try:
            async for event in _events(request, row):
                yield event
        finally:
            await held.__aexit__(None, None, None)

    return StreamingResponse(
        events(),
        media_type="text/event-stream",
        headers={"Cache-SendingControl": "no-store", "X-Accel-Buffering": "no"},
    )


def watching_of(request: Request) -> Watching:
    """This process's looks at sendings."""
    watching: Watching = request.app.state.watching
    return watching


# --- the stream ---------------------------------------------------------------------------------------


async def _events(request: Request, row: Announcement) -> AsyncIterator[str]:
    """Events as they are written. Between two of them nothing is held: whoever leaves is noticed at
    the next one.
    """
    app, said, spoke_at, checked_at = app_of(request), "", time.monotonic(), time.monotonic()
    yield "retry: 2000\n\n"
    while True:
        if time.monotonic() - checked_at >= CHECK_SESSION:
            session, checked_at = await current_session(request), time.monotonic()
            if session is None or session.way == HALF or not session.account.may("read"):
                yield event("keluar", "")
                return
        sight = await watching_of(request).look(app, row.id)
        piece = pages.render(request, "staff/sending_live.html", **_live(request, row, sight))
        if sight.over:
            yield event("selesai", piece)
            return
        if piece != said:
            said, spoke_at = piece, time.monotonic()
            yield event("", piece)
        elif time.monotonic() - spoke_at >= HEARTBEAT:
            spoke_at = time.monotonic()
            yield ": masih terhubung\n\n"
        await asyncio.sleep(EVERY)


def event(name: str, data: str) -> str:
    """One event of a stream."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return (f"event: {name}\n" if name else "") + lines + "\n"


# --- the page -----------------------------------------------------------------------------------------


async def _sent(request: Request) -> Announcement:
    """The announcement of the path, which was published. Raises 404."""
    row = await found(request)
    if row.published_at is None:
        raise HTTPException(404)
    return row


async def _acted(
    request: Request, name: str, act: Callable[[Announcement], Awaitable[None]]
) -> Response:
    app, row, desk = app_of(request), await _sent(request), frame.desk_of(request)
    try:
        await app.database.write(require_steering, desk, row.id)
        await act(row)
    except NotAllowed as refused:
        return await _page(request, row, problem=str(refused), status=409)
    watching_of(request).forget(row.id)
    return RedirectResponse(f"/redaksi/pengiriman/{row.id}?selesai={name}", 303)


async def _page(
    request: Request, row: Announcement, *, problem: str = "", status: int = 200
) -> Response:
    app, t = app_of(request), words(pages.lang_of(request))

    def look(connection: Connection) -> tuple[list[AuditEntry], Mapping[str, str], Any, Any]:
        acts = audit.about(connection, row.id)
        named = [entry.actor for entry in acts] + [
            row.created_by,
            row.submitted_by,
            row.approved_by,
            "",
        ]
        return (
            acts,
            actors.spoken(connection, named, t),
            announcements.newest_edition(connection, row.id),
            drafts.proposed(connection, row.id),
        )

    acts, names, newest, waiting = await app.database.read(look)
    issued = publication(row, newest, acts)
    sight = await watching_of(request).look(app, row.id)
    finished = request.query_params.get("selesai", "")
    template = "sending_receipt.html" if request.query_params.get("cetak") else "sending.html"
    return frame.page(
        request,
        template,
        status=status,
        problem=problem,
        acts=acts,
        names=names,
        given=actors.given,
        newest=newest,
        waiting=waiting,
        withdrawal=next((entry for entry in reversed(acts) if entry.act == Act.WITHDRAW), None),
        finished=finished if finished in DONE and not problem else "",
        retried=_retried(acts),
        left_out=controls.LEFT_OUT,
        issued=issued,
        kept_days=KEPT_DAYS,
        lead=_lead(app, newest),
        **_live(request, row, sight),
    )


def _live(request: Request, row: Announcement, sight: Sight) -> dict[str, Any]:
    """What the changing piece needs."""
    app, lang, t = app_of(request), pages.lang_of(request), words(pages.lang_of(request))
    return {
        "held_up": [
            (sentence(hold, app.labels.get(hold.channel, hold.channel), t, lang), remedy(hold, t))
            for hold in sight.holds
        ],
        "row": row,
        "sight": sight,
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
    """What the last "try again" did: `retried` rows opened, `left_out` by reason."""
    return next(
        (entry.detail for entry in reversed(acts) if entry.act == Act.RETRIED),
        {"retried": 0, "left_out": {}},
    )


def _lead(app: App, newest: EditionRow | None) -> str:
    """The summary of the newest edition, unless its text begins with it."""
    if newest is None:
        return ""
    return view(newest.edition, now=app.clock(), lang="id", base_url=app.site.base_url).lead
