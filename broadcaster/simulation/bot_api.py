"""Stand-in for Telegram's Bot API on loopback, with readable inboxes, fault injection and updates
posted to our webhook.
"""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from broadcaster.simulation.bot_requests import (
    BotRefusal,
    Fields,
    checked,
    copy_of,
    fields_of,
    number,
    received_parts,
    text_of,
)
from broadcaster.simulation.faults import Faults

INBOX = 20  # messages kept per chat
DELETABLE_SECONDS = 48 * 3600.0
"""Maximum age of a message that the bot may delete."""
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 # reason: the name of a header
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup "
    "are exactly the same as a current content and reply markup of the message"
)
BOT = {
    "id": 110112,
    "is_bot": True,
    "first_name": "Info Kota (simulasi)",
    "username": "simulasi_info_bot",
}


class ChatMessage(msgspec.Struct, kw_only=True):
    """Message as a phone displays it: parsed `text`, `photo` the URL of its picture.

    `parts` are the text, buttons and flags as received, `at` the arrival in epoch seconds.
    """

    message_id: int
    text: str
    parts: dict[str, str]
    photo: str = ""
    edited: bool = False
    at: float = msgspec.field(default_factory=time.time)


# --- the server -----------------------------------------------------------------------------------


class BotApi:
    """Server of one bot: serve `app`; results are in `inbox(chat)`, `counts` and, with `record`,
    `accepted` (chat, HTML).

    An empty `token` accepts any; `faults` may change at any time. The newest `phones` chats are
    kept, and the newest `inbox_size` messages of each.
    """

    def __init__(
        self,
        *,
        token: str = "",
        faults: Faults | None = None,
        record: bool = False,
        phones: int = 20_000,
        inbox_size: int = INBOX,
    ) -> None:
        self.token = token
        self.phones = phones
        self.inbox_size = inbox_size
        self.faults = faults or Faults()
        self.record = record
        self.accepted: list[tuple[int, str]] = []
        self.counts: Counter[str] = Counter()
        self.commands: dict[str, Any] = {}
        self.webhook: dict[str, str] = {"url": "", "secret_token": ""}
        self.last_error = ""
        self.blocked: set[int] = set()
        self._scripts: dict[int, Callable[[], BotRefusal]] = {}
        self._inboxes: dict[int, deque[ChatMessage]] = {}
        self._ids = itertools.count(time.time_ns() // 1_000_000)  # unique across restarts
        self._session: aiohttp.ClientSession | None = None
        self._methods: dict[str, Callable[[Fields], Any]] = {
            "getme": lambda _: BOT,
            "getwebhookinfo": self._webhook_info,
            "setwebhook": self._set_webhook,
            "setmycommands": self._set_commands,
            "sendmessage": self._send,
            "sendphoto": self._send_photo,
            "editmessagetext": self._edit_text,
            "editmessagecaption": self._edit_caption,
            "editmessagemedia": self._edit,
            "deletemessage": self._delete,
            "answercallbackquery": lambda _: True,
        }

    @property
    def app(self) -> web.Application:
        """New application that serves this bot."""
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._handle)
        app.on_cleanup.append(self._cleanup)
        return app

    def inbox(self, chat_id: int) -> list[ChatMessage]:
        """Return the newest messages of a chat, oldest first."""
        return list(self._inboxes.get(chat_id, ()))

    def script(self, chat_id: int, status: int, description: str, **parameters: int) -> None:
        """Answer every further request for this chat with an error, e.g. 400, "Bad Request: chat
        not found".
        """
        self._scripts[chat_id] = lambda: BotRefusal(status, description, **parameters)

    def forget(self) -> None:
        """Clear inboxes, counts and records."""
        self._inboxes.clear()
        self.counts.clear()
        self.accepted.clear()

    # --- actions of a resident: each posts to our webhook and returns its HTTP status -------------

    async def writes(self, chat_id: int, text: str) -> int:
        """Send `text` as a resident, e.g. /berhenti."""
        return await self.post(
            {"message": _message(chat_id, next(self._ids), text, _person(chat_id))}
        )

    async def click(self, chat_id: int, data: str) -> int:
        """Click a button that carries `data` as a resident."""
        query = {
            "id": f"q{next(self._ids)}",
            "from": _person(chat_id),
            "chat_instance": "1",
            "data": data,
        }
        return await self.post(
            {"callback_query": {**query, "message": _message(chat_id, next(self._ids), "...", BOT)}}
        )

    async def blocks(self, chat_id: int) -> int:
        """Block the bot as a resident; every further message is refused."""
        self.blocked.add(chat_id)
        return await self.post(_membership(chat_id, "member", "kicked"))

    async def unblocks(self, chat_id: int) -> int:
        """Unblock the bot as a resident."""
        self.blocked.discard(chat_id)
        return await self.post(_membership(chat_id, "kicked", "member"))

    async def post(self, update: Mapping[str, Any], *, update_id: int | None = None) -> int:
        """Post an update to our webhook and return its HTTP status.

        Returns 0 if no webhook is set or it does not answer.
        """
        if not self.webhook["url"]:
            return 0
        self._session = self._session or aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=10)
        )
        body = msgspec.json.encode(
            {"update_id": next(self._ids) if update_id is None else update_id, **update}
        )
        headers = {"Content-Type": "application/json", SECRET_HEADER: self.webhook["secret_token"]}
        try:
            async with self._session.post(
                self.webhook["url"], data=body, headers=headers
            ) as answer:
                self.last_error = (
                    ""
                    if answer.status == 200
                    else f"Wrong response from the webhook: {answer.status}"
                )
                return answer.status
        except (aiohttp.ClientError, TimeoutError) as problem:
            self.last_error = type(problem).__name__
            return 0

    async def aclose(self) -> None:
        """Close the HTTP session to our webhook."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _cleanup(self, _: web.Application) -> None:
        await self.aclose()

    # --- the protocol -----------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.Response:
        self.counts["requests"] += 1
        try:
            if self.faults.latency_ms:
                await asyncio.sleep(self.faults.latency_ms / 1000)
            if self.token and request.match_info["token"] != self.token:
                raise BotRefusal(401, "Unauthorized")
            method = self._methods.get(request.match_info["method"].lower())
            if method is None:
                raise BotRefusal(404, "Not Found")
            result = method(await fields_of(request))
        except BotRefusal as refusal:
            self.counts[f"refused {refusal.status}"] += 1
            return _json(refusal.answer, refusal.status)
        if self.faults.cutting() and request.transport is not None:
            self.counts["cut"] += 1
            request.transport.abort()
        return _json({"ok": True, "result": result}, 200)

    def _admit(self, chat_id: int) -> None:
        """Raise BotRefusal if the chat cannot receive a message."""
        if chat_id in self._scripts:
            raise self._scripts[chat_id]()
        if self.faults.broken():
            raise BotRefusal(502, "Bad Gateway")
        if self.faults.limited():
            raise BotRefusal(429, "Too Many Requests: retry after 1", retry_after=1)
        if chat_id in self.blocked or self.faults.blocks(str(chat_id)):
            raise BotRefusal(403, "Forbidden: bot was blocked by the user")

    def _send(self, fields: Fields) -> dict[str, Any]:
        chat_id = number(fields, "chat_id")
        self._admit(chat_id)
        parts = received_parts(fields)
        message = ChatMessage(
            message_id=next(self._ids),
            text=checked(fields),
            parts=parts,
            photo=parts.get("photo", ""),
        )
        self._inbox_of(chat_id).append(message)
        self.counts["accepted"] += 1
        if self.record:
            self.accepted.append((chat_id, message.parts["text"]))
        return _sent(chat_id, message)

    def _send_photo(self, fields: Fields) -> dict[str, Any]:
        if not fields.get("photo"):
            raise BotRefusal(400, "Bad Request: there is no photo in the request")
        return self._send(fields)

    def _edit_text(self, fields: Fields) -> dict[str, Any]:
        if self._find(fields, "message to edit not found").photo:
            raise BotRefusal(400, "Bad Request: there is no text in the message to edit")
        return self._edit(fields)

    def _edit_caption(self, fields: Fields) -> dict[str, Any]:
        old = self._find(fields, "message to edit not found")
        if not old.photo:
            raise BotRefusal(400, "Bad Request: there is no caption in the message to edit")
        return self._edit(fields)

    def _edit(self, fields: Fields) -> dict[str, Any]:
        chat_id = number(fields, "chat_id")
        self._admit(chat_id)
        text, old = checked(fields), self._find(fields, "message to edit not found")
        parts = received_parts(fields)
        photo = parts.get("photo", old.photo)
        if (old.parts["text"], old.parts["buttons"], old.photo) == (
            parts["text"],
            parts["buttons"],
            photo,
        ):
            raise BotRefusal(400, NOT_MODIFIED)
        old.text, old.parts, old.photo, old.edited = text, parts, photo, True
        self.counts["edited"] += 1
        return _sent(chat_id, old)

    def _delete(self, fields: Fields) -> bool:
        chat_id = number(fields, "chat_id")
        self._admit(chat_id)
        message = self._find(fields, "message to delete not found")
        if time.time() - message.at > DELETABLE_SECONDS:
            raise BotRefusal(400, "Bad Request: message can't be deleted for everyone")
        self._inboxes[chat_id].remove(message)
        self.counts["deleted"] += 1
        return True

    def _find(self, fields: Fields, otherwise: str) -> ChatMessage:
        wanted = number(fields, "message_id")
        for message in self._inboxes.get(number(fields, "chat_id"), ()):
            if message.message_id == wanted:
                return message
        raise BotRefusal(400, f"Bad Request: {otherwise}")

    def _inbox_of(self, chat_id: int) -> deque[ChatMessage]:
        inbox = self._inboxes.get(chat_id)
        if inbox is None:
            if len(self._inboxes) >= self.phones:
                del self._inboxes[next(iter(self._inboxes))]
            inbox = self._inboxes[chat_id] = deque(maxlen=self.inbox_size)
        return inbox

    def _webhook_info(self, _: Fields) -> dict[str, Any]:
        error = (
            {"last_error_date": int(time.time()), "last_error_message": self.last_error}
            if self.last_error
            else {}
        )
        return {
            "url": self.webhook["url"],
            "has_custom_certificate": False,
            "pending_update_count": 0,
            **error,
        }

    def _set_webhook(self, fields: Fields) -> bool:
        self.webhook = {name: text_of(fields.get(name, "")) for name in ("url", "secret_token")}
        return True

    def _set_commands(self, fields: Fields) -> bool:
        commands = fields.get("commands", [])
        self.commands[text_of(fields.get("language_code", ""))] = (
            msgspec.json.decode(commands) if isinstance(commands, str) else commands
        )
        return True


def _chat(chat_id: int) -> dict[str, Any]:
    return {
        "id": chat_id,
        "type": "private" if chat_id > 0 else "supergroup",
        "first_name": "Warga",
    }


def _person(chat_id: int) -> dict[str, Any]:
    return {"id": abs(chat_id), "is_bot": False, "first_name": "Warga"}


def _membership(chat_id: int, old: str, new: str) -> dict[str, Any]:
    def member(status: str) -> dict[str, Any]:
        return {"status": status, "user": BOT, **({"until_date": 0} if status == "kicked" else {})}

    change = {"chat": _chat(chat_id), "from": _person(chat_id), "date": int(time.time())}
    return {
        "my_chat_member": {**change, "old_chat_member": member(old), "new_chat_member": member(new)}
    }


def _message(chat_id: int, message_id: int, text: str, sender: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "date": int(time.time()),
        "chat": _chat(chat_id),
        "from": sender,
        "text": text,
    }


def _sent(chat_id: int, sent: ChatMessage) -> dict[str, Any]:
    """Return the Message object of the response; a picture has the file id of the server's copy."""
    message = _message(chat_id, sent.message_id, sent.text, BOT)
    if sent.photo:
        copy = {
            "file_id": copy_of(sent.photo),
            "file_unique_id": str(sent.message_id),
            "width": 1280,
            "height": 853,
        }
        message |= {"photo": [copy], "caption": message.pop("text")}
    return message


def _json(answer: Mapping[str, Any], status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(answer), status=status, content_type="application/json"
    )
