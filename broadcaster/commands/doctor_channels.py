"""Checks of `broadcaster doctor` for the push channels."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from broadcaster.app import App, open_app
from broadcaster.runtime import config
from broadcaster.store import inbox, ledger, tier
from broadcaster.store.channels import channel_states
from channels.base.contract import Finding, PushChannel

SECONDS = 10
"""Timeout of a check."""
SUSPECTED = " (jawaban yang sama untuk beberapa alamat berturut-turut; darurat tetap dikirim)"
"""Cause of a halt that is inferred only from replies to single recipients."""


async def findings(loaded: config.Loaded) -> AsyncIterator[Finding]:
    """Yield the findings about push channels: settings, halts, daily limits, own checks, seals."""
    async with open_app(loaded) as app:
        states = await app.database.read(channel_states)
        for name, channel in app.push.items():
            missing = loaded.channel_settings[name].missing()
            if missing:
                yield Finding(
                    ok=None,
                    what=f"{channel.label} belum disetel",
                    mend=f"Untuk membukanya isi {', '.join(missing)}.",
                )
                continue
            state = states.get(name)
            if state is not None and state.halted:
                yield Finding(
                    ok=False,
                    what=(
                        f"{channel.label} berhenti: {state.detail}"
                        f"{SUSPECTED if state.suspected else ''}"
                    ),
                    mend=f"Perbaiki sebabnya, lalu: broadcaster channel resume {name}",
                )
            if channel.tier:
                yield _tier(channel, await app.database.read(tier.used, name))
            for finding in await _checked(channel):
                yield finding
        async for finding in _unreadable(app):
            yield finding


async def _unreadable(app: App) -> AsyncIterator[Finding]:
    """Yield a finding for messages and reports that our key cannot open, if there are any."""
    kinds = (
        ("pesan menunggu", ledger.unreadable),
        ("kabar penyedia disimpan", inbox.count_unreadable),
    )
    for what, count in kinds:
        for name, number in (await app.database.read(count)).items():
            yield Finding(
                ok=False,
                what=f"{app.labels.get(name, name)}: {number} {what} karena tidak dapat dibuka",
                mend=(
                    "Pulihkan kunci yang menyegelnya. Kalau datanya rusak: "
                    "impor lagi alamatnya, atau hentikan pengirimannya."
                ),
            )


def _tier(channel: PushChannel, used: int) -> Finding:
    """Report the use of a provider's daily limit; the emergency reserve does not count as left."""
    left = max(0, tier.ceiling(channel.tier, emergency=False) - used)
    return Finding(
        ok=left > 0,
        what=(
            f"{channel.label}: {used} dari {channel.tier} orang dalam 24 jam terakhir terpakai; "
            f"tersisa {left}, di luar darurat"
        ),
        mend=""
        if left
        else (
            "Yang lain menunggu sampai ada tempat. "
            "Mintalah batas yang lebih tinggi, lalu isi WHATSAPP_TIER."
        ),
    )


async def _checked(channel: PushChannel) -> Sequence[Finding]:
    """Return the channel's own findings; a failed check is a finding too."""
    try:
        async with asyncio.timeout(SECONDS):
            return await channel.check()
    except Exception as error:  # noqa: BLE001  any failure must not stop the other checks
        kind = type(error).__name__
        return [
            Finding(
                ok=False,
                what=f"{channel.label} tidak dapat diperiksa ({kind})",
                mend="Periksa setelan dan jaringannya.",
            )
        ]
