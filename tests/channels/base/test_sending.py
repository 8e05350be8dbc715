"""The sending loop of push channels: outcomes, stopping, and unforeseen exceptions."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from channels.base.contract import (
    Deferred,
    Halted,
    Message,
    Outcome,
    Outgoing,
    Receipt,
    Rejected,
    Result,
)
from channels.base.http import NotWritten
from channels.base.sending import SendOne, each
from support import samples

MESSAGE = Message(edition=samples.notice(), lang="id", frame=None)


def outgoing(count: int) -> list[Outgoing]:
    """Return `count` messages to the addresses "0", "1", ...; the delivery of each is "d<address>"."""
    return [
        Outgoing(
            recipient=samples.recipient(str(n), delivery=f"d{n}"), message=MESSAGE, payload=None
        )
        for n in range(count)
    ]


async def run(
    messages: Sequence[Outgoing],
    send_one: SendOne,
    *,
    concurrency: int = 4,
    writes: int | None = None,
) -> list[Result]:
    """Return all results; `may_write` is True `writes` times (None: always)."""
    allowance = iter(range(writes)) if writes is not None else None
    may_write = (lambda: True) if allowance is None else (lambda: next(allowance, None) is not None)
    return [
        result
        async for result in each(messages, send_one, concurrency=concurrency, may_write=may_write)
    ]


class Provider:
    """Provider that answers by address from a table, else with a receipt; notes what was begun and
    how many ran at once.
    """

    def __init__(self, answers: dict[str, Outcome | Exception] | None = None) -> None:
        self.answers = answers or {}
        self.begun: list[str] = []
        self.at_once = 0
        self.most_at_once = 0

    async def send(self, message: Outgoing) -> Outcome:
        self.begun.append(message.recipient.address)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            answer = self.answers.get(
                message.recipient.address, Receipt(provider_id=message.recipient.address)
            )
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.at_once -= 1


async def test_every_message_gets_exactly_one_result_with_its_own_outcome() -> None:
    messages = outgoing(50)
    results = await run(messages, Provider({"7": Rejected(code="100")}).send)
    assert sorted(int(r.outgoing.recipient.address) for r in results) == list(range(50))
    for result in results:
        address = result.outgoing.recipient.address
        assert result.outcome == (
            Rejected(code="100") if address == "7" else Receipt(provider_id=address)
        )


async def test_no_messages_give_no_results() -> None:
    assert await run([], Provider().send) == []


@pytest.mark.parametrize("concurrency", [1, 3, 8])
async def test_at_most_concurrency_sends_run_at_once(concurrency: int) -> None:
    provider = Provider()
    await run(outgoing(20), provider.send, concurrency=concurrency)
    assert provider.most_at_once == concurrency


async def test_a_concurrency_below_one_still_sends() -> None:
    assert len(await run(outgoing(2), Provider().send, concurrency=0)) == 2


async def test_a_result_is_yielded_as_soon_as_it_is_known() -> None:
    release = asyncio.Event()

    async def send(message: Outgoing) -> Outcome:
        if message.recipient.address == "0":
            await release.wait()
        return Receipt(provider_id=message.recipient.address)

    results = each(outgoing(2), send, concurrency=2, may_write=lambda: True)
    first = await anext(results)
    release.set()
    second = await anext(results)
    assert [first.outgoing.recipient.address, second.outgoing.recipient.address] == ["1", "0"]
    await results.aclose()


async def test_nothing_is_begun_once_writing_is_forbidden() -> None:
    provider = Provider()
    results = await run(outgoing(10), provider.send, writes=3)
    assert len(results) == 3
    assert provider.begun == ["0", "1", "2"]


async def test_writing_is_not_asked_again_after_it_was_forbidden() -> None:
    answers = iter([True, False, True, True])
    provider = Provider()
    results = [
        r
        async for r in each(
            outgoing(4), provider.send, concurrency=2, may_write=lambda: next(answers)
        )
    ]
    assert [r.outgoing.recipient.address for r in results] == ["0"]


async def test_after_halted_nothing_new_begins_and_what_is_in_flight_is_yielded() -> None:
    provider = Provider({"1": Halted(code="190")})
    results = await run(outgoing(30), provider.send, concurrency=4)
    outcomes = {r.outgoing.recipient.address: r.outcome for r in results}
    assert outcomes["1"] == Halted(code="190")
    assert set(provider.begun) == set(outcomes)
    assert 4 <= len(outcomes) <= 8


async def test_an_unforeseen_exception_becomes_uncertain_for_that_message_only() -> None:
    with capture_logs():
        results = await run(outgoing(5), Provider({"2": KeyError("boom")}).send)
    outcomes = {r.outgoing.recipient.address: r.outcome for r in results}
    failed = outcomes.pop("2")
    assert isinstance(failed, Deferred)
    assert failed.uncertain
    assert failed.code == "KeyError"
    assert all(isinstance(outcome, Receipt) for outcome in outcomes.values())
    assert len(outcomes) == 4


async def test_an_unforeseen_exception_is_logged_with_its_place_but_without_the_address() -> None:
    message = outgoing(1)[0]
    secret = "6281200000001"
    leaky = Outgoing(
        recipient=samples.recipient(secret, delivery="e1.9"), message=message.message, payload=None
    )
    with capture_logs() as logs:
        results = await run(
            [leaky], Provider({secret: ValueError(f"cannot write to {secret}")}).send
        )
    assert logs == [
        {
            "event": "send_failed_unforeseen",
            "log_level": "error",
            "delivery": "e1.9",
            "error": "ValueError",
            "at": logs[0]["at"],
        }
    ]
    assert logs[0]["at"].startswith("test_sending.py:")
    assert secret not in repr(results[0].outcome)


async def test_closing_early_cancels_what_is_in_flight_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    cancelled: list[str] = []

    async def send(message: Outgoing) -> Outcome:
        if message.recipient.address == "0":
            return Receipt()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(message.recipient.address)
            raise
        return Receipt()

    results = each(outgoing(9), send, concurrency=3, may_write=lambda: True)
    assert (await anext(results)).outgoing.recipient.address == "0"
    await results.aclose()
    assert {"1", "2"} <= set(cancelled) <= {"1", "2", "3"}
    assert asyncio.all_tasks() == before


async def test_cancelling_the_reader_leaves_no_task() -> None:
    before = asyncio.all_tasks()

    async def never(message: Outgoing) -> Outcome:
        await asyncio.Event().wait()
        return Receipt()

    reader = asyncio.create_task(run(outgoing(3), never))
    await asyncio.sleep(0.01)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert asyncio.all_tasks() == before


async def test_an_error_of_may_write_itself_reaches_the_caller() -> None:
    def broken() -> bool:
        raise RuntimeError("lease lost")

    with pytest.raises(RuntimeError, match="lease lost"):
        [r async for r in each(outgoing(3), Provider().send, concurrency=2, may_write=broken)]


async def test_a_message_whose_writing_was_forbidden_at_the_last_moment_has_no_result_and_none_follows() -> (
    None
):
    begun: list[str] = []

    async def send(message: Outgoing) -> Outcome:
        begun.append(message.recipient.address)
        if message.recipient.address == "2":
            raise NotWritten
        return Receipt()

    results = await run(outgoing(5), send, concurrency=1)
    assert [result.outgoing.recipient.address for result in results] == ["0", "1"]
    assert begun == ["0", "1", "2"]
