"""Webhooks of providers: verified by signature, stored, and only then answered."""

from collections import Counter

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from broadcaster.inbound import inbox
from broadcaster.web.base.authorization import app_of
from channels.base.contract import BadSignature, BadWebhook, PushChannel
from channels.base.tolerant_reading import Unreadable

BODY_BYTES = 3 * 1024 * 1024
"""Largest webhook that a provider sends."""
REFUSED = "Forbidden\n"
"""Body of the answer to every wrong signature and handshake."""
TAKEN = "OK\n"
REASONS = 20
"""Most reasons logged per webhook."""

log = structlog.get_logger(__name__)


async def challenge(request: Request) -> Response:
    """Answer a provider's handshake; 403 if it is wrong."""
    answer = _channel(request).challenge(dict(request.query_params))
    return PlainTextResponse(REFUSED, 403) if answer is None else PlainTextResponse(answer)


async def receive(request: Request) -> Response:
    """Store a provider's events, then answer 200: the provider resends those lost before that."""
    channel, app = _channel(request), app_of(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        channel.precheck_webhook(headers)
        body = await request.body()
        parts = channel.parse_webhook(headers, body)
    except BadSignature:
        request.app.state.refusals.note("unsigned")
        return PlainTextResponse(REFUSED, 403)
    except BadWebhook as error:
        # a keyed hash, because a short body that is little more than a phone number could be
        # guessed from a plain SHA-256
        key = app.vault.dedupe_key(channel.name, body.decode("latin-1")).hex()
        log.warning(
            "webhook_unreadable", channel=channel.name, bytes=len(body), key=key, reason=str(error)
        )
        request.app.state.refusals.note("unreadable")
        return PlainTextResponse(TAKEN)
    await inbox.accept(
        app, channel.name, [part for part in parts if not isinstance(part, Unreadable)]
    )
    _log_unreadable(
        request, channel.name, Counter(part for part in parts if isinstance(part, Unreadable))
    )
    return PlainTextResponse(TAKEN)


def _log_unreadable(request: Request, channel: str, unreadable: Counter[Unreadable]) -> None:
    """Log the unreadable parts of a webhook, one line per reason, and count them."""
    for part, count in unreadable.most_common(REASONS):
        log.warning(
            "webhook_part_unreadable",
            channel=channel,
            where=part.where,
            reason=part.reason,
            count=count,
        )
    request.app.state.refusals.note("unreadable", unreadable.total())


def _channel(request: Request) -> PushChannel:
    channel = app_of(request).push.get(request.path_params["channel"])
    if channel is None:
        raise HTTPException(404)
    return channel
