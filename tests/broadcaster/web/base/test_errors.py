"""Error answers: words for people, problem details for programs, and our internals for neither."""

import asyncio
import json
import struct
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import text

from support.browsing import CREDENTIALS, Running
from support.waiting import until


@pytest.fixture
def log() -> Iterator[list[structlog.typing.EventDict]]:
    """Capture what is logged during a test."""
    with structlog.testing.capture_logs() as captured:
        yield captured


async def test_a_missing_page_is_a_page_with_a_way_on(site: Running) -> None:
    answer = await site.ask("/tidak-ada")
    assert answer.status == 404
    assert "Halaman ini tidak ada." in answer.text
    assert 'href="/"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_missing_page_speaks_english_where_chosen(site: Running) -> None:
    assert "There is no such page." in (await site.ask("/x", headers={"Cookie": "bahasa=en"})).text


@pytest.mark.parametrize("path", ["/api/v1/tidak-ada", "/api/tidak-ada"])
async def test_under_api_errors_are_problem_details(site: Running, path: str) -> None:
    answer = await site.ask(path)
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.text)
    assert (problem["type"], problem["status"], problem["title"]) == (
        "about:blank",
        404,
        "Not Found",
    )
    assert problem["detail"]


async def test_a_wrong_method_under_api_is_a_problem_too(site: Running) -> None:
    answer = await site.ask("/api/v1/announcements", "DELETE")
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    assert json.loads(answer.text)["status"] == 405


async def break_database(site: Running) -> None:
    """Rename the table of editions, so that reading it fails."""
    await site.app.database.write(
        lambda connection: connection.execute(text("ALTER TABLE edition RENAME TO edition_gone"))
    )


async def test_a_failure_of_ours_is_a_plain_page_without_our_insides(
    site: Running, log: list[structlog.typing.EventDict]
) -> None:
    await break_database(site)
    answer = await site.ask("/?kata=rahasia-warga")
    assert answer.status == 500
    assert "Ada yang rusak di pihak kami." in answer.text
    for secret in ("edition", "sqlite", "Traceback", "SELECT"):
        assert secret not in answer.text
    assert "Content-Security-Policy" in answer.headers
    unforeseen = next(entry for entry in log if entry["event"] == "unforeseen")
    assert unforeseen["error"] == "OperationalError"
    assert unforeseen["route"] == "/"
    assert "rahasia-warga" not in json.dumps(log, default=str)


async def test_a_failure_under_api_is_a_problem_of_status_500(site: Running) -> None:
    token = await site.token("read")
    await break_database(site)
    answer = await site.ask("/api/v1/announcements/x", headers={"Authorization": f"Bearer {token}"})
    assert answer.status in {404, 500}
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_the_log_names_routes_never_tokens_addresses_or_queries(
    site: Running, log: list[structlog.typing.EventDict]
) -> None:
    address = await site.subscriber("rahasia@contoh.example")
    token = site.app.vault.token(address)
    await site.ask(f"/berhenti/{token}", "POST")
    await site.ask("/cek?kode=CMH-2222-22")
    await site.ask("/tidak-ada/rahasia")
    lines = [entry for entry in log if entry["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/berhenti/{token}", 200),
        ("GET", "/cek", 200),
        ("GET", "-", 404),
    ]
    logged = json.dumps(log, default=str)
    for secret in (token, "rahasia", "CMH-2222-22", "127.0.0.1"):
        assert secret not in logged


async def test_someone_who_leaves_in_mid_request_is_no_failure(
    site: Running, log: list[structlog.typing.EventDict]
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(site.url.rsplit(":", 1)[1]))
    secret = CREDENTIALS["TELEGRAM_WEBHOOK_SECRET"].encode()
    head = (
        b"POST /webhook/telegram HTTP/1.1\r\nHost: x\r\nX-Telegram-Bot-Api-Secret-Token: "
        + secret
        + b"\r\n"
    )
    writer.write(head + b"Content-Length: 100\r\n\r\nabc")
    await writer.drain()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0: leave with a reset
    writer.close()
    await until(lambda: any(entry["event"] in {"left_early", "unforeseen"} for entry in log))
    assert [entry["event"] for entry in log if entry["event"] != "request"] == ["left_early"]
