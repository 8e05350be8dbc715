"""The editor's audience estimate agrees with the people and rows of the fan-out: in random cities,
on both databases.
"""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from broadcaster.app import App
from broadcaster.store import address_effects, ledger, people
from broadcaster.store.tables import edition
from broadcaster.web.staff import audience_estimate
from subscribers.areas import AreaTree
from subscribers.audience import Audience
from subscribers.enrolment import Subscription, enrol
from subscribers.store import State, address
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import fill, with_channels
from support.world import notice, publish, rows

SLUGS = [area.slug for area in AreaTree.built_in().all()]
TOPICS = ("lainnya", "bansos")


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(database_url, tmp_path, TELEGRAM_TOKEN="1:x") as opened:
        yield with_channels(opened, FakeChannel(name="email"), FakeChannel(name="telegram"))


def populate(app: App, chance: random.Random) -> None:
    """Enrol eighty addresses of random people; some have several, some cannot be written to."""

    def enter(connection: Any) -> None:
        subscriptions = [
            Subscription(
                channel=chance.choice(["email", "telegram"]),
                address=f"w{number}@contoh.example",
                source="test",
                consent_at=1.0,
                areas=tuple(chance.sample(SLUGS, chance.choice([1, 1, 2]))),
                topics=chance.choice([(), (), TOPICS, ("bansos",)]),
                person=chance.choice(["", f"p{chance.randrange(15)}"]),
            )
            for number in range(80)
        ]
        enrol(connection, app.vault, app.tree, subscriptions, 1.0)
        for row in connection.execute(select(address.c.id)).all():
            state = chance.choice([State.CONFIRMED] * 5 + [State.SUPPRESSED, State.UNCONFIRMED])
            connection.execute(
                update(address)
                .where(address.c.id == row.id)
                .values(state=state, reason="opted_out")
            )

    app.database.write_now(enter)


@pytest.mark.parametrize("seed", range(4))
async def test_the_estimate_is_what_the_fan_out_makes(app: App, seed: int) -> None:
    chance = random.Random(seed)
    populate(app, chance)
    slugs = chance.sample(SLUGS, 2)
    areas = app.tree.concerned(app.tree[slug].code for slug in slugs)
    audience = Audience(
        areas=areas, topic="lainnya", emergency=False, confirmed_before=app.clock().timestamp()
    )
    estimate = app.database.read_now(audience_estimate._count, audience, ["email", "telegram"], [])
    done = await publish(
        app,
        notice(
            areas=slugs, category="lainnya", channels="email telegram", expires=None, effective=None
        ),
    )
    assert done.edition is not None
    assert app.database.read_now(people.uncounted, app.clock().timestamp()) is None, (
        "not before all rows are there"
    )
    for channel in ("email", "telegram"):
        fill(app, channel)
    assert app.database.read_now(people.uncounted, app.clock().timestamp()) == done.edition
    counted = app.database.read_now(people.count, done.edition)
    assert counted == estimate.people > 0
    ledger_rows = [row for channel in ("email", "telegram") for row in rows(app, channel)]
    assert len(ledger_rows) == sum(estimate.addresses.values()) >= counted

    app.database.write_now(people.keep, done.edition, counted)
    assert app.database.read_now(people.uncounted, app.clock().timestamp()) is None
    assert app.database.read_now(ledger.progress, done.id).people == counted
    app.database.write_now(address_effects.fall_back, done.edition, ledger_rows[0].address)
    assert app.database.read_now(people.count, done.edition) == counted, "a fallback adds no person"


async def test_an_old_edition_is_not_counted_any_more(app: App) -> None:
    done = await publish(app, notice(channels="email", expires=None, effective=None))
    fill(app, "email")
    app.database.write_now(
        lambda connection: connection.execute(update(edition).values(published_at=1.0))
    )
    assert app.database.read_now(people.uncounted, app.clock().timestamp()) is None
    assert app.database.read_now(ledger.progress, done.id).people is None
