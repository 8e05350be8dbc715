"""SMTP PIPELINING: whatever a server answers, each message gets its own outcome and no other's."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing

import pytest
import uvloop
from aiosmtplib import SMTP
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.simulation.smtp_script import Move, Play
from channels.base.contract import (
    Deferred,
    Halted,
    Message,
    Outcome,
    Outgoing,
    Receipt,
    Refused,
    Rejected,
    Result,
    Skipped,
)
from channels.base.smtp.batches import Batch
from channels.base.smtp.connection import Connection, Server
from channels.base.smtp.envelope import Envelope
from channels.base.smtp.pool import Pool
from support import samples
from support.mail_servers import taped

ANYWAY, BYTES, CLOSE, DROP = Move.ANYWAY, Move.BYTES, Move.CLOSE, Move.DROP
EXTRA, GOOD, LINES, SILENCE = Move.EXTRA, Move.GOOD, Move.LINES, Move.SILENCE
CODES = [421, 450, 451, 452, 550, 552, 554, 221, 252, 354]
"""Replies other than the wanted one; below 400 they are out of turn."""
GARBAGE = ["2500 x", "25", "", "nun", "250_x", "250-a\r\n251 b", "\xff\xfe\xfd"]
"""No replies at all."""
GARBAGE += ["250 " + "x" * 5000, "250-x\r\n" * 6000, "x" * 9000]
MESSAGE = Message(edition=samples.notice(), lang="id", frame=None)


def mails(count: int, name: str = "w") -> list[Outgoing]:
    """Return `count` messages, each to its own recipient with a body that names them."""
    return [mail(f"{name}{number}@contoh.example") for number in range(count)]


def mail(to: str, data: bytes | None = None, *, sound: bool = False) -> Outgoing:
    """Return one message to this address."""
    payload = Envelope(
        "bounce@info.cimahi.example",
        to,
        content_of(to) if data is None else data,
        f"id-{to}",
        sound,
    )
    return Outgoing(
        recipient=samples.recipient(to, delivery=f"1.{to}.1"), message=MESSAGE, payload=payload
    )


def content_of(to: str) -> bytes:
    """Return the body that only this recipient may get."""
    return f"To: {to}\r\n\r\nUntuk {to}\r\n".encode()


def open_pool(
    url: str, *, size: int = 1, patience: float = 5.0, clock: Callable[[], float] = time.monotonic
) -> Pool:
    """Return a pool of connections to the server at `url`."""

    def client() -> SMTP:
        return SMTP(
            hostname="127.0.0.1",
            port=Server.of(url).port,
            start_tls=False,
            timeout=5,
            local_hostname="uji.example",
        )

    return Pool(lambda: Connection(client, timeout=patience, clock=clock), size=size, clock=clock)


def batch(messages: Sequence[Outgoing], may_write: Callable[[], bool] = lambda: True) -> Batch:
    """Return the messages as one call of send."""
    return Batch(messages, may_write=may_write)


async def outcomes_by_address(
    server: SmtpStandIn, messages: Sequence[Outgoing], *, size: int = 1, patience: float = 5.0
) -> dict[str, Outcome]:
    """Send one batch and return each message's outcome by its recipient."""
    async with server.running() as url:
        pool = open_pool(url, size=size, patience=patience)
        results = [result async for result in pool.send(batch(messages))]
        await pool.aclose()
    assert not server.transcript.misuses
    assert (
        max(Counter(result.outgoing.recipient.address for result in results).values(), default=0)
        <= 1
    )
    return {result.outgoing.recipient.address: result.outcome for result in results}


async def outcomes(server: SmtpStandIn, count: int = 3, *, patience: float = 5.0) -> list[Outcome]:
    """Send some messages over one connection and return their outcomes in order."""
    messages = mails(count)
    by_address = await outcomes_by_address(server, messages, patience=patience)
    return [by_address[message.recipient.address] for message in messages]


def kinds(results: Sequence[Outcome]) -> list[str]:
    """Return one word for each outcome: the name of its type, or "uncertain"."""
    return [
        "uncertain" if isinstance(each, Deferred) and each.uncertain else type(each).__name__
        for each in results
    ]


# --- whatever the server does ---------------------------------------------------------------------

MOVES = st.sampled_from(
    [*[DROP, CLOSE, EXTRA, ANYWAY, SILENCE, BYTES, LINES] * 3, *CODES, *CODES, *GARBAGE]
)
FAULTS = st.lists(st.tuples(st.integers(0, 9), MOVES), min_size=1, max_size=12)
"""Each move behind some good replies."""


@settings(max_examples=100, deadline=None)
@given(
    faults=FAULTS,
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    size=st.integers(1, 3),
    writes=st.sampled_from([None, None, None, 0, 1, 3, 8]),
    leave_after=st.sampled_from([None, None, None, 1, 2, 5]),
    loop=st.sampled_from([asyncio.new_event_loop, uvloop.new_event_loop]),
)
def test_the_outcomes_never_claim_more_than_the_server_did(
    faults: list[tuple[int, Play]],
    counts: list[int],
    size: int,
    writes: int | None,
    leave_after: int | None,
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    server = taped(step for good, move in faults for step in (*[GOOD] * good, move))
    batches = [mails(count, f"b{number}w") for number, count in enumerate(counts)]
    with asyncio.Runner(loop_factory=loop) as runner:
        results = runner.run(send_batches(server, batches, size, writes, leave_after))
    assert not server.transcript.misuses
    assert all(body == content_of(to) for to, body in server.transcript.taken)
    for number, messages in enumerate(batches):
        cancelled = number == 0 and leave_after is not None
        check(
            server,
            messages,
            results[number],
            cancelled=cancelled,
            complete=writes is None and not cancelled,
        )


async def send_batches(
    server: SmtpStandIn,
    batches: Sequence[Sequence[Outgoing]],
    size: int,
    writes: int | None,
    leave_after: int | None,
) -> list[list[Result]]:
    """Send several batches at once and return their results. The first is abandoned after
    `leave_after` results; each may write only `writes` contents (None: all).
    """
    async with server.running() as url:
        pool = open_pool(url, size=size, patience=0.3)

        async def send_batch(messages: Sequence[Outgoing], leave: int | None) -> list[Result]:
            allowance = iter(range(writes)) if writes is not None else None
            results: list[Result] = []
            async with aclosing(
                pool.send(
                    batch(messages, lambda: allowance is None or next(allowance, None) is not None)
                )
            ) as stream:
                async for result in stream:
                    results.append(result)
                    if leave is not None and len(results) >= leave:
                        break
            return results

        results = await asyncio.gather(
            *(send_batch(each, leave_after if not n else None) for n, each in enumerate(batches))
        )
        await pool.aclose()
        return results


def check(
    server: SmtpStandIn,
    messages: Sequence[Outgoing],
    results: Sequence[Result],
    *,
    cancelled: bool,
    complete: bool,
) -> None:
    """Assert what must hold for one batch, however the server behaved."""
    by_address = {result.outgoing.recipient.address: result.outcome for result in results}
    assert len(by_address) == len(results)
    if complete and not any(isinstance(outcome, Halted) for outcome in by_address.values()):
        assert len(results) == len(messages)
    accepted = Counter(to for to, _ in server.transcript.taken)
    for message in messages:
        to = message.recipient.address
        outcome = by_address.get(to)
        uncertain = isinstance(outcome, Deferred) and outcome.uncertain
        assert accepted[to] <= 1
        if isinstance(outcome, Receipt):
            assert to in server.transcript.arrived
            assert outcome.provider_id == f"id-{to}"
        if accepted[to]:
            assert isinstance(outcome, Receipt) or uncertain or (outcome is None and cancelled)
        if uncertain:
            assert to in server.transcript.asked


# --- one reply at a time --------------------------------------------------------------------------
# one entry of the tape for each reply: MAIL RCPT DATA | content MAIL RCPT DATA | content ...


async def test_all_goes_over_one_connection_and_the_envelope_rides_behind_the_content() -> None:
    server = taped()
    assert kinds(await outcomes(server, 20)) == ["Receipt"] * 20
    assert server.counts["connections"] == 1
    assert [line[:4] for line in server.transcript.commands] == [
        "EHLO",
        *["MAIL", "RCPT", "DATA"] * 20,
        "QUIT",
    ]


async def test_a_receipt_carries_the_servers_words() -> None:
    (receipt,) = await outcomes(taped(), 1)
    assert receipt == Receipt(provider_id="id-w0@contoh.example")


@pytest.mark.parametrize("code", [450, 550])
async def test_a_refused_recipient_is_that_messages_alone(code: int) -> None:
    server = taped([GOOD, GOOD, GOOD, GOOD, GOOD, code])
    results = await outcomes(server)
    assert kinds(results) == ["Receipt", "Deferred", "Receipt"]
    assert server.counts["connections"] == 1
    assert "RSET" in server.transcript.commands


async def test_a_server_that_cannot_be_reset_is_left() -> None:
    server = taped([GOOD, 550, GOOD, 451])
    assert kinds(await outcomes(server)) == ["Deferred", "Receipt", "Receipt"]
    assert server.counts["connections"] == 2


async def test_a_refused_sender_takes_the_rest_of_its_group_along_and_no_other() -> None:
    server = taped([GOOD, GOOD, GOOD, GOOD, 451])
    assert kinds(await outcomes(server)) == ["Receipt", "Deferred", "Receipt"]
    assert server.counts["connections"] == 1


async def test_a_sender_refused_for_good_halts_and_nothing_more_is_begun() -> None:
    server = taped([GOOD, GOOD, GOOD, GOOD, 550])
    messages = mails(5)
    by_address = await outcomes_by_address(server, messages)
    assert kinds(list(by_address.values())) == ["Receipt", "Halted"]
    assert len(server.transcript.taken) == 1


async def test_data_refused_is_that_messages_alone() -> None:
    assert kinds(await outcomes(taped([GOOD, GOOD, 451]))) == [
        "Deferred",
        "Receipt",
        "Receipt",
    ]


async def test_a_content_refused_is_that_messages_alone_and_needs_no_reset() -> None:
    server = taped([GOOD, GOOD, GOOD, 554])
    assert kinds(await outcomes(server)) == ["Rejected", "Receipt", "Receipt"]
    assert "RSET" not in server.transcript.commands


@pytest.mark.parametrize("tape", [[GOOD, 550, ANYWAY], [451, GOOD, ANYWAY]])
async def test_a_server_that_wants_a_content_after_a_refusal_gets_none(
    tape: list[Play],
) -> None:
    server = taped(tape)
    assert kinds(await outcomes(server)) == ["Deferred", "Receipt", "Receipt"]
    assert server.counts["connections"] == 2
    assert [to for to, _ in server.transcript.taken] == ["w1@contoh.example", "w2@contoh.example"]


async def test_421_for_an_opened_envelope_costs_nothing() -> None:
    server = taped([GOOD, GOOD, GOOD, GOOD, 421])
    assert kinds(await outcomes(server)) == ["Receipt"] * 3
    assert server.counts["connections"] == 2


async def test_421_for_a_content_is_its_answer_and_the_envelope_behind_it_goes_elsewhere() -> None:
    server = taped([GOOD, GOOD, GOOD, 421])
    results = await outcomes(server)
    assert kinds(results) == ["Deferred", "Receipt", "Receipt"]
    assert isinstance(results[0], Deferred) and results[0].throttle and results[0].scope == "domain"


async def test_a_server_that_takes_one_message_a_connection_gets_them_all() -> None:
    server = taped([GOOD, GOOD, GOOD, GOOD, 421] * 19)
    assert kinds(await outcomes(server, 20)) == ["Receipt"] * 20
    assert server.counts["connections"] == 20


async def test_a_new_connection_that_breaks_is_not_tried_for_ever() -> None:
    server = taped([DROP] * 3)
    assert kinds(await outcomes(server)) == ["Deferred"] * 3
    assert server.counts["connections"] == 3


async def test_a_connection_lost_after_the_content_leaves_it_uncertain_and_the_next_untouched() -> (
    None
):
    server = taped([GOOD, GOOD, GOOD, DROP])
    assert kinds(await outcomes(server)) == ["uncertain", "Receipt", "Receipt"]
    assert len(server.transcript.taken) == 3


@pytest.mark.parametrize("move", [*GARBAGE, EXTRA, 354, 252])
async def test_a_reply_out_of_turn_ends_the_connection_and_claims_nothing(move: Play) -> None:
    server = taped([GOOD, GOOD, GOOD, move])
    results = await outcomes(server)
    assert kinds(results) == ["Receipt" if move == EXTRA else "uncertain", *kinds(results)[1:]]
    assert set(kinds(results)[1:]) <= {"Receipt", "Deferred"}
    assert server.counts["connections"] > 1


async def test_a_reply_that_comes_before_the_content_ends_the_connection_before_it() -> None:
    server = taped([GOOD, GOOD, EXTRA])
    assert kinds(await outcomes(server)) == ["Deferred", "Receipt", "Receipt"]
    assert [to for to, _ in server.transcript.taken] == ["w1@contoh.example", "w2@contoh.example"]


async def test_silence_after_a_content_is_uncertain_once_the_time_is_over() -> None:
    server = taped([GOOD, GOOD, GOOD, SILENCE])
    assert kinds(await outcomes(server, patience=0.2)) == ["uncertain", "Receipt", "Receipt"]


async def test_silence_before_a_content_is_certain() -> None:
    server = taped([GOOD, SILENCE])
    results = await outcomes(server, patience=0.2)
    assert kinds(results) == ["Deferred", "Receipt", "Receipt"]
    assert results[0] == Deferred(code="disconnected", detail="timeout", about="recipient")


async def test_replies_in_single_bytes_or_many_lines_are_replies() -> None:
    assert kinds(await outcomes(taped([BYTES, LINES] * 8), 4)) == ["Receipt"] * 4


# --- what a server cannot be given ----------------------------------------------------------------


async def test_an_address_beyond_ascii_and_eight_bits_are_declared_where_offered() -> None:
    server = taped(extensions="PIPELINING,SMTPUTF8,8BITMIME")
    messages = [
        mail("sité@contoh.example"),
        mail("a@contoh.example", "é\r\n".encode()),
        mail("b@contoh.example"),
    ]
    assert kinds(list((await outcomes_by_address(server, messages)).values())) == ["Receipt"] * 3
    senders = [
        line.partition(">")[2] for line in server.transcript.commands if line.startswith("MAIL")
    ]
    assert senders == [" BODY=8BITMIME SMTPUTF8", " BODY=8BITMIME", ""]


async def test_an_address_beyond_ascii_is_skipped_where_it_is_not() -> None:
    server = taped()
    by_address = await outcomes_by_address(
        server, [mail("sité@contoh.example"), mail("b@contoh.example")]
    )
    assert kinds(list(by_address.values())) == ["Skipped", "Receipt"]
    assert by_address["sité@contoh.example"] == Skipped(
        code="5.6.7", detail="the server has no SMTPUTF8"
    )


async def test_a_message_larger_than_the_server_takes_is_not_begun() -> None:
    server = taped(extensions="PIPELINING,SIZE 100")
    by_address = await outcomes_by_address(
        server, [mail("a@contoh.example", b"x" * 99 + b"\r\n"), mail("b@contoh.example")]
    )
    assert (
        isinstance(rejected := by_address["a@contoh.example"], Rejected)
        and rejected.code == "5.3.4"
    )
    assert kinds([by_address["b@contoh.example"]]) == ["Receipt"]
    assert [to for to, _ in server.transcript.taken] == ["b@contoh.example"]


@pytest.mark.parametrize(
    "data", [b".\r\n", b"a\r\n.\r\nMAIL FROM:<x>\r\n", b"..\r\n", b"no end", b"a\r\n.b"]
)
async def test_no_content_ends_itself(data: bytes) -> None:
    server = taped()
    by_address = await outcomes_by_address(
        server, [mail("a@contoh.example", data), mail("b@contoh.example")]
    )
    assert kinds(list(by_address.values())) == ["Receipt"] * 2
    stuffed = b"".join(
        b"." + line if line.startswith(b".") else line for line in data.splitlines(keepends=True)
    )
    assert server.transcript.taken[0][1] == stuffed + (b"" if data.endswith(b"\n") else b"\r\n")


@pytest.mark.parametrize(
    "data", [b"a\nb\r\n", b"a\rb\r\n", b"\r\r\n", b"x" * 999 + b"\r\n", b"a\0b\r\n"]
)
async def test_lines_that_smtp_cannot_carry_are_not_sent(data: bytes) -> None:
    server = taped()
    by_address = await outcomes_by_address(
        server, [mail("a@contoh.example", data), mail("b@contoh.example")]
    )
    assert kinds(list(by_address.values())) == ["Rejected", "Receipt"]


async def test_a_strange_message_stops_no_other() -> None:
    server = taped()
    by_address = await outcomes_by_address(
        server, [mail("a>\r\nRCPT TO:<x@contoh.example"), mail("b@contoh.example")]
    )
    assert kinds(list(by_address.values())) == ["uncertain", "Receipt"]
    assert [to for to, _ in server.transcript.taken] == ["b@contoh.example"]


# --- stopping and sharing -------------------------------------------------------------------------


async def test_once_writing_is_forbidden_an_opened_envelope_is_left_without_a_result() -> None:
    server = taped()
    answers = iter([True, True])
    async with server.running() as url:
        pool = open_pool(url)
        results = [each async for each in pool.send(batch(mails(5), lambda: next(answers, False)))]
        assert kinds([each.outcome for each in results]) == ["Receipt"] * 2
        assert len(server.transcript.taken) == 2
        assert (
            kinds([each.outcome async for each in pool.send(batch(mails(2, "n")))])
            == ["Receipt"] * 2
        )
        await pool.aclose()


async def test_a_question_that_fails_is_the_callers_and_nothing_is_written() -> None:
    server = taped()

    def fails() -> bool:
        raise RuntimeError("lease")

    async with server.running() as url:
        pool = open_pool(url)
        with pytest.raises(RuntimeError, match="lease"):
            [each async for each in pool.send(batch(mails(2), fails))]
        await pool.aclose()
    assert not server.transcript.taken


async def test_batches_take_turns_on_one_connection() -> None:
    server = taped()
    async with server.running() as url:
        pool = open_pool(url)

        async def send(name: str, count: int) -> list[Result]:
            return [each async for each in pool.send(batch(mails(count, name)))]

        long, short = await asyncio.gather(send("long", 60), send("short", 5))
        await pool.aclose()
    assert (len(long), len(short)) == (60, 5)
    order = [to[:4] for to, _ in server.transcript.taken]
    assert set(order[20:]) == {"long"}


async def test_a_batch_that_is_left_takes_none_of_the_others_along() -> None:
    server = taped([GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, SILENCE])
    async with server.running() as url:
        pool = open_pool(url)
        leaving = pool.send(batch(mails(3, "left")))
        first = await anext(leaving)
        staying = asyncio.create_task(collected(pool, mails(3, "kept")))
        await asyncio.sleep(0)
        await leaving.aclose()
        assert kinds([first.outcome]) == ["Receipt"]
        assert kinds([each.outcome for each in await staying]) == ["Receipt"] * 3
        await pool.aclose()
    assert not server.transcript.misuses


async def collected(pool: Pool, messages: Sequence[Outgoing]) -> list[Result]:
    """Return all results of one batch."""
    return [each async for each in pool.send(batch(messages))]


async def test_a_connection_that_broke_at_rest_costs_no_message() -> None:
    server = taped()
    async with server.running() as url:
        pool = open_pool(url, size=2)
        for name in "abc":
            assert (
                kinds([each.outcome for each in await collected(pool, mails(4, name))])
                == ["Receipt"] * 4
            )
            server.hang_up()
        await pool.aclose()


@pytest.mark.parametrize(
    ("answer", "connections"), [(GOOD, 1), (421, 2), (DROP, 2), ("nun", 2), (EXTRA, 2)]
)
async def test_a_rested_connection_is_asked_first_and_replaced_when_it_does_not_answer(
    answer: Play, connections: int
) -> None:
    server = taped([GOOD] * 4 + [answer])
    now = [0.0]
    async with server.running() as url:
        pool = open_pool(url, clock=lambda: now[0])
        assert kinds([each.outcome for each in await collected(pool, mails(1, "a"))]) == ["Receipt"]
        now[0] += 31
        assert kinds([each.outcome for each in await collected(pool, mails(1, "b"))]) == ["Receipt"]
        await pool.aclose()
    assert server.counts["connections"] == connections
    assert server.transcript.commands.count("NOOP") == 1


async def test_a_connection_lent_to_nobody_says_goodbye() -> None:
    for farewell in (GOOD, DROP, "nun"):
        server = taped([GOOD] * 4 + [farewell])
        async with server.running() as url:
            pool = open_pool(url)
            await collected(pool, mails(1))
            await pool.aclose()
        assert server.transcript.commands[-1] == "QUIT"


async def test_a_server_that_talks_out_of_turn_at_the_beginning_is_not_used() -> None:
    server = taped(extensions="PIPELINING\r\n250 nobody asked")
    async with server.running() as url:
        (result,) = await collected(open_pool(url), mails(1))
    assert result.outcome == Deferred(
        throttle=True, code="unreachable", detail="replies out of turn"
    )
    assert not server.transcript.taken


async def test_refused_messages_are_the_right_ones_among_many() -> None:
    server = taped([move for number in range(50) for move in refusing(number)])
    by_address = await outcomes_by_address(server, mails(50), size=1)
    assert [
        to for to, outcome in by_address.items() if isinstance(outcome, Refused | Deferred)
    ] == [f"w{number}@contoh.example" for number in range(0, 50, 7)]


def refusing(number: int) -> list[Play]:
    """Return the tape of one message when every seventh recipient is refused; the reset comes
    before the next.
    """
    reset = [GOOD] if number % 7 == 1 else []
    return [*reset, GOOD, 550, GOOD] if number % 7 == 0 else [*reset, GOOD, GOOD, GOOD, GOOD]
