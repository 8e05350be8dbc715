"""Values that no field can hold, in every path, query, form, header and JSON of every route:
refused or empty, never a 500.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yarl
from structlog.testing import capture_logs

from broadcaster import web
from broadcaster.web import routes
from broadcaster.web.base.authorization import Row
from broadcaster.web.staff import compose_form
from support.browsing import CREDENTIALS, NOTICE, Answer, Running, bearer, running
from support.inboxes import apply_and_answer
from support.staff_rows import COMPOSED, FORM_CASES, filled, sign_in_form, staged
from support.staffing import Browser, browser, hire
from support.webhooks import whatsapp_signature

VALUES = (
    "\0", "a\0b", "\x01\x1b\x7f", "\ud800", "9" * 30, "9223372036854775808", "-1", "0001-01-01", "9999-12-31", "٣", "²", "%_\\",
    "x" * 3_000,
)  # fmt: skip
_CLIENTS = count(1)
IN_FORMS = (
    *compose_form.LINES, *compose_form.PROSE, *compose_form.CHOICES, *compose_form.TIMES, *compose_form.LISTS, "evidence", "en.title", "en.body", "ganti.email.title",
    "ganti.email.base",
)  # fmt: skip


def looked_up_names() -> list[str]:
    """Return every name that the web's own code looks up in a query or a form."""
    sources = [path.read_text(encoding="utf-8") for path in Path(web.__path__[0]).rglob("*.py")]
    names = {
        name
        for source in sources
        for name in re.findall(r"""(?:get|getlist|_text|_number)\((?:\w+, )?"([\w.-]+)\"""", source)
    }
    assert {"kode", "kata", "setelah", "wilayah", "versi", "alasan"} <= names
    return sorted(names)


NAMES = looked_up_names()


def percent_encoded(value: str) -> str:
    """Percent-encode a value, lone surrogates too."""
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


@pytest.fixture
async def open_site(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Serve the demo on each kind of database, behind a proxy that names its clients."""
    async with running(
        database_url,
        tmp_path,
        BROADCASTER_SIMULATED="true",
        BROADCASTER_TRUSTED_PROXIES="127.0.0.1",
    ) as started:
        yield started


def fixed_rows(method: str) -> Iterator[Row]:
    """Return the rows with this method that need no session."""
    rows = (*routes.RESIDENTS, *routes.MACHINES, *routes.API, *routes.DEMO)
    return (row for row in rows if method in row.methods)


def paths(row: Row) -> Iterator[str]:
    """Yield the row's path with each value in all of its places, or as it is without places."""
    for value in VALUES if "{" in row.path else ():
        yield re.sub(r"\{\w+(:path)?\}", lambda _, value=value: percent_encoded(value), row.path)  # type: ignore[misc]
    if "{" not in row.path:
        yield row.path


def queries() -> Iterator[str]:
    """Yield queries with each value under every known name, and as a name."""
    for value in VALUES:
        yield f"{percent_encoded(value)}=1&" + "&".join(
            f"{name}={percent_encoded(value)}" for name in NAMES
        )


async def fetch(site: Running, path: str, method: str = "GET", **options: Any) -> Answer:
    """Request exactly this address as a client of its own, whom no rate limit stops."""
    number = next(_CLIENTS)
    headers = {
        **options.pop("headers", {}),
        "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
    }
    url = yarl.URL(site.url + path, encoded=True)
    async with site.session.request(
        method, url, headers=headers, allow_redirects=False, **options
    ) as answer:
        assert answer.status != 429 or path.endswith(
            "/uji"
        )  # trial sends have a limit of their own
        return Answer(status=answer.status, headers=answer.headers, raw=await answer.read())


async def failures(site: Running, path: str, method: str = "GET", **options: Any) -> list[str]:
    """Return the request in a list if its answer was not foreseen, else an empty list."""
    answer = await fetch(site, path, method, **options)
    return (
        []
        if foreseen(answer)
        else [f"{method} {path[:60]} ... {path[-60:]} {str(options.get('data', ''))[-200:]}"]
    )


def foreseen(answer: Answer) -> bool:
    """Return True unless the server failed; 503 is foreseen: a demo without providers has none to
    show.
    """
    return answer.status < 500 or answer.status == 503


async def test_no_path_and_no_query_of_strangers_and_tokens_breaks(open_site: Running) -> None:
    failed: list[Any] = []
    for row in fixed_rows("GET"):
        token = await open_site.token("read", "write", "publish")
        for path in paths(row):
            failed += await failures(open_site, path, headers=bearer(token))
        path = re.sub(r"\{\w+(:path)?\}", "cibabat", row.path)
        for query in queries():
            failed += await failures(open_site, f"{path}?{query}", headers=bearer(token))
    for channel_path in ("/feed/{}.rss", "/layar/{}", "/feed/{}.json", "/feed/{}.atom"):
        for value in VALUES:
            failed += await failures(open_site, channel_path.format(percent_encoded(value)))
    assert failed == []


async def test_no_path_of_what_a_token_may_do_breaks(open_site: Running) -> None:
    failed: list[Any] = []
    for row in fixed_rows("POST"):
        token = await open_site.token("read", "write", "publish")
        for path in paths(row) if row.access.startswith("token:") else ():
            failed += await failures(
                open_site, path, "POST", json={"reason": "Salah."}, headers=bearer(token)
            )
    assert failed == []


async def new_browser(site: Running) -> Browser:
    """Sign in a new person with every role."""
    name = f"bos-{next(_CLIENTS)}"
    return await browser(site, await hire(site.app, name, "author", "approver", "screens", "admin"))


async def test_no_path_and_no_query_of_the_newsroom_breaks(open_site: Running) -> None:
    stage = await staged(open_site)
    failed: list[str] = []
    for row in (row for row in routes.STAFF if "GET" in row.methods and "/aliran" not in row.path):
        cookie = {"Cookie": f"redaksi={(await new_browser(open_site)).cookie}"}
        for path in paths(row):
            failed += await failures(open_site, path, headers=cookie)
        path, _ = await filled(stage, row)
        for query in queries():
            failed += await failures(open_site, f"{path}?{query}", headers=cookie)
    assert failed == []


def forms_of(row: Row, usual: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield forms with each value in all fields at once, and in each of the usual fields alone."""
    texts = {name: value for name, value in usual.items() if isinstance(value, str)}
    for value in ("a\0b", "9" * 30, "x" * 3_000):
        yield {**dict.fromkeys((*NAMES, *IN_FORMS), value), "kode": ""}
    for name in texts:
        yield {**texts, name: "a\0b"}
    yield {**texts, "kode": "x" * 3_000, "a\0b": "1"}


async def test_no_form_of_the_newsroom_breaks(open_site: Running) -> None:
    stage = await staged(open_site)
    failed: list[str] = []
    for row in (row for row in routes.STAFF if "POST" in row.methods and row.access != "public"):
        path, values = await filled(stage, row)
        usual = (
            await FORM_CASES[row.path].form(stage, values)
            if "usulan" not in row.path and "ralat" not in row.path
            else {"reason": "Salah."}
        )
        visitor = await new_browser(open_site)
        headers = {
            "Cookie": f"redaksi={visitor.cookie}",
            "Origin": open_site.url,
            "X-CSRF-Token": visitor.csrf,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        for form in forms_of(row, usual):
            body = "&".join(
                f"{percent_encoded(name)}={percent_encoded(value)}" for name, value in form.items()
            )
            failed += await failures(open_site, path, "POST", data=body.encode(), headers=headers)
        for hostile_path in paths(row):
            failed += await failures(
                open_site, hostile_path, "POST", data=b"alasan=Salah.", headers=headers
            )
    assert failed == []


@pytest.mark.parametrize("code", ["x" * 3_000, "CMH-2345", "\ud800", "CMH-????-??!"])
async def test_a_preview_of_what_is_no_code_is_refused(site: Running, code: str) -> None:
    visitor = await new_browser(site)
    answer = await visitor.post(
        "/redaksi/pratinjau", {**COMPOSED, "kode": code.encode("utf-8", "replace").decode()}
    )
    assert answer.status == 400
    assert (
        await visitor.post("/redaksi/pratinjau", {**COMPOSED, "kode": "CMH-????-??"})
    ).status == 200


async def test_no_form_of_strangers_breaks(open_site: Running) -> None:
    cookie, token = await sign_in_form(open_site)
    headers = {
        "Cookie": cookie,
        "Origin": open_site.url,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    failed: list[Any] = []
    rows = (
        *routes.RESIDENTS,
        *routes.DEMO,
        *(row for row in routes.STAFF if row.access == "public"),
    )
    for row in (row for row in rows if "POST" in row.methods):
        path = re.sub(r"\{\w+(:path)?\}", "contoh", row.path)
        for form in forms_of(row, {"nama": "rina", "sandi": "lima kata acak", "kode": "123456"}):
            body = "&".join(
                f"{percent_encoded(name)}={percent_encoded(value)}"
                for name, value in {**form, "csrf": token}.items()
            )
            failed += await failures(open_site, path, "POST", data=body.encode(), headers=headers)
    assert failed == []


JSON_TEXTS = (
    "\0",
    "a\0b",
    "\x01",
    "9" * 30,
    "x" * 3_000,
    2**70,
    -(2**70),
    1e308,
    None,
    True,
    [],
    {},
    ["\0"],
    {"\0": "\0"},
)
SUBSCRIBER = {
    "channel": "email", "address": "wati@contoh.example", "areas": ["cibabat"], "language": "id", "consent_source": "loket",
    "consent_at": "2026-11-03T09:00", "subscriber": "1", "topics": "",
}  # fmt: skip
BODIES: Mapping[str, Mapping[str, Any]] = {
    "/api/v1/announcements": {
        **NOTICE, "publish": True, "link": "https://a.example", "image": "https://a.example/a.jpg", "image_alt": "Peta.",
        "kind": "notice",
        "level": "info", "instruction": "Pindah.", "publish_at": "2026-11-25 13:00", "channels": ["email"], "claim": "Kabar.",
        "seen_at": "WhatsApp", "verdict": "Hoaks", "hoax_type": "x", "evidence": ["https://a.example"], "fact": "Tidak.",
        "translations": {"en": {"title": "x", "body": "y"}}, "overrides": {"email": {"title": "x"}},
    },
    "/api/v1/subscribers": SUBSCRIBER,
    "pause": {"reason": "x"}, "cancel": {"reason": "x"}, "withdraw": {"reason": "x"}, "correct": {**NOTICE, "reason": "x"},
}  # fmt: skip


async def test_no_text_of_a_request_to_the_api_breaks(open_site: Running) -> None:
    failed: list[Any] = []
    for name, usual in BODIES.items():
        for field in usual:
            headers = bearer(await open_site.token("read", "write", "publish"))
            for value in JSON_TEXTS:
                path = (
                    name
                    if name.startswith("/")
                    else f"/api/v1/announcements/{(await open_site.publish()).id}/{name}"
                )
                answer = await open_site.ask(
                    path, "POST", json={**usual, field: value}, headers=headers
                )
                if not foreseen(answer):
                    failed.append((name, field, ascii(value)[:40]))
    assert failed == []


@pytest.mark.parametrize(
    "body",
    [
        '{"title": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"title": "\xff"}',
        "[" * 5_000,
        "9" * 400,
        '{"a":1e999}',
        '"\\u0000"',
    ],
)
async def test_what_is_no_text_is_no_request(open_site: Running, body: str) -> None:
    headers = bearer(await open_site.token("read", "write"))
    for path in ("/api/v1/announcements", "/api/v1/subscribers"):
        assert (
            await open_site.ask(path, "POST", data=body.encode("latin-1"), headers=headers)
        ).status in (400, 422)


async def test_a_nul_in_a_request_is_named_at_its_field(open_site: Running) -> None:
    answer = await open_site.post(
        "/api/v1/announcements",
        {**NOTICE, "translations": {"en": {"title": "a\0b", "body": "c"}}},
        await open_site.token("write"),
    )
    assert answer.status == 422
    assert json.loads(answer.text)["problems"] == [
        {
            "field": "translations.en.title",
            "code": "nul_character",
            "reason": "Memuat karakter NUL.",
            "remedy": "Hapus karakter itu, lalu kirim lagi.",
        }
    ]


@pytest.mark.parametrize("key", ["\x01", "a\x7f", "ÿ" * 10, "x" * 201, "\x00"])
async def test_a_key_of_unprintable_characters_is_refused(open_site: Running, key: str) -> None:
    token = await open_site.token("write")
    path = open_site.url.removeprefix("http://")
    body = json.dumps(dict(NOTICE))
    lines = [
        "POST /api/v1/announcements HTTP/1.1",
        f"Host: {path}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        f"Idempotency-Key: {key}",
    ]
    answer = await exchange(open_site, ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1"))
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 422")), answer[:80]


async def exchange(site: Running, request: bytes) -> bytes:
    """Send these bytes and return all that the server answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def hostile_updates() -> Iterator[dict[str, Any]]:
    """Yield updates of a bot with a NUL, or a number too large, in each place."""
    usual: dict[str, Any] = {
        "update_id": 7,
        "message": {
            "message_id": 1,
            "date": 1764031380,
            "chat": {"id": 5, "type": "private"},
            "from": {"id": 5, "first_name": "x"},
            "text": "/start a\0b",
        },
    }
    for value in (
        "/start a\0b",
        "\0",
        "BERHENTI\0",
        "halo \ud800".encode("utf-8", "replace").decode(),
        "x" * 5_000,
    ):
        yield {**usual, "message": {**usual["message"], "text": value}}
    for number in (2**63, 2**80, -(2**63) - 1):
        yield {**usual, "update_id": number}
        yield {**usual, "message": {**usual["message"], "chat": {"id": number, "type": "private"}}}
        yield {**usual, "message": {**usual["message"], "message_id": number, "date": number}}


def hostile_statuses() -> Iterator[dict[str, Any]]:
    """Yield webhook values of WhatsApp with a NUL, or a number too large, in each place."""
    status = {
        "id": "wamid.x",
        "status": "failed",
        "timestamp": "1764031380",
        "recipient_id": "62812",
        "biz_opaque_callback_data": "1.2.3",
        "errors": [{"code": 131026, "title": "x", "error_data": {"details": "y"}}],
    }
    message = {
        "id": "wamid.y",
        "from": "62812",
        "timestamp": "1764031380",
        "type": "text",
        "text": {"body": "STOP"},
    }
    for value in ("\0", "a\0b", "9" * 30, 2**70):
        for field in ("id", "status", "timestamp", "recipient_id", "biz_opaque_callback_data"):
            yield {"statuses": [{**status, field: value}]}
        yield {
            "statuses": [
                {
                    **status,
                    "errors": [{"code": value, "title": value, "error_data": {"details": value}}],
                }
            ]
        }
        for field in ("id", "from", "timestamp", "type"):
            yield {"messages": [{**message, field: value}]}
        yield {"messages": [{**message, "text": {"body": value}}]}


async def test_no_signed_webhook_breaks_and_what_follows_it_is_applied(open_site: Running) -> None:
    secret = {"X-Telegram-Bot-Api-Secret-Token": CREDENTIALS["TELEGRAM_WEBHOOK_SECRET"]}
    for update in hostile_updates():
        assert foreseen(
            await open_site.ask(
                "/webhook/telegram", "POST", data=json.dumps(update).encode(), headers=secret
            )
        ), update
    for value in hostile_statuses():
        metadata = {
            "metadata": {"phone_number_id": CREDENTIALS["WHATSAPP_PHONE_ID"]},
            "messaging_product": "whatsapp",
        }
        entry = {"id": "1", "changes": [{"field": "messages", "value": {**metadata, **value}}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        assert foreseen(
            await open_site.ask(
                "/webhook/whatsapp", "POST", data=body, headers=whatsapp_signature(body)
            )
        ), value
    with capture_logs() as logs:
        while await apply_and_answer(open_site.app):
            pass
    assert {line["event"] for line in logs} & {
        "receipts_not_sorted",
        "receipt_postponed",
        "receipt_unreadable",
    } == set()
