"""Time of an emergency to reach everybody good beside bad recipients, against none in the same run.

    PYTHONPATH=tests:. python tests/benchmarks/bench_bad_recipients.py [--people 3000]

Real sockets on loopback, SQLite, one worker's engine. Bad ones stand first in the order of sending,
or anywhere; slow ones answer after some seconds. `ratio`: the last good message's time over that
without bad ones; `delay`: the difference in seconds.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import structlog
import uvloop

from benchmarks.parts import table
from broadcaster.app import App
from broadcaster.simulation.smtp_script import ScriptedAnswer
from broadcaster.store.migrate import migrate
from support.bad_recipients import email_city, graph, in_slot_order, mailbox, phone, whatsapp_city
from support.mail_servers import picky
from support.world import deliverer, emergency, publish

SLOW_SECONDS = 5.0
Choice = Callable[[list[str]], Collection[str]]
CASES: Mapping[str, Choice] = {
    "none": lambda order: (),
    "one": lambda order: order[:1],
    "30 %, anywhere": lambda order: [
        each for number, each in enumerate(order) if number % 10 in (1, 4, 8)
    ],
    "30 %, first": lambda order: order[: len(order) * 3 // 10],
}


async def last_good(
    app: App, channel: str, began: float, arrived: Mapping[str, float], good: int
) -> float:
    """Publish, send, and return the seconds until the last good recipient had it. Raises
    RuntimeError if some never got it.
    """
    await deliverer(app).drain(channel, "emergency", seconds=120)
    if len(arrived) != good:
        raise RuntimeError(f"{len(arrived)} of {good} arrived")
    return max(arrived.values()) - began


async def email(folder: Path, people: int, choice: Choice, answer: ScriptedAnswer) -> float:
    """Return the seconds by mail."""
    url, server = f"sqlite:///{folder}/siaran.db", picky()
    migrate(url)
    async with email_city(url, folder, server, map(mailbox, range(people))) as app:
        bad = choice(in_slot_order(app, "email"))
        server.script.recipients = dict.fromkeys(bad, answer)
        await publish(app, emergency())
        return await last_good(
            app,
            "email",
            asyncio.get_running_loop().time(),
            server.transcript.arrived,
            people - len(bad),
        )


async def whatsapp(
    folder: Path, people: int, choice: Choice, code: int, seconds: float = 0.0
) -> float:
    """Return the seconds by WhatsApp; `seconds`: how long the bad ones hold their answer back."""
    url, api = f"sqlite:///{folder}/siaran.db", graph()
    migrate(url)
    async with whatsapp_city(url, folder, api, map(phone, range(people))) as app:
        bad = choice(in_slot_order(app, "whatsapp"))
        api.errors = dict.fromkeys(bad, (code, 400))
        loop = asyncio.get_running_loop()
        if seconds:
            for each in bad:
                loop.call_later(seconds, api.hold(each).set)
        await publish(app, emergency())
        return await last_good(app, "whatsapp", loop.time(), api.arrived, people - len(bad))


async def slow_email(folder: Path, people: int, choice: Choice) -> float:
    """Return the seconds by mail if the bad ones hold their answer back."""
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(SLOW_SECONDS, gate.set)
    return await email(
        folder, people, choice, ScriptedAnswer(reply="550 mailbox unavailable", gate=gate)
    )


async def measure(people: int) -> list[dict[str, str]]:
    """Return a line for each kind of refusal and share of bad recipients."""
    ways: Mapping[str, Callable[[Path, Choice], object]] = {
        "email 550 5.5.0": lambda folder, choice: email(
            folder, people, choice, ScriptedAnswer(reply="550 5.5.0 mailbox unavailable")
        ),
        "email 554 5.7.1": lambda folder, choice: email(
            folder, people, choice, ScriptedAnswer(reply="554 5.7.1 Blocked")
        ),
        "email 450": lambda folder, choice: email(
            folder, people, choice, ScriptedAnswer(reply="450 4.2.0 Greylisted")
        ),
        "whatsapp 131031": lambda folder, choice: whatsapp(folder, people, choice, 131031),
        "whatsapp 132001": lambda folder, choice: whatsapp(folder, people, choice, 132001),
        "email, slow": lambda folder, choice: slow_email(folder, people, choice),
        "whatsapp, slow": lambda folder, choice: whatsapp(
            folder, people, choice, 131026, SLOW_SECONDS
        ),
    }
    lines = []
    for name, run in ways.items():
        without = 0.0
        for case, choice in CASES.items():
            with tempfile.TemporaryDirectory() as folder:
                took = await run(Path(folder), choice)  # type: ignore[misc]
            without = without or took
            sys.stderr.write(f"{name}, {case}: {took:.2f} s\n")
            lines.append(
                {
                    "refusal": name,
                    "bad ones": case,
                    "seconds": f"{took:.2f}",
                    "ratio": f"{took / without:.2f}",
                    "delay": f"{took - without:.2f}",
                }
            )
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=3_000)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    lines = uvloop.run(measure(parser.parse_args().people))
    sys.stdout.write(table(lines) + "\n")


if __name__ == "__main__":
    main()
