"""Announcements for other systems: write, publish, follow, steer, correct, withdraw."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster import publishing
from broadcaster.announcements import NotAllowed
from broadcaster.app import App
from broadcaster.fields import InvalidAnnouncement, Problem
from broadcaster.overview import Overview, overview
from broadcaster.publishing import Press, Stored
from broadcaster.store import announcements as store
from broadcaster.store import audit, ledger
from broadcaster.web.access import app_of, token_of
from broadcaster.web.api.bodies import Reason
from broadcaster.web.api.requests import Missing, as_json, once, read_model, read_object, refusing

NOTHING_TO_DO = {
    "pause": "Tidak ada pengiriman yang sedang berjalan.",
    "resume": "Tidak ada pengiriman yang dijeda.",
    "cancel": "Semua pengiriman sudah selesai.",
}


@refusing
async def create(request: Request) -> Response:
    """Store an announcement as a draft, or publish it. 201."""
    raw = await read_object(request)
    publish = raw.pop("publish", False)
    if not isinstance(publish, bool):
        raise InvalidAnnouncement([Problem(field="publish", reason="Bentuk isinya salah.", remedy="Isi dengan true atau false.")])
    if publish and not token_of(request).may("publish"):
        raise HTTPException(403)
    app = app_of(request)
    press, now, actor = Press.of(app), app.clock(), _actor(request)

    def act(connection: Connection) -> Stored:
        checked = press.examine(raw, now)
        if publish:
            return publishing.publish(connection, press, checked, actor=actor, now=now)
        return publishing.save_draft(connection, press, checked, actor=actor, now=now)

    return await _publication(request, act, status=201)


@refusing
async def read(request: Request) -> Response:
    """What became of it; by id or by code."""
    app = app_of(request)
    found = await app.database.read(overview, request.path_params["id"], app.site)
    if found is None:
        raise Missing
    return as_json(found.as_json())


@refusing
async def correct(request: Request) -> Response:
    """Publish the next edition."""
    raw = await read_object(request)
    reason = _reason(raw.pop("reason", ""))
    app = app_of(request)
    press, now, actor = Press.of(app), app.clock(), _actor(request)

    def act(connection: Connection) -> Stored:
        found = _found(connection, request)
        checked = press.examine(raw, now)
        return publishing.correct(connection, press, found, checked, reason=reason, actor=actor, now=now)

    return await _publication(request, act, status=200)


@refusing
async def withdraw(request: Request) -> Response:
    """Publish the edition that takes it back."""
    reason = read_model(Reason, await read_object(request)).reason
    app = app_of(request)
    press, now, actor = Press.of(app), app.clock(), _actor(request)

    def act(connection: Connection) -> Stored:
        return publishing.withdraw(connection, press, _found(connection, request), reason=reason, actor=actor, now=now)

    return await _publication(request, act, status=200)


@refusing
async def pause(request: Request) -> Response:
    """Stop sending until resumed."""
    why = read_model(Reason, await read_object(request)).reason or f"Dijeda oleh {token_of(request).name}."
    return await _steer(request, "pause", {"paused"}, lambda connection, found: ledger.pause(connection, found, why))


@refusing
async def resume(request: Request) -> Response:
    """Go on where it was paused."""
    return await _steer(request, "resume", {"preparing", "running"}, ledger.resume)


@refusing
async def cancel(request: Request) -> Response:
    """Send nothing more of it."""
    why = read_model(Reason, await read_object(request)).reason or f"Dihentikan oleh {token_of(request).name}."
    return await _steer(request, "cancel", {"stopped"}, lambda connection, found: ledger.cancel(connection, found, why))


@refusing
async def retry_failed(request: Request) -> Response:
    """One more attempt for all that failed; says how many."""
    app = app_of(request)

    def act(connection: Connection) -> tuple[Overview, int]:
        found = _found(connection, request)
        count = ledger.retry_failed(connection, found)
        _note(connection, app, _actor(request), "retry-failed", found, {"retried": count})
        return _overview(connection, app, found), count

    shown, count = await app.database.write(act)
    await _ring(app, shown)
    return as_json({**shown.as_json(), "retried": count})


async def _publication(request: Request, act: Callable[[Connection], Stored], *, status: int) -> Response:
    """Publish once, answer, and ring after the commit."""
    response, stored = await once(request, act, status=status)
    if stored is not None:
        await publishing.ring(app_of(request), stored)
    return response


async def _steer(request: Request, act: str, wanted: set[str], change: Callable[[Connection, str], bool]) -> Response:
    """Change the sending; asking for what is so already is no error."""
    app, actor = app_of(request), _actor(request)

    def transaction(connection: Connection) -> Overview:
        found = _found(connection, request)
        if change(connection, found):
            _note(connection, app, actor, act, found, {})
        shown = _overview(connection, app, found)
        if shown.progress.sending not in wanted and not (act == "resume" and shown.progress.sending == "done"):
            raise NotAllowed(NOTHING_TO_DO[act])
        return shown

    shown = await app.database.write(transaction)
    await _ring(app, shown)
    return as_json(shown.as_json())


async def _ring(app: App, shown: Overview) -> None:
    """Wake the workers of every channel by which it goes."""
    newest = await app.database.read(store.newest_edition, shown.id)
    if newest is not None:
        for channel in shown.progress.states:
            await app.queue.ring(channel, "emergency" if newest.edition.emergency else "routine")


def _found(connection: Connection, request: Request) -> str:
    """The id of the announcement that the path names by id or code."""
    found = overview(connection, request.path_params["id"], app_of(request).site)
    if found is None:
        raise Missing
    return found.id


def _overview(connection: Connection, app: App, found: str) -> Overview:
    shown = overview(connection, found, app.site)
    if shown is None:
        raise Missing
    return shown


def _note(connection: Connection, app: App, actor: str, act: str, subject: str, detail: Mapping[str, Any]) -> None:
    audit.append(connection, at=app.clock(), actor=actor, act=act, subject=subject, detail=detail)


def _actor(request: Request) -> str:
    return f"token:{token_of(request).name}"


def _reason(value: object) -> str:
    return read_model(Reason, {"reason": value}).reason
