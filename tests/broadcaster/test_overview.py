"""One announcement as the API and `show --json` answer it: the same names for ever."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broadcaster.app import App
from broadcaster.overview import Overview, overview
from broadcaster.store import ledger
from broadcaster.store.tables import STATES
from fakes import FakeChannel
from sending import drain_all, with_channels
from world import notice, program, publish, subscribe, variables


@pytest.fixture
async def app(sqlite_url: str, tmp_path: Path) -> AsyncIterator[App]:
    environ = variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example", TELEGRAM_TOKEN="1:x"
    )
    async with program(environ) as opened:
        await subscribe(opened, "email", [(f"w{n}@x.example", "cibabat") for n in range(3)])
        yield with_channels(opened, FakeChannel(), FakeChannel(name="telegram"))


def look(app: App, key: str) -> Overview:
    found = app.database.read_now(overview, key, app.site)
    assert found is not None
    return found


async def test_the_answer_has_exactly_these_names(app: App) -> None:
    stored = await publish(app, notice())
    zero = dict.fromkeys(STATES, 0)
    assert look(app, stored.id).as_json() == {
        "id": stored.id,
        "code": stored.code,
        "status": "published",
        "url": stored.url,
        "sending": "preparing",
        "possible_duplicates": 0,
        "deliveries": {"email": zero, "telegram": zero},
    }
    assert list(zero) == [
        "pending", "sending", "sent", "delivered", "read", "failed", "skipped", "cancelled", "expired", "unconfirmed",
    ]  # fmt: skip


async def test_the_answer_follows_the_sending(app: App) -> None:
    stored = await publish(app, notice())
    for channel in ("email", "telegram"):
        await drain_all(app, channel)
    answer = look(app, stored.id).as_json()
    assert answer["sending"] == "done"
    assert answer["deliveries"]["email"]["sent"] == 3
    app.database.write_now(ledger.cancel, stored.id)
    assert look(app, stored.id).as_json() == answer, "nothing is left to stop"


async def test_an_announcement_is_found_by_id_and_by_its_code_in_any_spelling(app: App) -> None:
    stored = await publish(app, notice())
    six = stored.code.replace("-", "")[3:]
    for key in (stored.id, stored.code, stored.code.lower(), six, f"cmh {six[:4]} {six[4:]}"):
        assert look(app, key).id == stored.id


@pytest.mark.parametrize("key", ["", "x", "CMH-0000-00", "0" * 32, "'; DROP TABLE announcement --", "é" * 500])
async def test_what_is_neither_is_found_nowhere(app: App, key: str) -> None:
    assert app.database.read_now(overview, key, app.site) is None


async def test_a_scheduled_announcement_has_no_deliveries_yet(app: App) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    stored = await publish(app, notice(publish_at=soon))
    answer = look(app, stored.id).as_json()
    assert (answer["status"], answer["sending"], answer["deliveries"]) == ("scheduled", "done", {})


async def test_an_edition_for_feeds_alone_has_no_deliveries(app: App) -> None:
    stored = await publish(app, notice(channels=["feed"]))
    answer = look(app, stored.id).as_json()
    assert (answer["status"], answer["sending"], answer["deliveries"]) == ("published", "done", {})
