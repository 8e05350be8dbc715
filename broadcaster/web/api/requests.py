"""What every API endpoint does alike: read JSON, refuse in problem details, do repeated requests
once.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.domain.fields import InvalidAnnouncement, Problem, shown
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.publishing.press import Stored
from broadcaster.store import idempotency
from broadcaster.store.idempotency import KeyReused, StoredResponse
from broadcaster.web.base.authorization import Endpoint, app_of, token_of
from broadcaster.web.base.errors import problem
from broadcaster.web.base.storable import NUL

Model = TypeVar("Model", bound=BaseModel)

KEY_LIMIT = 200
"""Characters of an Idempotency-Key, which are printable ASCII."""
KEY_REUSED = Problem(
    field="Idempotency-Key",
    reason="Kunci ini sudah dipakai untuk permintaan lain.",
    remedy="Pakai kunci baru untuk permintaan baru.",
)
UNSTORABLE, MEND_UNSTORABLE = "Memuat karakter NUL.", "Hapus karakter itu, lalu kirim lagi."


class Missing(Exception):
    """There is no announcement with this id or code."""


def refusing(endpoint: Endpoint) -> Endpoint:
    """The endpoint with every refusal of the product turned into problem details."""

    async def refused(request: Request) -> Response:
        try:
            return await endpoint(request)
        except InvalidAnnouncement as invalid:
            return problem(422, problems=[_item(item) for item in invalid.problems])
        except KeyReused:
            return problem(422, problems=[_item(KEY_REUSED)])
        except NotAllowed as refusal:
            return problem(409, detail=str(refusal))
        except Missing:
            return problem(404)

    return refused


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body, {} for an empty one; 400 for anything else."""
    body = await request.body()
    try:
        content = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400) from error
    if not isinstance(content, dict):
        raise HTTPException(400)
    if unstorable := list(_with_nul(content)):
        raise InvalidAnnouncement(
            Problem(field=name, reason=UNSTORABLE, remedy=MEND_UNSTORABLE) for name in unstorable
        )
    return content


def _with_nul(value: object, place: str = "") -> Iterator[str]:
    """Name each place of a JSON value in which a text, or a name, holds a NUL."""
    if isinstance(value, str) and NUL in value:
        yield shown(place)
    elif isinstance(value, dict):
        for name, inner in value.items():
            within = f"{place}.{name}".lstrip(".")
            yield from [shown(within)] if NUL in name else _with_nul(inner, within)
    elif isinstance(value, list):
        yield from dict.fromkeys(name for inner in value for name in _with_nul(inner, place))


def read_model(model: type[Model], content: Mapping[str, Any]) -> Model:
    """The content as one of bodies.py's models; raises InvalidAnnouncement."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InvalidAnnouncement(
            Problem(
                field=".".join(str(part) for part in detail["loc"]),
                reason="Isi ini kurang, tidak dikenal, atau salah bentuknya.",
                remedy="Lihat /api/v1/openapi.json.",
            )
            for detail in error.errors(include_url=False)
        ) from None


async def once(
    request: Request, act: Callable[[Connection], Stored], *, status: int
) -> tuple[Response, Stored | None]:
    """Do `act` in one transaction and answer; under an Idempotency-Key only the first time. Also
    what was done, if it was.

    `act` must read what it decides by inside the transaction: a request repeated later must still
    get its first answer.
    """
    key = request.headers.get("idempotency-key", "")
    if len(key) > KEY_LIMIT or not key.isascii() or not key.isprintable():
        raise HTTPException(400)
    digest = hashlib.sha256(
        f"{request.method} {request.url.path}\n".encode() + await request.body()
    ).digest()
    token = token_of(request).id

    def transaction(connection: Connection) -> tuple[StoredResponse, Stored | None]:
        earlier = idempotency.take(connection, token, key, digest) if key else None
        if earlier is not None:
            return earlier, None
        done = act(connection)
        answer = StoredResponse(status=status, body=msgspec.json.encode(_said(done)).decode())
        if key:
            idempotency.keep(connection, token, key, answer)
        return answer, done

    answer, done = await app_of(request).database.write(transaction)
    headers = {"Idempotency-Replayed": "true"} if done is None else {}
    return as_json(answer.body.encode(), answer.status, headers), done


def as_json(
    content: bytes | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer that nobody keeps."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(
        body,
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _said(stored: Stored) -> Mapping[str, str]:
    return {"id": stored.id, "code": stored.code, "status": stored.status, "url": stored.url}


def _item(refused: Problem) -> dict[str, str]:
    return {"field": refused.field, "reason": refused.reason, "remedy": refused.remedy}
