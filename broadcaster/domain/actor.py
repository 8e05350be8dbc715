"""The actor: who acts, when and from where. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from broadcaster.domain.accounts import Account, Right
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import StepCode

CLOCK = "clock"
COMMAND = "cli"
SIGN_ON = "oidc"
"""Names of what acts without an account: the schedule, a command, the city's sign-on."""


@dataclass(frozen=True, kw_only=True)
class StaffActor:
    """A person of staff who acts; `place` is the network address that the audit names."""

    account: Account
    now: datetime
    place: str = ""

    @property
    def name(self) -> str:
        """The name that the audit log has for the person ("staff:rina")."""
        return self.account.actor

    @property
    def at(self) -> float:
        """Epoch seconds."""
        return self.now.timestamp()


@dataclass(frozen=True, kw_only=True)
class NamedActor:
    """An actor known by name alone: the clock, a command, an API token ("token:siaga"), or the
    person in whose name stored work goes on.
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
        """The program itself, which does what is due."""
        return cls(name=CLOCK, now=now)


Actor = StaffActor | NamedActor


def require(actor: StaffActor, right: Right) -> None:
    """Raise NotAllowed unless one of the person's roles has the right."""
    if not actor.account.may(right):
        raise NotAllowed(StepCode.RIGHT_MISSING)
