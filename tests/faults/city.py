"""City under fault: thousands of residents on three channels, its processes, its providers and its
editions.
"""

import asyncio
import contextlib
import itertools
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from broadcaster.app import App
from broadcaster.domain.actor import NamedActor
from broadcaster.publishing import corrections, publications
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.simulation.ports import free_port
from broadcaster.store import ledger, tokens
from broadcaster.store.migrate import migrate
from faults.fork_server import ForkServer
from faults.processes import Disk, Postgresql, Supervisor, Valkey
from faults.providers import APP_SECRET, BOT_TOKEN, PHONE_ID, TOKEN, Providers
from subscribers.areas import AreaTree
from support.waiting import until
from support.world import emergency, notice, program, subscribe, variables

T = TypeVar("T")

PEOPLE = {"email": 2_600, "whatsapp": 1_200, "telegram": 1_200}
"""Number of residents by the channel that each chose: 5,000 in all."""
RATES = {"EMAIL_RATE": "700", "WHATSAPP_RATE": "320", "TELEGRAM_RATE": "320"}
"""Messages a second: a run lasts some four seconds, so that faults can hit its moments."""
ROUTINE = ("worker-1", "worker-2")
WORKERS = (*ROUTINE, "worker-e")
"""Workers: two on the routine lane, one on that of emergencies."""
WHOLE, PART, SMALL = "cimahi", "cimahi-utara", "cibabat"
"""The city, a kecamatan of some 1,300, and a kelurahan of some 330 residents."""

NUMBERS = itertools.count(1)
Key = tuple[str, str]
"""Channel and address."""


def residents() -> Iterator[tuple[Key, str]]:
    """Yield every (channel, address) with its kelurahan, the same in each run."""
    homes = itertools.cycle(
        sorted(area.slug for area in AreaTree.built_in().all() if area.code.count(".") == 3)
    )
    for number, home in zip(range(PEOPLE["email"]), homes, strict=False):
        yield ("email", f"warga{number:05}@contoh.example"), home
    for number, home in zip(range(PEOPLE["whatsapp"]), homes, strict=False):
        yield ("whatsapp", f"62812{number:08}"), home
    for number, home in zip(range(PEOPLE["telegram"]), homes, strict=False):
        yield ("telegram", str(700_000 + number)), home


def concerned(area: str) -> set[Key]:
    """Return everyone who lives in an area."""
    tree = list(AreaTree.built_in().all())
    (code,) = [each.code for each in tree if each.slug == area]
    homes = {each.slug for each in tree if each.code.startswith(code)}
    return {key for key, home in residents() if home in homes}


async def settle(url: str, folder: Path) -> None:
    """Create the tables in an empty database, and all residents as subscribers."""
    migrate(url)
    environ = variables(url, folder, **channel_settings(), EMAIL_URL="smtp://127.0.0.1:1")
    async with program(environ) as app:
        for channel in PEOPLE:
            await subscribe(
                app, channel, [(key[1], home) for key, home in residents() if key[0] == channel]
            )


def channel_settings() -> dict[str, str]:
    """Return the settings of channels that all processes share; the providers' addresses differ by
    worker.
    """
    return {
        "EMAIL_FROM": "info@cimahi.example",
        "EMAIL_CONNECTIONS": "4",
        "EMAIL_TIMEOUT": "5",
        "WHATSAPP_TOKEN": TOKEN,
        "WHATSAPP_PHONE_ID": PHONE_ID,
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN": "kata",
        "TELEGRAM_TOKEN": BOT_TOKEN,
        **RATES,
    }


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Source of databases for cities: a settled database to copy, a SQLite file or one of a server
    that may be shut down.
    """

    kind: str
    fork_server: ForkServer | None = None
    file: Path | None = None
    server: Postgresql | None = None

    @contextmanager
    def copy(self, data: Path) -> Iterator[str]:
        """Yield the URL of a settled database of its own; removed afterwards."""
        if self.server is None:
            yield f"sqlite:///{shutil.copy(self.file or '', data / 'siaran.db')}"
            return
        name = f"kota_{next(NUMBERS)}"
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE kota")
        try:
            yield self.server.url(name)
        finally:
            self.server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(kw_only=True)
class City:
    """Running city; `published` are its editions by their mark, `areas` their areas, `steps` what
    happened when.
    """

    app: App
    environ: Mapping[str, str]
    providers: Providers
    supervisor: Supervisor
    valkey: Valkey
    server: Postgresql | None
    disk: Disk | None
    token: str
    own: Mapping[str, dict[str, str]]
    published: dict[str, StoredAnnouncement] = field(default_factory=dict)
    areas: dict[str, str] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def accepted(self) -> int:
        """Number of messages that providers accepted so far."""
        return len(self.providers.record.taken)

    def say(self, step: str) -> None:
        """Add a line to the report."""
        self.steps.append(
            f"  {time.monotonic() - self.began:5.1f} s, {self.accepted:>5} accepted: {step}"
        )

    def start_worker(self, name: str, **more: str) -> None:
        """Start a worker's process under supervision."""
        lane = "emergency" if name == "worker-e" else "routine"
        self.supervisor.add(
            name, {**self.environ, **self.own[name], **more}, "worker", "--lane", lane
        )

    async def ready(self, *names: str) -> None:
        """Return once these workers (default: all) handle signals and are registered in the
        database.
        """
        parts = [self.supervisor.parts[name] for name in names or WORKERS]
        await until(
            lambda: all(part.hears_sigterm() for part in parts),
            seconds=60,
            what="the workers have started",
        )
        pids = [part.process.pid for part in parts if part.process is not None]

        def known() -> bool:
            owners = self.app.database.read_now(
                lambda c: c.execute(text("SELECT owner FROM worker")).scalars().all()
            )
            return all(any(f"-{pid}-" in owner for owner in owners) for pid in pids)

        await until(known, seconds=60, what="the workers are known")

    async def publish(
        self, mark: str, *, areas: str, expires_in: float | None = None, urgent: bool = False
    ) -> None:
        """Publish an announcement whose title bears a mark."""
        fields = (emergency if urgent else notice)(areas=[areas])
        fields["title"] = f"Terbitan-{mark}"
        if expires_in is not None:
            fields["expires"] = (datetime.now(UTC) + timedelta(seconds=expires_in)).isoformat()
        checked = Press.of(self.app).examine(fields, self.app.clock())
        self.areas[mark] = areas
        self.published[mark] = await self._insist(
            lambda: publications.publish_now(
                self.app, checked, actor=NamedActor(name="uji", now=self.app.clock())
            )
        )

    async def _insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Repeat an act, as a person does, while it is refused because the disk is full: a refusal
        leaves nothing behind.
        """
        while True:
            try:
                return await act()
            except OperationalError as error:
                if "full" not in str(error.orig):
                    raise
            self.say("refused: the disk is full")
            await asyncio.sleep(0.1)

    async def correct(self, mark: str, after: str, *, expires_in: float | None = None) -> None:
        """Publish the next edition of an announcement."""
        self.areas[mark] = self.areas[after]
        fields = notice(areas=[self.areas[mark]], title=f"Terbitan-{mark}")
        if expires_in is not None:
            fields["expires"] = (datetime.now(UTC) + timedelta(seconds=expires_in)).isoformat()
        checked = Press.of(self.app).examine(fields, self.app.clock())
        correcting = (corrections.correct, Press.of(self.app), self.published[after].id, checked)
        why = {"reason": "Jamnya keliru.", "actor": NamedActor(name="uji", now=self.app.clock())}
        stored = await self._insist(lambda: self.app.database.write(*correcting, **why))
        self.published[mark] = stored
        await publications.ring(self.app, stored)

    async def steer(self, act: str, mark: str) -> None:
        """Pause or resume an announcement, as a person does."""
        announcement = self.published[mark].id
        if act == "pause":
            await self._insist(lambda: self.app.database.write(ledger.pause, announcement, "uji"))
        else:
            await self._insist(lambda: self.app.database.write(ledger.resume, announcement))

    async def is_over(self) -> bool:
        """True if the ledger says that every announcement is done."""
        return all([await self._done(stored.id) for stored in list(self.published.values())])

    async def over(self) -> None:
        """Return once every announcement is done; a database that is away is asked later."""
        while True:
            with contextlib.suppress(DBAPIError):
                if await self.is_over():
                    return
            await asyncio.sleep(0.1)

    async def _done(self, announcement: str) -> bool:
        progress = await self.app.database.read(ledger.progress, announcement)
        return progress.sending == "done"

    async def api_answer(self, mark: str) -> dict[str, Any]:
        """Return the API's answer about an announcement."""
        url = f"{self.app.settings.base_url}/api/v1/announcements/{self.published[mark].id}"
        async with aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.token}"}
        ) as session:
            clock = asyncio.get_running_loop().time
            end = clock() + 20
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as response:
                        if response.status == 200:
                            return dict(await response.json())
                assert clock() < end, "the web process does not answer"
                await asyncio.sleep(0.05)

    def hold_fast(self) -> None:
        """Record where every worker and every transaction hangs: the tasks in the logs, the rest in
        the report.
        """
        tables = [
            "run",
            "sweeper",
            "channel_state",
            "SELECT channel, owner, count(*), sum(open) FROM slice GROUP BY 1, 2",
        ]
        if self.server is not None:
            tables.append(
                "SELECT pid, state, wait_event, now() - xact_start, left(query, 200) FROM pg_stat_activity"
            )
        for what in tables:
            query = text(what if " " in what else f"SELECT * FROM {what}")
            for row in self.app.database.read_now(lambda c, query=query: c.execute(query).all()):
                self.steps.append(f"    {what[:12]}: {tuple(row)}")
        for name in WORKERS:
            self.supervisor.parts[name].send(signal.SIGUSR1)

    def addresses(self) -> dict[tuple[str, int], str]:
        """Return every address by channel and number, as providers know it."""
        rows = self.app.database.read_now(
            lambda c: c.execute(text("SELECT id, channel, cipher FROM address")).all()
        )
        return {(row.channel, row.id): self.app.vault.open(row.channel, row.cipher) for row in rows}


def _environ(url: str, data: Path, *, redis_url: str, lease: float, port: int) -> dict[str, str]:
    """Return the settings of a city's processes; receipts are waited for as long as a lease."""
    return variables(
        url,
        data,
        **channel_settings(),
        BROADCASTER_REDIS_URL=redis_url,
        BROADCASTER_LEASE=str(lease),
        BROADCASTER_PORT=str(port),
        WHATSAPP_RECEIPT_WAIT=str(lease),
    )


@asynccontextmanager
async def founded(
    ground: Ground,
    folder: Path,
    *,
    seed: int,
    lease: float,
    hooks: str = "prompt",
    disk: Disk | None = None,
) -> AsyncIterator[City]:
    """Start a city with everything running; the output of its processes is in `folder`."""
    data = disk.path if disk is not None else folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    providers = Providers(
        seed=seed, callback_url=f"http://127.0.0.1:{port}/webhook/whatsapp", hooks=hooks
    )
    valkey, supervisor = Valkey(), Supervisor(folder, ground.fork_server)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(valkey.close)
        url = stack.enter_context(ground.copy(data))
        valkey.start()
        own = await stack.enter_async_context(providers.running((*WORKERS, "web")))
        environ = _environ(url, data, redis_url=valkey.url, lease=lease, port=port)
        app = await stack.enter_async_context(
            program({**environ, **own["web"]}, redis_url=valkey.url)
        )
        token = await app.database.write(tokens.add, "uji", ["read", "write", "publish"])
        city = City(
            app=app,
            environ=environ,
            providers=providers,
            supervisor=supervisor,
            valkey=valkey,
            server=ground.server,
            disk=disk,
            token=token,
            own=own,
        )
        for name in WORKERS:
            city.start_worker(name)
        supervisor.add("web", {**environ, **own["web"]}, "web")
        await stack.enter_async_context(supervisor.watching())
        await city.ready()
        yield city
