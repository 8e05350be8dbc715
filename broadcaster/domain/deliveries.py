"""Deliveries: states of a ledger row, a row marked for sending, the decision after an attempt.
Pure.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

STATES = (
    "pending", "sending", "sent", "delivered", "read",
    "failed", "skipped", "cancelled", "expired", "unconfirmed",
)  # fmt: skip
PENDING, SENDING, SENT, DELIVERED, READ, FAILED, SKIPPED, CANCELLED, EXPIRED, UNCONFIRMED = range(
    10
)


class MarkedRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A row marked for sending; `attempt` includes this one, `sealed` is the sealed address in
    hex.
    """

    slot: int
    address: int
    area: str
    attempt: int
    spent: int
    uncertain: int
    sealed: str
    language: str
    consented_at: float
    corrects: tuple[int, ...] = ()


class Decision(NamedTuple):
    """The next state of a row after an attempt, and why. PENDING is a retry at `due_at`."""

    slot: int
    attempt: int
    state: int
    due_at: float = 0.0
    reason: str = ""
    provider_code: str = ""
    provider_id: str = ""
    """Id from the provider in clear; only its keyed hash is stored."""
    message_number: int | None = None
    spend: bool = False
    uncertain: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Consequence:
    """Effect of an outcome on its address; `day` of a strike is a WIB date."""

    slot: int
    address: int
    dead: bool = False
    opted_out: bool = False
    strike_limit: int = 0
    day: str = ""
    succeeded: bool = False
    aliases: tuple[str, ...] = ()
    moved_to: str = ""
    fall_back: bool = False
