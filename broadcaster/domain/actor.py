"""Actors: who acts, when and from where. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from broadcaster.domain.accounts import Account, Right
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import StepCode

CLOCK = "clock"
COMMAND = "cli"
SIGN_ON = "oidc"
"""Names of actors without an account: the schedule, a command, the city's single sign-on."""


@dataclass(frozen=True, kw_only=True)
class StaffActor:
    """A member of staff who acts; `place` is the network address that the audit log records."""

    account: Account
    now: datetime
    place: str = ""

    @property
    def name(self) -> str:
        """Name in the audit log ("staff:rina")."""
        return self.account.actor

    @property
    def at(self) -> float:
        """Epoch seconds."""
        return self.now.timestamp()


@dataclass(frozen=True, kw_only=True)
class NamedActor:
    """An actor known by name alone: the clock, a command, an API token ("token:siaga"), or the
    person on whose behalf stored work continues.
    """

    name: str
    now: datetime
    place: str = ""
    account: None = field(default=None, init=False)

    @property
    def at(self) -> float:
        """Epoch seconds."""
        return self.now.timestamp()

    @classmethod
    def clock(cls, now: datetime) -> "NamedActor":
        """Build the actor for work that the program does when it falls due."""
        return cls(name=CLOCK, now=now)


Actor = StaffActor | NamedActor


def require(actor: StaffActor, right: Right) -> None:
    """Raise NotAllowed unless one of the person's roles grants the right."""
    if not actor.account.may(right):
        raise NotAllowed(StepCode.RIGHT_MISSING)
