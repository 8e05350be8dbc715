"""Data on disk after a day's work gives nobody away, before and after an erasure: no address,
number, chat id or domain, however it is written.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, make_url, select
from structlog.testing import capture_logs

from broadcaster.app import App
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import DELIVERED, PENDING, READ, SENDING, STATES
from broadcaster.inbound import inbox
from broadcaster.inbound.replies import ReplySender
from broadcaster.publishing import corrections
from broadcaster.publishing.press import Press
from broadcaster.residents import data_rights
from broadcaster.runtime import valkey
from broadcaster.simulation.faults import Faults
from broadcaster.simulation.graph_api import scoped_id
from broadcaster.simulation.providers import Providers, demo_variables, running
from broadcaster.store.channel_tables import held_domain, held_suppression, reached
from broadcaster.store.migrate import METADATA
from broadcaster.store.tables import delivery, receipt
from broadcaster.web.server import serve
from subscribers import residents
from subscribers.store import address, alias, strike
from support.browsing import listening
from support.postgres import cluster_files
from support.sending import everything_due, table
from support.traces import Traces
from support.waiting import until
from support.world import deliverer, notice, program, publish, rows, subscribe, variables

PHONES = ("6281298765432", "6285711223344", "6281355667788")
CHATS = ("5512345678", "7098765432")
MAILS = (
    "siti.rahmawati@rw07-cibabat.example", "dewi.lestari@rumahwarga.example", "joko.susilo@rumahwarga.example",
    "tini.suryani@rumahwarga.example",
)  # fmt: skip
"""Mail addresses, three of one domain: so many are asked to wait before the domain is held."""
DOMAINS = ("rw07-cibabat.example", "rumahwarga.example")
BLOCKED = 0.5
"""Share of numbers that take nothing, in the part of the day in which some fail."""
UNREACHABLE = next(
    number
    for number in (f"62877{n:08}" for n in range(11_223_344, 11_224_344))
    if Faults(blocked=BLOCKED).blocks(number)
)
"""A number that takes nothing in that part of the day; its owner has a mail address too."""
SECOND = "budi.santoso@rumahwarga.example"
PEOPLE = {"whatsapp": (*PHONES, UNREACHABLE), "telegram": CHATS, "email": (*MAILS, SECOND)}
NAMES = ("siti.rahmawati", "dewi.lestari", "joko.susilo", "tini.suryani", "budi.santoso")
SCOPED = tuple(scoped_id(phone).removeprefix("ID.") for phone in PEOPLE["whatsapp"])
SECRETS = (*PEOPLE["whatsapp"], *CHATS, *DOMAINS, *NAMES, *SCOPED)


@dataclass(kw_only=True)
class City:
    """Whole city on one database: program, site, stand-in providers and a Valkey that writes to
    disk.
    """

    app: App
    providers: Providers
    folder: Path
    logs: list[Any]
    other_logs: pytest.LogCaptureFixture

    async def send(self, *channels: str) -> None:
        """Deliver what waits on these channels; retries count as due."""
        everything_due(self.app)
        for channel in channels or tuple(self.app.push):
            engine = deliverer(self.app)
            while await engine.drain(channel, "routine", seconds=5):
                pass

    async def finish(self, *channels: str) -> None:
        """Deliver until nothing waits: a provider may want a pause between two messages to one
        chat.
        """
        async with asyncio.timeout(60):
            await self.send(*channels)
            while any(
                row.state in (PENDING, SENDING) for name in channels for row in rows(self.app, name)
            ):
                await self.send(*channels)

    async def hear(self) -> None:
        """Wait until the providers have posted all webhooks, and apply them."""
        await until(lambda: not self.providers.graph.callbacks.waiting, what="webhooks")
        await self.apply()

    async def apply(self) -> None:
        """Apply what is in the inbox and due."""
        answerer = ReplySender(self.app)
        while any(
            row.applied_at is None and row.due_at <= self.app.clock().timestamp()
            for row in table(self.app, receipt)
        ):
            await inbox.apply_due(self.app, answerer)
        await answerer.settle()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield everything at rest: the data folder with database and Valkey's file, the PostgreSQL
        cluster, the logs.
        """
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()
        if not self.app.database.sqlite:
            yield from cluster_files(self.app.database.url)
        yield "logs", (json.dumps(self.logs, default=str) + self.other_logs.text).encode()


@pytest.fixture
async def city(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[City]:
    folder = tmp_path / "data"
    folder.mkdir()
    if database_url.startswith("sqlite"):
        database_url = (
            f"sqlite:///{Path(make_url(database_url).database or '').rename(folder / 'siaran.db')}"
        )
    with (
        listening() as (hooks, port),
        listening() as (http, http_port),
        listening() as (mail, smtp_port),
        capture_logs() as logs,
    ):
        http.close()
        mail.close()
        demo = demo_variables(http_port=http_port, smtp_port=smtp_port) | {
            "WHATSAPP_RATE": "0",
            "TELEGRAM_RATE": "0",
        }
        place = {"BROADCASTER_HOST": "127.0.0.1", "BROADCASTER_PORT": str(port)}
        environ = variables(database_url, folder, BROADCASTER_SIMULATED="true", **place, **demo)
        async with contextlib.AsyncExitStack() as stack:
            redis_url = await stack.enter_async_context(valkey.valkey(folder))
            app = await stack.enter_async_context(program(environ, redis_url=redis_url))
            ready = asyncio.Event()
            site = asyncio.create_task(serve(app, "127.0.0.1", port, ready, listening=hooks))
            stack.push_async_callback(_ended, site)
            await ready.wait()
            providers = await stack.enter_async_context(running(app.loaded))
            yield City(app=app, providers=providers, folder=folder, logs=logs, other_logs=caplog)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def a_day(city: City) -> None:
    """Import, publish, send, fail, fall back, hold a domain, receive receipts and residents'
    messages, correct.
    """
    app, providers = city.app, city.providers
    for channel, people in PEOPLE.items():
        alone = [(person, "cibabat") for person in people if person not in (UNREACHABLE, SECOND)]
        await subscribe(app, channel, alone)
    await subscribe(app, "whatsapp", [(UNREACHABLE, "cibabat")], subscriber="budi")
    await subscribe(app, "email", [(SECOND, "cibabat")], subscriber="budi")
    stored = await publish(app, notice())
    providers.faults.change(rate_429=1.0)
    await city.send("email")
    providers.faults.change(rate_429=0.0, blocked=BLOCKED)
    await city.send("whatsapp")
    providers.faults.change(blocked=0.0)
    await city.send()
    await city.hear()
    await city.send()
    checked = Press.of(app).examine(
        notice(title="Ralat: air PDAM mati di Cibabat, Rabu 09.00-14.00"), app.clock()
    )
    await app.database.write(
        corrections.correct,
        Press.of(app),
        stored.id,
        checked,
        reason="jam",
        actor=NamedActor(name="test", now=app.clock()),
    )
    await city.finish("telegram")
    assert providers.bot.counts["edited"] == len(CHATS), (
        "a correction finds the message that it corrects"
    )
    providers.graph.write(PHONES[0], "status")
    assert await providers.bot.writes(int(CHATS[0]), "/status") == 200
    assert await providers.bot.blocks(int(CHATS[1])) == 200
    await city.hear()
    await unapplied(city)


async def unapplied(city: City) -> None:
    """Leave in the inbox: a status that matches nothing, a status of a delivery and a message of a
    resident.
    """
    graph, now = city.providers.graph, str(int(city.app.clock().timestamp()))
    last = next(row for row in rows(city.app, "whatsapp") if row.state in (DELIVERED, READ))
    status = {
        "status": "read",
        "timestamp": now,
        "recipient_id": PHONES[0],
        "recipient_user_id": scoped_id(PHONES[0]),
    }
    graph.callbacks.later(
        0,
        {
            "statuses": {
                **status,
                "id": "wamid.HBgNNjI4MTI5ODc2NTQzMhUCABEYEjAwMDAwMDAwMDAwMDAwMDAwMAA=",
            }
        },
    )
    callback = {"biz_opaque_callback_data": f"{last.edition}.{last.slot}.{last.attempt}"}
    graph.callbacks.later(
        0, {"statuses": {**status, **callback, "id": "wamid.X", "status": "delivered"}}
    )
    graph.write(PHONES[0], "BERHENTI")
    await until(lambda: not graph.callbacks.waiting, what="webhooks")
    assert sum(row.body is not None for row in table(city.app, receipt)) >= 3


async def test_nothing_at_rest_gives_anybody_away_after_a_days_work(city: City) -> None:
    await a_day(city)
    outcomes = {STATES[row.state] for row in rows(city.app)}
    assert {"read", "failed", "sent"} <= outcomes, outcomes
    assert table(city.app, held_domain), "a mail provider asked us to wait"
    assert table(city.app, alias), "business-scoped ids were learnt"
    traces = Traces(SECRETS)
    assert {name: traces.within(data) for name, data in city.files() if traces.within(data)} == {}


async def test_erasing_reaches_every_table_and_the_files(city: City) -> None:
    await a_day(city)
    known = {
        name: await reading(city.app, channel, name)
        for channel, people in PEOPLE.items()
        for name in people
    }
    await city.app.database.write(_strikes_and_holds, list(known.values()))
    digests = {bytes(row.lookup) for table_ in (address, alias) for row in table(city.app, table_)}
    sealed = {bytes(row.cipher) for table_ in (address, alias) for row in table(city.app, table_)}
    for channel, people in PEOPLE.items():
        for person in people:
            assert (
                await data_rights.erase(
                    city.app, channel, person, actor=NamedActor(name="test", now=city.app.clock())
                )
            ).erased
    numbers = {row.id for row in known.values()}
    assert list(_rows_about(city.app, numbers, digests | sealed)) == []
    assert {row.body for row in table(city.app, receipt)} == {None}, (
        "what waited about them is gone"
    )
    traces = Traces(SECRETS)
    for name, data in city.files():
        assert traces.within(data) == set(), name
        if city.app.database.sqlite and name.startswith("siaran.db"):
            assert not [secret for secret in digests | sealed if secret in data], (
                f"freed pages of {name} are overwritten"
            )


def _strikes_and_holds(connection: Connection, people: list[residents.AddressRow]) -> None:
    """Give each address further data: a soft bounce, a held suppression, a day's count."""
    at = {"at": 1.0}
    connection.execute(insert(strike), [{"address": row.id, "day": "2026-11-25"} for row in people])
    connection.execute(
        insert(held_suppression),
        [{"address": row.id, "channel": row.channel, "reason": "x"} | at for row in people],
    )
    connection.execute(delete(reached))
    connection.execute(
        insert(reached), [{"address": row.id, "channel": row.channel} | at for row in people]
    )


async def reading(app: App, channel: str, text: str) -> residents.AddressRow:
    """Return the address as the program knows it."""
    row = await app.database.read(residents.find, app.vault, channel, text)
    assert row is not None
    return row


def _rows_about(app: App, numbers: set[int], secrets: set[bytes]) -> Iterator[str]:
    """Yield what is left of these addresses in any table: a row that refers to them, a digest, a
    sealed value, a provider's id.
    """
    for metadata in METADATA:
        for each in metadata.tables.values():
            for row in app.database.read_now(
                lambda connection, each=each: connection.execute(select(each)).mappings().all()
            ):
                refers = each is not delivery and row.get("address") in numbers
                names = any(
                    bytes(value) in secrets
                    for value in row.values()
                    if isinstance(value, bytes | memoryview)
                )
                provider = each is delivery and (row["provider_key"], row["message_number"]) != (
                    None,
                    None,
                )
                if refers or names or provider or each.name == "provider_message":
                    yield f"{each.name}: {dict(row)}"
