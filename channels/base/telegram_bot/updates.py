"""Updates of the Bot API as Telegram posts them: only what concerns an announcement bot."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from channels.base import tolerant_reading
from channels.base.events import AddressEvent, BadWebhook, Event, InboundEvent
from channels.base.redaction import redacted
from channels.base.tolerant_reading import Unreadable

_Date = Annotated[int, msgspec.Meta(ge=0, le=99_999_999_999)]
_GONE = frozenset({"kicked", "left"})


class _Chat(msgspec.Struct):
    id: int
    type: str = ""

    @property
    def private(self) -> bool:
        return self.type == "private"


class _Message(msgspec.Struct):
    chat: _Chat
    date: _Date | None = None
    text: str = ""
    caption: str = ""
    migrate_to_chat_id: int | None = None
    migrate_from_chat_id: int | None = None


class _Pressed(msgspec.Struct):
    message: _Message
    data: str = ""


class _Member(msgspec.Struct):
    status: str


class _Membership(msgspec.Struct):
    chat: _Chat
    new_chat_member: _Member


class _Update(msgspec.Struct):
    update_id: int
    message: _Message | None = None
    callback_query: _Pressed | None = None
    my_chat_member: _Membership | None = None


def read(body: bytes) -> Sequence[Event | Unreadable]:
    """Parse messages and button clicks of residents, blocks, and new ids of groups; group messages
    are ignored.

    Raises BadWebhook.
    """
    reasons: list[str] = []
    try:
        update = tolerant_reading.read(
            tolerant_reading.decode(body, reasons.append), _Update, reasons.append
        )
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadWebhook(f"{type(error).__name__}: {redacted(str(error))[:200]}") from error
    events = list(_events(update))
    if reasons and not events:
        raise BadWebhook(redacted(reasons[0])[:200])
    return [
        *events,
        *(Unreadable(where="update", reason=redacted(reason)[:200]) for reason in reasons),
    ]


def _events(update: _Update) -> Iterator[Event]:
    dedupe = f"update.{update.update_id}"
    if change := update.my_chat_member:
        gone = change.new_chat_member.status in _GONE
        yield AddressEvent(
            dedupe=dedupe,
            address=str(change.chat.id),
            state="opted_out" if gone else "reachable",
            exact=True,
        )
    elif (pressed := update.callback_query) and pressed.message.chat.private:
        yield InboundEvent(
            dedupe=dedupe, address=str(pressed.message.chat.id), payload=pressed.data
        )
    elif (message := update.message) and message.chat.private:
        at = None if message.date is None else datetime.fromtimestamp(message.date, UTC)
        yield InboundEvent(
            dedupe=dedupe, address=str(message.chat.id), text=message.text or message.caption, at=at
        )
    elif message and (message.migrate_to_chat_id or message.migrate_from_chat_id):
        old, new = (
            message.migrate_from_chat_id or message.chat.id,
            message.migrate_to_chat_id or message.chat.id,
        )
        yield AddressEvent(
            dedupe=dedupe, address=str(old), state="moved", moved_to=str(new), exact=True
        )
