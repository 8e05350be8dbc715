"""The actor: one person of staff at work, when and from where. Pure."""

from dataclasses import dataclass
from datetime import datetime

from broadcaster.domain.accounts import Account, Right
from broadcaster.domain.lifecycle import NotAllowed


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person who acts; `place` is the network address that the audit names."""

    account: Account
    now: datetime
    place: str = ""

    @property
    def at(self) -> float:
        """Epoch seconds."""
        return self.now.timestamp()


def require(actor: Actor, right: Right) -> None:
    """Raise NotAllowed unless one of the person's roles has the right."""
    if not actor.account.may(right):
        raise NotAllowed("Peran Anda tidak mengizinkan ini. Minta pengelola menambah peran Anda.")
