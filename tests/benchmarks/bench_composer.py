"""Waits of somebody who writes in the composer, in Chromium: from a key to all five previews, and
from the last key to the draft being saved. Each p95 stands beside its goal.

Run: PYTHONPATH=tests:. python tests/benchmarks/bench_composer.py [--keys N] [--saves N]
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from playwright.async_api import async_playwright

from broadcaster.store.migrate import migrate
from support.chromium import launch_options
from support.newsroom_city import CHANNELS, DESK, author, browsing, opened, says, write

PREVIEW_SECONDS, SAVE_SECONDS = 0.5, 2.0
"""Goals for the p95."""


async def preview_waits(page: Any, keys: int) -> list[float]:
    """Return the seconds from each key in the title until every preview shows it."""
    await page.focus("#judul")
    await page.keyboard.press("End")
    return [
        await _seconds_until_shown(page, ascii_lowercase[number % 26]) for number in range(keys)
    ]


async def _seconds_until_shown(page: Any, character: str) -> float:
    title = await page.input_value("#judul") + character
    began = time.perf_counter()
    await page.keyboard.type(character)
    await page.wait_for_function(
        "([names, title]) => names.every(name => document.querySelector('#pratinjau-' + name).innerText.includes(title))",
        arg=[list(CHANNELS), title],
    )
    return time.perf_counter() - began


async def save_waits(page: Any, url: str, saves: int) -> list[float]:
    """Return the seconds from the last key of a new draft until the page says that it is saved."""
    waits: list[float] = []
    for _ in range(saves):
        await page.goto(f"{url}/redaksi/tulis")
        await page.focus("#judul")
        await page.keyboard.type("Air PDAM mati")
        began = time.perf_counter()
        await says(page, "#tersimpan", "Tersimpan otomatis")
        waits.append(time.perf_counter() - began)
    return waits


def report(name: str, waits: list[float], goal: float) -> bool:
    """Print a row of the table; return True if the goal was met."""
    ordered = sorted(waits)
    middle, late = ordered[len(ordered) // 2], ordered[max(0, round(len(ordered) * 0.95) - 1)]
    print(f"{name:<28}{middle:>8.3f}{late:>8.3f}{goal:>8.1f}{late / goal:>9.2f}", flush=True)
    return late <= goal


async def measure(options: argparse.Namespace) -> bool:
    """Print the table; return True if every goal was met."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'siaran.db'}"
        migrate(url)
        async with (
            async_playwright() as playwright,
            opened(url, Path(folder)) as city,
            browsing(
                await playwright.chromium.launch(**launch_options()), viewport=DESK
            ) as opening,
        ):
            rina = await author(city, await opening())
            saved = await save_waits(rina.page, city.url, options.saves)
            await write(rina, city.url)
            shown = await preview_waits(rina.page, options.keys)
        print(f"{'seconds':<28}{'p50':>8}{'p95':>8}{'goal':>8}{'p95/goal':>9}")
        met = report("key to five previews", shown, PREVIEW_SECONDS)
        return report("last key to saved draft", saved, SAVE_SECONDS) and met


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--saves", type=int, default=20)
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
