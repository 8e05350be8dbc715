"""`broadcaster user`: manage staff accounts, e.g. the first pengelola or a lockout.

A password is never an argument.
"""

import asyncio
import getpass
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json, print_result
from broadcaster.commands.session import opened, operator_actor
from broadcaster.domain import credentials
from broadcaster.domain.accounts import (
    Account,
    BadAccount,
    read_known_name,
    read_name,
    role_words,
)
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.staff import administration
from broadcaster.store import accounts

program = typer.Typer(
    help="Akun staf: tambah, daftar, nonaktifkan, aktifkan, ganti kata sandi.", no_args_is_help=True
)

NAME = Annotated[str, typer.Argument(help="Nama pengguna.")]
ASK = Annotated[
    bool,
    typer.Option(
        "--ask",
        help="Ketik kata sandinya sendiri (atau kirim lewat masukan baku); tanpa ini dibuatkan.",
    ),
]


@program.command()
def add(
    name: NAME,
    full_name: Annotated[str, typer.Option(help="Nama lengkap.")],
    role: Annotated[
        list[str],
        typer.Option(help="penyusun, penyetuju, operator-layar, pengelola; boleh berulang."),
    ],
    agency: Annotated[
        list[str] | None, typer.Option(help="Perangkat daerahnya; boleh berulang. Kosong: semua.")
    ] = None,
    area: Annotated[
        list[str] | None, typer.Option(help="Wilayahnya; boleh berulang. Kosong: seluruh kota.")
    ] = None,
    mail: Annotated[str, typer.Option(help="Alamat email untuk pemberitahuan.")] = "",
    ask: ASK = False,
    as_json: JSON = False,
) -> None:
    """Tambah akun. Kata sandi dicetak satu kali; pemiliknya wajib menggantinya saat pertama
    masuk.
    """

    async def run() -> None:
        async with _opened(create=True) as app:
            particulars = administration.read_particulars(
                app.tree,
                full_name=full_name,
                roles=role,
                agencies=agency or (),
                areas=area or (),
                mail=mail,
            )
            login = read_name(name)
            password = _password(login, ask)
            hashed = credentials.hash_password(password)
            added = await app.database.write(
                administration.add_account, operator_actor(app), login, particulars, hashed=hashed
            )
            _print_done(
                added.name, f"Akun {added.name} dibuat.", "" if ask else password, as_json=as_json
            )

    asyncio.run(run())


@program.command("list")
def list_(as_json: JSON = False) -> None:
    """Tampilkan semua akun."""

    async def run() -> None:
        async with _opened() as app:
            everyone = await app.database.read(accounts.everyone)
        if as_json:
            print_json([_as_json(account) for account in everyone])
            return
        for account in everyone:
            notes = [
                "nonaktif" if account.disabled_at is not None else "",
                "dua langkah" if account.secured else "",
                "harus ganti kata sandi" if account.must_change else "",
            ]
            remarks = ", ".join(note for note in notes if note)
            roles = " ".join(role_words(account.roles))
            sys.stdout.write(
                f"{account.name}  {account.full_name}  {roles}"
                f"{f'  ({remarks})' if remarks else ''}\n"
            )

    asyncio.run(run())


@program.command()
def disable(name: NAME, as_json: JSON = False) -> None:
    """Nonaktifkan akun; semua sesinya berakhir seketika."""

    async def run() -> None:
        async with _opened() as app:
            account = await _find(app, name)
            await app.database.write(administration.disable, operator_actor(app), account.id)
            result = {"name": account.name, "active": False}
            print_result(result, f"Akun {account.name} dinonaktifkan.\n", as_json=as_json)

    asyncio.run(run())


@program.command()
def enable(name: NAME, as_json: JSON = False) -> None:
    """Aktifkan lagi akun."""

    async def run() -> None:
        async with _opened() as app:
            account = await _find(app, name)
            await app.database.write(administration.enable, operator_actor(app), account.id)
            result = {"name": account.name, "active": True}
            print_result(result, f"Akun {account.name} aktif.\n", as_json=as_json)

    asyncio.run(run())


@program.command()
def password(name: NAME, ask: ASK = False, as_json: JSON = False) -> None:
    """Beri kata sandi baru, dicetak satu kali; pemiliknya wajib menggantinya. Semua sesinya
    berakhir.
    """

    async def run() -> None:
        async with _opened() as app:
            account = await _find(app, name)
            chosen = _password(account.name, ask)
            hashed = credentials.hash_password(chosen)
            await app.database.write(
                administration.reset_password, operator_actor(app), account.id, hashed=hashed
            )
            done = f"Kata sandi {account.name} diganti."
            _print_done(account.name, done, "" if ask else chosen, as_json=as_json)

    asyncio.run(run())


@asynccontextmanager
async def _opened(*, create: bool = False) -> AsyncIterator[App]:
    """Open the app; turns BadAccount into Failed."""
    async with opened(create=create) as app:
        try:
            yield app
        except BadAccount as error:
            raise Failed(indonesian(error)) from error


async def _find(app: App, name: str) -> Account:
    account = await app.database.read(accounts.find, read_known_name(name))
    if account is None:
        raise Failed(f"Akun {name!r} tidak ada. Lihat: broadcaster user list.")
    return account


def _password(name: str, ask: bool) -> str:
    """Return a typed password, confirmed at a terminal, if `ask`; else a generated one."""
    if not ask:
        return credentials.new_password()
    if not sys.stdin.isatty():
        return credentials.check_password(sys.stdin.readline().rstrip("\r\n"), names=(name,))
    typed = getpass.getpass("Kata sandi: ")
    if getpass.getpass("Sekali lagi: ") != typed:
        raise Failed("Kedua kata sandi tidak sama. Ulangi.")
    return credentials.check_password(typed, names=(name,))


def _print_done(name: str, done: str, password: str, *, as_json: bool) -> None:
    """Print what was done, with a generated password."""
    once = f"Kata sandi sekali pakai (hanya tampil kali ini): {password}\n" if password else ""
    result = {"name": name, "password": password or None}
    print_result(result, f"{done}\n{once}", as_json=as_json)


def _as_json(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "full_name": account.full_name,
        "roles": account.roles,
        "agencies": account.agencies,
        "areas": account.areas,
        "active": account.disabled_at is None,
        "second_factor": account.secured,
        "must_change": account.must_change,
    }
