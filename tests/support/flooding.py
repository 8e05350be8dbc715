"""Flood in the inbox: signed webhooks as Meta sends them, and rows that an earlier flood left."""

import hashlib
import hmac
from typing import Any

import aiohttp
import msgspec
from sqlalchemy import Connection, text

from broadcaster.app import App
from broadcaster.domain import inbox_events
from broadcaster.store import inbox
from channels.base.contract import StatusEvent
from support.browsing import CREDENTIALS

IN_A_POST = 250
"""Statuses in one webhook."""
STATUS = {"status": "delivered", "timestamp": "1795567380", "recipient_id": "6281200009999"}


def webhook(
    value: dict[str, Any], number: str = CREDENTIALS["WHATSAPP_PHONE_ID"]
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a signed webhook about our number."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, **value}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
    digest = hmac.new(CREDENTIALS["WHATSAPP_APP_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    return body, {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


async def post_webhook(
    session: aiohttp.ClientSession, url: str, value: dict[str, Any], **about: str
) -> None:
    """Post one webhook and check that it is accepted."""
    body, headers = webhook(value, **about)
    async with session.post(f"{url}/webhook/whatsapp", data=body, headers=headers) as response:
        assert response.status == 200


async def flood(session: aiohttp.ClientSession, url: str, count: int, mark: str = "") -> None:
    """Post `count` statuses of messages that are not ours."""
    for first in range(0, count, IN_A_POST):
        statuses = [
            {"id": f"wamid.{mark}{n}", **STATUS}
            for n in range(first, min(first + IN_A_POST, count))
        ]
        await post_webhook(session, url, {"statuses": statuses})


def text_message(address: str, words: str, mark: str = "") -> dict[str, Any]:
    """Return a resident's text message as part of a webhook."""
    message = {
        "from": address,
        "id": f"wamid.IN{mark}{address}",
        "timestamp": "1795567380",
        "type": "text",
    }
    return {"messages": [{**message, "text": {"body": words}}]}


def leave_unmatched(app: App, channel: str, count: int) -> None:
    """Leave statuses of an earlier flood in the inbox, tried three times and due again."""
    now = app.clock().timestamp()
    event = StatusEvent(
        dedupe="x", provider_id="nobody's", delivery="", state="sent", at=app.clock()
    )
    body = app.vault.seal(f"receipt.{channel}", inbox_events.encode(event))
    blob = "blob" if app.database.sqlite else "bytea"
    rows = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
        " INSERT INTO receipt (channel, dedupe, body, received_at, due_at, tries, priority)"
        f" SELECT :channel, CAST(CAST(i AS text) AS {blob}), :body, :received, :due - 0.0001 * i, 3, :priority FROM n"
    )
    values = {
        "count": count,
        "channel": channel,
        "body": body,
        "received": now - 600,
        "due": now - 60,
        "priority": inbox.UNMATCHED,
    }

    def act(connection: Connection) -> None:
        connection.execute(rows, values)
        if not app.database.sqlite:
            connection.execute(text("ANALYZE receipt"))

    app.database.write_now(act)
