"""`doctor` against real counterparts: what is well, what is not, and how to mend it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
from aiohttp import web

from broadcaster.commands.doctor import findings
from broadcaster.domain.accounts import Account
from broadcaster.runtime import config
from broadcaster.runtime.file_limits import file_limit
from broadcaster.simulation.serving import running
from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.store import accounts, channels, inbox, tier
from broadcaster.store.inbox import InboxEvent
from broadcaster.store.migrate import migrate, pending
from broadcaster.store.tables import delivery, receipt, run
from channels.base.contract import Finding
from support.command_data import EMAIL, database_in, migrated, write_to


async def findings_of(data_dir: Path, **environ: str) -> list[Finding]:
    """Return doctor's findings under these settings; those in order carry no advice."""
    loaded = config.read(
        {
            "BROADCASTER_DATA_DIR": str(data_dir),
            "BROADCASTER_BASE_URL": "http://127.0.0.1:9",
            **environ,
        }
    )
    results = [finding async for finding in findings(loaded)]
    assert not [finding for finding in results if finding.ok and finding.mend]
    return results


def finding_about(results: list[Finding], word: str) -> Finding:
    """Return the first finding that contains this word."""
    return next(finding for finding in results if word in finding.what)


@asynccontextmanager
async def web_server(*, status: int = 200, ahead: float = 0.0) -> AsyncIterator[str]:
    """Serve /healthz as another machine would, its clock `ahead` seconds fast; yield its URL."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(
            status=status, headers={"Date": formatdate(time() + ahead, usegmt=True)}
        )

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    async with running(app) as url:
        yield url


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with a migrated database."""
    return migrated(tmp_path, {}).folder


@pytest.mark.skipif(file_limit()[1] < 8192, reason="this machine itself grants too few open files")
async def test_open_files_are_too_few_where_the_system_grants_too_few(data_dir: Path) -> None:
    command = "import asyncio, json, sys, test_doctor; from pathlib import Path; test_doctor.print_files(Path(sys.argv[1]))"
    results = []
    for limit in (1024, 8192):
        command_line = f"ulimit -n {limit} && exec {sys.executable} -c '{command}' {data_dir}"
        paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        process = await asyncio.create_subprocess_shell(
            command_line, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
        )
        results.append(json.loads((await process.communicate())[0]))
    assert results[0][0] is False
    assert "1024" in results[0][1]
    assert "LimitNOFILE" in results[0][2]
    assert results[1][0] is True


def print_files(data_dir: Path) -> None:
    """Print the finding about open files of this process."""
    finding = finding_about(asyncio.run(findings_of(data_dir)), "Berkas terbuka")
    sys.stdout.write(json.dumps([finding.ok, finding.what, finding.mend]))


def in_store(data_dir: Path, act: Callable[..., Any], *arguments: Any) -> None:
    """Run one writing function of the store."""
    write_to(database_in(data_dir), act, *arguments)


def add_account(data_dir: Path, account: Account) -> None:
    """Store an account without a password."""
    in_store(data_dir, lambda c: accounts.add(c, account, password="", at=1.0))


async def test_each_thing_that_is_wrong_says_what_mends_it(data_dir: Path) -> None:
    results = await findings_of(data_dir, **EMAIL)
    assert results[0].ok
    assert all(finding.mend for finding in results if finding.ok is False)
    assert all(not finding.mend for finding in results if finding.ok)


async def test_the_database_is_looked_at_first_and_nothing_else_where_it_fails(
    tmp_path: Path,
) -> None:
    results = await findings_of(
        tmp_path, BROADCASTER_DATABASE_URL="postgresql://siaran:rahasia@127.0.0.1:1/siaran"
    )
    assert [finding.ok for finding in results] == [True, False]
    assert results[1].what.startswith("Basis data tidak menjawab: ")
    assert "BROADCASTER_DATABASE_URL" in results[1].mend
    assert "rahasia" not in results[1].what
    assert "\n" not in results[1].what


async def test_a_database_without_tables_is_reported_with_the_command_that_makes_them(
    tmp_path: Path,
) -> None:
    results = await findings_of(tmp_path)
    assert [finding.ok for finding in results] == [True, True, False]
    missing = len(pending(f"sqlite:///{tmp_path / 'siaran.db'}"))
    assert results[2] == Finding(
        ok=False, what=f"{missing} migrasi belum dijalankan", mend="Jalankan: broadcaster migrate"
    )


async def test_both_databases_are_named(data_dir: Path, empty_postgresql_url: str) -> None:
    assert finding_about(await findings_of(data_dir), "menjawab").what == "SQLite menjawab"
    migrate(empty_postgresql_url)
    results = await findings_of(data_dir, BROADCASTER_DATABASE_URL=empty_postgresql_url)
    assert finding_about(results, "PostgreSQL").ok
    assert finding_about(results, "Semua migrasi").ok


async def test_where_pictures_lie_is_tried_out_and_left_clean(data_dir: Path) -> None:
    assert finding_about(await findings_of(data_dir), "Gambar").ok
    assert [path for path in (data_dir / "media").rglob("*") if path.is_file()] == []
    unreachable = finding_about(
        await findings_of(
            data_dir, BROADCASTER_MEDIA_URL="s3://kunci:rahasia@127.0.0.1:9/gambar?tls=false"
        ),
        "Gambar",
    )
    assert unreachable.ok is False
    assert "BROADCASTER_MEDIA_URL" in unreachable.mend
    assert "rahasia" not in unreachable.what + unreachable.mend


async def test_the_embedded_valkey_may_rest_but_a_redis_that_was_named_must_answer(
    data_dir: Path, valkey_url: str
) -> None:
    assert finding_about(await findings_of(data_dir), "Valkey bawaan").ok is None
    assert finding_about(await findings_of(data_dir, BROADCASTER_REDIS_URL=valkey_url), "Redis").ok
    unreachable = finding_about(
        await findings_of(data_dir, BROADCASTER_REDIS_URL="redis://127.0.0.1:1/0"), "Redis"
    )
    assert unreachable.ok is False
    assert "BROADCASTER_REDIS_URL" in unreachable.mend


async def test_a_public_address_without_https_is_wrong(data_dir: Path) -> None:
    results = await findings_of(data_dir, BROADCASTER_BASE_URL="http://info.cimahi.invalid")
    assert finding_about(results, "tidak memakai https").ok is False
    assert not any("https" in finding.what for finding in await findings_of(data_dir))


async def test_the_web_server_is_asked_by_the_address_residents_use(data_dir: Path) -> None:
    async with web_server() as url:
        results = await findings_of(data_dir, BROADCASTER_BASE_URL=url)
        assert finding_about(results, f"{url} menjawab 200").ok
        assert finding_about(results, "Jam mesin ini cocok").ok
    async with web_server(status=502) as url:
        assert (
            finding_about(await findings_of(data_dir, BROADCASTER_BASE_URL=url), "menjawab 502").ok
            is False
        )
    unreachable = finding_about(await findings_of(data_dir), "tidak dapat dibuka")
    assert (unreachable.ok, "BROADCASTER_BASE_URL" in unreachable.mend) == (False, True)


@pytest.mark.parametrize("ahead", [60.0, -60.0])
async def test_a_clock_that_is_off_is_reported(data_dir: Path, ahead: float) -> None:
    async with web_server(ahead=ahead) as url:
        clock = finding_about(
            await findings_of(data_dir, BROADCASTER_BASE_URL=url), "Jam mesin ini"
        )
    assert clock.ok is False
    assert "NTP" in clock.mend


async def test_channels_that_are_not_set_up_say_what_would_open_them(data_dir: Path) -> None:
    results = await findings_of(data_dir)
    for label, variable in (
        ("Telegram", "TELEGRAM_TOKEN"),
        ("WhatsApp", "WHATSAPP_TOKEN"),
        ("Email", "EMAIL_URL"),
    ):
        finding = finding_about(results, f"{label} belum disetel")
        assert finding.ok is None
        assert variable in finding.mend


async def test_a_channel_is_asked_whether_its_provider_takes_us(data_dir: Path) -> None:
    async with SmtpStandIn().running() as url:
        assert finding_about(
            await findings_of(data_dir, **{**EMAIL, "EMAIL_URL": url}), "menerima kita"
        ).ok
    unreachable = finding_about(await findings_of(data_dir, **EMAIL), "Server email")
    assert unreachable.ok is False
    assert unreachable.mend


async def test_a_halted_channel_is_reported_with_its_reason(data_dir: Path) -> None:
    in_store(data_dir, channels.halt_channel, "email", "535 bad password", "manual")
    finding = finding_about(await findings_of(data_dir, **EMAIL), "berhenti")
    assert finding == Finding(
        ok=False,
        what="Email berhenti: 535 bad password",
        mend="Perbaiki sebabnya, lalu: broadcaster channel resume email",
    )


async def test_a_provider_that_talks_nonsense_is_a_finding_and_not_the_end(data_dir: Path) -> None:
    async def nonsense(_request: web.Request) -> web.Response:
        return web.Response(text="<html>proxy login</html>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", nonsense)
    async with running(app) as url:
        results = await findings_of(
            data_dir,
            TELEGRAM_TOKEN="1:x",
            TELEGRAM_API_URL=url,
            WHATSAPP_TOKEN="x",
            WHATSAPP_PHONE_ID="1",
            WHATSAPP_ACCOUNT_ID="2",
            WHATSAPP_APP_SECRET="s",
            WHATSAPP_VERIFY_TOKEN="v",
            WHATSAPP_TEMPLATE="t",
            WHATSAPP_API_URL=f"{url}/v1",
        )
    wrong = [finding.what for finding in results if finding.ok is False]
    assert any("Telegram" in what for what in wrong)
    assert any("WhatsApp" in what for what in wrong)
    assert finding_about(results, "Email belum disetel").ok is None, "the others are examined too"


async def test_the_used_part_of_the_providers_day_is_reported(data_dir: Path) -> None:
    environ = {
        "WHATSAPP_TOKEN": "t",
        "WHATSAPP_PHONE_ID": "1",
        "WHATSAPP_APP_SECRET": "s",
        "WHATSAPP_VERIFY_TOKEN": "v",
        "WHATSAPP_API_URL": "http://127.0.0.1:9",
        "WHATSAPP_TIER": "10",
        "BROADCASTER_DOMAIN": "cimahi.example",
    }

    def reach(count: int) -> None:
        in_store(data_dir, lambda c: tier.admit(c, "whatsapp", 10, range(count), emergency=False))

    reach(3)
    finding = finding_about(await findings_of(data_dir, **environ), "orang dalam 24 jam")
    assert (finding.ok, finding.what) == (
        True,
        "WhatsApp: 3 dari 10 orang dalam 24 jam terakhir terpakai; tersisa 5, di luar darurat",
    )
    reach(9)
    finding = finding_about(await findings_of(data_dir, **environ), "orang dalam 24 jam")
    assert finding.ok is False
    assert "WHATSAPP_TIER" in finding.mend


async def test_the_citys_sign_on_is_asked_whether_it_can_be_trusted(data_dir: Path) -> None:
    from support.oidc_provider import CLIENT, SECRET, running_provider

    assert finding_about(await findings_of(data_dir), "akun Pemkot belum disetel").ok is None
    keys = {"OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}
    unreachable = finding_about(
        await findings_of(data_dir, OIDC_ISSUER="http://127.0.0.1:1", **keys), "Akun Pemkot"
    )
    assert (unreachable.ok, "OIDC_ISSUER" in unreachable.mend) == (False, True)
    with running_provider() as provider:
        trusted = finding_about(
            await findings_of(data_dir, OIDC_ISSUER=provider.url, **keys), "Akun Pemkot"
        )
        assert trusted.ok
        assert trusted.what.endswith("http://127.0.0.1:9/redaksi/masuk/sso/kembali")
        provider.set(misdeed="discovery_issuer")
        mismatch = finding_about(
            await findings_of(data_dir, OIDC_ISSUER=provider.url, **keys), "Akun Pemkot"
        )
        assert (mismatch.ok, "another issuer" in mismatch.what, "penerbit" in mismatch.mend) == (
            False,
            True,
            True,
        )


@pytest.mark.parametrize(
    ("priority", "what"), [(inbox.STOPS, "Permintaan berhenti"), (inbox.WORDS, "Balasan warga")]
)
async def test_an_event_of_a_resident_that_nobody_applies_is_reported(
    data_dir: Path, priority: int, what: str
) -> None:
    assert finding_about(await findings_of(data_dir), "tepat waktu").ok
    event = InboxEvent(dedupe=b"m", body=b"", priority=priority)
    in_store(data_dir, inbox.keep, "email", [event], time() - 3600)
    late = finding_about(await findings_of(data_dir), f"{what} menunggu")
    assert late.ok is False
    assert "36" in late.what
    assert "worker" in late.mend


async def test_a_sign_on_that_makes_nobody_an_administrator_and_names_that_look_alike_are_pointed_out(
    data_dir: Path,
) -> None:
    keys = {"OIDC_ISSUER": "http://127.0.0.1:1", "OIDC_CLIENT_ID": "x", "OIDC_CLIENT_SECRET": "y"}
    unmapped = finding_about(await findings_of(data_dir, **keys), "siapa pun pengelola")
    assert (unmapped.ok, "OIDC_ROLES" in unmapped.mend) == (None, True)
    mapped = await findings_of(data_dir, **keys, OIDC_ROLES="kelola=pengelola")
    assert not any("siapa pun" in finding.what for finding in mapped)
    add_account(data_dir, Account(id=0, name="rіna", full_name="Rina", roles=("author",)))
    alike = finding_about(await findings_of(data_dir), "menyerupai")
    assert (alike.ok, "rіna" in alike.what, "user disable" in alike.mend) == (None, True, True)


async def test_a_newsroom_without_administrators_is_reported_with_the_first_command(
    data_dir: Path,
) -> None:
    missing = finding_about(await findings_of(data_dir), "pengelola")
    assert missing.ok is None
    assert "broadcaster user add" in missing.mend
    add_account(data_dir, Account(id=0, name="ani", full_name="Ani", roles=("admin",)))
    assert finding_about(await findings_of(data_dir), "pengelola") == Finding(
        ok=True, what="Redaksi: 1 pengelola"
    )


# --- the secret key -------------------------------------------------------------------------------------


async def test_a_key_that_fits_is_reported_with_its_place(data_dir: Path) -> None:
    finding = finding_about(await findings_of(data_dir), "Kunci rahasia")
    assert finding.ok
    assert str(data_dir / "secret.key") in finding.what


async def test_a_lost_key_is_reported_and_none_is_made(data_dir: Path) -> None:
    (data_dir / "secret.key").unlink()
    results = await findings_of(data_dir, **EMAIL)
    finding = finding_about(results, "Kunci rahasia")
    assert finding.ok is False
    assert "cadangan" in finding.mend
    assert not (data_dir / "secret.key").exists()
    assert finding_about(results, "pengelola"), "what needs no key is reported all the same"


async def test_another_key_and_an_invalid_one_are_reported(data_dir: Path) -> None:
    other = finding_about(
        await findings_of(data_dir, BROADCASTER_SECRET_KEY="0f" * 32), "Kunci rahasia"
    )
    assert (other.ok, "bukan kunci basis data ini" in other.what) == (False, True)
    spoilt = finding_about(
        await findings_of(data_dir, BROADCASTER_SECRET_KEY="x"), "BROADCASTER_SECRET_KEY"
    )
    assert (spoilt.ok, "cadangan" in spoilt.mend) == (False, True)


async def test_what_our_key_does_not_open_is_counted(data_dir: Path) -> None:
    event = {
        "channel": "email",
        "dedupe": b"x",
        "body": b"spoilt",
        "received_at": 0.0,
        "due_at": 0.0,
        "priority": inbox.UNREADABLE,
    }
    in_store(data_dir, lambda c: c.execute(receipt.insert().values(event)))
    run_key = {"edition": 1, "channel": "email"}
    in_store(
        data_dir,
        lambda c: c.execute(
            run.insert().values(**run_key, lane="routine", state="running", published_at=0.0)
        ),
    )
    rows = [
        {**run_key, "slot": slot, "address": slot, "area": "32.77", "reason": "unreadable"}
        for slot in (1, 2)
    ]
    in_store(data_dir, lambda c: c.execute(delivery.insert(), rows))
    results = await findings_of(data_dir, **EMAIL)
    assert [finding.what for finding in results if "karena tidak" in finding.what] == [
        "Email: 2 pesan menunggu karena tidak dapat dibuka",
        "Email: 1 kabar penyedia disimpan karena tidak dapat dibuka",
    ]
