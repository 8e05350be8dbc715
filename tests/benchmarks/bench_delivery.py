"""The full path (publish, fan-out, render, send, record) beside a floor of the same run: prebuilt messages without a database.

    python tests/benchmarks/bench_delivery.py email --count 20000 --workers 1 [--database postgresql://...]

Prints messages a second, CPU microseconds a message and the workers' peak memory. Ratios count; figures are this machine's.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import select

from benchmarks.parts import cost, line, process, table
from broadcaster.embedded import valkey
from broadcaster.store import ledger
from broadcaster.store.migrating import migrate
from broadcaster.store.tables import run
from world import notice, program, publish, variables

KINDS = {"email": "smtp", "whatsapp": "graph", "telegram": "bot"}
LIMIT_SECONDS = 900
"""A run that takes longer is given up."""


def settings(channel: str, where: str) -> dict[str, str]:
    """The channel's variables: the stand-in, and no limit of our own."""
    if channel == "email":
        return {"EMAIL_URL": where, "EMAIL_FROM": "info@cimahi.example", "EMAIL_CONNECTIONS": "10"}
    if channel == "telegram":
        return {"TELEGRAM_TOKEN": "1:demo", "TELEGRAM_API_URL": where, "TELEGRAM_RATE": "0", "TELEGRAM_WEBHOOK_SECRET": "s"}
    return {
        "WHATSAPP_TOKEN": "t", "WHATSAPP_PHONE_ID": "1", "WHATSAPP_APP_SECRET": "s", "WHATSAPP_VERIFY_TOKEN": "v",
        "WHATSAPP_TEMPLATE": "info_kelurahan", "WHATSAPP_API_URL": f"{where}/v25.0", "WHATSAPP_RATE": "0",
    }  # fmt: skip


def address(channel: str, number: int) -> str:
    """A made-up address."""
    return {"email": f"warga{number}@contoh.example", "whatsapp": f"62899{number:08}", "telegram": str(10_000 + number)}[channel]


def subscribers(channel: str, count: int, path: Path) -> Path:
    """A CSV of confirmed Cibabat subscribers."""
    with path.open("w") as file:
        file.write("channel,address,areas,topics,language,consent_source,consent_at\n")
        file.writelines(f"{channel},{address(channel, n)},cibabat,,id,contoh,2026-01-01T00:00:00+07:00\n" for n in range(count))
    return path


async def main() -> None:
    """Measure one channel."""
    parser = argparse.ArgumentParser()
    parser.add_argument("channel", choices=sorted(KINDS))
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--database", default="")
    parser.add_argument("--no-floor", action="store_true")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(await full_path(given, Path(folder)))
        if not given.no_floor:
            rows.append(await floor(given, Path(folder)))
    sys.stdout.write(table(rows) + "\n")


async def full_path(given: argparse.Namespace, folder: Path) -> dict[str, str]:
    """Publish to all subscribers; the clock runs from publish() to the last committed outcome."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(process("tests/benchmarks/providers.py", KINDS[given.channel]))
        where = await line(provider)
        database = given.database or f"sqlite:///{folder}/bench.db"
        migrate(database)
        redis_url = await stack.enter_async_context(valkey(folder))
        environ = variables(database, folder, BROADCASTER_REDIS_URL=redis_url, **settings(given.channel, where))
        app = await stack.enter_async_context(program(environ, redis_url=redis_url))
        from broadcaster.commands.people import import_file

        path = subscribers(given.channel, given.count, folder / "people.csv")
        began = time.perf_counter()
        with path.open() as lines:
            await import_file(app, lines, path.stat().st_size)
        imported = time.perf_counter() - began
        workers = [
            await stack.enter_async_context(process("-m", "broadcaster", "worker", "--lane", "routine", environ=environ))
            for _ in range(given.workers)
        ]
        await asyncio.sleep(2)
        idle = [cost(worker.pid).cpu for worker in workers]
        began = time.perf_counter()
        done = await publish(app, notice(channels=[given.channel]))
        filled = 0.0
        while (progress := await app.database.read(ledger.progress, done.id)).sending != "done":
            filled = filled or (time.perf_counter() - began if await app.database.read(sealed) else 0.0)
            if time.perf_counter() - began > LIMIT_SECONDS:
                raise TimeoutError(f"not done: {progress}")
            await asyncio.sleep(0.02)
        took = time.perf_counter() - began
        spent = [cost(worker.pid) for worker in workers]
        provider.stdin.write(b"\n")  # type: ignore[union-attr]
        counted = json.loads(await line(provider))
        sent = progress.deliveries[given.channel]["sent"] + progress.deliveries[given.channel]["delivered"]
        cpu = sum(after.cpu - before for after, before in zip(spent, idle, strict=True))
        return {
            "path": f"full, {given.workers} worker(s), {database.split(':')[0]}",
            "messages/s": f"{given.count / took:,.0f}",
            "CPU µs/message": f"{cpu / given.count * 1e6:.0f}",
            "peak RSS": f"{max(one.memory for one in spent) / 1e6:.0f} MB",
            "recorded sent": str(sent),
            "accepted": f"{counted['accepted']} ({counted['different']} different)",
            "fan-out s": f"{filled:.2f}",
            "import s": f"{imported:.1f}",
        }


def sealed(connection: object) -> bool:
    """Whether the fan-out is complete."""
    return bool(connection.execute(select(run.c.sealed)).scalar())  # type: ignore[attr-defined]


async def floor(given: argparse.Namespace, folder: Path) -> dict[str, str]:
    """The same messages through the same client library, built before the clock starts, recorded nowhere."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(process("tests/benchmarks/providers.py", KINDS[given.channel]))
        where = await line(provider)
        client = await stack.enter_async_context(process("tests/benchmarks/floor.py", given.channel, str(given.count), where))
        took, cpu, memory = (float(word) for word in (await line(client)).split())
        return {
            "path": "floor: prebuilt, no database", "messages/s": f"{given.count / took:,.0f}",
            "CPU µs/message": f"{cpu / given.count * 1e6:.0f}", "peak RSS": f"{memory / 1e6:.0f} MB",
            "recorded sent": "-", "accepted": "-", "fan-out s": "-", "import s": "-",
        }  # fmt: skip


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    asyncio.run(main())
