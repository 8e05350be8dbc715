"""What keeps a sending from going on: on which channel, why, until when, in words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from broadcaster.store.causes import Causes
from broadcaster.store.channels import ChannelState
from broadcaster.store.ledger import Progress
from broadcaster.wording import Words
from channels.base.rendering import full_moment_text

if TYPE_CHECKING:
    from broadcaster.overview import ChannelView

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


def closed(state: ChannelState, *, emergency: bool) -> Cause | None:
    """Why a channel sends nothing in a lane; replies to single recipients and held suppressions
    never close an emergency's.
    """
    if emergency and state.suspected:
        return None
    if state.halted and not (emergency and state.holding):
        return "probing" if state.halted == "probe" else "halted"
    return "limited" if state.paused_until else None


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


def holds(
    progress: Progress, channels: Mapping[str, "ChannelView"], causes: Causes, *, emergency: bool
) -> list[Hold]:
    """Everything that waits for anything but its turn."""
    found = []
    for name, view in channels.items():
        pending = progress.deliveries[name]["pending"]
        if (
            pending
            and (hold := _hold(name, view, pending, causes, emergency=emergency)) is not None
        ):
            found.append(hold)
    return found


def _hold(
    name: str, view: "ChannelView", pending: int, causes: Causes, *, emergency: bool
) -> Hold | None:
    if view.sending == "paused":
        return Hold(channel=name, cause="stopped", count=pending, why=view.why)
    if view.sending not in ("preparing", "running"):
        return None
    cause = closed(view.state, emergency=emergency)
    if cause is not None:
        return Hold(
            channel=name,
            cause=cause,
            count=pending,
            until=view.state.paused_until if cause == "limited" else None,
        )
    rows = [wait for wait in causes.waiting if wait.channel == name]
    if not rows:
        return None
    most = max(rows, key=lambda wait: wait.count).reason
    why: Cause = next((cause for cause in CAUSES if cause == most), "later")
    return Hold(
        channel=name,
        cause=why,
        count=sum(wait.count for wait in rows),
        until=min(wait.next_try for wait in rows),
    )


def sentence(hold: Hold, label: str, t: Words, lang: str = "id") -> str:
    """Say what waits, and until when with the date."""
    until = (
        full_moment_text(datetime.fromtimestamp(hold.until, UTC), lang)
        if hold.until is not None
        else ""
    )
    return t(
        f"staff.wait.{hold.cause}", channel=label, n=hold.count, until=until, why=hold.why
    ).strip()


def remedy(hold: Hold, t: Words) -> str:
    """Say what can be done."""
    return t(f"staff.wait.do.{hold.cause}")
