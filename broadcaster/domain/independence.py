"""Whether two accounts are two people. Who made or reset an account lately could sign in with it,
and so could their own maker.

Pure.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

HOLD_SECONDS = 24 * 3600.0
"""For so long an account that somebody made, enabled, reset or gave other rights is no second
person beside them.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """Somebody (`maker`) gave an account what lets people sign in with it, or what it may do; ids,
    and epoch seconds.
    """

    account: int
    maker: int
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bond:
    """Why an approver is no second person: `hand` had both accounts, the approver's and `writer`'s,
    in hand until then.
    """

    hand: int
    writer: int
    until: float


def bond(controls: Collection[Control], approver: int, writers: Iterable[int]) -> Bond | None:
    """The longest bond between an approver and anybody who wrote it, by any chain of makers; None
    where there is none.
    """
    above = _hands(controls, approver)
    bonds = [
        Bond(hand=hand, writer=writer, until=min(since, above[hand]) + HOLD_SECONDS)
        for writer in writers
        for hand, since in _hands(controls, writer).items()
        if hand in above and writer != approver
    ]
    return max(bonds, key=lambda one: (one.until, -one.hand), default=None)


def _hands(controls: Collection[Control], account: int) -> Mapping[int, float]:
    """Everybody who has an account in hand, by chains of any length, with the oldest act of the
    freshest chain.
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
