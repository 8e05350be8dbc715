"""Request bodies in memory: a cap on each, and on the total per kind of client.

Strangers, providers and staff have separate shares, so that none can starve another. When a share
is full its oldest body is dropped: a genuine one completes within moments, so a lingering one is
the best to give up.
"""

from collections import OrderedDict
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from broadcaster.web.base.exchange import EXTENSION
from broadcaster.web.base.refusals import RefusalCounters

MIB = 1024 * 1024
SHARES = {"strangers": 16 * MIB, "providers": 32 * MIB, "staff": 64 * MIB}
"""Most bytes of unfinished bodies and of those in use, per share."""


class BodyHolder(Protocol):
    """Request that a body belongs to."""

    def drop(self) -> None:
        """Abort the request."""


class Share:
    """Bytes of bodies held for one kind of client."""

    def __init__(self, cap: int, refusals: RefusalCounters) -> None:
        self.held = 0
        self._cap = cap
        self._refusals = refusals
        self._bodies: OrderedDict[BodyHolder, int] = OrderedDict()

    def add(self, holder: BodyHolder, count: int) -> None:
        """Add bytes of a body, dropping older bodies as needed.

        Raises HTTPException (503) when this body is itself the oldest.
        """
        self._bodies[holder] = self._bodies.get(holder, 0) + count
        self.held += count
        while self.held > self._cap:
            oldest = next(iter(self._bodies))
            self.release(oldest)
            if oldest is holder:
                self._refusals.note("bodies_full")
                raise HTTPException(503, headers={"Retry-After": "5"})
            self._refusals.note("bodies")
            oldest.drop()

    def release(self, holder: BodyHolder) -> None:
        """Release all bytes of a body."""
        self.held -= self._bodies.pop(holder, 0)


class BodyShares:
    """Shares of one web process."""

    def __init__(self, refusals: RefusalCounters) -> None:
        self.shares = {name: Share(cap, refusals) for name, cap in SHARES.items()}

    def of(self, access: str) -> Share:
        """Return the share for a row's access."""
        if access == "provider signature":
            return self.shares["providers"]
        return self.shares["staff" if access.startswith(("staff:", "token:")) else "strangers"]


class LimitedBody:
    """Body of one request."""

    def __init__(self, request: Request, cap: int, share: Share) -> None:
        """Raises HTTPException (413) when more than `cap` bytes are announced."""
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > cap:
            raise HTTPException(413)
        self._receive = request.receive
        self._cap = cap
        self._share = share
        self._taken = 0
        self._holder: BodyHolder = (
            request.scope.get("extensions", {}).get(EXTENSION, {}).get("exchange", self)
        )

    async def receive(self) -> Message:
        """Receive the next chunk.

        Raises HTTPException: 413 beyond the body's own cap, 503 when its share is full.
        """
        message = await self._receive()
        count = len(message.get("body", b""))
        self._taken += count
        if self._taken > self._cap:
            raise HTTPException(413)
        if count:
            self._share.add(self._holder, count)
        return message

    def release(self) -> None:
        """Release the bytes once the request is answered."""
        self._share.release(self._holder)

    def drop(self) -> None:
        """Do nothing: a server other than ours cannot abort a request."""
