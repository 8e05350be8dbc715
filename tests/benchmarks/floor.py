"""Floor of bench_delivery: one process sends prebuilt messages as fast as it can. Prints seconds,
CPU seconds, RSS in bytes.

    PYTHONPATH=tests:. python tests/benchmarks/floor.py CHANNEL COUNT URL [pipelined|sendmail]

`sendmail` (email only) is aiosmtplib's own; otherwise the channel's `send`, with nothing around it.
"""

import asyncio
import os
import sys
import time
from datetime import date

import aiosmtplib
import uvloop

from benchmarks.bench_delivery import address, settings
from benchmarks.parts import cost
from broadcaster.runtime import config
from channels.base.contract import Message, Outgoing, PushChannel, Receipt, Recipient
from support.samples import CIBABAT, notice

CONNECTIONS = 10


def outgoing(channel: PushChannel, message: Message, name: str, number: int) -> Outgoing:
    """Build a finished message."""
    recipient = Recipient(
        delivery=f"1.{number}.1",
        attempt=1,
        address=address(name, number),
        area=CIBABAT,
        since=date(2026, 11, 3),
        token=f"{number:032}",
        address_key=f"{number:016}",
    )
    return channel.personalise(message, recipient)


async def plain_smtp(messages: list[Outgoing], where: str) -> None:
    """Send with aiosmtplib's own sendmail on ten connections."""
    left = iter(messages)
    host, port = where.removeprefix("smtp://").split(":")

    async def work() -> None:
        async with aiosmtplib.SMTP(hostname=host, port=int(port), start_tls=False) as client:
            for message in left:
                envelope = message.payload
                await client.sendmail(envelope.sender, [envelope.to], envelope.data)

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


async def through_channel(channel: PushChannel, messages: list[Outgoing]) -> None:
    """Send with the channel's own `send`, nothing around it."""
    accepted = 0
    async for result in channel.send(messages, may_write=lambda: True):
        accepted += isinstance(result.outcome, Receipt)
    assert accepted == len(messages)


async def main(name: str, count: int, where: str, mode: str = "pipelined") -> None:
    """Build, then send against the clock."""
    loaded = config.read({**settings(name, where), "BROADCASTER_SECRET_KEY": ""})
    push, _pull = config.open_channels(loaded)
    channel = push[name]
    message = channel.render(notice(), "id")
    messages = [outgoing(channel, message, name, number) for number in range(count)]
    before, began = cost(os.getpid()), time.perf_counter()
    await (
        plain_smtp(messages, where) if mode == "sendmail" else through_channel(channel, messages)
    )
    took, after = time.perf_counter() - began, cost(os.getpid())
    sys.stdout.write(f"{took} {after.cpu - before.cpu} {after.memory}\n")
    sys.stdout.flush()
    await channel.aclose()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5]))
