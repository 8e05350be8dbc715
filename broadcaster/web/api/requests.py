"""Shared parts of API endpoints: reading JSON, problem details, and idempotent requests."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.domain.fields import excerpt
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import Hint, RequestCode
from broadcaster.domain.refusals import InvalidAnnouncement, Phrase, Problem
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.refusal_words import WordedProblem, sentence, worded
from broadcaster.store import idempotency
from broadcaster.store.idempotency import KeyReused, StoredResponse
from broadcaster.web.base.authorization import Endpoint, app_of, token_of
from broadcaster.web.base.errors import problem, words_of
from broadcaster.web.base.storable import NUL

Model = TypeVar("Model", bound=BaseModel)

KEY_LIMIT = 200
"""Most characters of an Idempotency-Key, which must be printable ASCII."""
KEY_REUSED = Problem(field="Idempotency-Key", code=RequestCode.KEY_REUSED)


class Missing(Exception):
    """There is no announcement with this id or code."""


def refusing(endpoint: Endpoint) -> Endpoint:
    """Wrap an endpoint so that every refusal is answered with problem details."""

    async def refused(request: Request) -> Response:
        try:
            return await endpoint(request)
        except InvalidAnnouncement as invalid:
            return _invalid(request, invalid.problems)
        except KeyReused:
            return _invalid(request, [KEY_REUSED])
        except NotAllowed as refusal:
            t = words_of(request)
            return problem(409, t, code=refusal.code, detail=sentence(refusal, t))
        except Missing:
            return problem(404, words_of(request))

    return refused


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body's JSON object, {} for an empty body.

    Raises HTTPException (400) for anything else, InvalidAnnouncement for text with NUL.
    """
    body = await request.body()
    try:
        content = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400) from error
    if not isinstance(content, dict):
        raise HTTPException(400)
    if unstorable := list(_with_nul(content)):
        raise InvalidAnnouncement(
            Problem(field=name, code=RequestCode.NUL_CHARACTER) for name in unstorable
        )
    return content


def _with_nul(value: object, place: str = "") -> Iterator[str]:
    """Yield the path of each string or key in a JSON value that contains a NUL."""
    if isinstance(value, str) and NUL in value:
        yield excerpt(place)
    elif isinstance(value, dict):
        for name, inner in value.items():
            within = f"{place}.{name}".lstrip(".")
            yield from [excerpt(within)] if NUL in name else _with_nul(inner, within)
    elif isinstance(value, list):
        yield from dict.fromkeys(name for inner in value for name in _with_nul(inner, place))


def read_model(model: type[Model], content: Mapping[str, Any]) -> Model:
    """Validate the content as a model; raises InvalidAnnouncement."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InvalidAnnouncement(
            Problem(
                field=".".join(str(part) for part in detail["loc"]),
                code=RequestCode.MALFORMED,
            )
            for detail in error.errors(include_url=False)
        ) from None


async def run_idempotent(
    request: Request, act: Callable[[Connection], StoredAnnouncement], *, status: int
) -> tuple[Response, StoredAnnouncement | None]:
    """Run `act` in one transaction and answer; a repeated Idempotency-Key repeats the answer.

    Returns the response and the result of `act`, None for a repetition. `act` must do its checks
    inside the transaction, so that a request repeated later still gets its first answer. Raises
    HTTPException (400) for an invalid key and KeyReused for another request under the same key.
    """
    key = request.headers.get("idempotency-key", "")
    if len(key) > KEY_LIMIT or not key.isascii() or not key.isprintable():
        raise HTTPException(400)
    digest = hashlib.sha256(
        f"{request.method} {request.url.path}\n".encode() + await request.body()
    ).digest()
    token = token_of(request).id

    def transaction(connection: Connection) -> tuple[StoredResponse, StoredAnnouncement | None]:
        earlier = idempotency.take(connection, token, key, digest) if key else None
        if earlier is not None:
            return earlier, None
        done = act(connection)
        answer = StoredResponse(status=status, body=msgspec.json.encode(_content(done)).decode())
        if key:
            idempotency.keep(connection, token, key, answer)
        return answer, done

    answer, done = await app_of(request).database.write(transaction)
    headers = {"Idempotency-Replayed": "true"} if done is None else {}
    return as_json(answer.body.encode(), answer.status, headers), done


def as_json(
    content: bytes | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Build a JSON response that is not cached."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(
        body,
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _content(stored: StoredAnnouncement) -> Mapping[str, str]:
    return {"id": stored.id, "code": stored.code, "status": stored.status, "url": stored.url}


def _invalid(request: Request, problems: Sequence[Problem]) -> Response:
    t = words_of(request)
    return problem(422, t, problems=[_item(worded(refused, t), t) for refused in problems])


def _item(refused: WordedProblem, t: Words) -> dict[str, str]:
    return {
        "field": refused.field,
        "code": refused.code,
        "reason": refused.reason,
        "remedy": refused.remedy or sentence(Phrase(code=Hint.MEND_AND_REPEAT), t),
    }
