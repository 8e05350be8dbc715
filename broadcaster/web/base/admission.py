"""Admission control for connections: limits in total and per client, and eviction at the limit.

A new connection is refused only if no idle one can be evicted: the connection that has waited
longest for its request head goes first, then the oldest upload. A flood of half-open connections
therefore evicts itself, while residents and providers, who send a request right after the
handshake, never wait long enough to be evicted.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address, ip_network
from itertools import chain
from typing import Protocol

from broadcaster.store.sign_in_throttle import place_of
from broadcaster.web.base.refusals import RefusalCounters, RefusalKind

LOOPBACK = ("127.0.0.1", "::1")
RESERVED_FILES = 256
"""Open files reserved for databases, pictures and providers; connections get half of the remainder,
the backlog the other half.
"""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """Limits per connection, per client and in total."""

    connections: int = 2_000
    per_client: int = 200
    """High because many residents share one address of their mobile network."""
    reserved: int = 64
    """Connections beyond `connections` that only proxies and this machine may open, so that health
    checks always get through.
    """
    head_bytes: int = 64 * 1024
    """Largest request line plus headers; the trailers of a body may be as large."""
    head_fields: int = 200
    head_seconds: float = 10.0
    """Measured from the connection, or from the first byte of a later request, to the end of the
    head.
    """
    body_seconds: float = 30.0
    """Base time for a body; every `bytes_per_second` bytes received add one second."""
    write_seconds: float = 30.0
    """Base time for a client to read an answer, extended like `body_seconds`."""
    bytes_per_second: float = 1_024.0
    """Lowest tolerated rate, below that of the slowest mobile network."""
    linger_seconds: float = 30.0
    """Time for a client that is still sending to read an early answer; a reset would discard it."""
    linger_bytes: int = 16 * 1024 * 1024
    early_bytes: int = 32 * 1024 * 1024
    """Bytes of all bodies together that arrived before the application asked for them."""
    pipelined: int = 16
    """Pipelined requests that may wait behind the one being answered."""
    under_way: int = 8
    """Ordinary requests that run at the same time; see `broadcaster.web.base.run_queue`."""
    under_way_seconds: float = 0.25
    """Time after which a request no longer counts: it is taken to be waiting for I/O."""
    stall_seconds: float = 5.0
    unread_bytes: int = 64 * 1024 * 1024
    """Bytes of all answers together that wait for clients that have read nothing for
    `stall_seconds`.
    """

    def within(self, files: int) -> "ConnectionLimits":
        """Return these limits, capped to what a process with `files` open files can hold."""
        most = max(16, (files - RESERVED_FILES) // 2)
        return (
            self
            if self.connections <= most
            else replace(self, connections=most, per_client=min(self.per_client, most // 4))
        )


class AdmittedConnection(Protocol):
    """A connection that can be closed."""

    def drop(self) -> None:
        """Close it at once."""


def trusts(given: Collection[str]) -> Callable[[str], bool]:
    """Return a predicate that is True for trusted peers.

    `given` lists addresses and networks, `*` for all; loopback and Unix sockets always pass.
    """
    networks = [ip_network(name, strict=False) for name in (*given, *LOOPBACK) if _is_network(name)]

    @lru_cache(4_096)
    def trusted(address: str) -> bool:
        if not address or "*" in given:
            return True
        return _is_network(address) and any(ip_address(address) in network for network in networks)

    return trusted


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


class Admission:
    """Open connections of one server, by client and by phase (waiting for a head, uploading)."""

    def __init__(
        self, limits: ConnectionLimits, refusals: RefusalCounters, trusted: Callable[[str], bool]
    ) -> None:
        self.limits = limits
        self.refusals = refusals
        self.early_bytes = 0
        self.places = asyncio.Semaphore(limits.under_way)
        """Slots of ordinary requests that run at the same time."""
        self._trusted = trusted
        self._clients: dict[AdmittedConnection, str] = {}
        """Client of each open connection; "" for trusted proxies."""
        self._of_client: defaultdict[str, dict[AdmittedConnection, None]] = defaultdict(dict)
        self._waiting: OrderedDict[AdmittedConnection, None] = OrderedDict()
        self._uploading: OrderedDict[AdmittedConnection, None] = OrderedDict()

    def __iter__(self) -> Iterator[AdmittedConnection]:
        """Iterate over a copy: connections close meanwhile."""
        return iter(list(self._clients))

    def counts(self) -> dict[str, int]:
        """Count connections by phase."""
        waiting, uploading = len(self._waiting), len(self._uploading)
        return {
            "waiting": waiting,
            "uploading": uploading,
            "answering": len(self._clients) - waiting - uploading,
        }

    def enter(self, connection: AdmittedConnection, address: str) -> bool:
        """Admit a new connection, evicting another if needed; False if there is no room."""
        client = "" if self._trusted(address) else place_of(address)
        if client and not self._room_for_client(client):
            return False
        if not self._room_for_all(client):
            return False
        self._clients[connection] = client
        self._of_client[client][connection] = None
        self._waiting[connection] = None
        return True

    def leave(self, connection: AdmittedConnection) -> None:
        """Forget a closed connection."""
        client = self._clients.pop(connection, None)
        if client is not None:
            self._of_client[client].pop(connection, None)
            if not self._of_client[client]:
                del self._of_client[client]
        self._waiting.pop(connection, None)
        self._uploading.pop(connection, None)

    def wait(self, connection: AdmittedConnection, *, first: bool = False) -> None:
        """Mark a connection as waiting for a request head; with `first` it is evicted first."""
        self._uploading.pop(connection, None)
        if connection in self._clients:
            self._waiting[connection] = None
            self._waiting.move_to_end(connection, last=not first)

    def upload(self, connection: AdmittedConnection) -> None:
        """Mark a connection as uploading a body."""
        self._waiting.pop(connection, None)
        if connection in self._clients:
            self._uploading.setdefault(connection)

    def answer(self, connection: AdmittedConnection) -> None:
        """Mark a connection as being answered; it cannot be evicted."""
        self._waiting.pop(connection, None)
        self._uploading.pop(connection, None)

    def _room_for_client(self, client: str) -> bool:
        """Make room for one more connection of a client by evicting one of its own."""
        own = self._of_client.get(client, {})
        if len(own) < self.limits.per_client:
            return True
        waiting = (connection for connection in own if connection in self._waiting)
        uploading = (connection for connection in own if connection in self._uploading)
        return self._drop(next(chain(waiting, uploading), None), "dropped_for_client")

    def _room_for_all(self, client: str) -> bool:
        """Make room in total; a proxy, which may carry everybody, is evicted only for another
        proxy.
        """
        most = self.limits.connections + (0 if client else self.limits.reserved)
        if len(self._clients) < most:
            return True
        strangers = (
            connection
            for connection in chain(self._waiting, self._uploading)
            if self._clients[connection]
        )
        return self._drop(
            next(chain(strangers, () if client else self._waiting), None), "dropped_for_all"
        )

    def _drop(self, connection: AdmittedConnection | None, kind: RefusalKind) -> bool:
        """Drop the connection, if any, and count the eviction; False if there was none."""
        self.refusals.note(kind if connection else "full")
        if connection is None:
            return False
        self.leave(connection)
        connection.drop()
        return True
