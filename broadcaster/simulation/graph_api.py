"""Stand-in for Meta's Graph API on loopback: accepts messages as the real one does and reports by
webhook.
"""

import asyncio
import contextlib
import functools
import re
import time
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from aiohttp import web

from broadcaster.simulation.callbacks import Callbacks, WebhookItem
from broadcaster.simulation.faults import Faults
from broadcaster.simulation.graph_templates import (
    PRODUCT,
    ApiError,
    check_template,
    received_parts,
    registry,
)

INBOX_LIMIT = 20
SEEN_LIMIT = 200_000
DISPLAY_NUMBER = "+62 811-0000-0112"
STATUS_DELAYS = {"sent": 0.1, "delivered": 0.4, "read": 1.5}
"""Seconds from acceptance to each status."""
READERS = 0.7
"""Share of addresses that read their messages."""

_ADDRESS = re.compile(r"\d{8,15}")
_SCOPED = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")


class _Request(msgspec.Struct):
    messaging_product: str = ""
    recipient_type: str = ""
    type: str = "text"
    to: str = ""
    recipient: str = ""
    status: str = ""
    biz_opaque_callback_data: str = ""
    template: msgspec.Raw = msgspec.Raw(b"")
    text: msgspec.Raw = msgspec.Raw(b"")
    interactive: msgspec.Raw = msgspec.Raw(b"")


_REQUEST = msgspec.json.Decoder(_Request)


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """Message in the inbox of a watched address, by the parts its owner sees."""

    id: str
    callback: str
    at: datetime
    parts: Mapping[str, str]


@dataclass(kw_only=True)
class GraphApi:
    """Server of one phone number of one account. Statuses and residents' messages are posted to
    `callback_url`, signed with `app_secret`.

    Totals are always counted. The last `inbox_size` messages of watched addresses are kept; with
    `record`, also `pairs` of (address, callback data). Blocked addresses fail by webhook as with
    the real API, or immediately if there is no `callback_url`.
    """

    token: str
    phone_id: str
    account_id: str = ""
    app_secret: str = ""
    callback_url: str = ""
    templates: Sequence[Mapping[str, Any]] = ()
    faults: Faults = field(default_factory=Faults)
    record: bool = False
    inbox_size: int = INBOX_LIMIT
    accepted: int = 0
    refused: int = 0
    doubled: int = 0
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.registry = registry(self.templates)
        self.callbacks = Callbacks(
            url=self.callback_url, secret=self.app_secret, envelope=self._envelope
        )
        self._inboxes: dict[str, deque[Received]] = {}
        self._seen: dict[int, None] = {}
        self._checked: dict[bytes, dict[str, str] | ApiError] = {}
        self.app = web.Application(client_max_size=1024 * 1024)
        self.app.router.add_post("/{version}/{node}/messages", self._messages)
        self.app.router.add_get("/{version}/{node}/message_templates", self._list_templates)
        self.app.router.add_post("/{version}/{node}/message_templates", self._add_template)
        self.app.router.add_get("/{version}/{node}", self._number)
        self.app.cleanup_ctx.append(self._posting)

    # --- residents of the simulation ---

    def watch(self, *addresses: str) -> None:
        """Keep the last messages to these addresses."""
        for address in addresses:
            self._inboxes.setdefault(address, deque(maxlen=self.inbox_size))

    def inbox(self, address: str) -> list[Received]:
        """Return the last messages to a watched address, oldest first."""
        return list(self._inboxes.get(address, ()))

    def write(self, address: str, text: str) -> None:
        """Send a text to the city as the owner of `address`."""
        self._inbound(address, {"type": "text", "text": {"body": text}})

    def click(self, address: str, text: str, payload: str) -> None:
        """Click a template's quick reply button as the owner of `address`."""
        self._inbound(address, {"type": "button", "button": {"text": text, "payload": payload}})

    def choose(self, address: str, title: str, identifier: str) -> None:
        """Click a button of an interactive message as the owner of `address`."""
        reply = {"type": "button_reply", "button_reply": {"id": identifier, "title": title}}
        self._inbound(address, {"type": "interactive", "interactive": reply})

    def _inbound(self, address: str, content: Mapping[str, Any]) -> None:
        number = self.callbacks.posted + self.callbacks.waiting
        identifier = wamid(address, f"in:{number}:{time.monotonic_ns()}")
        message = {"from": address, "id": identifier, "timestamp": str(int(time.time())), **content}
        self.callbacks.later(
            0, {"messages": message, "contacts": {"wa_id": address, "user_id": scoped_id(address)}}
        )

    # --- the API ---

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        try:
            self._authorise(request, self.phone_id)
            body = await request.read()
            await self._play_faults()
            answer = self._take(_REQUEST.decode(body))
            if self.faults.cutting() and request.transport is not None:
                request.transport.abort()
            return answer
        except msgspec.DecodeError:
            return _refusal(ApiError(100, "The request is not valid JSON"))
        except ApiError as error:
            self.refused += 1
            return _refusal(error)

    async def _play_faults(self) -> None:
        faults = self.faults
        if faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        if faults.limited():
            raise ApiError(130429, "Rate limit hit", status=429, headers={"Retry-After": "1"})
        if faults.broken():
            raise ApiError(131000, "Something went wrong", status=500)

    def _take(self, message: _Request) -> web.Response:
        if message.messaging_product != PRODUCT:
            raise ApiError(100, "messaging_product is required")
        if message.status == "read":
            return _json({"success": True})
        address = message.to or message.recipient
        if not (
            _ADDRESS.fullmatch(message.to)
            or (not message.to and _SCOPED.fullmatch(message.recipient))
        ):
            raise ApiError(131009, "Parameter value is not valid: to")
        content = {"template": message.template, "interactive": message.interactive}.get(
            message.type, message.text
        )
        parts = self._check(message.type, bytes(content))
        return self._accept(message, address, parts, bytes(content))

    def _check(self, kind: str, content: bytes) -> dict[str, str]:
        """Return the parts that recipients see, cached by content. Raises ApiError."""
        key = kind.encode() + content
        known = self._checked.get(key)
        if known is None:
            if len(self._checked) >= 256:
                self._checked.clear()
            known = self._checked[key] = self._read(kind, content)
        if isinstance(known, ApiError):
            raise known
        return known

    def _read(self, kind: str, content: bytes) -> dict[str, str] | ApiError:
        try:
            return received_parts({"type": kind, kind: msgspec.json.decode(content)}, self.registry)
        except ApiError as error:
            return error
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            return ApiError(100, f"Invalid parameter: {type(error).__name__}")

    def _accept(
        self, message: _Request, address: str, parts: dict[str, str], content: bytes
    ) -> web.Response:
        blocked = self.faults.blocks(address)
        if blocked and not self.callbacks.url:
            raise ApiError(131026, "Message undeliverable")
        self.accepted += 1
        identifier = wamid(address, f"{self.accepted}:{message.biz_opaque_callback_data}")
        if self.record:
            self.pairs.append((address, message.biz_opaque_callback_data))
        if not blocked:
            self._deliver(address, message, identifier, parts, content)
        self._announce(address, message, identifier, blocked=blocked)
        person = {"input": address, "user_id": scoped_id(address)} | (
            {"wa_id": message.to} if message.to else {}
        )
        answer = {
            "messaging_product": PRODUCT,
            "contacts": [person],
            "messages": [{"id": identifier, "message_status": "accepted"}],
        }
        return _json(answer)

    def _deliver(
        self,
        address: str,
        message: _Request,
        identifier: str,
        parts: dict[str, str],
        content: bytes,
    ) -> None:
        if message.type == "template":
            mark = hash((address, content))
            self.doubled += mark in self._seen
            self._seen[mark] = None
            if len(self._seen) > SEEN_LIMIT:
                del self._seen[next(iter(self._seen))]
        if (inbox := self._inboxes.get(address)) is not None:
            callback = message.biz_opaque_callback_data
            inbox.append(
                Received(id=identifier, callback=callback, at=datetime.now(UTC), parts=parts)
            )

    def _announce(self, address: str, message: _Request, identifier: str, *, blocked: bool) -> None:
        if not self.callbacks.url:
            return
        status: WebhookItem = {
            "id": identifier,
            "recipient_id": address,
            "recipient_user_id": scoped_id(address),
        }
        if message.biz_opaque_callback_data:
            status["biz_opaque_callback_data"] = message.biz_opaque_callback_data
        status["timestamp"] = str(int(time.time()))
        if blocked:
            errors = [{"code": 131026, "title": "Message undeliverable"}]
            self.callbacks.later(
                STATUS_DELAYS["sent"],
                {"statuses": {**status, "status": "failed", "errors": errors}},
            )
            return
        for state, delay in STATUS_DELAYS.items():
            if state != "read" or _share(address) < READERS:
                self.callbacks.later(delay, {"statuses": {**status, "status": state}})

    def _envelope(self, items: Sequence[WebhookItem]) -> dict[str, Any]:
        """Wrap statuses and messages into one webhook, batched as Meta does."""
        metadata = {
            "display_phone_number": re.sub(r"\D", "", DISPLAY_NUMBER),
            "phone_number_id": self.phone_id,
        }
        value: dict[str, Any] = {"messaging_product": PRODUCT, "metadata": metadata}
        for item in items:
            for kind, entry in item.items():
                value.setdefault(kind, []).append(entry)
        entry = {"id": self.account_id, "changes": [{"field": "messages", "value": value}]}
        return {"object": f"{PRODUCT}_business_account", "entry": [entry]}

    async def _posting(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.callbacks.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _number(self, request: web.Request) -> web.StreamResponse:
        try:
            self._authorise(request, self.phone_id)
        except ApiError as error:
            return _refusal(error)
        facts = {
            "display_phone_number": DISPLAY_NUMBER,
            "verified_name": "Info Kota Cimahi",
            "quality_rating": "GREEN",
        }
        facts |= {"status": "CONNECTED", "whatsapp_business_manager_messaging_limit": "TIER_100K"}
        wanted = request.query.get("fields", "display_phone_number").split(",")
        return _json(
            {name: facts[name] for name in wanted if name in facts} | {"id": self.phone_id}
        )

    async def _list_templates(self, request: web.Request) -> web.StreamResponse:
        """List the templates in pages; the `after` cursor is the offset of the next page."""
        try:
            self._authorise(request, self.account_id)
        except ApiError as error:
            return _refusal(error)
        begin, limit = int(request.query.get("after") or 0), int(request.query.get("limit") or 25)
        known = [{"status": "APPROVED", **template} for template in self.registry.values()]
        paging: dict[str, Any] = {"cursors": {"before": str(begin), "after": str(begin + limit)}}
        if begin + limit < len(known):
            paging["next"] = str(request.url.update_query(after=str(begin + limit)))
        return _json({"data": known[begin : begin + limit], "paging": paging})

    async def _add_template(self, request: web.Request) -> web.StreamResponse:
        """Add a template, approved at once."""
        try:
            self._authorise(request, self.account_id)
            template = msgspec.json.decode(await request.read(), type=dict[str, Any])
            check_template(template)
            self.registry |= registry([template])
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            return _refusal(ApiError(100, "Invalid parameter"))
        except ApiError as error:
            return _refusal(error)
        self._checked.clear()
        identifier = str(
            int.from_bytes(_digest(f"{template['name']}:{template['language']}"), "big")
        )
        return _json(
            {
                "id": identifier,
                "status": "APPROVED",
                "category": template.get("category", "UTILITY"),
            }
        )

    def _authorise(self, request: web.Request, node: str) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise ApiError(190, "Invalid OAuth access token", status=401)
        if not node or request.match_info["node"] != node:
            raise ApiError(100, f"Object with ID '{request.match_info['node']}' does not exist")


def wamid(address: str, seed: str) -> str:
    """Return a message id built as Meta's are: base64 of a structure that holds the other party's
    phone number in the clear.
    """
    number, mark = (
        address.encode(),
        blake2b(f"{address}:{seed}".encode(), digest_size=9).hexdigest().upper(),
    )
    raw = (
        b"\x1c\x18"
        + bytes([len(number)])
        + number
        + b"\x15\x02\x00\x11\x18\x12"
        + mark.encode()
        + b"\x00"
    )
    return f"wamid.{b64encode(raw).decode()}"


@functools.lru_cache(maxsize=65_536)
def scoped_id(address: str) -> str:
    """Return the business-scoped id of a number; an id is returned unchanged."""
    return address if "." in address else f"ID.{int.from_bytes(_digest(address), 'big')}"


def _share(address: str) -> float:
    return int.from_bytes(_digest(f"reads:{address}"), "big") / 2**64


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def _refusal(error: ApiError) -> web.Response:
    return _json({"error": error.body()}, status=error.status, headers=error.headers)


def _json(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        content_type="application/json",
        status=status,
        headers=headers,
    )
