"""Exchanges: one request of a connection, its answer, and how much of its body came."""

from dataclasses import dataclass
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "broadcaster"
"""Name of our extension in an ASGI scope; it holds the Exchange."""


class Connection(Protocol):
    """A connection as its exchanges need it."""

    def give_up(self) -> None:
        """Answer 503 to the request that is being read."""


@dataclass(kw_only=True, eq=False)
class Exchange:
    """A request and its answer; times are of the event loop's clock."""

    connection: Connection
    cycle: RequestResponseCycle | None = None
    complete: bool = False
    """True once the whole body came."""
    asked_at: float | None = None
    """Time at which the application first asked for the body."""
    body: int = 0
    framed: int = 0
    """Bytes of the body, and the bytes as which they came."""
    early: int = 0
    """Bytes of the body that nobody asked for yet."""
    closing: bool = False
    """True when the answer began before the whole body came: the connection ends with it."""

    def drop(self) -> None:
        """Give this request up, for the body of another."""
        self.connection.give_up()
