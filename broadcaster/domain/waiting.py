"""Reasons why a message waits, and what a channel that is shut means for an announcement. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from channels.base.moments import full_moment_text

Cause = Literal[
    "moved",
    "halted",
    "probing",
    "limited",
    "stopped",
    "unreachable",
    "trouble",
    "tier",
    "unreadable",
    "later",
]
"""moved: the database is not at home; halted: until a person opens the channel; probing: asked each
minute; limited: the provider named a time; stopped: the run is paused; the others are what
single messages wait for.
"""
CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Messages of one channel that wait; `until` (epoch seconds) is None where a person must act or
    nobody knows.
    """

    channel: str
    cause: Cause
    count: int
    until: float | None = None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """The part of the API's answer, but for its time and words."""
        return {"channel": self.channel, "cause": self.cause, "count": self.count}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shut:
    """A channel that would let an announcement wait, were it published now; `label` is what people
    call it.
    """

    label: str
    cause: Cause
    until: float | None = None

    @property
    def reason(self) -> str:
        """Until when, with the date."""
        if self.cause == "moved":
            return f"{self.label} ditahan: basis data ini disalin, dipindahkan atau dipulihkan."
        if self.until is None:
            return f"{self.label} sedang berhenti."
        until = full_moment_text(datetime.fromtimestamp(self.until, UTC))
        spent = f"Batas orang per hari di {self.label} sudah terpakai; tempat berikutnya {until}."
        return spent if self.cause == "tier" else f"{self.label} baru bisa menerima lagi {until}."

    @property
    def remedy(self) -> str:
        """What becomes of its messages."""
        if self.cause == "moved":
            return "Pesannya menunggu sampai orang menjalankan di server: broadcaster adopt."
        if self.until is None:
            return (
                "Lihat sebabnya di halaman Kanal. Pesannya menunggu sampai kanal itu dibuka lagi."
            )
        return "Pesannya menunggu sampai saat itu. Bila mendesak, sampaikan juga lewat jalan lain."
