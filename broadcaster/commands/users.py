"""`broadcaster user`: the first pengelola, and whoever locked themselves out. A password is never
an argument.
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
from broadcaster.domain import accounts as rules
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, BadAccount
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
    """Tambah akun. Kata sandi dicetak satu kali; pemiliknya wajib menggantinya saat pertama masuk."""

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
            login = rules.read_name(name)
            password = _password(login, ask)
            hashed = credentials.hash_password(password)
            added = await app.database.write(
                administration.hire, operator_actor(app), login, particulars, hashed=hashed
            )
            _tell(
                added.name, f"Akun {added.name} dibuat.", "" if ask else password, as_json=as_json
            )

    asyncio.run(run())


@program.command("list")
def list_(as_json: JSON = False) -> None:
    """Tampilkan semua akun."""

    async def run() -> None:
        async with _opened() as app:
            found = await app.database.read(accounts.everyone)
        if as_json:
            print_json([_told(one) for one in found])
            return
        for one in found:
            notes = [
                "nonaktif" if one.disabled_at is not None else "",
                "dua langkah" if one.secured else "",
                "harus ganti kata sandi" if one.must_change else "",
            ]
            said = ", ".join(note for note in notes if note)
            sys.stdout.write(
                f"{one.name}  {one.full_name}  {' '.join(rules.role_words(one.roles))}{f'  ({said})' if said else ''}\n"
            )

    asyncio.run(run())


@program.command()
def disable(name: NAME, as_json: JSON = False) -> None:
    """Nonaktifkan akun; semua sesinya berakhir seketika."""

    async def run() -> None:
        async with _opened() as app:
            found = await _found(app, name)
            await app.database.write(administration.disable, operator_actor(app), found.id)
            result = {"name": found.name, "active": False}
            print_result(result, f"Akun {found.name} dinonaktifkan.\n", as_json=as_json)

    asyncio.run(run())


@program.command()
def enable(name: NAME, as_json: JSON = False) -> None:
    """Aktifkan lagi akun."""

    async def run() -> None:
        async with _opened() as app:
            found = await _found(app, name)
            await app.database.write(administration.enable, operator_actor(app), found.id)
            result = {"name": found.name, "active": True}
            print_result(result, f"Akun {found.name} aktif.\n", as_json=as_json)

    asyncio.run(run())


@program.command()
def password(name: NAME, ask: ASK = False, as_json: JSON = False) -> None:
    """Beri kata sandi baru, dicetak satu kali; pemiliknya wajib menggantinya. Semua sesinya
    berakhir.
    """

    async def run() -> None:
        async with _opened() as app:
            found = await _found(app, name)
            chosen = _password(found.name, ask)
            hashed = credentials.hash_password(chosen)
            await app.database.write(
                administration.reset_password, operator_actor(app), found.id, hashed=hashed
            )
            done = f"Kata sandi {found.name} diganti."
            _tell(found.name, done, "" if ask else chosen, as_json=as_json)

    asyncio.run(run())


@asynccontextmanager
async def _opened(*, create: bool = False) -> AsyncIterator[App]:
    """The app; what an account cannot be is one line."""
    async with opened(create=create) as app:
        try:
            yield app
        except BadAccount as error:
            raise Failed(indonesian(error)) from error


async def _found(app: App, name: str) -> Account:
    found = await app.database.read(accounts.find, rules.read_known_name(name))
    if found is None:
        raise Failed(f"Akun {name!r} tidak ada. Lihat: broadcaster user list.")
    return found


def _password(name: str, ask: bool) -> str:
    """A password that was typed, twice where somebody sits before the screen; else one that we
    make.
    """
    if not ask:
        return credentials.new_password()
    if not sys.stdin.isatty():
        return credentials.check_password(sys.stdin.readline().rstrip("\r\n"), names=(name,))
    typed = getpass.getpass("Kata sandi: ")
    if getpass.getpass("Sekali lagi: ") != typed:
        raise Failed("Kedua kata sandi tidak sama. Ulangi.")
    return credentials.check_password(typed, names=(name,))


def _tell(name: str, done: str, password: str, *, as_json: bool) -> None:
    """Print what was done, with the password where it was made here."""
    once = f"Kata sandi sekali pakai (hanya tampil kali ini): {password}\n" if password else ""
    result = {"name": name, "password": password or None}
    print_result(result, f"{done}\n{once}", as_json=as_json)


def _told(one: Account) -> dict[str, object]:
    return {
        "name": one.name,
        "full_name": one.full_name,
        "roles": one.roles,
        "agencies": one.agencies,
        "areas": one.areas,
        "active": one.disabled_at is None,
        "second_factor": one.secured,
        "must_change": one.must_change,
    }
