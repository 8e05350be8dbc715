"""`broadcaster doctor`: checks of settings, database and services, each with its remedy."""

import email.utils
import secrets
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
from sqlalchemy import text

from broadcaster.app import open_depot
from broadcaster.commands import doctor_channels
from broadcaster.commands.doctor_channels import SECONDS
from broadcaster.domain.accounts import read_role_mapping
from broadcaster.runtime import (
    config,
    custody,
    file_limits,
    inbox_alarm,
    proxies,
    secret_key,
    storage_faults,
)
from broadcaster.runtime.queue import Queue
from broadcaster.runtime.settings import Settings
from broadcaster.runtime.valkey import running_valkey
from broadcaster.staff.oidc import SignOnError, Unavailable
from broadcaster.staff.oidc_client import SignOn
from broadcaster.store import accounts
from broadcaster.store.database import Database, now
from broadcaster.store.migrate import pending
from broadcaster.store.s3 import StoreDown
from channels.base.contract import Finding

SKEW_SECONDS = 5.0
"""Tolerated difference between our clock and the web server's."""


async def findings(loaded: config.Loaded) -> AsyncIterator[Finding]:
    """Yield the findings of all checks, cheapest first."""
    yield Finding(
        ok=True, what=f"Setelan terbaca; folder data {loaded.settings.data_dir.resolve()}"
    )
    for sentence in loaded.unknown:
        yield Finding(ok=None, what=sentence)
    async for finding in _database(loaded.settings):
        yield finding
        if finding.ok is False:
            return
    yield _files()
    key = await _key(loaded.settings)
    yield key
    yield await _custody(loaded.settings)
    yield await _staff(loaded.settings)
    yield await _inbox(loaded.settings)
    yield await _redis(loaded.settings)
    yield await _pictures(loaded.settings)
    async for finding in _base_url(loaded.settings):
        yield finding
    async for finding in proxies.findings(loaded.settings):
        yield finding
    yield await _sign_on(loaded.settings)
    for finding in await _sign_in(loaded.settings):
        yield finding
    if key.ok is False:
        return  # the app cannot be opened with a wrong key
    async for finding in doctor_channels.findings(loaded):
        yield finding


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        database = Database(settings.database)
        try:
            await database.read(lambda connection: connection.execute(text("SELECT 1")))
            kind = "SQLite" if database.sqlite else "PostgreSQL"
            yield Finding(ok=True, what=f"{kind} menjawab")
        finally:
            database.close()
        missing = pending(settings.database)
    except Exception as error:  # noqa: BLE001  any failure of the database is a finding
        what, mend = storage_faults.explain_fault(getattr(error, "orig", error)) or (
            f"Basis data tidak menjawab: {_first_line(error)}",
            "Periksa BROADCASTER_DATABASE_URL dan apakah servernya hidup.",
        )
        yield Finding(ok=False, what=what, mend=mend)
        return
    if missing:
        yield Finding(
            ok=False,
            what=f"{len(missing)} migrasi belum dijalankan",
            mend="Jalankan: broadcaster migrate",
        )
    else:
        yield Finding(ok=True, what="Semua migrasi sudah dijalankan")


def _files() -> Finding:
    """Check the limit of open files: the web server needs one per connection."""
    most = file_limits.file_limit()[1]
    if most >= file_limits.WANTED:
        return Finding(ok=True, what=f"Berkas terbuka: sampai {most} untuk setiap proses")
    return Finding(
        ok=False,
        what=(
            f"Berkas terbuka: hanya {most} untuk setiap proses; "
            "server web akan menerima lebih sedikit sambungan"
        ),
        mend=(
            f"Naikkan batasnya menjadi paling sedikit {file_limits.WANTED}: "
            "LimitNOFILE= di systemd, atau ulimit -Hn di shell."
        ),
    )


async def _key(settings: Settings) -> Finding:
    """Check that the secret key is the one the database is bound to; no key is created."""
    database = Database(settings.database)
    try:
        if await database.read(secret_key.bound, settings) is None:
            await database.read(secret_key.verified, settings)
            return Finding(
                ok=None,
                what="Basis data belum terikat pada kunci rahasia",
                mend="Jalankan: broadcaster migrate",
            )
    except config.BadSettings as error:
        what, _, mend = str(error).partition(". ")
        return Finding(ok=False, what=what, mend=mend)
    finally:
        database.close()
    return Finding(
        ok=True,
        what=(
            f"Kunci rahasia dari {secret_key.place(settings)} cocok dengan basis data; "
            "simpan cadangannya"
        ),
    )


async def _custody(settings: Settings) -> Finding:
    """Check that this database may send, i.e. is neither a copy nor an older state."""
    database = Database(settings.database)
    try:
        held = None if settings.simulated else (await database.read(custody.assess, settings)).held
        waits = await database.read(custody.describe_waiting) if held is not None else ""
    finally:
        database.close()
    if held is None:
        return Finding(ok=True, what="Basis data ini di tempatnya: pesan boleh dikirim dari sini")
    return Finding(ok=False, what=f"{held.sentence} {waits}", mend=custody.REMEDY)


async def _staff(settings: Settings) -> Finding:
    """Check that the newsroom has an administrator."""
    database = Database(settings.database)
    try:
        admins = await database.read(accounts.with_role, "admin")
    finally:
        database.close()
    if admins or settings.oidc_issuer:
        return Finding(ok=True, what=f"Redaksi: {len(admins)} pengelola")
    mend = (
        "Tambahkan yang pertama: "
        "broadcaster user add NAMA --full-name 'Nama Lengkap' --role pengelola"
    )
    return Finding(ok=None, what="Redaksi belum punya pengelola", mend=mend)


async def _inbox(settings: Settings) -> Finding:
    """Check that residents' messages and providers' reports are applied in time."""
    database = Database(settings.database)
    try:
        waiting = await database.read(
            lambda connection: inbox_alarm.find_overdue(connection, now(connection))
        )
    finally:
        database.close()
    if not waiting:
        return Finding(ok=True, what="Balasan warga dan laporan penyedia diterapkan tepat waktu")
    kinds = {
        "stops": "Permintaan berhenti",
        "words": "Balasan warga",
        "statuses": "Laporan penyedia",
        "postponed": "Yang ditunda",
    }
    what = ", ".join(f"{kinds[each.kind]} menunggu {each.seconds:.0f} detik" for each in waiting)
    mend = (
        "Pastikan `broadcaster run` atau `worker` berjalan; "
        "sebab lain ada di log: receipts_wait, receipt_postponed."
    )
    return Finding(ok=False, what=f"{what}: berhenti belum tentu berlaku", mend=mend)


async def _redis(settings: Settings) -> Finding:
    url = settings.redis_url or running_valkey(settings.data_dir)
    if not url:
        return Finding(
            ok=None,
            what="Valkey bawaan tidak sedang berjalan",
            mend=(
                "`broadcaster run` dan `demo` menyalakannya sendiri; "
                "atau isi BROADCASTER_REDIS_URL."
            ),
        )
    queue = Queue(url)
    try:
        if await queue.ping():
            return Finding(ok=True, what="Redis/Valkey menjawab")
        return Finding(
            ok=False,
            what="Redis/Valkey tidak menjawab",
            mend="Periksa BROADCASTER_REDIS_URL. Pengiriman tetap jalan, tetapi lebih lambat.",
        )
    finally:
        await queue.aclose()


async def _pictures(settings: Settings) -> Finding:
    """Check the picture store by writing, reading and deleting a file."""
    depot, name = open_depot(settings), f"doctor/{secrets.token_hex(8)}.txt"
    try:
        await depot.put(name, b"doctor")
        intact = await depot.get(name) == b"doctor"
        await depot.delete(name)
    except StoreDown as down:
        mend = (
            "Periksa BROADCASTER_MEDIA_URL, izin kuncinya, dan jam mesin ini; "
            "atau ruang dan izin folder data."
        )
        return Finding(ok=False, what=f"Gambar tidak dapat disimpan ({down})", mend=mend)
    finally:
        await depot.aclose()
    return Finding(
        ok=intact,
        what="Gambar dapat disimpan dan dibaca lagi"
        if intact
        else "Penyimpanan gambar mengembalikan isi lain",
    )


async def _base_url(settings: Settings) -> AsyncIterator[Finding]:
    url = urlsplit(settings.base_url)
    if url.scheme != "https" and url.hostname not in ("127.0.0.1", "localhost"):
        yield Finding(
            ok=False,
            what=f"{settings.base_url} tidak memakai https",
            mend=(
                "Isi BROADCASTER_BASE_URL dengan alamat https; "
                "berhenti satu klik pada email mewajibkannya."
            ),
        )
    before = time.time()
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.get(f"{settings.base_url}/healthz") as answer,
        ):
            server_time = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
            yield Finding(
                ok=answer.status == 200,
                what=f"{settings.base_url} menjawab {answer.status}",
                mend="" if answer.status == 200 else "Periksa proksi dan `broadcaster web`.",
            )
            off = abs(server_time - (before + time.time()) / 2) > SKEW_SECONDS
            yield Finding(
                ok=not off,
                what="Jam mesin ini cocok dengan server web"
                if not off
                else "Jam mesin ini berbeda dari server web",
                mend="Nyalakan sinkronisasi waktu (NTP)." if off else "",
            )
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
        yield Finding(
            ok=False,
            what=f"{settings.base_url} tidak dapat dibuka ({type(error).__name__})",
            mend=(
                "Jalankan `broadcaster run` atau `web`, "
                "dan periksa BROADCASTER_BASE_URL serta proksinya."
            ),
        )


async def _sign_on(settings: Settings) -> Finding:
    """Check that the city's identity provider serves a valid discovery document and keys."""
    sign_on = SignOn(settings, lambda: datetime.now(UTC))
    if not sign_on.configured:
        names = "OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET"
        return Finding(
            ok=None,
            what="Masuk dengan akun Pemkot belum disetel",
            mend=f"Untuk membukanya isi {names}.",
        )
    try:
        await sign_on.keys()
    except Unavailable as error:
        mend = "Periksa OIDC_ISSUER, jaringan, dan layanannya. Akun lokal tetap dapat masuk."
        return Finding(
            ok=False,
            what=f"Akun Pemkot: {settings.oidc_issuer} tidak menjawab ({error.reason})",
            mend=mend,
        )
    except SignOnError as error:
        mend = (
            "Periksa OIDC_ISSUER dan setelan layanannya: "
            "penerbit, alamat https, PKCE S256, dan tanda tangan asimetris."
        )
        return Finding(
            ok=False, what=f"Akun Pemkot tidak dapat dipakai ({error.reason})", mend=mend
        )
    return Finding(
        ok=True,
        what=f"Akun Pemkot menjawab; alamat kembali yang harus terdaftar di sana: {sign_on.back}",
    )


async def _sign_in(settings: Settings) -> list[Finding]:
    """Return account names that look like others, and a role mapping without an administrator."""
    database, problems = Database(settings.database), []
    try:
        names = [
            account.name
            for account in await database.read(accounts.everyone)
            if not account.name.isascii()
        ]
    finally:
        database.close()
    if names:
        mend = (
            "Buatkan akun baru dengan huruf a-z, lalu nonaktifkan yang lama: "
            "broadcaster user add dan user disable."
        )
        problems.append(
            Finding(
                ok=None,
                what=f"Nama pengguna berhuruf yang bisa menyerupai lain: {', '.join(names)}",
                mend=mend,
            )
        )
    if settings.oidc_issuer and "admin" not in read_role_mapping(settings.oidc_roles).values():
        mend = (
            "Petakan satu nilai, misalnya OIDC_ROLES='siaran-kelola=pengelola', "
            "atau kelola lewat akun lokal."
        )
        problems.append(
            Finding(ok=None, what="Masuk tunggal tidak menjadikan siapa pun pengelola", mend=mend)
        )
    return problems


def _first_line(error: Exception) -> str:
    """Return the database's message without the driver's name and links to its manual."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
