"""Every figure of the README in one command: Markdown tables, each goal beside its figure, each
ratio of one run.

PYTHONPATH=tests:. python tests/benchmarks/figures.py [--quick] [--only email fan-out ...] [--json
FILE]

Only ratios compare between machines. `--quick` takes some minutes and small numbers: it shows that
everything works.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from benchmarks import fan_out, latency, recovery, sending
from benchmarks.city import KINDS, Databases, databases
from benchmarks.parts import ROOT, machine, process, table

Lines = AsyncIterator[dict[str, str]]
BOTH = tuple(KINDS)
CHANNELS = ("email", "telegram", "whatsapp")
LIMITS = "tests/benchmarks/bench_limits.py"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Size of the measurements."""

    emails: int = 200_000
    calls: int = 30_000
    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    fan_out: int = 1_000_000
    backlog: int = 500_000
    tries: int = 50
    killed: int = 50_000
    lease: int = 30


QUICK = Scale(
    emails=5_000,
    calls=2_000,
    sizes=(1_000, 5_000),
    fan_out=20_000,
    backlog=5_000,
    tries=3,
    killed=5_000,
    lease=2,
)


async def email(pool: Databases, scale: Scale) -> Lines:
    """Measure email, end to end with the ledger."""
    for each in await sending.measure(pool, "email", scale.emails, BOTH):
        yield each


async def http(pool: Databases, scale: Scale) -> Lines:
    """Measure Telegram and WhatsApp, end to end with the ledger."""
    for channel in ("telegram", "whatsapp"):
        for each in await sending.measure(pool, channel, scale.calls, BOTH):
            yield each


async def sizes(pool: Databases, scale: Scale) -> Lines:
    """Measure memory and CPU by the number of recipients."""
    for each in await sending.sizes(pool, "email", scale.sizes, BOTH):
        yield each


async def filling(pool: Databases, scale: Scale) -> Lines:
    """Measure the fan-out beside the bare statement."""
    for kind in BOTH:
        for one_area in (False, True):
            yield await fan_out.measure(pool, kind, scale.fan_out, one_area=one_area)


async def first_byte(pool: Databases, scale: Scale) -> Lines:
    """Measure the wait from publish() to the first message at the provider."""
    for channel in CHANNELS:
        yield await latency.measure(pool, channel, 0, scale.tries, redis=True)
        for redis in (True, False):
            yield await latency.measure(pool, channel, scale.backlog, scale.tries, redis=redis)


async def lane(pool: Databases, scale: Scale) -> Lines:
    """Measure how an emergency takes the whole rate, and how routine goes on."""
    for channel in CHANNELS:
        yield await latency.takeover(pool, channel, scale.backlog)


async def killed(pool: Databases, scale: Scale) -> Lines:
    """Measure the recovery after SIGKILL of a worker."""
    for kind in BOTH:
        yield await recovery.measure(pool, kind, scale.killed, scale.lease)


FIGURES: dict[str, tuple[str, Callable[[Databases, Scale], Lines]]] = {
    "email": ("Email, end to end with the ledger.", email),
    "http": ("Telegram and WhatsApp, end to end with the ledger.", http),
    "sizes": ("Memory and CPU by the number of recipients.", sizes),
    "fan-out": ("The fan-out beside the bare statement.", filling),
    "first-byte": ("From publish() to the first message at the provider.", first_byte),
    "lane": ("An emergency takes the whole rate, and routine goes on by itself.", lane),
    "kill": ("After SIGKILL of a worker.", killed),
}
"""Heading and measurement of each figure."""


async def limits(quick: bool) -> str:
    """Return the output of the bench of the rate limits, or "" without that bench."""
    if not (ROOT / LIMITS).exists():
        return ""
    async with process(LIMITS, *(["--seconds", "4"] if quick else [])) as bench:
        assert bench.stdout is not None
        return (await bench.stdout.read()).decode()


async def main() -> None:
    """Measure and print each table as soon as it is complete."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*FIGURES, "limits"],
        default=[*FIGURES, "limits"],
        metavar="NAME",
    )
    parser.add_argument("--sizes", nargs="+", type=int, help="recipients, for `sizes`")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    options = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )  # it prints where the tables go
    scale = QUICK if options.quick else Scale()
    if options.sizes:
        scale = Scale(**{**vars(scale), "sizes": tuple(options.sizes)})
    figures: dict[str, object] = {"machine": machine(), "quick": options.quick}
    say(machine())
    with databases() as pool:
        for name in [name for name in options.only if name in FIGURES]:
            began = time.perf_counter()
            heading, measure = FIGURES[name]
            lines = [each async for each in measure(pool, scale)]
            figures[name] = lines
            say(
                f"\n### {heading}\n\n{table(lines)}\n\n({name}: {time.perf_counter() - began:.0f} s)"
            )
    if "limits" in options.only and (text := await limits(options.quick)):
        figures["limits"] = text
        say(f"\n### Adherence to rate limits\n\n{text}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False))


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
