"""`broadcaster channel`: how the channels stand, and what an operator decides about one."""

import asyncio
import sys
from typing import Annotated

import typer

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.session import ACTOR, opened
from broadcaster.delivery import channel_controls
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.store import channels as channel_store

program = typer.Typer(
    help="Kanal: keadaan, lanjutkan, penonaktifan yang ditahan.", no_args_is_help=True
)


def _require(app: App, name: str) -> None:
    if name not in app.push:
        raise Failed(f"Kanal {name!r} tidak ada. Yang ada: {', '.join(sorted(app.push))}.")


@program.command("list")
def states() -> None:
    """Tampilkan kanal yang terbuka, berhenti, atau menunggu penyedia."""

    async def run() -> None:
        async with opened() as app:
            known = await app.database.read(channel_store.channel_states)
            for name, channel in app.push.items():
                state = known.get(name, channel_store.ChannelState())
                word = "belum disetel" if not app.loaded.is_open(name) else "terbuka"
                if state.halted:
                    word = f"berhenti ({state.detail})"
                elif state.paused_until > app.clock().timestamp():
                    word = "menunggu penyedia"
                held = ", penonaktifan alamat ditahan" if state.holding else ""
                sys.stdout.write(f"{name}  {channel.label}: {word}{held}\n")

    asyncio.run(run())


@program.command()
def resume(name: str) -> None:
    """Buka lagi kanal yang berhenti, setelah sebabnya diperbaiki."""

    async def run() -> None:
        async with opened() as app:
            _require(app, name)
            try:
                await channel_controls.resume_channel(app, name, actor=ACTOR)
            except NotAllowed as refusal:
                raise Failed(f"Kanal {name} tidak sedang berhenti.") from refusal
            sys.stdout.write(f"Kanal {name} dibuka lagi.\n")

    asyncio.run(run())


@program.command()
def held(
    name: str,
    apply: Annotated[bool, typer.Option("--apply/--discard", help="Terapkan atau buang.")],
) -> None:
    """Putuskan nasib penonaktifan alamat yang ditahan pengaman massal."""

    async def run() -> None:
        async with opened() as app:
            _require(app, name)
            try:
                count = await channel_controls.decide_held(app, name, apply=apply, actor=ACTOR)
            except NotAllowed:
                count = 0
            state = (await app.database.read(channel_store.channel_states)).get(name)
            sys.stdout.write(f"{count} penonaktifan {'diterapkan' if apply else 'dibuang'}.\n")
            if state is not None and state.halted:
                sys.stdout.write(
                    f"Kanal {name} masih berhenti. Buka lagi: broadcaster channel resume {name}\n"
                )

    asyncio.run(run())
