"""Claims whose answers come late: what was filled meanwhile is still sent by the same drain."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from broadcaster.delivery.drain import SENDERS
from broadcaster.store import fanout, slices
from broadcaster.store.database import Database
from support.fakes import FakeChannel
from support.sending import with_channels
from support.world import deliverer, notice, program, publish, states, subscribe, variables

P = ParamSpec("P")
T = TypeVar("T")


class BusyServer(Database):
    """A database on a busy machine: the first claim of each sender is answered before the fan-out
    has begun, and the answer arrives after it has ended.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._claimed, self._filled = 0, asyncio.Event()
        self._asked = asyncio.Event()

    async def write(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        first: Callable[..., Any] = act
        if first is fanout.claim_fanout:
            await self._asked.wait()
        result = await super().write(act, *args, **kwargs)
        if first is fanout.claim_fanout and result is None:
            self._filled.set()
        if first is slices.claim_slice and self._claimed < SENDERS:
            self._claimed += 1
            if self._claimed == SENDERS:
                self._asked.set()
            await self._filled.wait()
        return result


async def test_an_old_answer_does_not_end_a_drain_with_work_left(
    database_url: str, tmp_path: Path
) -> None:
    environ = variables(
        database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as opened:
        await subscribe(opened, "email", [("warga@contoh.example", "cibabat")])
        app = with_channels(opened, FakeChannel())
        await publish(app, notice(channels=["email"]))
        busy = BusyServer(database_url)
        try:
            async with asyncio.timeout(60):
                await deliverer(replace(app, database=busy)).drain("email", "routine", seconds=30)
        finally:
            busy.close()
        assert states(app) == {"sent": 1}
