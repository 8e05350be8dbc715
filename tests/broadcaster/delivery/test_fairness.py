"""Fairness under a rate limit: at any point of a city-wide notice no kelurahan is behind another,
read off the order of a real fan-out.

The bound is the promise itself: at any k % of the notice two kelurahan are 2 percentage points
apart at most, or two messages of the smaller one.
"""

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadcaster.app import App
from subscribers.areas import AreaTree
from subscribers.enrolment import Subscription, enrol
from support.email_program import email_program
from support.sending import fill
from support.world import notice, publish, rows

SIZES = [1, 2, 3, 5, 9, 16, 28, 40, 60, 90, 130, 200, 300, 450, 700]
"""Subscribers of each kelurahan of a young service, some of them very small."""
GROWN = [size + 600 for size in SIZES]
POINTS, MESSAGES = 0.02, 2.0
MESSAGES_OF_FEW = 4.0
"""The bound for a notice on a topic where fewer than some 600 subscribe: fairness holds only within
each choice of topics.
"""
SLACK = 1e-9
TOPICS = ((), ("gangguan-layanan",), ("bansos",), ("bansos", "cuaca"))
"""Choices of subscribers; the notice is about the second one's topic."""
SLUGS = [area.slug for area in AreaTree.built_in().kelurahan]


def homes_by_sign_up(chance: random.Random, sizes: list[int] = SIZES) -> list[str]:
    """Return the kelurahan of each subscriber in order of sign-up, at random."""
    homes = [
        slug
        for slug, size in zip(chance.sample(SLUGS, len(SLUGS)), sizes, strict=True)
        for _ in range(size)
    ]
    chance.shuffle(homes)
    return homes


def sign_up(app: App, homes: list[str], topics: list[tuple[str, ...]]) -> None:
    """Enrol everyone in this order, with these topics."""
    subscriptions = [
        Subscription(
            channel="email",
            address=f"w{person}@contoh.example",
            areas=(home,),
            topics=chosen,
            source="test",
            consent_at=0.0,
        )
        for person, (home, chosen) in enumerate(zip(homes, topics, strict=True))
    ]
    app.database.write_now(enrol, app.vault, app.tree, subscriptions, 1.0)


def gaps(app: App) -> Iterator[tuple[int, float, int]]:
    """Yield, at each percent of the deliveries and for each two kelurahan, the percent, the gap
    between them (0 to 1) and the size of the smaller one.
    """
    order: dict[str, list[int]] = defaultdict(list)
    ledger_rows = rows(app, "email")
    for place, row in enumerate(ledger_rows):
        order[row.area].append(place)
    for percent in range(1, 100):
        done = [
            (bisect_left(places, len(ledger_rows) * percent // 100), len(places))
            for places in order.values()
        ]
        for ahead, of_ahead in done:
            for behind, of_behind in done:
                yield percent, ahead / of_ahead - behind / of_behind, min(of_ahead, of_behind)


def violations(app: App, messages: float = MESSAGES) -> list[str]:
    """Return the places where the bound does not hold."""
    return [
        f"at {percent} %: {gap * 100:.1f} points, {gap * size:.1f} messages of {size}"
        for percent, gap, size in gaps(app)
        if gap > POINTS + SLACK and gap * size > messages + SLACK
    ]


@pytest.fixture(params=range(3))
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Return seeded dice."""
    return random.Random(request.param)


async def test_a_city_wide_notice_serves_every_kelurahan_alike(
    chance: random.Random, sqlite_url: str, tmp_path: Path
) -> None:
    async with email_program(sqlite_url, tmp_path) as app:
        homes = homes_by_sign_up(chance)
        sign_up(app, homes, [()] * len(homes))
        await publish(app, notice(areas=["cimahi"]))
        fill(app)
        assert len(rows(app)) == sum(SIZES)
        assert violations(app) == []


async def test_a_notice_on_a_topic_serves_every_kelurahan_alike(
    chance: random.Random, sqlite_url: str, tmp_path: Path
) -> None:
    async with email_program(sqlite_url, tmp_path) as app:
        homes = homes_by_sign_up(chance, GROWN)
        sign_up(app, homes, [chance.choice(TOPICS) for _ in homes])
        await publish(app, notice(areas=["cimahi"]))
        fill(app)
        assert violations(app) == []


async def test_where_few_live_a_topic_costs_some_messages_more(
    chance: random.Random, sqlite_url: str, tmp_path: Path
) -> None:
    async with email_program(sqlite_url, tmp_path) as app:
        homes = homes_by_sign_up(chance)
        sign_up(app, homes, [chance.choice(TOPICS) for _ in homes])
        await publish(app, notice(areas=["cimahi"]))
        fill(app)
        assert violations(app, MESSAGES_OF_FEW) == []
