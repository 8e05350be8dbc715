"""Independence of accounts: two accounts may belong to one person, as the maker of an account
could sign in with it lately, and so could the maker's own maker.

Pure.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

HOLD_SECONDS = 24 * 3600.0
"""Period after an account is created, enabled, reset or given other rights in which it is no
second person beside the account that did so.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """An act by which the account `maker` gained control of `account`: created, reset or given
    rights; `at` in epoch seconds.
    """

    account: int
    maker: int
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bond:
    """A reason why an approver is no second person: the account `hand` controlled both the
    approver's account and that of `writer` until then (epoch seconds).
    """

    hand: int
    writer: int
    until: float


def bond(controls: Collection[Control], approver: int, writers: Iterable[int]) -> Bond | None:
    """Find the longest-lasting bond between an approver and any of the writers, through any
    chain of makers; None if there is none.
    """
    above = _hands(controls, approver)
    bonds = [
        Bond(hand=hand, writer=writer, until=min(since, above[hand]) + HOLD_SECONDS)
        for writer in writers
        for hand, since in _hands(controls, writer).items()
        if hand in above and writer != approver
    ]
    return max(bonds, key=lambda bond: (bond.until, -bond.hand), default=None)


def _hands(controls: Collection[Control], account: int) -> Mapping[int, float]:
    """Map every account that controls this one, through chains of any length, to the oldest act
    of its most recent chain (epoch seconds).
    """
    hands = {account: math.inf}
    changed = True
    while changed:
        changed = False
        for control in controls:
            since = min(hands.get(control.account, -math.inf), control.at)
            if since > hands.get(control.maker, -math.inf):
                hands[control.maker], changed = since, True
    return hands
