"""Controls of a sending: pause, resume, cancel, retry failed deliveries. Each act is audited."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import SendingCode
from broadcaster.store import audit, ledger, retries

SendingControl = Literal["pause", "resume", "cancel"]
_ACTS: Mapping[SendingControl, Act] = {
    "pause": Act.PAUSE,
    "resume": Act.RESUME,
    "cancel": Act.CANCEL,
}

NOTHING_TO_DO: Mapping[SendingControl, SendingCode] = {
    "pause": SendingCode.NOTHING_RUNNING,
    "resume": SendingCode.NOTHING_PAUSED,
    "cancel": SendingCode.NOTHING_OPEN,
}
_WANTED: Mapping[SendingControl, tuple[str, ...]] = {
    "pause": ("paused",), "resume": ("preparing", "running", "done"), "cancel": ("stopped",),
}  # fmt: skip
LEFT_OUT = {
    "opted_out": "warga berhenti berlangganan",
    "address_dead": "alamat tidak aktif lagi",
    "address_gone": "alamat sudah dihapus",
    "address_unconfirmed": "alamat belum dikonfirmasi lagi",
    "expired": "pengumuman sudah kedaluwarsa",
    "superseded": "sudah digantikan terbitan baru",
    "stopped": "pengiriman sudah dihentikan",
    "paused": "pengiriman dijeda: lanjutkan dulu",
    "folded": "sudah lebih dari 30 hari",
}
"""Reasons why a delivery is not retried, in words for staff."""
YIELD_SECONDS = 0.02
"""Seconds between two transactions of a long act, so that others can write."""


@dataclass(frozen=True, kw_only=True)
class RetryResult:
    """Counts of deliveries reopened, and of those left out by reason (keys of LEFT_OUT)."""

    opened: int
    left_out: Mapping[str, int]


async def steer(
    app: App, announcement: str, control: SendingControl, *, why: str = "", actor: Actor
) -> None:
    """Change the sending and wake its workers; a change already in force is no error. Raises
    NotAllowed.
    """

    def transaction(connection: Connection) -> None:
        changed = {
            "pause": lambda: ledger.pause(connection, announcement, why),
            "resume": lambda: ledger.resume(connection, announcement),
            "cancel": lambda: ledger.cancel(connection, announcement, why),
        }[control]()
        if ledger.progress(connection, announcement).sending not in _WANTED[control]:
            raise NotAllowed(NOTHING_TO_DO[control])
        if changed:
            reason = {"why": why} if why else {}
            audit.append(connection, actor, _ACTS[control], announcement, **reason)

    await app.database.write(transaction)
    await _ring(app, announcement)


async def retry_failed(app: App, announcement: str, *, actor: Actor) -> RetryResult:
    """Open one more attempt for every failed or unconfirmed delivery, and wake the workers.

    Runs in many short transactions: if interrupted, what was opened is sent, and a repeat opens the
    rest.
    """
    opened, left_out = 0, Counter[str]()

    def begin(connection: Connection) -> list[retries.Part]:
        all_parts = list(retries.parts(connection, announcement))
        audit.append(connection, actor, Act.RETRY_FAILED, announcement)
        return all_parts

    for first in await app.database.write(begin):
        part: retries.Part | None = first
        while part is not None:
            done = await app.database.write(retries.open_next, part)
            opened, part = opened + done.opened, done.rest
            left_out.update(done.left_out)
            await asyncio.sleep(YIELD_SECONDS if part is not None else 0)
    finished = replace(actor, now=app.clock())
    await app.database.write(
        audit.append,
        finished,
        Act.RETRIED,
        announcement,
        retried=opened,
        left_out=dict(left_out),
    )
    await _ring(app, announcement)
    return RetryResult(opened=opened, left_out=left_out)


async def _ring(app: App, announcement: str) -> None:
    """Wake the workers of every channel that the newest edition uses."""
    for channel, lane in await app.database.read(ledger.lanes, announcement):
        await app.queue.ring(channel, lane)
