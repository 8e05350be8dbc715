"""Reverse proxies in front of the web: without the visitor's address from the proxy, all
visitors share one rate limit.
"""

import time
from collections.abc import AsyncIterator
from ipaddress import ip_address

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from broadcaster.runtime.settings import Settings
from broadcaster.store import proxy_sightings
from broadcaster.store.database import Database
from broadcaster.store.proxy_sightings import Sighting
from channels.base.contract import Finding

INTERNET = ""
"""Name of every peer with a public address, which is never stored."""
RECENT_SECONDS = 3600.0
"""Age in seconds beyond which a sighting may be fixed since."""


def peer_of(address: str) -> str:
    """Name a peer for logs: its address within our own network, INTERNET beyond."""
    try:
        network_address = ip_address(address)
    except ValueError:
        return INTERNET
    return str(network_address) if network_address.is_private else INTERNET


def trusts(settings: Settings, peer: str) -> bool:
    """True if the web server trusts this peer's X-Forwarded-For under the settings."""
    return peer in ProxyHeadersMiddleware(_nothing, list(settings.trusted_proxies)).trusted_hosts


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Yield the proxy problems of the last hour that the settings do not explain."""
    database = Database(settings.database)
    try:
        sightings = await database.read(proxy_sightings.since, time.time() - RECENT_SECONDS)
    finally:
        database.close()
    for sighting in sightings:
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
        what=f"{peer} mengirim X-Forwarded-For tetapi tidak dipercaya, {as_one}: "
        "proksi Anda belum dipercaya, atau seseorang mengirim tajuk itu sendiri",
        mend=f"Bila itu proksi Anda, tambahkan {whose} ke BROADCASTER_TRUSTED_PROXIES "
        "dan nyalakan ulang. Bila bukan, tutup port web bagi selain proksi.",
    )


async def _nothing(_scope: object, _receive: object, _send: object) -> None:
    """Application that does nothing: the middleware is built for its trusted hosts alone."""
