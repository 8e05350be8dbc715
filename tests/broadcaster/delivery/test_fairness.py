"""Under a limit, at any point of a city-wide notice, no kelurahan is behind another: read off the
order of a real fan-out.

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
from support.sending import fill
from support.world import notice, program, publish, rows, variables

SIZES = [1, 2, 3, 5, 9, 16, 28, 40, 60, 90, 130, 200, 300, 450, 700]
"""Subscribers of each kelurahan: those of a young service, very small ones among them."""
GROWN = [size + 600 for size in SIZES]
POINTS, MESSAGES = 0.02, 2.0
MESSAGES_OF_FEW = 4.0
"""For a notice on a topic where fewer than some 600 subscribe: each choice of topics is even only
by itself.
"""
SLACK = 1e-9
TOPICS = ((), ("gangguan-layanan",), ("bansos",), ("bansos", "cuaca"))
"""What people choose; the notice is about the second."""
SLUGS = [area.slug for area in AreaTree.built_in().kelurahan]


def joining(chance: random.Random, sizes: list[int] = SIZES) -> list[str]:
    """The kelurahan of each who signs up, one after the other, from everywhere at once."""
    homes = [
        slug
        for slug, size in zip(chance.sample(SLUGS, len(SLUGS)), sizes, strict=True)
        for _ in range(size)
    ]
    chance.shuffle(homes)
    return homes


def sign_up(app: App, homes: list[str], topics: list[tuple[str, ...]]) -> None:
    """Everyone signs up in this order, with these topics."""
    wanted = [
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
    app.database.write_now(enrol, app.vault, app.tree, wanted, 1.0)


def gaps(app: App) -> Iterator[tuple[int, float, int]]:
    """At each percent of the deliveries: percentage points between each two kelurahan, and the size
    of the smaller one.
    """
    order: dict[str, list[int]] = defaultdict(list)
    found = rows(app, "email")
    for place, row in enumerate(found):
        order[row.area].append(place)
    for percent in range(1, 100):
        done = [
            (bisect_left(places, len(found) * percent // 100), len(places))
            for places in order.values()
        ]
        for ahead, of_ahead in done:
            for behind, of_behind in done:
                yield percent, ahead / of_ahead - behind / of_behind, min(of_ahead, of_behind)


def unfair(app: App, messages: float = MESSAGES) -> list[str]:
    """Where the bound does not hold."""
    return [
        f"at {percent} %: {gap * 100:.1f} points, {gap * size:.1f} messages of {size}"
        for percent, gap, size in gaps(app)
        if gap > POINTS + SLACK and gap * size > messages + SLACK
    ]


@pytest.fixture(params=range(3))
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Dice with a seed."""
    return random.Random(request.param)


async def test_a_city_wide_notice_serves_every_kelurahan_alike(
    chance: random.Random, sqlite_url: str, tmp_path: Path
) -> None:
    environ = variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as app:
        homes = joining(chance)
        sign_up(app, homes, [()] * len(homes))
        await publish(app, notice(areas=["cimahi"]))
        fill(app)
        assert len(rows(app)) == sum(SIZES)
        assert unfair(app) == []


async def test_a_notice_on_a_topic_serves_every_kelurahan_alike(
    chance: random.Random, sqlite_url: str, tmp_path: Path
) -> None:
    environ = variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as app:
        homes = joining(chance, GROWN)
        sign_up(app, homes, [chance.choice(TOPICS) for _ in homes])
        await publish(app, notice(areas=["cimahi"]))
        fill(app)
        assert unfair(app) == []


async def test_where_few_live_a_topic_costs_some_messages_more(
    chance: random.Random, sqlite_url: str, tmp_path: Path
) -> None:
    environ = variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as app:
        homes = joining(chance)
        sign_up(app, homes, [chance.choice(TOPICS) for _ in homes])
        await publish(app, notice(areas=["cimahi"]))
        fill(app)
        assert unfair(app, MESSAGES_OF_FEW) == []
