"""The status of one announcement in the API and `show --json`: the same names for ever."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, update

from broadcaster.app import App
from broadcaster.delivery.status import Overview, identify, overview
from broadcaster.domain.deliveries import STATES
from broadcaster.store import channels, ledger
from broadcaster.store.channel_tables import channel_state, held_suppression
from broadcaster.store.failure_causes import Watcher
from channels.base.contract import Deferred, Rejected
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import drain_all, with_channels
from support.world import notice, publish

CHANNEL = {
    "sending": "preparing",
    "why": "",
    "halted": "",
    "detail": "",
    "paused_until": None,
    "held_suppressions": 0,
}


@pytest.fixture
async def app(sqlite_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        sqlite_url,
        tmp_path,
        [(f"w{n}@x.example", "cibabat") for n in range(3)],
        TELEGRAM_TOKEN="1:x",
    ) as opened:
        yield with_channels(opened, FakeChannel(), FakeChannel(name="telegram"))


def status_of(app: App, key: str) -> Overview:
    """Return the overview as a fresh process would."""
    status = app.database.read_now(overview, key, app.site, Watcher())
    assert status is not None
    return status


async def test_the_answer_has_exactly_these_names(app: App) -> None:
    stored = await publish(app, notice())
    zero = dict.fromkeys(STATES, 0)
    assert status_of(app, stored.id).as_json() == {
        "id": stored.id,
        "code": stored.code,
        "status": "published",
        "url": stored.url,
        "sending": "preparing",
        "possible_duplicates": 0,
        "people": None,
        "deliveries": {"email": zero, "telegram": zero},
        "channels": {"email": CHANNEL, "telegram": CHANNEL},
        "waiting": [],
        "failures": [],
        "held_up": [],
        "causes_complete": True,
    }
    assert list(zero) == [
        "pending",
        "sending",
        "sent",
        "delivered",
        "read",
        "failed",
        "skipped",
        "cancelled",
        "expired",
        "unconfirmed",
    ]


async def test_the_answer_follows_the_sending(app: App) -> None:
    stored = await publish(app, notice())
    for channel in ("email", "telegram"):
        await drain_all(app, channel)
    answer = status_of(app, stored.id).as_json()
    assert answer["sending"] == "done"
    assert answer["deliveries"]["email"]["sent"] == 3
    app.database.write_now(ledger.cancel, stored.id)
    assert status_of(app, stored.id).as_json() == answer, "nothing is left to stop"


async def test_an_announcement_is_found_by_id_and_by_its_code_in_any_spelling(app: App) -> None:
    stored = await publish(app, notice())
    six = stored.code.replace("-", "")[3:]
    for key in (stored.id, stored.code, stored.code.lower(), six, f"cmh {six[:4]} {six[4:]}"):
        assert status_of(app, key).id == stored.id


@pytest.mark.parametrize(
    "key", ["", "x", "CMH-0000-00", "0" * 32, "'; DROP TABLE announcement --", "é" * 500]
)
async def test_any_other_key_finds_nothing(app: App, key: str) -> None:
    assert app.database.read_now(overview, key, app.site) is None


async def test_a_scheduled_announcement_has_no_deliveries_yet(app: App) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    stored = await publish(app, notice(publish_at=soon))
    answer = status_of(app, stored.id).as_json()
    assert (answer["status"], answer["sending"], answer["deliveries"]) == ("scheduled", "done", {})


async def test_an_edition_for_feeds_alone_has_no_deliveries(app: App) -> None:
    stored = await publish(app, notice(channels=["feed"]))
    answer = status_of(app, stored.id).as_json()
    assert (answer["status"], answer["sending"], answer["deliveries"]) == ("published", "done", {})


async def test_the_answer_says_why_it_does_not_go_on(app: App) -> None:
    stored = await publish(app, notice())
    fake = FakeChannel(
        provider=lambda r: (
            Rejected(code="550") if r.address < "w1" else Deferred(code="451", retry_after=60.0)
        )
    )
    app = with_channels(app, fake)
    await drain_all(app)
    app.database.write_now(ledger.pause, stored.id, "salah ketik")

    def trouble(connection: Connection) -> None:
        channels.halt_channel(connection, "email", "token ditolak", "manual")
        channels.pause_channel(connection, "telegram", 100.0)
        connection.execute(
            insert(held_suppression).values(address=1, channel="email", reason="address_dead", at=0)
        )

    app.database.write_now(trouble)
    answer = status_of(app, stored.id).as_json()
    assert answer["channels"]["email"] == {
        "sending": "paused",
        "why": "salah ketik",
        "halted": "manual",
        "detail": "token ditolak",
        "paused_until": None,
        "held_suppressions": 1,
    }
    until = datetime.fromisoformat(answer["channels"]["telegram"]["paused_until"])
    assert 90 < (until - datetime.now(UTC)).total_seconds() <= 101
    assert answer["failures"] == [
        {
            "channel": "email",
            "state": "failed",
            "reason": "rejected",
            "words": "Ditolak penyedia",
            "provider_code": "550",
            "count": 1,
        }
    ]
    (waiting,) = answer["waiting"]
    assert (waiting["channel"], waiting["provider_code"], waiting["count"]) == ("email", "451", 2)
    assert datetime.fromisoformat(waiting["next_try"]) > datetime.now(UTC)


async def test_a_pause_that_is_over_is_no_longer_shown(app: App) -> None:
    stored = await publish(app, notice())
    app.database.write_now(channels.pause_channel, "email", -5.0)
    app.database.write_now(lambda c: c.execute(update(channel_state).values(paused_until=5.0)))
    assert status_of(app, stored.id).as_json()["channels"]["email"] == CHANNEL


async def test_the_id_of_an_announcement_is_found_by_either_name(app: App) -> None:
    stored = await publish(app, notice())
    assert (
        app.database.read_now(identify, stored.id)
        == app.database.read_now(identify, stored.code)
        == stored.id
    )
    assert app.database.read_now(identify, "CMH-0000-00") is None
