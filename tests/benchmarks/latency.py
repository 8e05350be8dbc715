"""Seconds from publish() to the first message at the provider: idle, and past a routine backlog
that drains at a limited rate.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import monotonic

from benchmarks.bench_delivery import address, settings
from benchmarks.city import City, Databases, city
from benchmarks.crowd import Crowd
from benchmarks.standins import Clock, provider
from support.world import emergency, notice, publish, subscribe

FEW = (
    "kelurahan-cimahi",
    "cigugur-tengah",
    "setiamanah",
    "padasuka",
    "cipageran",
    "cibeureum",
    "utama",
    "leuwigajah",
)
"""Kelurahan of a few residents each, whom the tries reach in turn: providers want seconds between
two messages to one person.
"""
SOME = "pasirkaliki"
"""Kelurahan of some hundred, for whom the rate does not suffice at once."""
PEOPLE = {**dict.fromkeys(FEW, 5), SOME: 300}
RATES = {"email": 100, "telegram": 30, "whatsapp": 80}
"""Messages a second: what a small mail server, and the providers' first grant, take."""
FIRST = 50_000_000
"""Number of the first resident whom emergencies reach."""
PATIENCE = 120.0
BIN = 0.1


def limited(channel: str, where: str) -> dict[str, str]:
    """Return the channel's settings under its rate."""
    return {**settings(channel, where), f"{channel.upper()}_RATE": str(RATES[channel])}


async def arrived(times: list[float], count: int) -> None:
    """Return once so many messages came; raises TimeoutError."""
    end = monotonic() + PATIENCE
    while len(times) < count:
        if monotonic() > end:
            raise TimeoutError(f"{len(times)} of {count} came")
        await asyncio.sleep(0.002)


@asynccontextmanager
async def busy(
    pool: Databases, channel: str, backlog: int, *, redis: bool, clock: Clock
) -> AsyncIterator[City]:
    """Open a city whose routine notice drains under the channel's rate, with one worker for each
    lane; `backlog` 0: idle.
    """
    crowd = Crowd(channel=channel, count=max(backlog, 1_000), without=(*FEW, SOME))
    async with provider(channel, clock) as where:
        with pool.copy("sqlite", crowd) as url:
            async with city(url, limited(channel, where), redis=redis) as place:
                first = FIRST
                for slug, count in PEOPLE.items():
                    people = [(address(channel, first + number), slug) for number in range(count)]
                    await subscribe(place.app, channel, people)
                    first += count
                await place.start("routine", "emergency")
                if backlog:
                    await publish(place.app, notice(areas=["cimahi"], channels=[channel]))
                    await arrived(clock.routine, 20)
                yield place


async def waits(place: City, clock: Clock, channel: str, tries: int) -> list[float]:
    """Return the seconds from the call of publish() to the first message, for each of `tries`
    emergencies to a few.
    """
    seconds, rested = [], dict.fromkeys(FEW, 0.0)
    spacing = place.app.push[channel].spacing(address(channel, FIRST)) + BIN
    for number in range(tries):
        slug = FEW[number % len(FEW)]
        await asyncio.sleep(max(0.0, rested[slug] - monotonic()))
        before, began = len(clock.emergency), monotonic()
        await publish(place.app, emergency(areas=[slug], channels=[channel]))
        await arrived(clock.emergency, before + 1)
        seconds.append(clock.emergency[before] - began)
        await arrived(clock.emergency, before + PEOPLE[slug])
        rested[slug] = monotonic() + spacing
    return seconds


async def measure(
    pool: Databases, channel: str, backlog: int, tries: int, *, redis: bool
) -> dict[str, str]:
    """Return a line: the waits of a channel."""
    clock = Clock()
    async with busy(pool, channel, backlog, redis=redis, clock=clock) as place:
        seconds = await waits(place, clock, channel, tries)
    return {
        "channel": channel,
        "backlog": f"{backlog:,} at {RATES[channel]}/s" if backlog else "idle",
        "Redis": "up" if redis else "down",
        "tries": str(tries),
        "median": f"{median(seconds):.2f} s",
        "worst": f"{max(seconds):.2f} s",
        "goal": "<= 1 s" if redis else "<= 6 s",
    }


async def takeover(pool: Databases, channel: str, backlog: int) -> dict[str, str]:
    """Return a line: routine messages between the first and the last of an emergency to some
    hundred, and how routine goes on.
    """
    clock = Clock()
    async with busy(pool, channel, backlog, redis=True, clock=clock) as place:
        await publish(place.app, emergency(areas=[SOME], channels=[channel]))
        await arrived(clock.emergency, PEOPLE[SOME])
        first, last = clock.emergency[0], clock.emergency[-1]
        so_far = len(clock.routine)
        await arrived(clock.routine, so_far + 2 * RATES[channel])
    held = [at for at in clock.routine if first + BIN < at <= last]
    bins = [
        sum(start <= at - first < start + BIN for at in clock.emergency)
        for start in _starts(last - first)
    ]
    after = [at for at in clock.routine if at > last]
    return {
        "channel": channel,
        "emergency messages": str(PEOPLE[SOME]),
        "their rate / limit": f"{len(clock.emergency) / (last - first) / RATES[channel]:.2f}",
        "routine between them (goal 0)": str(len(held)),
        "fewest / most per 100 ms": f"{min(bins[:-1], default=0)} / {max(bins)}",
        "routine again after": f"{min(after) - last:.2f} s",
    }


def _starts(seconds: float) -> list[float]:
    return [number * BIN for number in range(int(seconds / BIN) + 1)]
