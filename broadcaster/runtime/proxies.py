"""The reverse proxy in front of the web: without the visitor's address from it, all visitors count
as one, and wait as one.
"""

import time
from collections.abc import AsyncIterator
from ipaddress import ip_address

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from broadcaster.runtime.config import Settings
from broadcaster.store import proxy_sightings
from broadcaster.store.database import Database
from broadcaster.store.proxy_sightings import Sighting
from channels.base.contract import Finding

INTERNET = ""
"""Stands for every peer with a public address: whose it is stands nowhere."""
RECENT_SECONDS = 3600.0
"""What was seen longer ago may have been mended since."""


def peer_of(address: str) -> str:
    """Name a peer for logs: its address within our own network, INTERNET beyond."""
    try:
        found = ip_address(address)
    except ValueError:
        return INTERNET
    return str(found) if found.is_private else INTERNET


def trusts(settings: Settings, peer: str) -> bool:
    """Return whether this peer's word about its client is believed, as the web server reads the
    setting.
    """
    return peer in ProxyHeadersMiddleware(_nothing, list(settings.trusted_proxies)).trusted_hosts


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Report what web processes saw in the last hour and the settings do not explain."""
    database = Database(settings.database)
    try:
        seen = await database.read(proxy_sightings.since, time.time() - RECENT_SECONDS)
    finally:
        database.close()
    for sighting in seen:
        if sighting.kind == "silent" or not trusts(settings, sighting.peer):
            yield _finding(sighting)


def _finding(sighting: Sighting) -> Finding:
    as_one = "jadi semua pengunjungnya dihitung sebagai satu alamat"
    if sighting.kind == "silent":
        return Finding(
            ok=False,
            what=f"Proksi {sighting.peer} tidak mengirim X-Forwarded-For, {as_one}",
            mend="Setel proksi itu agar mengirim X-Forwarded-For.",
        )
    peer, whose = (
        (sighting.peer, sighting.peer)
        if sighting.peer
        else ("Alamat internet", "alamat proksi Anda")
    )
    return Finding(
        ok=False,
        what=f"{peer} mengirim X-Forwarded-For tetapi tidak dipercaya, {as_one}: proksi Anda belum dipercaya, "
        "atau seseorang mengirim tajuk itu sendiri",
        mend=f"Bila itu proksi Anda, tambahkan {whose} ke BROADCASTER_TRUSTED_PROXIES dan nyalakan ulang. "
        "Bila bukan, tutup port web bagi selain proksi.",
    )


async def _nothing(_scope: object, _receive: object, _send: object) -> None:
    """Answer nothing: what asks for the trusted peers alone needs no application."""
