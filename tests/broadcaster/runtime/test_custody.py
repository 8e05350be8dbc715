"""Custody: a copied, moved or restored database sends nothing until an operator adopts it."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from broadcaster.app import App
from broadcaster.delivery.drain import Deliverer
from broadcaster.domain.actor import NamedActor
from broadcaster.newsroom import drafts, review
from broadcaster.runtime import config, custody
from broadcaster.runtime.custody import Home, is_elsewhere
from broadcaster.staff import contact
from broadcaster.store.custody import hold, read
from broadcaster.store.database import Database
from broadcaster.store.leases import Holder, new_owner
from broadcaster.store.migrate import migrate
from broadcaster.worker import LaneWorker
from channels.base.contract import Halted
from channels.base.moments import WIB, full_moment_text
from channels.base.staff_messages import Note
from support.commanding import Program
from support.fakes import FakeChannel
from support.sending import fill, with_channels
from support.staffing import NOTICE
from support.telling import post_office
from support.world import notice, program, publish, subscribe, variables

EMAIL = {"EMAIL_URL": "smtp://127.0.0.1:1", "EMAIL_FROM": "info@cimahi.example"}
PEOPLE = [(f"warga{number:02}@x.example", "cibabat") for number in range(40)]
HERE = Home(machine="a", file="11", disk="7")


# --- the rule ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "elsewhere"),
    [
        (HERE, False),
        (Home(machine="a", file="12", disk="7"), True),
        (Home(machine="b", file="11", disk="7"), True),
        (Home(machine="a", file="11", disk="8"), False),
        (Home(machine="", file="11", disk="7"), False),
        (Home(machine="", file="11", disk="8"), True),
        (Home(machine="", file="12", disk="7"), True),
        (Home(name="baru", machine="a", file="11", disk="7"), False),
    ],
    ids=[
        "same",
        "copied",
        "cloned machine",
        "disk renumbered",
        "container",
        "other disk",
        "copied in a container",
        "named now",
    ],
)
def test_a_copy_is_distinguished_from_a_restart(now: Home, elsewhere: bool) -> None:
    assert is_elsewhere(HERE, now) is elsewhere


def test_where_the_operator_names_the_installation_the_name_alone_counts() -> None:
    named = Home(name="balai kota", machine="a", file="11", disk="7")
    assert not is_elsewhere(named, Home(name="balai kota", machine="b", file="12", disk="8"))
    assert is_elsewhere(named, Home(name="cadangan", machine="a", file="11", disk="7"))
    assert is_elsewhere(named, Home(machine="a", file="12", disk="7")), (
        "a command without the setting looks at the place"
    )


def test_a_container_has_no_machine_of_its_own(tmp_path: Path) -> None:
    number, sign = tmp_path / "machine-id", tmp_path / ".dockerenv"
    number.write_text("0123456789abcdef0123456789abcdef\n")
    assert len(custody.machine(number, (sign,))) == 32
    sign.touch()
    assert custody.machine(number, (sign,)) == ""
    assert custody.machine(tmp_path / "none", ()) == ""


# --- a folder on SQLite -----------------------------------------------------------------------------------


def settings_of(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of an installation whose database lies in its folder."""
    return variables(f"sqlite:///{folder / 'siaran.db'}", folder, **EMAIL, **more)


@asynccontextmanager
async def open_at(folder: Path, **more: str) -> AsyncIterator[App]:
    """Open the program on a folder."""
    async with program(settings_of(folder, **more)) as app:
        yield app


async def send_due(app: App, lane: str = "routine") -> int:
    """Drain a lane once; return the number of messages that left."""
    channel = FakeChannel()
    deliverer = Deliverer(
        app=with_channels(app, channel), holder=Holder(owner=new_owner(), lease=30)
    )
    await deliverer.drain("email", lane, seconds=5)
    return channel.accepted.total()


@pytest.fixture
async def original(tmp_path: Path) -> Path:
    """A folder that ran once, with forty messages that wait."""
    folder = tmp_path / "balai"
    folder.mkdir()
    migrate(f"sqlite:///{folder / 'siaran.db'}")
    async with open_at(folder) as app:
        await custody.keep_mark(app.database, app.settings)
        await subscribe(app, "email", PEOPLE)
        await publish(app, notice(channels=["email"]))
        fill(app)
    return folder


async def test_a_copied_folder_sends_nothing_and_the_original_goes_on(
    original: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "salinan"
    shutil.copytree(original, copy)
    async with open_at(copy) as app:
        assert await send_due(app) == 0
        assert app.database.read_now(custody.held) is not None
    async with open_at(original) as app:
        assert app.database.read_now(custody.held) is None
        assert await send_due(app) == 40


async def test_a_copy_of_what_never_published_anything_is_an_installation_of_its_own(
    tmp_path: Path,
) -> None:
    blank, copy = tmp_path / "siapan", tmp_path / "salinan"
    blank.mkdir()
    migrate(f"sqlite:///{blank / 'siaran.db'}")
    async with open_at(blank) as app:
        await custody.keep_mark(app.database, app.settings)
        await subscribe(app, "email", PEOPLE)
    shutil.copytree(blank, copy)
    async with open_at(copy) as app:
        await publish(app, notice(channels=["email"]))
        fill(app)
        assert await send_due(app) == 40
    second_copy = tmp_path / "lagi"
    shutil.copytree(copy, second_copy)
    async with open_at(second_copy) as app:
        assert app.database.read_now(custody.held) is not None, (
            "after publishing it has a home of its own"
        )


async def test_a_backup_from_before_the_first_publication_is_an_older_state_too(
    tmp_path: Path,
) -> None:
    folder, backup = tmp_path / "balai", tmp_path / "cadangan.db"
    folder.mkdir()
    migrate(f"sqlite:///{folder / 'siaran.db'}")
    async with open_at(folder) as app:
        await custody.keep_mark(app.database, app.settings)
        await subscribe(app, "email", PEOPLE)
    shutil.copy(folder / "siaran.db", backup)
    async with open_at(folder) as app:
        await custody.keep_mark(app.database, app.settings)
        await publish(app, notice(channels=["email"]))
        fill(app)
        assert await send_due(app) == 40
    for file in folder.glob("siaran.db*"):
        file.unlink()
    shutil.copy(backup, folder / "siaran.db")
    async with open_at(folder) as app:
        assert app.database.read_now(custody.held) is not None, (
            "it has forgotten who stopped since then"
        )
        await publish(app, notice(channels=["email"]))
        fill(app)
        assert await send_due(app) == 0


async def test_starting_again_is_no_copy(original: Path) -> None:
    for _start in range(3):
        async with open_at(original) as app:
            await custody.keep_mark(app.database, app.settings)
            assert app.database.read_now(custody.held) is None
    async with open_at(original) as app:
        assert await send_due(app) == 40


async def test_a_folder_that_was_renamed_is_the_same_one(original: Path, tmp_path: Path) -> None:
    moved = original.rename(tmp_path / "lain")
    async with open_at(moved) as app:
        assert app.database.read_now(custody.held) is None


async def test_a_backup_copied_over_the_database_is_older_than_what_ran_here(
    original: Path, tmp_path: Path
) -> None:
    backup = shutil.copy(original / "siaran.db", tmp_path / "cadangan.db")
    async with open_at(original) as app:
        await custody.keep_mark(app.database, app.settings)
        assert await send_due(app) == 40
    for extra in ("siaran.db-wal", "siaran.db-shm"):
        (original / extra).unlink(missing_ok=True)
    (original / "siaran.db").write_bytes(Path(backup).read_bytes())  # into the same file
    async with open_at(original) as app:
        held = app.database.read_now(custody.held)
        assert held is not None
        assert held.because == "older"
        assert await send_due(app) == 0, "they arrived already"


async def test_a_database_that_is_replaced_under_the_running_program_is_noticed(
    original: Path,
) -> None:
    async with open_at(original) as app:
        custody.write_mark(original, identity_of(app), 99)  # as a later state had reached
        await custody.keep_mark(app.database, app.settings)
        assert await send_due(app) == 0


def identity_of(app: App) -> str:
    """Return the identity of the app's database."""
    row = app.database.read_now(read)
    assert row is not None
    return str(json.loads(row.home)["identity"])


async def test_the_mark_of_another_database_means_nothing(original: Path) -> None:
    custody.write_mark(original, "another", 99)
    async with open_at(original) as app:
        assert app.database.read_now(custody.held) is None


async def test_a_copy_notifies_no_staff_and_publishes_no_schedule(
    original: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "salinan"
    async with open_at(original) as app:
        soon = (datetime.now(WIB) + timedelta(minutes=2)).isoformat()
        scheduled = await publish(app, notice(channels=["email"], title="Nanti", publish_at=soon))
    shutil.copytree(original, copy)
    async with open_at(copy) as app:
        update = app.database.write_now(
            lambda c: c.execute(
                text("UPDATE announcement SET publish_at = 1 WHERE state = 'scheduled'")
            )
        )
        assert update.rowcount == 1
        worker = LaneWorker(app, "routine")
        worker._sweeps = True
        await worker._run_due_work()
        state = app.database.read_now(
            lambda c: c.execute(
                text("SELECT state FROM announcement WHERE id = :id"), {"id": scheduled.id}
            ).scalar_one()
        )
        assert state == "scheduled"
        outcome = await contact.send(app, "email", "rina@contoh.example", note())
        assert outcome == Halted(code="not at home")


def note() -> Note:
    """Return a note to staff."""
    return Note(key="uji", subject="Uji", text="Uji.")


async def test_a_copied_demo_is_not_held(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "salinan"
    shutil.copytree(original, copy)
    demo = config.read(
        settings_of(
            copy, BROADCASTER_SIMULATED="true", BROADCASTER_SIMULATION_URL="http://127.0.0.1:9"
        )
    ).settings
    database = Database(demo.database)
    try:
        assert await custody.check(database, demo) is None
    finally:
        database.close()


# --- the commands -----------------------------------------------------------------------------------------


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Program:
    """The command line of a copy."""
    copy = tmp_path / "salinan"
    shutil.copytree(original, copy)
    return Program(copy, settings_of(copy))


def test_doctor_publish_and_adopt_say_what_waits_and_since_when(copied: Program) -> None:
    output = copied("doctor").out
    assert (
        "Basis data ini disalin, dipindahkan atau dipulihkan ke tempat lain: tidak ada pesan yang dikirim sejak "
        in output
    )
    assert "40 pesan dari 1 pengumuman menunggu, yang paling lama sejak " in output
    assert "broadcaster adopt" in output
    text = "---\ntitle: Air PDAM mati di Cibabat\nareas: [cibabat]\n---\nTampung air sekarang.\n"
    published = copied("publish", "-", "--json", text=text)
    assert (published.code, json.loads(published.out)["status"]) == (0, "published")
    assert "Email ditahan: basis data ini disalin, dipindahkan atau dipulihkan." in published.err
    refused = copied("adopt")
    assert refused.code == 1
    assert "--waiting stop (hentikan) atau --waiting send (kirim)" in refused.err


@pytest.mark.parametrize(("choice", "sent"), [("send", 40), ("stop", 0)])
async def test_an_adopted_copy_sends_what_waits_or_stops_it(
    original: Path, tmp_path: Path, choice: str, sent: int
) -> None:
    copy = tmp_path / "salinan"
    shutil.copytree(original, copy)
    async with open_at(copy) as app:
        adoption = app.database.write_now(
            custody.adopt,
            app.settings,
            actor=NamedActor(name="cli", now=datetime.now(UTC)),
            stop=choice == "stop",
        )
        custody.write_mark(copy, adoption.identity, adoption.mark)
        assert (adoption.because, adoption.waiting.messages) == ("moved", 40)
        assert await send_due(app) == sent
    async with open_at(copy) as app:
        assert app.database.read_now(custody.held) is None, "for good"


def test_adopting_what_is_at_home_says_so(original: Path) -> None:
    result = Program(original, settings_of(original))("adopt", "--waiting", "send")
    assert (result.code, "sudah di tempatnya" in result.err) == (1, True)


async def test_the_first_page_shows_the_hold_to_everybody_and_no_nudge_leaves(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with post_office(sqlite_url, tmp_path) as office:
        rina, _dewi = await office.hire("rina", "author"), await office.hire("dewi", "approver")
        row = await office.act(rina, drafts.save, dict(NOTICE))
        await office.act(rina, review.submit, row.id)
        office.site.app.database.write_now(hold, "moved", 1_795_567_560.0)
        page = (await rina.get("/redaksi/")).text
        assert "Tidak ada pesan yang dikirim." in page
        assert "sejak Rabu 25 November 2026 07.46 WIB" in page
        assert "broadcaster adopt" in page
        composer = (await rina.get(f"/redaksi/pengumuman/{row.id}/tulis")).text
        assert "Email ditahan: basis data ini disalin, dipindahkan atau dipulihkan." in composer
        assert await office.work() == 0
        assert office.letters("dewi") == []


# --- PostgreSQL -------------------------------------------------------------------------------------------


async def test_a_restored_dump_has_other_numbers(postgresql_url: str, tmp_path: Path) -> None:
    environ = variables(postgresql_url, tmp_path, **EMAIL)
    async with program(environ) as app:
        assert app.database.read_now(custody.held) is None
        await subscribe(app, "email", PEOPLE)
        await publish(app, notice(channels=["email"]))
        fill(app)
        # As pg_restore --clean does: the same rows in a new table.
        for statement in (
            "CREATE TABLE kept AS SELECT * FROM custody",
            "DROP TABLE custody",
            "CREATE TABLE custody (LIKE kept)",
            "INSERT INTO custody SELECT * FROM kept",
        ):
            app.database.write_now(lambda c, statement=statement: c.execute(text(statement)))
    async with program(environ) as app:
        held = app.database.read_now(custody.held)
        assert held is not None
        assert full_moment_text(held.since) in held.sentence
        assert await send_due(app) == 0


async def test_a_restart_on_postgresql_is_no_copy(postgresql_url: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):  # two machines, each with a folder of its own
        async with program(variables(postgresql_url, tmp_path / folder, **EMAIL)) as app:
            await custody.keep_mark(app.database, app.settings)
            assert app.database.read_now(custody.held) is None
