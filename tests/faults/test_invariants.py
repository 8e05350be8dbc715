"""Fault suite itself: every violated invariant is noticed."""

import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from broadcaster.domain.deliveries import CANCELLED, FAILED, PENDING
from faults.city import SMALL, WORKERS, City, Ground, founded
from faults.invariants import InvariantCheck, Watcher
from faults.providers import AcceptedMessage
from faults.schedule import draw
from support.waiting import until


@pytest.fixture
async def city(ground: Ground, tmp_path: Path) -> AsyncIterator[City]:
    """Yield a city in which everything went well."""
    async with founded(ground, tmp_path, seed=112, lease=2) as city:
        await city.publish("pertama", areas=SMALL)
        await city.over()
        await city.supervisor.stop_all(WORKERS)
        yield city


def first(city: City, channel: str) -> AcceptedMessage:
    """Return the first message that a channel's provider accepted."""
    return next(message for message in city.providers.record.taken if message.channel == channel)


def noticed(city: City, *, allowed: int = 0) -> str:
    """Return the violated invariants."""
    return "\n".join(InvariantCheck(city, allowed).violations())


def change(city: City, statement: str) -> None:
    """Falsify the ledger."""
    city.app.database.write_now(lambda connection: connection.execute(text(statement)))


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_whatever_is_not_as_promised_is_noticed(city: City) -> None:
    record = city.providers.record
    check = InvariantCheck(city, 0)
    assert [*check.violations(), *await check.api_violations()] == []

    lost = first(city, "email")
    record.taken.remove(lost)
    assert "1 x email sent but never accepted (LOST)" in noticed(city)
    record.taken.append(lost)

    record.taken.append(replace(lost, mark="other"))
    assert "1 duplicates were recorded, 0 are admitted" in noticed(city)
    assert "1 repeated emails changed their Message-ID" in noticed(city)
    change(city, "UPDATE slice SET possible_duplicates = 1 WHERE channel = 'email'")
    assert "possible duplicates are admitted, but only 0 messages were uncertain" in noticed(city)
    assert "are admitted, but" not in noticed(city, allowed=100)
    assert "duplicates were recorded" not in noticed(city)
    record.taken.pop()

    change(
        city,
        f"UPDATE delivery SET state = {CANCELLED}, reason = 'stopped' WHERE channel = 'telegram'",
    )
    assert "telegram cancelled but accepted" in noticed(city)
    change(city, f"UPDATE delivery SET state = {FAILED}, reason = NULL WHERE channel = 'telegram'")
    assert "telegram failed without a reason" in noticed(city)
    assert any("shown" in lie for lie in await check.api_violations())
    change(city, f"UPDATE delivery SET state = {PENDING} WHERE channel = 'telegram'")
    assert "rows are open" in noticed(city)
    assert "said to be done, 100 %, while" in city.app.database.read_now(
        Watcher(city).look, "pertama", city.published["pertama"].id
    )
    change(city, "DELETE FROM delivery WHERE channel = 'whatsapp'")
    assert "addresses have no row" in noticed(city)
    assert "addresses got it without a row" in noticed(city)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_process_that_hangs_can_be_asked_where(city: City) -> None:
    web = city.supervisor.parts["web"]
    web.send(signal.SIGUSR1)
    await until(
        lambda: "await" in web.log.read_text() and "server.py" in web.log.read_text(),
        what="it tells",
    )


def test_a_seed_is_a_schedule() -> None:
    assert draw(112, "postgresql") == draw(112, "postgresql")
    assert len({draw(seed, "postgresql").acts for seed in range(50)}) == 50
