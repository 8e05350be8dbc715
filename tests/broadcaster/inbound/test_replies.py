"""Answers to residents: sent apart from the inbox, a few at a time on each channel and a few a
minute to each address.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from structlog.testing import capture_logs

from broadcaster.app import App
from broadcaster.inbound.replies import (
    ANSWERS_A_MINUTE,
    ANSWERS_AT_ONCE,
    WAITING_LIMIT,
    ReplySender,
    ResidentReply,
)
from channels.base.contract import Outcome
from support.fakes import FakeChannel
from support.sending import with_channels
from support.waiting import until
from support.world import program, variables

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class GatedAnswers(FakeChannel):
    """A channel whose answers wait until `gate` opens; `begun` counts them."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0

    async def answer(self, address: str, text: str) -> Outcome:
        """Wait for the gate."""
        self.begun += 1
        await self.gate.wait()
        return await super().answer(address, text)


@asynccontextmanager
async def city(url: str, folder: Path, *channels: FakeChannel) -> AsyncIterator[App]:
    """Open a program whose clock stands at noon, with these channels."""
    environ = variables(
        url,
        folder,
        EMAIL_URL="smtp://127.0.0.1:1",
        EMAIL_FROM="info@cimahi.example",
        TELEGRAM_TOKEN="1:x",
    )
    async with program(environ) as app:
        yield replace(with_channels(app, *channels), clock=lambda: NOON)


def reply_to(address: str, *, owed: bool = False, channel: str = "email") -> ResidentReply:
    """Return an answer to an address."""
    return ResidentReply(channel=channel, address=address, text="Anda berhenti.", owed=owed)


async def test_a_slow_provider_is_waited_for_by_nobody_and_takes_only_some_at_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    slow, quick = GatedAnswers(name="email"), FakeChannel(name="telegram")
    async with city(sqlite_url, tmp_path, slow, quick) as app:
        answerer = ReplySender(app)
        answerer.post(reply_to(f"warga{n}@x.example") for n in range(ANSWERS_AT_ONCE + 5))
        answerer.post([reply_to("42", channel="telegram")])
        await until(lambda: quick.answers and slow.begun == ANSWERS_AT_ONCE)
        slow.gate.set()
        await answerer.settle()
    assert len(slow.answers) == ANSWERS_AT_ONCE + 5


async def test_each_person_reads_their_answers_in_the_order_of_what_they_wrote(
    sqlite_url: str, tmp_path: Path
) -> None:
    channel = GatedAnswers()
    async with city(sqlite_url, tmp_path, channel) as app:
        answerer = ReplySender(app)
        texts = [f"Balasan {n}" for n in range(ANSWERS_A_MINUTE)]
        answerer.post(replace(reply_to("warga@x.example"), text=text) for text in texts)
        answerer.post([reply_to("lain@x.example")])
        await until(lambda: channel.begun == 2)
        channel.gate.set()
        await answerer.settle()
    assert [text for address, text in channel.answers if address == "warga@x.example"] == texts


async def test_one_address_is_answered_some_times_a_minute_and_others_still_are(
    sqlite_url: str, tmp_path: Path
) -> None:
    channel = FakeChannel()
    async with city(sqlite_url, tmp_path, channel) as app:
        answerer = ReplySender(app)
        with capture_logs() as logs:
            answerer.post(
                [*(reply_to("banyak@x.example") for _ in range(1_000)), reply_to("lain@x.example")]
            )
            await answerer.settle()
        assert [address for address, _text in channel.answers].count(
            "banyak@x.example"
        ) == ANSWERS_A_MINUTE
        assert [address for address, _text in channel.answers].count("lain@x.example") == 1
        assert logs == [
            {
                "event": "answers_withheld",
                "log_level": "warning",
                "channel": "email",
                "count": 1_000 - ANSWERS_A_MINUTE,
            }
        ]
        next_minute = ReplySender(replace(app, clock=lambda: NOON + timedelta(minutes=1)))
        next_minute.post([reply_to("banyak@x.example")])
        await next_minute.settle()
    assert len(channel.answers) == ANSWERS_A_MINUTE + 2


async def test_a_stop_that_is_new_is_confirmed_however_much_was_answered(
    sqlite_url: str, tmp_path: Path
) -> None:
    channel = FakeChannel()
    async with city(sqlite_url, tmp_path, channel) as app:
        answerer = ReplySender(app)
        answerer.post(
            [
                *(reply_to("banyak@x.example") for _ in range(10)),
                reply_to("banyak@x.example", owed=True),
            ]
        )
        await answerer.settle()
    assert len(channel.answers) == ANSWERS_A_MINUTE + 1


async def test_answers_beyond_what_may_wait_are_dropped(sqlite_url: str, tmp_path: Path) -> None:
    slow = GatedAnswers(name="email")
    async with city(sqlite_url, tmp_path, slow) as app:
        answerer = ReplySender(app)
        with capture_logs() as logs:
            answerer.post(reply_to(f"warga{n}@x.example") for n in range(WAITING_LIMIT + 7))
        assert [entry["count"] for entry in logs] == [7]
        await answerer.settle(0)
        assert slow.answers == []


async def test_an_answer_that_the_database_keeps_from_leaving_is_logged(
    database_url: str, tmp_path: Path
) -> None:
    channel = FakeChannel()
    async with city(database_url, tmp_path, channel) as app:
        answerer = ReplySender(app)
        app.database.write_now(
            lambda connection: connection.execute(text("ALTER TABLE custody RENAME TO away"))
        )
        with capture_logs() as logs:
            answerer.post([reply_to("warga@x.example")])
            await answerer.settle()
        app.database.write_now(
            lambda connection: connection.execute(text("ALTER TABLE away RENAME TO custody"))
        )
        answerer.post([reply_to("warga@x.example")])
        await answerer.settle()
    assert [(entry["event"], entry["outcome"]) for entry in logs] in (
        [("resident_not_answered", "OperationalError")],
        [("resident_not_answered", "ProgrammingError")],
    )
    assert len(channel.answers) == 1
