"""Admission of connections: how many we hold, how many of them are one client's, and who makes room
when there are more.

Nobody is refused while somebody else merely waits: the connection that has waited longest for its
own head, then the oldest upload, is dropped for a newcomer. A flood of half-open connections
therefore pushes itself out, while a resident or a provider, whose request follows its handshake at
once, never waits long enough to be next.
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
from broadcaster.web.base.refusals import Kind, Refusals

LOOPBACK = ("127.0.0.1", "::1")
RESERVED_FILES = 256
"""Open files kept for databases, pictures and providers; connections get half of the others, the
backlog the other half.
"""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one connection, of one client and of all together."""

    connections: int = 2_000
    per_client: int = 200
    """Many residents share one address of their mobile network."""
    reserved: int = 64
    """Connections beyond `connections` that only proxies and this machine may open: health checks
    always get through.
    """
    head_bytes: int = 64 * 1024
    """Bytes of a request line and its headers; the trailers of a body have as many."""
    head_fields: int = 200
    head_seconds: float = 10.0
    """From the connection, or from the first byte of a further request, to the end of the head."""
    body_seconds: float = 30.0
    """Time for any body; each `bytes_per_second` bytes that came add a second."""
    write_seconds: float = 30.0
    """The same for answers that a client is slow to read."""
    bytes_per_second: float = 1_024.0
    """Less than the slowest mobile network carries."""
    linger_seconds: float = 30.0
    """Time for a client that is still sending to read an early answer: a reset would take the
    answer from it.
    """
    linger_bytes: int = 16 * 1024 * 1024
    early_bytes: int = 32 * 1024 * 1024
    """Bytes of all bodies together that came with their heads, before anybody asked for them."""
    pipelined: int = 16
    """Requests that may wait behind the one being answered."""
    under_way: int = 8
    """Ordinary requests that compute at the same time; see run_queue.py."""
    under_way_seconds: float = 0.25
    """Time after which a request no longer counts: it waits for something, and does not compute."""
    stall_seconds: float = 5.0
    unread_bytes: int = 64 * 1024 * 1024
    """Bytes of all answers together that wait for clients who have read nothing for
    `stall_seconds`.
    """

    def within(self, files: int) -> "Limits":
        """The same with no more connections than a process with so many open files can hold."""
        most = max(16, (files - RESERVED_FILES) // 2)
        return (
            self
            if self.connections <= most
            else replace(self, connections=most, per_client=min(self.per_client, most // 4))
        )


class Connection(Protocol):
    """A connection that can be closed."""

    def drop(self) -> None:
        """Close it at once, saying why if nothing was answered yet."""


def trusts(given: Collection[str]) -> Callable[[str], bool]:
    """A test for proxies: addresses and networks, `*` for all; this machine's own sockets always
    pass.
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
    """All connections of one server: who waits for its head, who uploads, and whose they are."""

    def __init__(self, limits: Limits, refusals: Refusals, trusted: Callable[[str], bool]) -> None:
        self.limits = limits
        self.refusals = refusals
        self.early_bytes = 0
        self.places = asyncio.Semaphore(limits.under_way)
        """Of ordinary requests under way."""
        self._trusted = trusted
        self._clients: dict[Connection, str] = {}
        """Each open connection with its client; "" for proxies."""
        self._of_client: defaultdict[str, dict[Connection, None]] = defaultdict(dict)
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._uploading: OrderedDict[Connection, None] = OrderedDict()

    def __iter__(self) -> Iterator[Connection]:
        """Every open connection; a copy, as some close meanwhile."""
        return iter(list(self._clients))

    def counts(self) -> dict[str, int]:
        """Connections by what they do."""
        waiting, uploading = len(self._waiting), len(self._uploading)
        return {
            "waiting": waiting,
            "uploading": uploading,
            "answering": len(self._clients) - waiting - uploading,
        }

    def enter(self, connection: Connection, address: str) -> bool:
        """Take a new connection in, making room where need be; False when there is none."""
        client = "" if self._trusted(address) else place_of(address)
        if client and not self._room_for_client(client):
            return False
        if not self._room_for_all(client):
            return False
        self._clients[connection] = client
        self._of_client[client][connection] = None
        self._waiting[connection] = None
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a closed connection."""
        client = self._clients.pop(connection, None)
        if client is not None:
            self._of_client[client].pop(connection, None)
            if not self._of_client[client]:
                del self._of_client[client]
        self._waiting.pop(connection, None)
        self._uploading.pop(connection, None)

    def wait(self, connection: Connection, *, first: bool = False) -> None:
        """It is its client's turn to begin a request; `first`: nothing is lost when it goes."""
        self._uploading.pop(connection, None)
        if connection in self._clients:
            self._waiting[connection] = None
            self._waiting.move_to_end(connection, last=not first)

    def upload(self, connection: Connection) -> None:
        """It is its client's turn to send a body."""
        self._waiting.pop(connection, None)
        if connection in self._clients:
            self._uploading.setdefault(connection)

    def answer(self, connection: Connection) -> None:
        """It is our turn."""
        self._waiting.pop(connection, None)
        self._uploading.pop(connection, None)

    def _room_for_client(self, client: str) -> bool:
        """Make room for one more connection of a client among its own."""
        own = self._of_client.get(client, {})
        if len(own) < self.limits.per_client:
            return True
        waiting = (connection for connection in own if connection in self._waiting)
        uploading = (connection for connection in own if connection in self._uploading)
        return self._drop(next(chain(waiting, uploading), None), "dropped_for_client")

    def _room_for_all(self, client: str) -> bool:
        """Make room for one more of all; a proxy, behind which everybody may be, goes for another
        proxy alone.
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

    def _drop(self, connection: Connection | None, kind: Kind) -> bool:
        """Drop a connection, if there is one; count it, or that there was none."""
        self.refusals.note(kind if connection else "full")
        if connection is None:
            return False
        self.leave(connection)
        connection.drop()
        return True
