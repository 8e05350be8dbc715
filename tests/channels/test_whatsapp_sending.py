"""The WhatsApp channel against a Graph API on loopback: sending, faults, answers and doctor."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from broadcaster.simulation.faults import Faults
from broadcaster.simulation.graph_api import GraphApi, scoped_id
from broadcaster.simulation.ports import free_port
from broadcaster.simulation.serving import running
from channels import whatsapp
from channels.base.contract import (
    Deferred,
    Halted,
    Outgoing,
    Receipt,
    Refused,
    Rejected,
    Result,
    Skipped,
)
from channels.base.meta import webhooks
from channels.base.staff_messages import ReplyChannel
from support import samples

TOKEN, SECRET, WORD = "token-contoh", "rahasia-contoh", "kata-contoh"
PHONE, ACCOUNT = "112000112", "112000200"
SITI, ASEP = "6281200000001", "6281200000002"


def settings(url: str = "http://127.0.0.1:9", **changes: Any) -> whatsapp.Settings:
    """Return complete settings of a sample number at the Graph API at `url`."""
    values = {
        "token": TOKEN,
        "phone_id": PHONE,
        "account_id": ACCOUNT,
        "app_secret": SECRET,
        "verify_token": WORD,
    }
    return whatsapp.Settings(
        **{**values, "site": samples.site(), "api_url": f"{url}/v25.0", **changes}
    )


def graph_api(**changes: Any) -> GraphApi:
    """Return a Graph API that knows our number, our account and our templates."""
    templates = [template.document for template in whatsapp.definitions(settings())]
    values = {
        "token": TOKEN,
        "phone_id": PHONE,
        "account_id": ACCOUNT,
        "app_secret": SECRET,
        "templates": templates,
    }
    return GraphApi(**{**values, "record": True, **changes})


@asynccontextmanager
async def connected(
    api: GraphApi | None = None, **changes: Any
) -> AsyncIterator[tuple[GraphApi, whatsapp.WhatsApp]]:
    """Yield a Graph API and the channel that speaks to it."""
    api = api or graph_api()
    async with running(api.app) as url:
        channel = whatsapp.WhatsApp(settings(url, **changes))
        try:
            yield api, channel
        finally:
            await channel.aclose()


def number(n: int) -> str:
    """Return the nth sample number."""
    return f"62812{n:08}"


def messages(channel: whatsapp.WhatsApp, count: int, lang: str = "id") -> list[Outgoing]:
    """Return the sample notice for `count` people."""
    message = channel.render(samples.notice(), lang)
    return [
        channel.personalise(message, samples.recipient(number(n), delivery=f"e1.{n}.1"))
        for n in range(count)
    ]


async def results(channel: whatsapp.WhatsApp, outgoing: list[Outgoing]) -> list[Result]:
    """Send the messages and return all results."""
    return [result async for result in channel.send(outgoing, may_write=lambda: True)]


# --- sending ------------------------------------------------------------------------------------


async def test_every_message_arrives_once_with_its_delivery_name() -> None:
    async with connected() as (api, channel):
        batch_results = await results(channel, messages(channel, 500))
    assert sorted(api.pairs) == sorted((number(n), f"e1.{n}.1") for n in range(500))
    ids = {
        result.outcome.provider_id
        for result in batch_results
        if isinstance(result.outcome, Receipt)
    }
    assert len(ids) == 500
    assert api.doubled == 0


async def test_what_arrives_is_what_the_preview_showed() -> None:
    api = graph_api()
    api.watch(SITI)
    async with connected(api) as (_, channel):
        for edition in samples.editions().values():
            for lang in ("id", "en"):
                outgoing = channel.personalise(
                    channel.render(edition, lang), samples.recipient(SITI)
                )
                await results(channel, [outgoing])
                assert api.inbox(SITI)[-1].parts == channel.preview(outgoing)
    assert api.accepted == 2 * len(samples.editions())


async def test_the_receipt_holds_the_business_scoped_id() -> None:
    async with connected() as (_, channel):
        (result,) = await results(channel, messages(channel, 1))
    assert isinstance(result.outcome, Receipt)
    assert result.outcome.aliases == (scoped_id(number(0)),)


async def test_a_business_scoped_id_is_sent_to() -> None:
    address = "ID.13491208655302741918"
    async with connected() as (api, channel):
        outgoing = channel.personalise(
            channel.render(samples.notice(), "id"), samples.recipient(address, delivery="d")
        )
        (result,) = await results(channel, [outgoing])
    assert isinstance(result.outcome, Receipt)
    assert api.pairs == [(address, "d")]


async def test_a_wrong_token_halts_the_channel_and_burns_nobody() -> None:
    async with connected(graph_api(token="another")) as (api, channel):
        batch_results = await results(channel, messages(channel, 200))
    assert batch_results
    assert all(isinstance(r.outcome, Halted) and r.outcome.code == "190" for r in batch_results)
    assert len(batch_results) <= 2 * 80
    assert api.accepted == 0


async def test_a_wrong_token_is_tried_once_and_checked_once_however_many_wait() -> None:
    api = graph_api(token="another")
    requests: list[str] = []

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        requests.append(f"{request.method} {request.path}")
        return await handler(request)

    app = api.app
    app.middlewares.append(note)
    async with running(app) as url:
        channel = whatsapp.WhatsApp(settings(url), patience=60.0)
        for _batch in range(3):
            assert {
                type(each.outcome) for each in await results(channel, messages(channel, 50))
            } == {Halted}
        await channel.aclose()
    assert [line.partition(" ")[0] for line in requests] == ["POST", "GET"]


async def test_a_template_that_meta_does_not_know_stops_the_whole_edition() -> None:
    async with connected(graph_api(templates=[])) as (_, channel):
        (result,) = await results(channel, messages(channel, 1))
    assert isinstance(result.outcome, Rejected)
    assert result.outcome.whole_edition
    assert result.outcome.code == "132001"


async def test_a_limit_defers_without_blame_and_as_long_as_asked() -> None:
    async with connected(graph_api(faults=Faults(rate_429=1))) as (api, channel):
        (result,) = await results(channel, messages(channel, 1))
    assert result.outcome == Deferred(
        throttle=True, retry_after=1.0, code="130429", detail="Rate limit hit"
    )
    assert api.accepted == 0


async def test_a_server_error_defers() -> None:
    async with connected(graph_api(faults=Faults(rate_5xx=1))) as (_, channel):
        (result,) = await results(channel, messages(channel, 1))
    assert result.outcome == Deferred(
        code="131000", detail="Something went wrong", about="recipient"
    )


async def test_a_blocked_address_is_refused() -> None:
    async with connected(graph_api(faults=Faults(blocked=1))) as (_, channel):
        (result,) = await results(channel, messages(channel, 1))
    assert result.outcome == Refused(
        reason="address_dead", code="131026", detail="Message undeliverable"
    )


async def test_a_connection_cut_after_acceptance_is_uncertain_and_counted_once() -> None:
    async with connected(graph_api(faults=Faults(cut=1))) as (api, channel):
        batch_results = await results(channel, messages(channel, 20))
    assert api.accepted == 20
    assert all(isinstance(r.outcome, Deferred) and r.outcome.uncertain for r in batch_results)
    assert len(batch_results) == 20


async def test_under_all_faults_each_message_is_accepted_once_or_known_not_to_be() -> None:
    faults = Faults(rate_429=0.1, rate_5xx=0.1, cut=0.1, blocked=0.05, latency_ms=1)
    async with connected(graph_api(faults=faults)) as (api, channel):
        batch_results = await results(channel, messages(channel, 400))
    accepted = {address for address, _ in api.pairs}
    assert len(batch_results) == 400
    assert len(api.pairs) == len(accepted)
    for result in batch_results:
        sure = isinstance(result.outcome, Receipt)
        uncertain = isinstance(result.outcome, Deferred) and result.outcome.uncertain
        assert (result.outgoing.recipient.address in accepted) == (sure or uncertain)
    kinds = {type(result.outcome) for result in batch_results}
    assert kinds == {Receipt, Deferred, Refused}


async def test_nobody_listening_defers_without_doubt() -> None:
    channel = whatsapp.WhatsApp(settings(f"http://127.0.0.1:{free_port()}"))
    (result,) = await results(channel, messages(channel, 1))
    await channel.aclose()
    assert result.outcome == Deferred(code="ClientConnectorError", detail="no connection")


async def test_a_redirect_is_not_followed_and_halts() -> None:
    followed: list[str] = []

    async def away(request: web.Request) -> web.Response:
        followed.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", away)
    async with running(app) as url:
        channel = whatsapp.WhatsApp(settings(url))
        with capture_logs():
            (result,) = await results(channel, messages(channel, 1))
        await channel.aclose()
    assert isinstance(result.outcome, Halted)
    assert followed == [f"/v25.0/{PHONE}/messages"]


async def test_nothing_is_written_once_writing_is_forbidden() -> None:
    async with connected() as (api, channel):
        # may_write is called when a message begins, when it has a connection, and right before its write
        granted = iter([True] * (50 + 50 + 10))
        outgoing = messages(channel, 50)
        batch_results = [
            r async for r in channel.send(outgoing, may_write=lambda: next(granted, False))
        ]
    assert 10 <= len(batch_results) == api.accepted < 50


@pytest.mark.parametrize(("rate", "most"), [(80, 80), (1000, 250), (5, 16), (0, 128)])
async def test_concurrency_follows_the_rate(rate: float, most: int) -> None:
    running_now = highest = 0
    full = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        nonlocal running_now, highest
        running_now += 1
        highest = max(highest, running_now)
        if running_now == most:
            full.set()
        await full.wait()
        await asyncio.sleep(0.01)
        running_now -= 1
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    app = web.Application()
    app.router.add_post("/{path:.*}", slow)
    async with running(app) as url:
        channel = whatsapp.WhatsApp(settings(url, rate=rate))
        batch_results = await results(channel, messages(channel, 300))
        await channel.aclose()
    assert highest == most
    assert len(batch_results) == 300


async def test_neither_log_nor_settings_nor_outcome_show_a_secret_or_a_number() -> None:
    with capture_logs() as logs:
        async with connected(graph_api(templates=[])) as (_, channel):
            batch_results = await results(channel, messages(channel, 2))
    output = (
        repr(logs)
        + repr([result.outcome for result in batch_results])
        + repr(channel.render)
        + repr(settings())
    )
    assert number(0) not in output
    assert not any(secret in output for secret in (TOKEN, SECRET, WORD))


# --- answers ------------------------------------------------------------------------------------


async def test_an_answer_goes_as_text_named_as_an_answer_and_as_no_delivery() -> None:
    api = graph_api()
    api.watch(SITI)
    async with connected(api) as (_, channel):
        assert isinstance(channel, ReplyChannel)
        outcome = await channel.answer(SITI, "Anda berhenti.\nKetik *DAFTAR* untuk kembali.")
    assert isinstance(outcome, Receipt)
    assert api.inbox(SITI)[0].parts == {"text": "Anda berhenti.\nKetik *DAFTAR* untuk kembali."}
    assert api.pairs == [(SITI, webhooks.ANSWER)]


async def test_a_long_answer_is_cut_after_a_sentence() -> None:
    api = graph_api()
    api.watch(SITI)
    async with connected(api) as (_, channel):
        await channel.answer(SITI, "Ini kalimat dengan gelombang \U0001f30a. " * 300)
    text = api.inbox(SITI)[0].parts["text"]
    assert len(text.encode("utf-16-le")) // 2 <= 4096
    assert text.endswith("\U0001f30a.")


async def test_an_answer_of_the_demo_says_that_it_is_simulated() -> None:
    api = graph_api()
    api.watch(SITI)
    async with connected(api, site=samples.site(simulated=True)) as (_, channel):
        await channel.answer(SITI, "Halo")
    assert api.inbox(SITI)[0].parts["text"] == "[SIMULASI] Halo"


async def test_an_answer_after_the_window_is_skipped() -> None:
    async def closed(request: web.Request) -> web.Response:
        return web.json_response(
            {"error": {"code": 131047, "message": "Re-engagement message"}}, status=400
        )

    app = web.Application()
    app.router.add_post("/{path:.*}", closed)
    async with running(app) as url:
        channel = whatsapp.WhatsApp(settings(url))
        outcome = await channel.answer(SITI, "Halo")
        await channel.aclose()
    assert outcome == Skipped(code="131047", detail="Re-engagement message")


# --- doctor -------------------------------------------------------------------------------------


async def doctor_findings(api: GraphApi, **changes: Any) -> list[tuple[bool | None, str, str]]:
    """Return doctor's findings, as (ok, what, mend)."""
    async with connected(api, **changes) as (_, channel):
        return [(finding.ok, finding.what, finding.mend) for finding in await channel.check()]


async def test_doctor_is_content_when_all_is_in_order() -> None:
    findings = await doctor_findings(graph_api())
    assert [ok for ok, _, _ in findings] == [True] * 7
    assert "quality" not in findings[0][1]
    assert "+62 811-0000-0112, Info Kota Cimahi, GREEN, CONNECTED, TIER_100K" in findings[0][1]


async def test_doctor_prints_a_missing_template_as_it_must_be_submitted() -> None:
    api = graph_api(templates=[])
    findings = await doctor_findings(api, template="satu")
    assert [ok for ok, _, _ in findings] == [True, False, False]
    document = msgspec.json.decode(findings[1][2].split(": ", 1)[1])
    async with running(api.app) as url, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.post(
            f"{url}/v25.0/{ACCOUNT}/message_templates", json=document, headers=headers
        ) as response:
            assert response.status == 200


async def test_doctor_finds_templates_on_later_pages() -> None:
    ours = [template.document for template in whatsapp.definitions(settings())]
    others = [
        {"name": f"lain_{n}", "language": "id", "category": "UTILITY", "components": []}
        for n in range(230)
    ]
    findings = await doctor_findings(graph_api(templates=[*others, *ours]))
    assert all(ok for ok, _, _ in findings)


@pytest.mark.parametrize(
    ("change", "ok", "words"),
    [
        ({"status": "PAUSED"}, False, "berstatus PAUSED"),
        ({"category": "MARKETING"}, None, "digolongkan MARKETING"),
        ({"components": []}, None, "dengan kata lain"),
    ],
)
async def test_doctor_names_what_is_wrong_with_a_template(
    change: dict[str, Any], ok: bool | None, words: str
) -> None:
    templates = [
        {**template.document, **change}
        for template in whatsapp.definitions(settings(template="satu"))
    ]
    findings = await doctor_findings(graph_api(templates=templates), template="satu")
    assert [finding[0] for finding in findings] == [True, ok, ok]
    assert words in findings[1][1]
    assert findings[1][2]


async def test_doctor_says_what_to_mend_when_the_token_or_an_id_is_wrong() -> None:
    ((ok, what, mend), *_) = await doctor_findings(graph_api(token="another"))
    assert (ok, "190" in what, "WHATSAPP_TOKEN" in mend) == (False, True, True)
    findings = await doctor_findings(graph_api(account_id="1"))
    assert [finding[0] for finding in findings] == [True, False]
    assert "WHATSAPP_ACCOUNT_ID" in findings[1][2]


async def test_doctor_without_account_checks_the_number_only() -> None:
    findings = await doctor_findings(graph_api(), account_id="")
    assert [ok for ok, _, _ in findings] == [True, None]


async def test_doctor_and_probe_survive_a_dead_provider() -> None:
    channel = whatsapp.WhatsApp(settings())
    ok, what = next((finding.ok, finding.what) for finding in await channel.check())
    assert ok is False
    assert "tidak menjawab" in what
    assert await channel.probe() is False
    await channel.aclose()


async def test_probe_tells_whether_the_number_answers() -> None:
    async with connected() as (api, channel):
        assert await channel.probe() is True
        api.token = "another"
        assert await channel.probe() is False
