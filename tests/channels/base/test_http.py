"""HTTP for push channels: limits, and which failures leave a message uncertain, over real sockets."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest

from broadcaster.simulation.ports import free_port
from channels.base.contract import Deferred
from channels.base.http import (
    REQUEST_ERRORS,
    NotWritten,
    Sessions,
    deferred,
    never_written,
    open_session,
    same,
    seconds,
    signed_by,
    writing,
)
from support.waiting import until

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """Run a raw TCP server on loopback; yield its http URL."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def failure_of(
    url: str, *, total_seconds: float = 5, connect_seconds: float = 1
) -> BaseException:
    """Return the error that a POST to `url` raises."""
    async with open_session(
        connections=1, connect_seconds=connect_seconds, total_seconds=total_seconds
    ) as session:
        with pytest.raises(REQUEST_ERRORS) as caught:
            async with session.post(url, data=b"x") as response:
                await response.read()
    return caught.value


async def test_a_refused_connection_was_never_written() -> None:
    error = await failure_of(f"http://127.0.0.1:{free_port()}/")
    assert never_written(error)
    assert deferred(error) == Deferred(code="ClientConnectorError", detail="no connection")


async def test_an_unknown_host_was_never_written() -> None:
    assert never_written(await failure_of("http://no-such-host.invalid/"))


async def test_a_failed_tls_handshake_was_never_written() -> None:
    async def not_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(not_tls) as url:
        assert never_written(await failure_of(url.replace("http:", "https:")))


async def test_waiting_in_vain_for_a_free_connection_was_never_written() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        listening(silent) as url,
        open_session(connections=1, connect_seconds=0.1, total_seconds=5) as session,
    ):
        first = asyncio.create_task(session.post(url, data=b"x").__aenter__())
        await asyncio.sleep(0.05)
        with pytest.raises(REQUEST_ERRORS) as caught:
            await session.post(url, data=b"x").__aenter__()
        assert never_written(caught.value)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_connection_cut_after_the_request_is_uncertain() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with listening(cut) as url:
        error = await failure_of(url)
    assert not never_written(error)
    assert deferred(error) == Deferred(
        uncertain=True, code="ServerDisconnectedError", detail="no answer", about="recipient"
    )


async def test_an_answer_that_ends_half_way_is_uncertain() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK[:-1])

    async with listening(half) as url:
        assert deferred(await failure_of(url)).uncertain


async def test_an_answer_that_never_comes_is_uncertain() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as url:
        error = await failure_of(url, total_seconds=0.2)
    assert deferred(error) == Deferred(
        uncertain=True, code="TimeoutError", detail="no answer", about="recipient"
    )


async def test_an_answer_that_is_no_http_is_uncertain() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"hello\r\n\r\n")

    async with listening(nonsense) as url:
        assert deferred(await failure_of(url)).uncertain


async def test_the_description_of_a_failure_names_no_host() -> None:
    failure = deferred(await failure_of("http://no-such-host.invalid/6281200000001"))
    assert "6281200000001" not in repr(failure)
    assert "no-such-host" not in repr(failure)


async def test_one_session_reuses_its_connections() -> None:
    connections = 0

    async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

    sessions = Sessions(connections=2)
    async with listening(polite) as url:
        for _ in range(5):
            async with sessions.get().get(url) as response:
                assert await response.read() == b"ok"
        await sessions.aclose()
    assert connections == 1


async def test_a_closed_session_is_opened_anew() -> None:
    sessions = Sessions(connections=3)
    first = sessions.get()
    assert sessions.get() is first
    await sessions.aclose()
    await sessions.aclose()
    second = sessions.get()
    assert first.closed
    assert second is not first
    assert isinstance(second.connector, aiohttp.TCPConnector)
    assert second.connector.limit == 3
    await sessions.aclose()


async def test_a_request_ends_before_the_turn_of_its_worker() -> None:
    async with open_session(connections=1) as session:
        assert session.timeout.total is not None
        assert session.timeout.total < 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (None, None),
        ("", None),
        ("Wed, 25 Nov 2026 07:43:00 GMT", None),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("1e999", None),
        ("9" * 5000, None),
        ("soon", None),
        ("Wed, 25 Nov 99999999999 07:43:00 GMT", None),
        ("Wed, 99 Nov 2026 07:43:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_or_not_at_all(
    text: str | None, expected: float | None
) -> None:
    assert seconds(text) == expected


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 11, 25, 7, 42, tzinfo=UTC).timestamp()
    assert seconds("Wed, 25 Nov 2026 07:43:00 GMT", clock=lambda: now) == 60.0
    assert seconds("Wed, 25 Nov 2026 07:41:00 GMT", clock=lambda: now) is None


def test_a_signature_holds_only_for_the_same_secret_and_the_same_bytes() -> None:
    signature = hmac.new(b"secret", b'{"a":1}', hashlib.sha256).hexdigest()
    assert signed_by("secret", b'{"a":1}', signature)
    assert not signed_by("secret", b'{"a": 1}', signature)
    assert not signed_by("other", b'{"a":1}', signature)
    assert not signed_by("secret", b'{"a":1}', "")
    assert not signed_by("secret", b'{"a":1}', "\udcffé")


def test_without_a_secret_nothing_is_signed() -> None:
    assert not signed_by("", b"x", hmac.new(b"", b"x", hashlib.sha256).hexdigest())
    assert not same("", "")


def test_a_shared_secret_is_compared_whole() -> None:
    assert same("verify-me", "verify-me")
    assert not same("verify-me", "verify")
    assert not same("verify-me", "é")


async def test_an_answer_that_nobody_waits_for_is_given_to_nobody() -> None:
    connections: list[int] = []

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            writer.write(OK.replace(b"ok", b"no"))

    sessions = Sessions(connections=1)
    async with listening(twice) as url:
        for _ in range(3):
            async with sessions.get().get(url) as response:
                assert await response.read() == b"ok"
            await until(lambda: idle_answer(sessions), what="the second answer has come")
        await sessions.aclose()
    assert len(connections) == 3


def idle_answer(sessions: Sessions) -> bool:
    """Return True once the idle connection holds an answer, or was closed because of one."""
    connector = sessions.get().connector
    assert connector is not None
    return all(
        protocol.should_close for idle in connector._conns.values() for protocol, _since in idle
    )


async def test_a_request_that_waited_for_its_connection_asks_once_more_before_it_is_written() -> (
    None
):
    received = bytearray()

    async def receive(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read())

    answers = iter([True, False])
    async with listening(receive) as url, open_session(connections=1) as session:
        writing.set(lambda: next(answers))
        assert writing.get()(), "allowed when it began"
        with pytest.raises(NotWritten):
            await session.post(url, data=b"late")
    assert received == b""
