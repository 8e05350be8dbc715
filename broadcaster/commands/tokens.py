"""`broadcaster token`: add, list and revoke the API's tokens."""

import asyncio
import sys
from typing import Annotated

import typer

from broadcaster.commands.errors import Failed
from broadcaster.commands.session import ACTOR, opened
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.staff import api_tokens
from broadcaster.store import tokens as token_store
from channels.base.settings import items

program = typer.Typer(help="Token API: tambah, daftar, cabut.", no_args_is_help=True)


@program.command("add")
def add(
    name: Annotated[str, typer.Option(help="Nama pemakai token, misalnya nama sistem.")],
    scope: Annotated[str, typer.Option(help="write, publish, read; dipisah koma atau spasi.")],
) -> None:
    """Buat token; ditampilkan satu kali saja."""
    asyncio.run(_add(name, list(items(scope))))


async def _add(name: str, scopes: list[str]) -> None:
    async with opened(create=True) as app:
        try:
            secret = await api_tokens.add_token(app, name, scopes, actor=ACTOR)
        except token_store.BadToken as error:
            raise Failed(str(error)) from error
        sys.stdout.write(secret + "\n")
        sys.stderr.write("Simpan sekarang: token ini hanya tampil kali ini.\n")


@program.command("list")
def list_() -> None:
    """Tampilkan token tanpa isinya."""

    async def run() -> None:
        async with opened() as app:
            for token in await app.database.read(token_store.everyone):
                revoked = "  (dicabut)" if token.revoked_at else ""
                sys.stdout.write(f"{token.name}  {' '.join(sorted(token.scopes))}{revoked}\n")

    asyncio.run(run())


@program.command()
def revoke(name: str) -> None:
    """Cabut token; berlaku seketika."""

    async def run() -> None:
        async with opened() as app:
            try:
                await api_tokens.revoke_token(app, name, actor=ACTOR)
            except NotAllowed as refusal:
                raise Failed(str(refusal)) from refusal
            sys.stdout.write(f"Token {name} dicabut.\n")

    asyncio.run(run())
