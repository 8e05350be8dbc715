"""Webhooks of Meta's Graph API: signature check and tolerant, item-by-item parsing."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import structlog

from channels.base import http, tolerant_reading
from channels.base.events import (
    AddressEvent,
    AlarmEvent,
    BadSignature,
    BadWebhook,
    Event,
    InboundEvent,
    StatusEvent,
)
from channels.base.meta.answers import Contact, GraphError
from channels.base.outcomes import Failure
from channels.base.redaction import redacted
from channels.base.tolerant_reading import Unreadable

WEBHOOK_LIMIT = 3 * 1024 * 1024
"""Size in bytes of the largest webhook that Meta sends."""
_MILLISECONDS_FROM = 100_000_000_000
"""Timestamps from this value on are in milliseconds (as seconds it would be the year 5138)."""

STATES: Mapping[str, Literal["sent", "delivered", "read", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
}
ALARMS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_update",
        "business_capability_update",
        "message_template_quality_update",
        "message_template_status_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "template_category_update",
    }
)
"""Webhook fields that an operator has to know about."""
OF_A_NUMBER = frozenset({"messages", "user_preferences"})
"""Fields whose changes name the number they are about in their metadata."""
Timestamp = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999_999)]
"""Seconds, or sometimes milliseconds, since 1970."""
ANSWER = "answer"
"""Callback data of our replies to residents: no delivery waits for their statuses, so these are
dropped.
"""
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change in a webhook about something of `account`; `mark` is the same each time it is
    repeated.

    `unreadable` collects the parts of the webhook that cannot be parsed.
    """

    field: str
    value: Mapping[str, Any]
    mark: str
    account: str
    unreadable: list[Unreadable]

    @property
    def number(self) -> str:
        """Id of the number it is about; empty if it names none."""
        metadata = self.value.get("metadata")
        return str(metadata.get("phone_number_id", "")) if isinstance(metadata, dict) else ""

    def items(self, name: str, kind: type[T]) -> Iterator[T]:
        """Yield the items of list `name` that parse as `kind`; for the others, only the reasons are
        recorded.
        """
        where = f"{self.field}.{name}"
        for item in _listed(self.value.get(name), where, self.unreadable):
            with _gathering(where, self.unreadable) as report:
                yield tolerant_reading.read(item, kind, report)


@contextmanager
def _gathering(where: str, unreadable: list[Unreadable]) -> Iterator[tolerant_reading.Report]:
    """Collect the reasons why something, or parts of it, cannot be parsed.

    An item that cannot be parsed at all ends the `with` block.
    """

    def report(reason: str) -> None:
        unreadable.append(Unreadable(where=where, reason=redacted(reason)[:200]))

    try:
        yield report
    except (msgspec.ValidationError, RecursionError) as error:
        report(str(error))


def _listed(raw: Any, where: str, unreadable: list[Unreadable]) -> list[Any]:
    with _gathering(where, unreadable):
        return msgspec.convert([] if raw is None else raw, list[Any])
    return []


class _Change(msgspec.Struct):
    field: str = ""
    value: dict[str, Any] = {}


class _Entry(msgspec.Struct):
    id: str = ""
    time: int = 0
    changes: Any = None


class _Envelope(msgspec.Struct):
    entry: list[Any]


_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")


def precheck(secret: str, headers: Mapping[str, str]) -> None:
    """Check for a plausible Meta signature header. Raises BadSignature."""
    if not (secret and _SIGNATURE.fullmatch(headers.get("x-hub-signature-256", ""))):
        raise BadSignature


def changes(
    secret: str, headers: Mapping[str, str], body: bytes
) -> tuple[list[Change], list[Unreadable]]:
    """Verify the signature over the raw body; return all changes and the growing list of unreadable
    parts.

    Raises BadSignature, BadWebhook.
    """
    signature = headers.get("x-hub-signature-256", "")
    if len(body) > WEBHOOK_LIMIT or not http.signed_by(
        secret, body, signature.removeprefix("sha256=")
    ):
        raise BadSignature
    unreadable: list[Unreadable] = []
    try:
        raw = tolerant_reading.decode(
            body, lambda reason: unreadable.append(Unreadable(where="webhook", reason=reason))
        )
        envelope = msgspec.convert(raw, _Envelope, strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadWebhook(f"not Meta's envelope: {redacted(str(error))[:200]}") from None
    return list(_changes(envelope.entry, unreadable)), unreadable


def _changes(entries: Sequence[Any], unreadable: list[Unreadable]) -> Iterator[Change]:
    for listed in entries:
        entry = _Entry()
        with _gathering("entry", unreadable) as report:
            entry = tolerant_reading.read(listed, _Entry, report)
        for raw in _listed(entry.changes, "changes", unreadable):
            with _gathering("changes", unreadable) as report:
                if not isinstance(raw, dict) or not isinstance(raw.get("value", {}), dict):
                    raise msgspec.ValidationError("a change or its value is no object")
                change = tolerant_reading.read(raw, _Change, report)
                known = mark(change.field, entry.id, entry.time, change.value)
                yield Change(
                    field=change.field,
                    value=change.value,
                    mark=known,
                    account=entry.id,
                    unreadable=unreadable,
                )


def ours(changes: Sequence[Change], *, number: str, account: str) -> list[Change]:
    """Keep changes about our number or our account (any account if `account` is empty); log and
    drop the rest.

    An app receives the webhooks of all its numbers: a resident who unsubscribes from another number
    has not unsubscribed from ours.
    """
    own = [change for change in changes if _is_ours(change, number, account)]
    if len(own) < len(changes):
        log.warning("graph_changes_of_others", count=len(changes) - len(own))
    return own


def _is_ours(change: Change, number: str, account: str) -> bool:
    if change.field in OF_A_NUMBER:
        return bool(number) and change.number == number
    return not account or change.account == account


def challenge(word: str, query: Mapping[str, str]) -> str | None:
    """Answer the handshake with its challenge; None if it does not know our verify token."""
    if query.get("hub.mode") != "subscribe" or not http.same(
        word, query.get("hub.verify_token", "")
    ):
        return None
    return query.get("hub.challenge", "")


def mark(*facts: Any) -> str:
    """Return a short digest of `facts`: always the same, and not reversible."""
    return hashlib.blake2b(
        msgspec.json.encode(facts, order="deterministic"), digest_size=16
    ).hexdigest()


def moment(timestamp: Timestamp) -> datetime:
    """Convert a timestamp to UTC."""
    return datetime.fromtimestamp(
        timestamp / 1000 if timestamp >= _MILLISECONDS_FROM else timestamp, UTC
    )


class _Status(msgspec.Struct):
    id: str
    status: str
    timestamp: Timestamp
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    biz_opaque_callback_data: str | None = None
    errors: list[GraphError] = []


class _Content(msgspec.Struct):
    body: str = ""
    text: str = ""
    payload: str = ""
    caption: str = ""


class _Reply(msgspec.Struct):
    id: str = ""
    title: str = ""


class _Interactive(msgspec.Struct):
    button_reply: _Reply | None = None
    list_reply: _Reply | None = None


class _Inbound(msgspec.Struct, rename={"sender": "from"}):
    id: str
    timestamp: Timestamp | None = None
    type: str = ""
    sender: str | None = None
    from_user_id: str | None = None
    text: _Content | None = None
    button: _Content | None = None
    interactive: _Interactive | None = None
    image: _Content | None = None
    video: _Content | None = None
    document: _Content | None = None

    @property
    def content(self) -> tuple[str, str]:
        """The text, and the payload of the clicked button; both empty for a message without
        text.
        """
        reply = self.interactive and (self.interactive.button_reply or self.interactive.list_reply)
        if reply:
            return reply.title, reply.id
        if self.button:
            return self.button.text, self.button.payload
        words = self.text or self.image or self.video or self.document or _Content()
        return words.body or words.caption, ""


class _Preference(msgspec.Struct):
    value: str
    timestamp: Timestamp | None = None
    wa_id: str | None = None
    user_id: str | None = None


FailureOf = Callable[[GraphError, str], Failure]
"""Maps an error to the outcome of the message to an address; the channel's own table."""


def events(change: Change, failure_of: FailureOf) -> Iterator[Event]:
    """Yield the events of a change; unknown fields, types and statuses yield none."""
    if change.field == "messages":
        yield from _statuses(change, failure_of)
        yield from _messages(change)
        for error in change.items("errors", GraphError):
            yield AlarmEvent(dedupe=change.mark, code=str(error.code), detail=error.detail)
    elif change.field == "user_preferences":
        yield from _preferences(change)
    elif change.field in ALARMS:
        facts = ", ".join(
            f"{name}: {fact}"
            for name, fact in change.value.items()
            if isinstance(fact, str | int | float)
        )
        yield AlarmEvent(dedupe=change.mark, code=change.field, detail=redacted(facts)[:300])


def _statuses(change: Change, failure_of: FailureOf) -> Iterator[StatusEvent]:
    for status in change.items("statuses", _Status):
        if (
            state := STATES.get(status.status)
        ) is None or status.biz_opaque_callback_data == ANSWER:
            continue
        address = status.recipient_id or status.recipient_user_id or ""
        error = status.errors[0] if status.errors else GraphError()
        yield StatusEvent(
            dedupe=f"{status.id}:{state}",
            provider_id=status.id,
            address=address,
            delivery=status.biz_opaque_callback_data or "",
            state=state,
            at=moment(status.timestamp),
            failure=failure_of(error, address) if state == "failed" else None,
            aliases=tuple(
                known for known in (status.recipient_user_id,) if known and known != address
            ),
        )


def _messages(change: Change) -> Iterator[InboundEvent]:
    people = {
        person.wa_id: person.user_id for person in change.items("contacts", Contact) if person.wa_id
    }
    for message in change.items("messages", _Inbound):
        address = message.sender or message.from_user_id
        if not address or message.type in {"reaction", "system"}:
            continue
        text, payload = message.content
        others = dict.fromkeys((message.from_user_id, people.get(address)))
        yield InboundEvent(
            dedupe=message.id,
            address=address,
            text=text,
            payload=payload,
            aliases=tuple(known for known in others if known and known != address),
            at=None if message.timestamp is None else moment(message.timestamp),
        )


def _preferences(change: Change) -> Iterator[AddressEvent]:
    for wish in change.items("user_preferences", _Preference):
        address = wish.wa_id or wish.user_id
        if not address or wish.value not in {"stop", "resume"}:
            continue
        yield AddressEvent(
            dedupe=mark(change.field, address, wish.value, wish.timestamp),
            address=address,
            state="opted_out" if wish.value == "stop" else "reachable",
            aliases=tuple(known for known in (wish.user_id,) if known and known != address),
        )
