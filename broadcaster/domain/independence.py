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
    """A reason why an approver is no second person: the account `controller` controlled both the
    approver's account and that of `writer` until then (epoch seconds).
    """

    controller: int
    writer: int
    until: float


def bond(controls: Collection[Control], approver: int, writers: Iterable[int]) -> Bond | None:
    """Find the longest-lasting bond between an approver and any of the writers, through any
    chain of makers; None if there is none.
    """
    above = _controllers(controls, approver)
    bonds = [
        Bond(
            controller=controller, writer=writer, until=min(since, above[controller]) + HOLD_SECONDS
        )
        for writer in writers
        for controller, since in _controllers(controls, writer).items()
        if controller in above and writer != approver
    ]
    return max(bonds, key=lambda bond: (bond.until, -bond.controller), default=None)


def _controllers(controls: Collection[Control], account: int) -> Mapping[int, float]:
    """Map every account that controls this one, through chains of any length, to the oldest act
    of its most recent chain (epoch seconds).
    """
    controllers = {account: math.inf}
    changed = True
    while changed:
        changed = False
        for control in controls:
            since = min(controllers.get(control.account, -math.inf), control.at)
            if since > controllers.get(control.maker, -math.inf):
                controllers[control.maker], changed = since, True
    return controllers
