"""Announcements over the API: create, publish, track, pause, correct, withdraw."""

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
from broadcaster.web.api.requests import (
    Missing,
    as_json,
    read_model,
    read_object,
    refusing,
    run_idempotent,
)
from broadcaster.web.api.schemas import Reason
from broadcaster.web.base.authorization import app_of, token_actor, token_of


@refusing
async def create(request: Request) -> Response:
    """Store an announcement as a draft, or publish it; 201."""
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
    """Answer the status of an announcement, by id or code."""
    return as_json((await _overview(request)).as_json())


@refusing
async def correct(request: Request) -> Response:
    """Publish a corrected edition."""
    raw = await read_object(request)
    reason = _reason(raw.pop("reason", ""))
    app = app_of(request)
    press, actor = Press.of(app), token_actor(request)

    announcement_id = await _announcement_id(request)

    def act(connection: Connection) -> StoredAnnouncement:
        corrected = transitions.held(connection, announcement_id)
        checked = press.examine(raw, actor.now, corrected=corrected)
        return corrections.correct(
            connection, press, announcement_id, checked, reason=reason, actor=actor
        )

    return await _publication(request, act, status=200)


@refusing
async def withdraw(request: Request) -> Response:
    """Publish an edition that withdraws the announcement."""
    reason = read_model(Reason, await read_object(request)).reason
    app = app_of(request)
    press, actor = Press.of(app), token_actor(request)

    announcement_id = await _announcement_id(request)

    def act(connection: Connection) -> StoredAnnouncement:
        return corrections.withdraw(connection, press, announcement_id, reason=reason, actor=actor)

    return await _publication(request, act, status=200)


@refusing
async def pause(request: Request) -> Response:
    """Pause sending until resumed."""
    why = (
        read_model(Reason, await read_object(request)).reason
        or f"Dijeda oleh {token_of(request).name}."
    )
    return await _steer(request, "pause", why)


@refusing
async def resume(request: Request) -> Response:
    """Resume a paused sending."""
    return await _steer(request, "resume")


@refusing
async def cancel(request: Request) -> Response:
    """Cancel the remaining deliveries."""
    why = (
        read_model(Reason, await read_object(request)).reason
        or f"Dihentikan oleh {token_of(request).name}."
    )
    return await _steer(request, "cancel", why)


@refusing
async def retry_failed(request: Request) -> Response:
    """Retry failed deliveries; answers how many, and how many were left out by reason."""
    done = await controls.retry_failed(
        app_of(request), await _announcement_id(request), actor=token_actor(request)
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
    """Publish once, answer, and wake the workers after the commit."""
    response, stored = await run_idempotent(request, act, status=status)
    if stored is not None:
        await publications.ring(app_of(request), stored)
    return response


async def _steer(request: Request, control: controls.SendingControl, why: str = "") -> Response:
    """Pause, resume or cancel the sending and answer its status."""
    await controls.steer(
        app_of(request),
        await _announcement_id(request),
        control,
        why=why,
        actor=token_actor(request),
    )
    return as_json((await _overview(request)).as_json())


async def _announcement_id(request: Request) -> str:
    """Return the id of the announcement that the path names by id or code; raises Missing."""
    announcement_id = await app_of(request).database.read(identify, request.path_params["id"])
    if announcement_id is None:
        raise Missing
    return announcement_id


async def _overview(request: Request) -> Overview:
    app = app_of(request)
    status = await app.database.read(
        overview, request.path_params["id"], app.site, app.causes, app.labels
    )
    if status is None:
        raise Missing
    return status


def _reason(value: object) -> str:
    return read_model(Reason, {"reason": value}).reason
