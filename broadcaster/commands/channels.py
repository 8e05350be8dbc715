"""`broadcaster channel`: state of the channels, and an operator's decisions about one."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json, print_result
from broadcaster.commands.session import opened, operator_actor
from broadcaster.delivery import channel_controls
from broadcaster.delivery.channel_view import when
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.store.channels import ChannelState, channel_states

WORDS = {
    "open": "terbuka",
    "unset": "belum disetel",
    "halted": "berhenti ({detail})",
    "paused": "menunggu penyedia",
}
"""Words for the states of a channel."""

program = typer.Typer(
    help="Kanal: keadaan, lanjutkan, penonaktifan yang ditahan.", no_args_is_help=True
)


def _require(app: App, name: str) -> None:
    if name not in app.push:
        raise Failed(f"Kanal {name!r} tidak ada. Yang ada: {', '.join(sorted(app.push))}.")


@program.command("list")
def states(as_json: JSON = False) -> None:
    """Tampilkan kanal yang terbuka, berhenti, atau menunggu penyedia."""

    async def run() -> None:
        async with opened() as app:
            known = await app.database.read(channel_states)
            views = [_view(app, name, known.get(name, ChannelState())) for name in app.push]
        if as_json:
            print_json(views)
            return
        for view in views:
            held = ", penonaktifan alamat ditahan" if view["holding"] else ""
            word = WORDS[view["state"]].format(detail=view["detail"])
            sys.stdout.write(f"{view['name']}  {view['label']}: {word}{held}\n")

    asyncio.run(run())


def _view(app: App, name: str, state: ChannelState) -> dict[str, Any]:
    """Return a channel's state for the JSON output."""
    paused = state.paused_until > app.clock().timestamp()
    return {
        "name": name,
        "label": app.push[name].label,
        "state": _state(state, is_open=app.loaded.is_open(name), paused=paused),
        "detail": state.detail,
        "paused_until": when(state.paused_until) if paused else None,
        "holding": state.holding,
    }


def _state(state: ChannelState, *, is_open: bool, paused: bool) -> str:
    if state.halted:
        return "halted"
    if paused:
        return "paused"
    return "open" if is_open else "unset"


@program.command()
def resume(name: str, as_json: JSON = False) -> None:
    """Buka lagi kanal yang berhenti, setelah sebabnya diperbaiki."""

    async def run() -> None:
        async with opened() as app:
            _require(app, name)
            try:
                await channel_controls.resume_channel(app, name, actor=operator_actor(app))
            except NotAllowed as refusal:
                raise Failed(f"Kanal {name} tidak sedang berhenti.") from refusal
            result = {"name": name, "resumed": True}
            print_result(result, f"Kanal {name} dibuka lagi.\n", as_json=as_json)

    asyncio.run(run())


@program.command()
def held(
    name: str,
    apply: Annotated[bool, typer.Option("--apply/--discard", help="Terapkan atau buang.")],
    as_json: JSON = False,
) -> None:
    """Putuskan nasib penonaktifan alamat yang ditahan pengaman massal."""

    async def run() -> None:
        async with opened() as app:
            _require(app, name)
            try:
                count = await channel_controls.decide_held(
                    app, name, apply=apply, actor=operator_actor(app)
                )
            except NotAllowed:
                count = 0
            state = (await app.database.read(channel_states)).get(name)
            halted = state is not None and bool(state.halted)
            result = {"name": name, "applied": apply, "count": count, "halted": halted}
            text = f"{count} penonaktifan {'diterapkan' if apply else 'dibuang'}.\n"
            if halted:
                text += (
                    f"Kanal {name} masih berhenti. Buka lagi: broadcaster channel resume {name}\n"
                )
            print_result(result, text, as_json=as_json)

    asyncio.run(run())
