"""The stand-in Graph API: as strict as the real one; it counts what it accepts and reports by
signed webhook.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from broadcaster.simulation.faults import Faults
from broadcaster.simulation.graph_api import GraphApi, scoped_id
from broadcaster.simulation.graph_templates import (
    ApiError,
    check_template,
    received_parts,
    registry,
)
from broadcaster.simulation.serving import running
from support.waiting import until

TOKEN, SECRET = "token-contoh", "rahasia-contoh"
PHONE, ACCOUNT = "112000112", "112000200"
SITI, ASEP = "6281200000001", "6281200000002"

TEMPLATE: dict[str, Any] = {
    "name": "contoh",
    "language": "id",
    "category": "UTILITY",
    "components": [
        {
            "type": "BODY",
            "text": "Kabar: {{judul}} selesai",
            "example": {"body_text_named_params": [{"param_name": "judul", "example": "Air mati"}]},
        },
        {"type": "FOOTER", "text": "Balas BERHENTI"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "Rincian", "url": "https://kota.example/p/{{1}}"},
                {"type": "QUICK_REPLY", "text": "Berhenti"},
            ],
        },
    ],
}


def body(**parameters: str) -> dict[str, Any]:
    """Return the body component with these parameters."""
    named = [
        {"type": "text", "parameter_name": name, "text": text} for name, text in parameters.items()
    ]
    return {"type": "body", "parameters": named}


def button(code: str = "CMH-1", index: str = "0") -> dict[str, Any]:
    """Return the URL button's component."""
    return {
        "type": "button",
        "sub_type": "url",
        "index": index,
        "parameters": [{"type": "text", "text": code}],
    }


def message(
    to: str = SITI, *, components: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a request that sends the sample template."""
    chosen = [body(judul="Air mati"), button()] if components is None else components
    content = {
        "name": "contoh",
        "language": {"policy": "deterministic", "code": "id"},
        "components": chosen,
    }
    values = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "template",
    }
    return {**values, "biz_opaque_callback_data": "e1.1", "template": content, **more}


def text_message(text: str, to: str = SITI) -> dict[str, Any]:
    """Return a request that answers with text."""
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "text",
        "text": {"body": text},
    }


class Client:
    """A client of the API, as a business has it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.base = f"{url}/v25.0"
        self.headers = {"Authorization": f"Bearer {TOKEN}"}

    async def send(self, request: Any, *, phone: str = PHONE) -> tuple[int, dict[str, Any]]:
        """POST a message; return status and answer."""
        url = f"{self.base}/{phone}/messages"
        async with self.session.post(
            url, data=msgspec.json.encode(request), headers=self.headers
        ) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET a node; return status and answer."""
        async with self.session.get(f"{self.base}/{path}", headers=self.headers) as response:
            return response.status, await response.json()

    async def code(self, request: Any, *, phone: str = PHONE) -> int:
        """Send a message; return its error code, 0 where it is accepted."""
        _, answer = await self.send(request, phone=phone)
        return int(answer.get("error", {}).get("code", 0))


def api_with(**changes: Any) -> GraphApi:
    """Return an API that knows the sample template."""
    values = {
        "token": TOKEN,
        "phone_id": PHONE,
        "account_id": ACCOUNT,
        "app_secret": SECRET,
        "templates": [TEMPLATE],
    }
    return GraphApi(**{**values, "record": True, **changes})


@asynccontextmanager
async def client(api: GraphApi) -> AsyncIterator[Client]:
    """Serve an API; yield a client of it."""
    async with running(api.app) as url, aiohttp.ClientSession() as session:
        yield Client(session, url)


# --- taking messages ----------------------------------------------------------------------------


async def test_a_message_is_taken_counted_and_answered_with_its_ids() -> None:
    api = api_with()
    async with client(api) as meta:
        status, answer = await meta.send(message())
        other, _ = await meta.send(message(ASEP, biz_opaque_callback_data="e1.2"))
    assert (status, other) == (200, 200)
    assert answer["messages"][0]["id"].startswith("wamid.")
    assert answer["messages"][0]["message_status"] == "accepted"
    assert answer["contacts"] == [{"input": SITI, "wa_id": SITI, "user_id": scoped_id(SITI)}]
    assert (api.accepted, api.refused, api.doubled) == (2, 0, 0)
    assert api.pairs == [(SITI, "e1.1"), (ASEP, "e1.2")]


async def test_a_business_scoped_id_takes_the_place_of_the_number() -> None:
    api = api_with()
    request = {**message(), "recipient": "ID.77"}
    del request["to"]
    async with client(api) as meta:
        status, answer = await meta.send(request)
    assert status == 200
    assert answer["contacts"] == [{"input": "ID.77", "user_id": "ID.77"}]
    assert api.pairs == [("ID.77", "e1.1")]


async def test_the_same_content_twice_to_one_person_is_a_double_whatever_its_name() -> None:
    api = api_with()
    async with client(api) as meta:
        for name in ("e1.1.1", "e1.1.2"):
            await meta.send(message(biz_opaque_callback_data=name))
        await meta.send(message(ASEP))
        await meta.send(message(components=[body(judul="Air hidup"), button()]))
        await meta.send(text_message("Siap."))
        await meta.send(text_message("Siap."))
    assert api.doubled == 1


async def test_every_id_is_new() -> None:
    async with client(api_with()) as meta:
        ids = {(await meta.send(message()))[1]["messages"][0]["id"] for _ in range(20)}
    assert len(ids) == 20


async def test_a_read_mark_is_acknowledged_and_no_message() -> None:
    api = api_with()
    async with client(api) as meta:
        status, answer = await meta.send(
            {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
        )
    assert (status, answer, api.accepted) == (200, {"success": True}, 0)


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        (message(messaging_product="sms"), 100),
        (message(to="0812"), 131009),
        (message(to=""), 131009),
        (message(to="ID.77"), 131009),
        (message(to="6281200000001\n"), 131009),
        (message(template={"name": "lain", "language": {"code": "id"}, "components": []}), 132001),
        (
            message(template={"name": "contoh", "language": {"code": "en"}, "components": []}),
            132001,
        ),
        (message(components=[button()]), 132000),
        (message(components=[body(judul="a", lain="b"), button()]), 132000),
        (message(components=[body(judul="dua\nbaris"), button()]), 132018),
        (message(components=[body(judul="a\tb"), button()]), 132018),
        (message(components=[body(judul="a     b"), button()]), 132018),
        (message(components=[body(judul=""), button()]), 132018),
        (message(components=[body(judul="a" * 1020), button()]), 132005),
        (message(components=[body(judul="\U0001f30a" * 510), button()]), 132005),
        (message(components=[body(judul="a")]), 131008),
        (message(components=[body(judul="a"), button(index="1")]), 131008),
        (message(template={}), 100),
        (message(template=[]), 100),
        (text_message(""), 100),
        (text_message("a" * 4097), 100),
        (text_message("\U0001f30a" * 2049), 100),
        ([], 100),
        ({"to": 5}, 100),
    ],
)
async def test_what_meta_refuses_is_refused_with_its_code(request_body: Any, code: int) -> None:
    api = api_with()
    async with client(api) as meta:
        status, answer = await meta.send(request_body)
        again = await meta.code(request_body)
    assert status >= 400
    assert answer["error"]["code"] == again == code
    assert api.accepted == 0


async def test_a_wrong_token_or_number_is_refused() -> None:
    api = api_with()
    async with client(api) as meta:
        assert await meta.code(message(), phone="1") == 100
        meta.headers = {"Authorization": "Bearer wrong"}
        status, answer = await meta.send(message())
    assert (status, answer["error"]["code"]) == (401, 190)
    assert (api.accepted, api.refused) == (0, 2)


# --- what people see ----------------------------------------------------------------------------


async def test_a_watched_person_sees_the_filled_template() -> None:
    api = api_with()
    api.watch(SITI)
    async with client(api) as meta:
        await meta.send(message())
        await meta.send(message(ASEP))
    (received,) = api.inbox(SITI)
    assert received.callback == "e1.1"
    assert received.parts == {
        "text": "Kabar: Air mati selesai",
        "footer": "Balas BERHENTI",
        "buttons": "Rincian: https://kota.example/p/CMH-1\nBerhenti: ",
        "parameter.judul": "Air mati",
    }
    assert api.inbox(ASEP) == []


async def test_an_inbox_keeps_the_last_twenty() -> None:
    api = api_with()
    api.watch(SITI)
    async with client(api) as meta:
        for number in range(25):
            await meta.send(text_message(str(number)))
    assert [received.parts["text"] for received in api.inbox(SITI)] == [
        str(number) for number in range(5, 25)
    ]


def test_choices_of_an_answer_are_shown_with_their_ids() -> None:
    buttons = [
        {"type": "reply", "reply": {"id": f"kec:{n}", "title": f"Kec {n}"}} for n in range(3)
    ]
    request = {
        "type": "interactive",
        "interactive": {
            "type": "button",
            "body": {"text": "Mana?"},
            "action": {"buttons": buttons},
        },
    }
    assert received_parts(request, {}) == {
        "text": "Mana?",
        "buttons": "Kec 0: kec:0\nKec 1: kec:1\nKec 2: kec:2",
    }
    request["interactive"]["action"] = {"buttons": [*buttons, buttons[0]]}  # type: ignore[index]
    with pytest.raises(ApiError, match="choices"):
        received_parts(request, {})
    rows = [{"id": f"kel:{n}", "title": f"Kel {n}"} for n in range(10)]
    listed = {
        "type": "list",
        "body": {"text": "Mana?"},
        "action": {"button": "Lihat", "sections": [{"title": "x", "rows": rows}]},
    }
    assert (
        received_parts({"type": "interactive", "interactive": listed}, {})["buttons"].count("\n")
        == 9
    )


# --- templates ----------------------------------------------------------------------------------


async def test_a_submitted_template_is_approved_and_can_be_sent_at_once() -> None:
    api = api_with(templates=[])
    async with client(api) as meta:
        assert await meta.code(message()) == 132001
        url = f"{meta.base}/{ACCOUNT}/message_templates"
        async with meta.session.post(url, json=TEMPLATE, headers=meta.headers) as response:
            assert (await response.json())["status"] == "APPROVED"
        assert await meta.code(message()) == 0
        _, listed = await meta.get(f"{ACCOUNT}/message_templates")
    templates = [(template["name"], template["status"]) for template in listed["data"]]
    assert templates == [("contoh", "APPROVED")]
    assert "next" not in listed["paging"]


async def test_templates_are_listed_in_pages() -> None:
    many = [{**TEMPLATE, "name": f"contoh_{n:02}"} for n in range(60)]
    async with client(api_with(templates=many)) as meta:
        names, path = [], f"{ACCOUNT}/message_templates?limit=25"
        while path:
            _, page = await meta.get(path)
            names += [template["name"] for template in page["data"]]
            path = page["paging"].get("next", "").split("/v25.0/")[-1]
    assert names == [template["name"] for template in many]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Contoh Besar"}, "name"),
        ({"message_send_ttl_seconds": 86_400}, "ttl"),
        ({"components": [{"type": "BODY", "text": "Kabar {{judul}}"}]}, "begins or ends"),
        ({"components": [{"type": "BODY", "text": "{{judul}} kabar"}]}, "begins or ends"),
        ({"components": [{"type": "BODY", "text": "Kabar {{judul}} selesai"}]}, "no sample"),
        ({"components": [{"type": "BODY", "text": "a" * 1025}]}, "too long"),
        ({"components": [{"type": "HEADER", "text": "a" * 61}]}, "too long"),
    ],
)
def test_a_template_against_the_rules_is_not_approved(change: dict[str, Any], words: str) -> None:
    check_template(TEMPLATE)
    with pytest.raises(ApiError, match=words):
        check_template({**TEMPLATE, **change})


@pytest.mark.parametrize(
    "submitted", [b"", b"[]", b"{}", b'{"name":"x"}', b'{"name":"x","components":5}']
)
async def test_a_submission_that_cannot_be_read_is_refused(submitted: bytes) -> None:
    async with client(api_with()) as meta:
        url = f"{meta.base}/{ACCOUNT}/message_templates"
        async with meta.session.post(url, data=submitted, headers=meta.headers) as response:
            assert response.status == 400


def test_templates_are_told_apart_by_name_and_language() -> None:
    english = {**TEMPLATE, "language": "en"}
    assert set(registry([TEMPLATE, english])) == {("contoh", "id"), ("contoh", "en")}


async def test_the_number_has_the_fields_asked_for() -> None:
    async with client(api_with()) as meta:
        assert await meta.get(f"{PHONE}?fields=quality_rating,unknown") == (
            200,
            {"quality_rating": "GREEN", "id": PHONE},
        )
        status, answer = await meta.get("1")
    assert (status, answer["error"]["code"]) == (400, 100)


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "status", "code"),
    [
        (Faults(rate_429=1), 429, 130429),
        (Faults(rate_5xx=1), 500, 131000),
        (Faults(blocked=1), 400, 131026),
    ],
)
async def test_a_fault_answers_as_the_real_one_does(faults: Faults, status: int, code: int) -> None:
    api = api_with(faults=faults)
    async with client(api) as meta:
        response_status, answer = await meta.send(message())
    assert (response_status, answer["error"]["code"], api.accepted) == (status, code, 0)


async def test_a_cut_connection_has_taken_the_message() -> None:
    api = api_with(faults=Faults(cut=1))
    async with client(api) as meta:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await meta.send(message())
    assert api.accepted == 1


async def test_latency_delays_the_answer() -> None:
    api = api_with(faults=Faults(latency_ms=150))
    async with client(api) as meta:
        start = asyncio.get_running_loop().time()
        await meta.send(message())
        assert asyncio.get_running_loop().time() - start >= 0.14


# --- webhooks -----------------------------------------------------------------------------------


class Webhook:
    """A webhook that checks signatures and keeps statuses, messages and contacts; it refuses the
    first `failures` posts.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.posts = 0
        self.statuses: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.contacts: list[dict[str, Any]] = []
        self.app = web.Application()
        self.app.router.add_post("/webhook", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        expected = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        assert request.headers["X-Hub-Signature-256"] == f"sha256={expected}"
        self.posts += 1
        if self.posts <= self.failures:
            return web.Response(status=503)
        envelope = msgspec.json.decode(raw)
        assert envelope["object"] == "whatsapp_business_account"
        for entry in envelope["entry"]:
            for change in entry["changes"]:
                assert change["field"] == "messages"
                for kind in ("statuses", "messages", "contacts"):
                    getattr(self, kind).extend(change["value"].get(kind, []))
        return web.Response()


@asynccontextmanager
async def reporting(webhook: Webhook, **changes: Any) -> AsyncIterator[tuple[GraphApi, Client]]:
    """Serve an API that posts to the webhook; yield it and a client of it."""
    async with running(webhook.app) as url:
        api = api_with(callback_url=f"{url}/webhook", **changes)
        async with client(api) as meta:
            yield api, meta


async def test_each_message_is_sent_delivered_and_mostly_read_in_signed_batches() -> None:
    webhook = Webhook()
    async with reporting(webhook) as (api, meta):
        for number in range(60):
            await meta.send(message(f"62812{number:08}", biz_opaque_callback_data=f"e1.{number}"))
        await until(lambda: api.callbacks.waiting == 0 and len(webhook.statuses) > 120, seconds=10)
    seen = {(status["biz_opaque_callback_data"], status["status"]) for status in webhook.statuses}
    assert {name for name, state in seen if state == "sent"} == {
        f"e1.{number}" for number in range(60)
    }
    assert {name for name, state in seen if state == "delivered"} == {
        f"e1.{number}" for number in range(60)
    }
    assert 25 < len([name for name, state in seen if state == "read"]) < 58
    assert webhook.posts < len(webhook.statuses)
    assert all(status["timestamp"].isdigit() for status in webhook.statuses)


async def test_a_blocked_person_is_accepted_and_fails_by_webhook() -> None:
    webhook = Webhook()
    async with reporting(webhook, faults=Faults(blocked=1)) as (api, meta):
        api.watch(SITI)
        assert await meta.code(message()) == 0
        await until(lambda: bool(webhook.statuses), seconds=5)
    (status,) = webhook.statuses
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131026)
    assert api.inbox(SITI) == []


async def test_what_residents_do_reaches_the_webhook() -> None:
    webhook = Webhook()
    async with reporting(webhook) as (api, _):
        api.write(SITI, "DAFTAR CIBABAT")
        api.click(SITI, "Berhenti", "STOP")
        api.choose(SITI, "Cimahi Utara", "kec:32.77.03")
        await until(lambda: len(webhook.messages) == 3, seconds=5)
    assert [message["type"] for message in webhook.messages] == ["text", "button", "interactive"]
    assert webhook.messages[1]["button"] == {"text": "Berhenti", "payload": "STOP"}
    assert len({message["id"] for message in webhook.messages}) == 3
    assert webhook.contacts[0] == {"wa_id": SITI, "user_id": scoped_id(SITI)}


async def test_a_webhook_is_repeated_until_it_is_taken() -> None:
    webhook = Webhook(failures=2)
    async with reporting(webhook) as (api, _):
        api.write(SITI, "Halo")
        await until(lambda: api.callbacks.posted == 1, seconds=8)
    assert (webhook.posts, len(webhook.messages)) == (3, 1)
