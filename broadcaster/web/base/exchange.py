"""Exchange: a request on a connection, its answer, and the progress of its body."""

from dataclasses import dataclass
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "broadcaster"
"""Name of our ASGI scope extension; it holds the Exchange and the RunSlot."""


class ExchangeConnection(Protocol):
    """Connection as its exchanges need it."""

    def give_up(self) -> None:
        """Answer 503 to the request that is being read."""


@dataclass(kw_only=True, eq=False)
class Exchange:
    """Request and answer; times are of the event loop's clock."""

    connection: ExchangeConnection
    cycle: RequestResponseCycle | None = None
    complete: bool = False
    """True once the whole body has arrived."""
    asked_at: float | None = None
    """Time at which the application first asked for the body."""
    body: int = 0
    framed: int = 0
    """Bytes of the body (`body`), and of the body with its framing (`framed`)."""
    early: int = 0
    """Bytes of the body that arrived before the application asked for it."""
    closing: bool = False
    """True if the answer began before the body was complete: the connection closes after it."""

    def drop(self) -> None:
        """Abort this request to make room for the body of another."""
        self.connection.give_up()
