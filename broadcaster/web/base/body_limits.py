"""Bodies of requests while they come in: capped each, and together by whom they come from.

Strangers, providers and staff have a share each, so that none of them shuts another out. Where a
share is full the oldest body makes room: a real one is complete within moments of its head, one
that lingers is the one to give up.
"""

from collections import OrderedDict
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from broadcaster.web.base.exchange import EXTENSION
from broadcaster.web.base.refusals import Refusals

MIB = 1024 * 1024
SHARES = {"strangers": 16 * MIB, "providers": 32 * MIB, "staff": 64 * MIB}
"""Bytes of unfinished bodies and of those in use."""


class Holder(Protocol):
    """The request that a body belongs to."""

    def drop(self) -> None:
        """Give the request up."""


class Share:
    """Bytes of bodies held for one kind of client."""

    def __init__(self, cap: int, refusals: Refusals) -> None:
        self.held = 0
        self._cap = cap
        self._refusals = refusals
        self._bodies: OrderedDict[Holder, int] = OrderedDict()

    def add(self, holder: Holder, count: int) -> None:
        """Hold more of a body; older ones make room. Raises HTTPException (503) when this is itself
        the oldest.
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

    def release(self, holder: Holder) -> None:
        """Hold nothing of this body any more."""
        self.held -= self._bodies.pop(holder, 0)


class Bodies:
    """All shares of one web process."""

    def __init__(self, refusals: Refusals) -> None:
        self.shares = {name: Share(cap, refusals) for name, cap in SHARES.items()}

    def of(self, access: str) -> Share:
        """The share of those who may use a row."""
        if access == "provider signature":
            return self.shares["providers"]
        return self.shares["staff" if access.startswith(("staff:", "token:")) else "strangers"]


class Body:
    """The body of one request."""

    def __init__(self, request: Request, cap: int, share: Share) -> None:
        """Raises HTTPException (413) when more than `cap` bytes are announced."""
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > cap:
            raise HTTPException(413)
        self._receive = request.receive
        self._cap = cap
        self._share = share
        self._taken = 0
        self._holder: Holder = (
            request.scope.get("extensions", {}).get(EXTENSION, {}).get("exchange", self)
        )

    async def receive(self) -> Message:
        """The next piece. Raises HTTPException: 413 when it was too much, 503 when all together
        are.
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
        """Let the bytes go: the request was answered."""
        self._share.release(self._holder)

    def drop(self) -> None:
        """Nothing: a server other than ours cannot give a request up."""
