"""Connection limits on real sockets; a test chooses when the server checks its deadlines."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from broadcaster.web.base.admission import Admission, ConnectionLimits, trusts
from broadcaster.web.base.connections import AdmissionState, LimitedConnection, sweep
from broadcaster.web.base.refusals import RefusalCounters
from support.browsing import listening
from support.stranger import Stranger, stranger
from support.waiting import until

GET = b"GET /at-once HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = 8 * 1024 * 1024


def post(path: str, length: int, *headers: str) -> bytes:
    """Return the head of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(kw_only=True)
class Server:
    """A server whose application answers each path in its own way."""

    port: int
    admission: Admission
    requested: list[str] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self.requested.append(scope["path"])
        self.headers = scope["headers"]
        if scope["path"] == "/never":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.abandoned.append(scope["path"])
            return
        if scope["path"] == "/later":
            await self.go_on.wait()
        body = b""
        while scope["path"] == "/read":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                self.bodies.append(body)
                break
        answer = b"x" * BIG if scope["path"] == "/big" else scope["path"].encode()
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": answer})

    def sweep_after(self, seconds: float) -> None:
        """Check the deadlines as if so many seconds had passed."""
        sweep(self.admission, asyncio.get_running_loop().time() + seconds)

    @property
    def refusals(self) -> dict[str, int]:
        """Refusals so far, by kind."""
        return dict(self.admission.refusals.counts)

    async def wait_for(self, **counts: int) -> None:
        """Wait until so many connections are in each state."""
        await until(lambda: counts.items() <= self.admission.counts().items(), what=f"{counts}")


@contextlib.asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[Server]:
    """Serve on a free port until the block ends."""
    with listening() as (sock, port):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        server = Server(
            port=port,
            admission=Admission(ConnectionLimits(**limits), RefusalCounters(), trusts(())),
        )
        config = uvicorn.Config(
            server, lifespan="off", log_config=None, ws="none", proxy_headers=False
        )
        config.load()
        state = AdmissionState(server.admission)
        listener = await asyncio.get_running_loop().create_server(
            lambda: LimitedConnection(config, state, {}), sock=sock
        )
        try:
            yield server
        finally:
            listener.close()
            for connection in state.connections:
                connection.transport.abort()
            await until(
                lambda: not state.connections and not state.tasks, what="all connections end"
            )


# --- heads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n"],
    ids=["address", "value", "fields"],
)
async def test_a_head_that_grows_without_end_is_refused_with_431(start: bytes) -> None:
    async with serving() as server, stranger(server.port) as client:
        filling = b"a: b\r\n" * 1_000 if start.endswith(b"\n") else b"a" * 6_000
        await client.say(start)
        for _ in range(100):
            await client.say(filling)
        assert (await client.answer())[0] == 431
        assert await client.rest() == b""
        assert server.requested == []
        assert server.refusals == {"head_size": 1}


async def test_a_large_head_that_comes_in_pieces_is_taken() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(b"GET /at-once?" + b"q" * 40_000)
        await client.say(b" HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 10_000)
        await client.say(b"c" * 10_000 + b"\r\n\r\n")
        assert (await client.answer())[0] == 200


async def test_a_large_head_after_a_large_body_is_taken() -> None:
    async with serving() as server, stranger(server.port) as client:
        large = b"GET /at-once?" + b"q" * 50_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        await client.say(post("/read", 100_000) + b"b" * 100_000 + large)
        assert [(await client.answer())[2] for _ in range(2)] == [b"/read", b"/at-once"]


@pytest.mark.parametrize("start", [b"GET / HT", b"\r\n"])
async def test_a_head_that_does_not_end_in_time_is_answered_408(start: bytes) -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(start)
        [connection] = server.admission
        await until(lambda: not connection._silent)  # type: ignore[attr-defined]
        server.sweep_after(9)
        assert server.refusals == {}
        server.sweep_after(11)
        assert (await client.answer())[0] == 408
        assert server.refusals == {"head_time": 1}


async def test_a_connection_that_says_nothing_is_closed_in_silence() -> None:
    async with serving() as server, stranger(server.port) as client:
        await server.wait_for(waiting=1)
        server.sweep_after(11)
        assert await client.rest() == b""


async def test_a_further_head_has_its_time_from_its_first_byte() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(GET)
        await client.answer()
        await server.wait_for(waiting=1)
        server.sweep_after(11)
        await client.say(GET)
        assert (await client.answer())[0] == 200
        assert server.refusals == {}


async def test_what_is_no_http_is_refused_and_counted() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(b"\x16\x03\x01\x02\x00\x01")
        assert (await client.answer())[0] == 400
        assert server.refusals == {"malformed": 1}


async def test_an_upgrade_that_we_do_not_offer_is_passed_over() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(
            b"GET /at-once HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        )
        assert (await client.answer())[0] == 200


# --- bodies ---------------------------------------------------------------------------------------


async def test_a_body_that_does_not_come_in_time_is_answered_408() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(post("/read", 10) + b"12345")
        await server.wait_for(uploading=1)
        server.sweep_after(29)
        assert server.refusals == {}
        server.sweep_after(31)
        assert (await client.answer())[0] == 408
        assert server.refusals == {"body_time": 1}
        assert server.bodies == []


async def test_a_body_that_keeps_coming_has_more_time() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(post("/read", 500_000) + b"b" * 400_000)
        await server.wait_for(uploading=1)
        [connection] = server.admission
        await until(lambda: connection._exchange.body == 400_000)  # type: ignore[attr-defined]
        server.sweep_after(100)
        await client.say(b"b" * 100_000)
        assert (await client.answer())[0] == 200
        assert len(server.bodies[0]) == 500_000


async def test_a_body_stays_in_the_network_until_it_is_asked_for() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(post("/at-once", 50_000_000))
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.rest() == b""


async def test_what_came_of_bodies_before_anybody_asked_is_limited() -> None:
    async with (
        serving(early_bytes=100_000) as server,
        stranger(server.port) as first,
        stranger(server.port) as second,
    ):
        await first.say(post("/later", 60_000) + b"b" * 60_000)
        await until(lambda: server.admission.early_bytes == 60_000)
        await second.say(post("/later", 60_000) + b"b" * 60_000)
        assert (await second.answer())[0] == 503
        assert server.refusals == {"bodies_full": 1}
        server.go_on.set()
        assert (await first.answer())[0] == 200
        await until(lambda: server.admission.early_bytes == 0)


async def test_a_client_that_leaves_is_missed_by_the_request_before_its_last_one_too() -> None:
    async with serving() as server:
        async with stranger(server.port) as client:
            await client.say(GET.replace(b"/at-once", b"/never") + GET)
            await until(lambda: server.requested == ["/never"])
        await until(lambda: server.abandoned == ["/never"])


async def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(post("/at-once", 4_000_000))
        for _ in range(40):
            await client.say(b"b" * 100_000)
        assert (await client.answer())[2] == b"/at-once"
        assert await client.rest() == b""


async def test_what_follows_an_early_answer_is_never_a_request() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(post("/at-once", len(GET) * 100))
        await client.answer()
        await client.say(GET * 200)
        assert await client.rest() == b""
        assert server.requested == ["/at-once"]


async def test_a_client_that_goes_on_sending_after_an_early_answer_is_cut_off() -> None:
    async with serving(linger_bytes=100_000) as server, stranger(server.port) as client:
        await client.say(post("/at-once", 50_000_000))
        await client.answer()
        await client.say(b"b" * 200_000)
        await server.wait_for(waiting=0, uploading=0, answering=0)


async def test_an_invitation_is_sent_only_once_the_body_is_wanted() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(post("/at-once", 5, "Expect: 100-continue"))
        assert (await client.answer())[0] == 200
    async with serving() as server, stranger(server.port) as client:
        await client.say(post("/read", 5, "Expect: 100-continue"))
        assert (await client.answer())[0] == 100
        await client.say(b"12345")
        assert (await client.answer())[0] == 200


async def test_chunks_of_a_byte_are_taken() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(CHUNKED + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
        assert (await client.answer())[0] == 200
        assert server.bodies == [b"x" * 20_000]


@pytest.mark.parametrize(
    "filling",
    [b"1;" + b"e" * 1_000 + b"\r\nx\r\n", b"e" * 1_000],
    ids=["extensions", "one extension"],
)
async def test_chunks_that_are_mostly_framing_are_refused(filling: bytes) -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(CHUNKED + (b"1;" if filling.startswith(b"e") else b""))
        for _ in range(400):
            await client.say(filling)
        assert (await client.answer())[0] == 400
        assert server.refusals == {"body_framing": 1}


async def test_trailers_are_no_headers_and_have_an_end() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(CHUNKED + b"1\r\nx\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        assert (await client.answer())[0] == 200
        assert b"x-forwarded-for" not in dict(server.headers)
        await client.say(CHUNKED + b"1\r\nx\r\n0\r\n")
        for _ in range(200):
            await client.say(b"a: " + b"t" * 1_000 + b"\r\n")
        assert (await client.answer())[0] == 400


# --- answers --------------------------------------------------------------------------------------


async def leave_unread(client: Stranger, server: Server) -> None:
    """Request a large answer and stop reading."""
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await client.say(GET.replace(b"/at-once", b"/big"))
    await until(
        lambda: any(each.transport.get_write_buffer_size() for each in server.admission),
        what="an answer waits",
    )  # type: ignore[attr-defined]


async def test_who_does_not_read_an_answer_is_cut_off() -> None:
    async with serving() as server, stranger(server.port) as client:
        await leave_unread(client, server)
        server.sweep_after(0)
        server.sweep_after(29)
        assert server.refusals == {}
        server.sweep_after(31)
        await server.wait_for(waiting=0, answering=0)
        assert server.refusals == {"unread": 1}


async def test_who_reads_slowly_has_more_time() -> None:
    async with serving() as server, stranger(server.port) as client:
        await leave_unread(client, server)
        server.sweep_after(0)
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        await client.reader.readexactly(400_000)
        server.sweep_after(60)
        assert server.refusals == {}
        await client.reader.readexactly(1_000)


async def test_all_who_stopped_reading_hold_a_limited_number_of_bytes() -> None:
    async with (
        serving(unread_bytes=BIG) as server,
        stranger(server.port) as first,
        stranger(server.port) as second,
    ):
        await leave_unread(first, server)
        server.sweep_after(0)
        await leave_unread(second, server)
        await until(
            lambda: sum(each.transport.get_write_buffer_size() for each in server.admission) > BIG,
            what="both wait",
        )  # type: ignore[attr-defined]
        server.sweep_after(2)
        server.sweep_after(6)
        assert server.refusals == {}
        server.sweep_after(8)
        await until(lambda: len(list(server.admission)) == 1, what="the first is gone")
        assert server.refusals == {"unread": 1}


async def test_pipelined_requests_are_answered_in_order_up_to_a_number() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(GET + GET.replace(b"/at-once", b"/read") + GET)
        assert [(await client.answer())[2] for _ in range(3)] == [
            b"/at-once",
            b"/read",
            b"/at-once",
        ]
        await client.say(GET * 1_000)
        await server.wait_for(waiting=0, answering=0)
        assert server.refusals == {"pipelined": 1}
        assert len(server.requested) < 30


async def test_an_answer_to_head_has_no_body() -> None:
    async with serving() as server, stranger(server.port) as client:
        await client.say(GET.replace(b"GET", b"HEAD") + GET)
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 8" in head
        assert (await client.answer())[2] == b"/at-once"


# --- many connections -----------------------------------------------------------------------------


async def test_half_open_connections_of_one_address_push_one_another_out() -> None:
    async with serving(per_client=3) as server, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(stranger(server.port)) for _ in range(8)]
        await until(lambda: server.refusals == {"dropped_for_client": 5}, what="five are dropped")
        async with stranger(server.port, "127.0.1.2") as resident:
            await resident.say(GET)
            assert (await resident.answer())[0] == 200
        assert [await client.rest() for client in clients[:5]] == [b""] * 5
        await clients[-1].say(GET)
        assert (await clients[-1].answer())[0] == 200


async def test_half_open_connections_of_many_addresses_push_one_another_out() -> None:
    async with serving(connections=4) as server, contextlib.AsyncExitStack() as stack:
        for number in range(12):
            await stack.enter_async_context(stranger(server.port, f"127.0.2.{number + 1}"))
        async with stranger(server.port) as resident:
            await resident.say(GET)
            assert (await resident.answer())[0] == 200
        assert server.refusals["dropped_for_all"] >= 8


async def test_an_unfinished_upload_makes_room_when_nobody_merely_waits() -> None:
    async with serving(connections=1) as server, stranger(server.port) as first:
        await first.say(post("/read", 10) + b"1")
        await server.wait_for(uploading=1)
        async with stranger(server.port, "127.0.1.2") as resident:
            await resident.say(GET)
            assert (await resident.answer())[0] == 200
        assert await first.rest() == b""


async def test_who_is_being_answered_is_never_dropped_and_proxies_find_room() -> None:
    async with serving(connections=1) as server, stranger(server.port) as first:
        await first.say(GET.replace(b"/at-once", b"/never"))
        await server.wait_for(answering=1)
        async with stranger(server.port, "127.0.1.2") as second:
            status, headers, _ = await second.answer()
            assert (status, headers["retry-after"]) == (503, "5")
        async with stranger(server.port, "127.0.0.1") as proxy:
            await proxy.say(GET)
            assert (await proxy.answer())[0] == 200
        assert server.refusals == {"full": 1}
        await server.wait_for(answering=1)


# --- turns ----------------------------------------------------------------------------------------


def get(path: str, *headers: str) -> bytes:
    """Return a GET without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@contextlib.asynccontextmanager
async def full_server(**limits: Any) -> AsyncIterator[tuple[Server, contextlib.AsyncExitStack]]:
    """Serve with two places, both taken by requests that do not end by themselves."""
    async with serving(under_way=2, **limits) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            await (await stack.enter_async_context(stranger(server.port))).say(get("/later"))
        await until(lambda: len(server.requested) == 2)
        yield server, stack
        server.go_on.set()


@pytest.mark.parametrize(
    "urgent",
    [
        get("/readyz"),
        get("/layar/cibabat/data"),
        get("/redaksi/darurat", "Cookie: redaksi=x"),
        post("/webhook/telegram", 0),
    ],
)
async def test_what_is_urgent_passes_those_who_wait_for_their_turn(urgent: bytes) -> None:
    async with full_server(under_way_seconds=3_600) as (server, stack):
        routine, urgent_client = [
            await stack.enter_async_context(stranger(server.port)) for _ in range(2)
        ]
        await routine.say(get("/redaksi/masuk"))
        await urgent_client.say(urgent)
        assert (await urgent_client.answer())[0] == 200
        assert "/redaksi/masuk" not in server.requested
        server.go_on.set()
        assert (await routine.answer())[0] == 200


async def test_a_request_that_takes_long_no_longer_keeps_a_place() -> None:
    async with full_server(under_way_seconds=0.01) as (server, stack):
        third = await stack.enter_async_context(stranger(server.port))
        await third.say(get("/at-once"))
        assert (await third.answer())[0] == 200
        assert not server.go_on.is_set()


async def test_a_request_that_waits_for_its_body_keeps_no_place() -> None:
    async with (
        serving(under_way=1, under_way_seconds=3_600) as server,
        stranger(server.port) as slow,
        stranger(server.port) as other,
    ):
        await slow.say(post("/read", 10))
        await server.wait_for(uploading=1)
        await other.say(GET)
        assert (await other.answer())[0] == 200
        await slow.say(b"x" * 10)
        assert (await slow.answer())[0] == 200
        await other.say(GET)
        assert (await other.answer())[0] == 200
