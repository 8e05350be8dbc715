"""Webhooks: only what a provider signed is taken, and it is stored before it is answered."""

import contextlib
import io
import json
import re

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from broadcaster.domain.inbox_events import decode
from channels.base.contract import InboundEvent
from support.browsing import CREDENTIALS, Running
from support.stranger import stranger
from support.webhooks import whatsapp_signature

UPDATE = {
    "update_id": 7,
    "message": {
        "message_id": 1,
        "date": 1764031380,
        "chat": {"id": 5, "type": "private"},
        "text": "BERHENTI",
    },
}
SECRET = {"X-Telegram-Bot-Api-Secret-Token": CREDENTIALS["TELEGRAM_WEBHOOK_SECRET"]}


async def stored_bodies(site: Running) -> list[bytes]:
    """Return the bodies in the inbox, as stored."""

    def read(connection: Connection) -> list[bytes]:
        return [
            bytes(body)
            for body in connection.execute(text("SELECT body FROM receipt ORDER BY id")).scalars()
        ]

    return await site.app.database.read(read)


async def test_a_signed_event_is_stored_sealed_and_answered(site: Running) -> None:
    answer = await site.ask("/webhook/telegram", "POST", json=UPDATE, headers=SECRET)
    assert (answer.status, answer.text) == (200, "OK\n")
    bodies = await stored_bodies(site)
    assert len(bodies) == 1
    assert b"BERHENTI" not in bodies[0]


async def test_the_same_event_twice_is_kept_once(site: Running) -> None:
    for _ in range(3):
        assert (
            await site.ask("/webhook/telegram", "POST", json=UPDATE, headers=SECRET)
        ).status == 200
    assert len(await stored_bodies(site)) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Telegram-Bot-Api-Secret-Token": "salah"}, {"X-Telegram-Bot-Api-Secret-Token": ""}],
)
async def test_a_wrong_signature_is_refused_in_constant_words_and_nothing_is_kept(
    site: Running, headers: dict[str, str]
) -> None:
    answer = await site.ask("/webhook/telegram", "POST", json=UPDATE, headers=headers)
    assert (answer.status, answer.raw) == (403, b"Forbidden\n")
    assert await stored_bodies(site) == []


async def test_every_push_channel_refuses_the_unsigned_in_the_same_words(site: Running) -> None:
    bodies = [
        (await site.ask(f"/webhook/{name}", "POST", data=b"{}")).raw for name in site.app.push
    ]
    assert set(bodies) == {b"Forbidden\n"}


async def test_a_signed_status_by_hmac_is_taken_and_a_changed_byte_is_not(site: Running) -> None:
    body = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()
    headers = {**whatsapp_signature(body), "Content-Type": "application/json"}
    assert (await site.ask("/webhook/whatsapp", "POST", data=body, headers=headers)).status == 200
    assert (
        await site.ask("/webhook/whatsapp", "POST", data=body + b" ", headers=headers)
    ).status == 403


async def test_a_signed_body_that_cannot_be_read_is_answered_so_that_it_is_not_sent_for_ever(
    site: Running,
) -> None:
    answer = await site.ask("/webhook/telegram", "POST", data=b"{not json", headers=SECRET)
    assert answer.status == 200
    assert await stored_bodies(site) == []
    assert 'siaran_refused_total{kind="unreadable"} 1.0' in (await site.ask("/metrics")).text


async def test_unreadable_parts_of_a_webhook_are_logged_and_counted_and_keep_no_stop_from_acting(
    site: Running,
) -> None:
    message = {
        "from": "6281200000001",
        "id": "wamid.S",
        "timestamp": "1764031380",
        "text": {"body": "BERHENTI"},
    }
    value = {
        "metadata": {"phone_number_id": CREDENTIALS["WHATSAPP_PHONE_ID"]},
        "messages": [None, None, message],
    }
    changes = [{"field": "x", "value": None}, {"field": "messages", "value": value}]
    body = json.dumps({"entry": [{"id": 7, "changes": changes}]}).encode()
    with capture_logs() as logs:
        answer = await site.ask(
            "/webhook/whatsapp", "POST", data=body, headers=whatsapp_signature(body)
        )
    assert answer.status == 200
    assert len(await stored_bodies(site)) == 1
    lines = [entry for entry in logs if entry["event"] == "webhook_part_unreadable"]
    assert [(line["where"], line["count"]) for line in lines] == [
        ("messages.messages", 2),
        ("changes", 1),
    ]
    assert all(line["reason"] for line in lines)
    assert 'siaran_refused_total{kind="unreadable"} 3.0' in (await site.ask("/metrics")).text


TELEGRAM_FIELDS = b'"message_id":1,"date":1764031380,"chat":{"id":5,"type":"private"}'
WHATSAPP_FIELDS = b'"from":"6281200000001","id":"wamid.S","timestamp":"1764031380"'
WHATSAPP_BODY = b'{"entry":[{"id":"7","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"%s"},"messages":[{%s}]}}]}]}'
NUMBER = CREDENTIALS["WHATSAPP_PHONE_ID"].encode()
ODD: dict[str, tuple[bytes, bytes]] = {
    "broken UTF-8": (b'"text":"a\xff\xfe"', b'"text":{"body":"a\xff\xfe"}'),
    "broken UTF-8 in a key": (b'"\xc3":1,"text":"a"', b'"\xc3":1,"text":{"body":"a"}'),
    "half a surrogate pair": (b'"text":"\\ud83d"', b'"text":{"body":"\\ud83d"}'),
    "NUL": (b'"text":"BERHENTI\\u0000"', b'"text":{"body":"BERHENTI\\u0000"}'),
    "a raw NUL": (b'"text":"a\x00"', b'"text":{"body":"a\x00"}'),
    "NaN": (b'"text":NaN', b'"text":NaN'),
    "infinity": (b'"date":1e999,"text":"a"', b'"timestamp":1e999,"text":{"body":"a"}'),
    "a huge number": (
        b'"date":%s,"text":"a"' % (b"9" * 5000),
        b'"timestamp":%s,"text":{"body":"a"}' % (b"9" * 5000),
    ),
    "a key twice": (
        b'"text":"a","text":7,"text":"b"',
        b'"text":{"body":"a"},"text":7,"text":{"body":"b"}',
    ),
    "deep nesting": (b'"text":' + b"[" * 100_000, b'"text":' + b"[" * 100_000),
    "deep and closed": (
        b'"x":' + b"[" * 100_000 + b"]" * 100_000,
        b'"x":' + b"[" * 100_000 + b"]" * 100_000,
    ),
    "cut off": (b'"text":"a', b'"text":{"body":"a'),
}


@pytest.mark.parametrize("name", ["telegram", "whatsapp"])
@pytest.mark.parametrize("odd", ODD)
async def test_no_signed_body_however_odd_is_our_fault(site: Running, name: str, odd: str) -> None:
    update, message = ODD[odd]
    bodies = {
        "telegram": b'{"update_id":7,"message":{%s,%s}}' % (TELEGRAM_FIELDS, update),
        "whatsapp": WHATSAPP_BODY % (NUMBER, WHATSAPP_FIELDS + b"," + message),
    }
    body = bodies[name]
    with capture_logs() as logs:
        answer = await site.ask(
            f"/webhook/{name}", "POST", data=body, headers=SECRET | whatsapp_signature(body)
        )
    assert answer.status == 200
    counted = 'siaran_refused_total{kind="unreadable"}' in (await site.ask("/metrics")).text
    reasons = [
        entry["reason"]
        for entry in logs
        if entry["event"] in ("webhook_unreadable", "webhook_part_unreadable")
    ]
    assert bool(await stored_bodies(site)) or (counted and all(reasons) and reasons)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "\xff"],
)
async def test_a_signed_body_is_read_whatever_it_calls_itself(site: Running, kind: str) -> None:
    body = json.dumps(UPDATE).encode()
    answer = await site.ask(
        "/webhook/telegram", "POST", data=body, headers=SECRET | {"Content-Type": kind}
    )
    assert (answer.status, len(await stored_bodies(site))) == (200, 1)


@pytest.mark.parametrize("bad", [b'"\xff"', b'"\\udc00"', b"NaN", b"1e999"], ids=repr)
async def test_a_stop_acts_beside_a_message_that_is_no_text(site: Running, bad: bytes) -> None:
    messages = (
        b'"id":"wamid.X","from":"6281200000002","text":{"body":%s}},{%s,"text":{"body":"BERHENTI"}'
        % (bad, WHATSAPP_FIELDS)
    )
    body = WHATSAPP_BODY % (NUMBER, messages)
    with capture_logs() as logs:
        answer = await site.ask(
            "/webhook/whatsapp", "POST", data=body, headers=whatsapp_signature(body)
        )
    assert answer.status == 200
    events = [
        decode(site.app.vault.open("receipt.whatsapp", sealed))
        for sealed in await stored_bodies(site)
    ]
    assert "BERHENTI" in [event.text for event in events if isinstance(event, InboundEvent)]
    assert [entry for entry in logs if entry["event"] == "webhook_part_unreadable"]


async def test_a_body_over_three_mebibytes_is_refused_announced_or_not(site: Running) -> None:
    big = b"x" * (3 * 1024 * 1024 + 1)
    assert (
        await site.ask("/webhook/telegram", "POST", data=io.BytesIO(big), headers=SECRET)
    ).status == 413

    async def stream():  # type: ignore[no-untyped-def]  # aiohttp takes any async generator
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    assert (
        await site.ask("/webhook/telegram", "POST", data=stream(), headers=SECRET)
    ).status == 413
    assert await stored_bodies(site) == []


def webhook_head(channel: str, *headers: str) -> bytes:
    """Return the head of a webhook whose body is to come."""
    lines = [
        f"POST /webhook/{channel} HTTP/1.1",
        "Host: x",
        "Content-Length: 100000",
        "Expect: 100-continue",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("channel", "header"),
    [
        ("whatsapp", "X-Nothing: 1"),
        ("whatsapp", "X-Hub-Signature-256: sha256=pendek"),
        ("telegram", "X-Nothing: 1"),
        ("telegram", "X-Telegram-Bot-Api-Secret-Token: salah"),
        ("email", f"X-Hub-Signature-256: sha256={'0' * 64}"),
    ],
)
async def test_what_no_provider_signed_is_refused_before_its_body_is_read(
    site: Running, channel: str, header: str
) -> None:
    async with stranger(site.port) as client:
        await client.say(webhook_head(channel, header))
        status, headers, body = await client.answer()
        assert (status, headers["connection"], body) == (403, "close", b"Forbidden\n")
        assert await client.rest() == b""
    assert 'siaran_refused_total{kind="unsigned"} 1.0' in (await site.ask("/metrics")).text


async def test_what_a_provider_may_have_signed_is_invited_to_send_its_body(site: Running) -> None:
    for channel, header in (
        ("telegram", f"X-Telegram-Bot-Api-Secret-Token: {CREDENTIALS['TELEGRAM_WEBHOOK_SECRET']}"),
        ("whatsapp", f"X-Hub-Signature-256: sha256={'0' * 64}"),
    ):
        async with stranger(site.port) as client:
            await client.say(webhook_head(channel, header))
            assert (await client.answer())[0] == 100


async def test_unfinished_bodies_of_strangers_shut_no_provider_out(site: Running) -> None:
    web_share = 32 * 1024 * 1024
    piece = b"x" * 1_500_000
    head = webhook_head("whatsapp", f"X-Hub-Signature-256: sha256={'0' * 64}").replace(
        b"100000", b"3000000"
    )
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(web_share // len(piece) + 3):
            client = await stack.enter_async_context(stranger(site.port))
            await client.say(head)
            assert (await client.answer())[0] == 100
            await client.say(piece)
        assert (
            await site.ask("/webhook/telegram", "POST", json=UPDATE, headers=SECRET)
        ).status == 200
        figures = (await site.ask("/metrics")).text
        in_flight = float(re.search(r'siaran_body_bytes\{share="providers"\} (\S+)', figures)[1])  # type: ignore[index]
        assert len(piece) < in_flight <= web_share


async def test_the_handshake_echoes_only_for_the_right_token(site: Running) -> None:
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": "4711",
        "hub.verify_token": CREDENTIALS["WHATSAPP_VERIFY_TOKEN"],
    }
    answer = await site.ask("/webhook/whatsapp", params=query)
    assert (answer.status, answer.text) == (200, "4711")
    refusal = await site.ask("/webhook/whatsapp", params={**query, "hub.verify_token": "salah"})
    assert (refusal.status, refusal.raw) == (403, b"Forbidden\n")
    assert (await site.ask("/webhook/email")).status == 403


async def test_the_echo_of_a_handshake_is_never_html(site: Running) -> None:
    token = CREDENTIALS["WHATSAPP_VERIFY_TOKEN"]
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": "<script>alert(1)</script>",
        "hub.verify_token": token,
    }
    answer = await site.ask("/webhook/whatsapp", params=query)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["feed", "display", "sms", "..%2fx"])
async def test_only_push_channels_have_webhooks(site: Running, name: str) -> None:
    assert (await site.ask(f"/webhook/{name}", "POST", data=b"{}")).status == 404
    assert (await site.ask(f"/webhook/{name}")).status == 404


async def test_a_busy_provider_is_never_told_to_wait(site: Running) -> None:
    for number in range(150):
        answer = await site.ask(
            "/webhook/telegram", "POST", json={**UPDATE, "update_id": number}, headers=SECRET
        )
        assert answer.status == 200
