"""`broadcaster token`: add, list and revoke API tokens."""

import asyncio
import sys
from typing import Annotated

import typer

from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json, print_result
from broadcaster.commands.session import opened, operator_actor
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.staff import api_tokens
from broadcaster.store.tokens import BadToken, Token, everyone
from channels.base.settings import items

program = typer.Typer(help="Token API: tambah, daftar, cabut.", no_args_is_help=True)


@program.command("add")
def add(
    name: Annotated[str, typer.Option(help="Nama pemakai token, misalnya nama sistem.")],
    scope: Annotated[str, typer.Option(help="write, publish, read; dipisah koma atau spasi.")],
    as_json: JSON = False,
) -> None:
    """Buat token; ditampilkan satu kali saja."""
    asyncio.run(_add(name, list(items(scope)), as_json=as_json))


async def _add(name: str, scopes: list[str], *, as_json: bool) -> None:
    async with opened(create=True) as app:
        try:
            secret = await api_tokens.add_token(app, name, scopes, actor=operator_actor(app))
        except BadToken as error:
            raise Failed(indonesian(error)) from error
        print_result({"name": name, "token": secret}, f"{secret}\n", as_json=as_json)
        sys.stderr.write("Simpan sekarang: token ini hanya tampil kali ini.\n")


@program.command("list")
def list_(as_json: JSON = False) -> None:
    """Tampilkan token tanpa isinya."""

    async def run() -> None:
        async with opened() as app:
            tokens = await app.database.read(everyone)
            if as_json:
                print_json([_as_json(token) for token in tokens])
                return
            for token in tokens:
                revoked = "  (dicabut)" if token.revoked_at else ""
                sys.stdout.write(f"{token.name}  {' '.join(sorted(token.scopes))}{revoked}\n")

    asyncio.run(run())


def _as_json(token: Token) -> dict[str, object]:
    return {
        "name": token.name,
        "scopes": sorted(token.scopes),
        "revoked": bool(token.revoked_at),
    }


@program.command()
def revoke(name: str, as_json: JSON = False) -> None:
    """Cabut token; berlaku seketika."""

    async def run() -> None:
        async with opened() as app:
            try:
                await api_tokens.revoke_token(app, name, actor=operator_actor(app))
            except NotAllowed as refusal:
                raise Failed(indonesian(refusal)) from refusal
            result = {"name": name, "revoked": True}
            print_result(result, f"Token {name} dicabut.\n", as_json=as_json)

    asyncio.run(run())
