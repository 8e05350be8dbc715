"""Announcements for other systems: write, publish, follow, steer, correct, withdraw."""

from collections.abc import Callable

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.delivery import controls
from broadcaster.delivery.status import Overview, identify, overview
from broadcaster.domain.refusal_codes import FieldCode, Hint
from broadcaster.domain.refusals import InvalidAnnouncement, Phrase, Problem
from broadcaster.publishing import corrections, publications, transitions
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.web.api.requests import Missing, as_json, once, read_model, read_object, refusing
from broadcaster.web.api.schemas import Reason
from broadcaster.web.base.authorization import app_of, token_actor, token_of


@refusing
async def create(request: Request) -> Response:
    """Store an announcement as a draft, or publish it. 201."""
    raw = await read_object(request)
    publish = raw.pop("publish", False)
    if not isinstance(publish, bool):
        raise InvalidAnnouncement(
            [
                Problem(
                    field="publish",
                    code=FieldCode.WRONG_SHAPE,
                    parameters={"hint": Phrase(code=Hint.FILL_BOOLEAN)},
                )
            ]
        )
    if publish and not token_of(request).may("publish"):
        raise HTTPException(403)
    app = app_of(request)
    press, actor = Press.of(app), token_actor(request)

    def act(connection: Connection) -> StoredAnnouncement:
        checked = press.examine(raw, actor.now)
        if publish:
            return publications.publish(connection, press, checked, actor=actor)
        return publications.save_draft(connection, press, checked, actor=actor)

    return await _publication(request, act, status=201)


@refusing
async def read(request: Request) -> Response:
    """What became of it; by id or by code."""
    return as_json((await _overview(request)).as_json())


@refusing
async def correct(request: Request) -> Response:
    """Publish the next edition."""
    raw = await read_object(request)
    reason = _reason(raw.pop("reason", ""))
    app = app_of(request)
    press, actor = Press.of(app), token_actor(request)

    found = await _found(request)

    def act(connection: Connection) -> StoredAnnouncement:
        checked = press.examine(raw, actor.now, corrected=transitions.held(connection, found))
        return corrections.correct(connection, press, found, checked, reason=reason, actor=actor)

    return await _publication(request, act, status=200)


@refusing
async def withdraw(request: Request) -> Response:
    """Publish the edition that takes it back."""
    reason = read_model(Reason, await read_object(request)).reason
    app = app_of(request)
    press, actor = Press.of(app), token_actor(request)

    found = await _found(request)

    def act(connection: Connection) -> StoredAnnouncement:
        return corrections.withdraw(connection, press, found, reason=reason, actor=actor)

    return await _publication(request, act, status=200)


@refusing
async def pause(request: Request) -> Response:
    """Stop sending until resumed."""
    why = (
        read_model(Reason, await read_object(request)).reason
        or f"Dijeda oleh {token_of(request).name}."
    )
    return await _steer(request, "pause", why)


@refusing
async def resume(request: Request) -> Response:
    """Go on where it was paused."""
    return await _steer(request, "resume")


@refusing
async def cancel(request: Request) -> Response:
    """Send nothing more of it."""
    why = (
        read_model(Reason, await read_object(request)).reason
        or f"Dihentikan oleh {token_of(request).name}."
    )
    return await _steer(request, "cancel", why)


@refusing
async def retry_failed(request: Request) -> Response:
    """One more attempt for all that failed; says how many, and how many were left out for which
    reason.
    """
    done = await controls.retry_failed(
        app_of(request), await _found(request), actor=token_actor(request)
    )
    return as_json(
        {
            **(await _overview(request)).as_json(),
            "retried": done.opened,
            "left_out": dict(done.left_out),
        }
    )


async def _publication(
    request: Request, act: Callable[[Connection], StoredAnnouncement], *, status: int
) -> Response:
    """Publish once, answer, and ring after the commit."""
    response, stored = await once(request, act, status=status)
    if stored is not None:
        await publications.ring(app_of(request), stored)
    return response


async def _steer(request: Request, control: controls.SendingControl, why: str = "") -> Response:
    """Change the sending and answer how it stands."""
    await controls.steer(
        app_of(request), await _found(request), control, why=why, actor=token_actor(request)
    )
    return as_json((await _overview(request)).as_json())


async def _found(request: Request) -> str:
    """The id of the announcement that the path names by id or code."""
    found = await app_of(request).database.read(identify, request.path_params["id"])
    if found is None:
        raise Missing
    return found


async def _overview(request: Request) -> Overview:
    app = app_of(request)
    shown = await app.database.read(
        overview, request.path_params["id"], app.site, app.causes, app.labels
    )
    if shown is None:
        raise Missing
    return shown


def _reason(value: object) -> str:
    return read_model(Reason, {"reason": value}).reason
