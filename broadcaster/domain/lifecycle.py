"""Life cycle of an announcement: its states, the acts that change them, and who may perform
each. Pure.
"""

import hmac
from collections.abc import Collection
from typing import Literal

from broadcaster.domain.refusal_codes import StepCode
from broadcaster.domain.refusals import Phrase, Refusal

State = Literal[
    "draft",
    "review",
    "returned",
    "rejected",
    "approved",
    "scheduled",
    "published",
    "ended",
    "archived",
]
Action = Literal[
    "edit", "submit", "send_back", "reject", "approve", "call_back", "lapse",
    "schedule", "unschedule", "publish", "rehearse", "miss", "correct", "withdraw",
    "end", "archive",
]  # fmt: skip
Role = Literal["author", "approver", "grant", "breaker", "clock"]
"""author and approver: two different people; grant: the program, or a token with scope publish,
which counts as the second person; breaker: one person alone in an emergency, where the city
allows it.
"""
_RULES: tuple[tuple[tuple[State, ...], Action, State, tuple[Role, ...]], ...] = (
    (("draft",), "edit", "draft", ("author", "grant")),
    (("returned",), "edit", "returned", ("author",)),
    (("review", "approved", "scheduled"), "edit", "review", ("author",)),
    (("draft", "returned"), "submit", "review", ("author",)),
    (("review",), "send_back", "returned", ("approver",)),
    (("review",), "reject", "rejected", ("approver",)),
    (("review",), "approve", "approved", ("approver",)),
    (("review",), "rehearse", "ended", ("approver",)),
    (("approved",), "call_back", "review", ("author", "approver")),
    (("approved", "scheduled"), "lapse", "review", ("clock",)),
    (("draft", "returned", "review"), "publish", "published", ("breaker",)),
    (("draft",), "schedule", "scheduled", ("grant",)),
    (("draft",), "publish", "published", ("grant",)),
    (("approved",), "schedule", "scheduled", ("approver", "grant")),
    (("approved",), "publish", "published", ("clock", "approver", "grant")),
    (("scheduled",), "unschedule", "approved", ("author", "approver", "grant")),
    (("scheduled",), "publish", "published", ("clock", "approver", "grant")),
    (("scheduled",), "miss", "approved", ("clock",)),
    (("published", "ended"), "correct", "published", ("approver", "grant")),
    (("published", "ended"), "withdraw", "ended", ("approver", "grant")),
    (("published",), "end", "ended", ("clock",)),
    (
        ("draft", "returned", "rejected", "ended"),
        "archive",
        "archived",
        ("author", "approver", "grant"),
    ),
)


def _by_move() -> dict[tuple[State, Action], tuple[State, tuple[Role, ...]]]:
    """Index the rules by state and act: the next state and the roles allowed; rules for the same
    move lead to the same state.
    """
    moves: dict[tuple[State, Action], tuple[State, tuple[Role, ...]]] = {}
    for states, act, to, roles in _RULES:
        for state in states:
            moves[state, act] = (to, moves.get((state, act), (to, ()))[1] + roles)
    return moves


_MOVES = _by_move()


class NotAllowed(Refusal):
    """The current state, or the role of the actor, does not allow this."""


class OwnWork(NotAllowed):
    """The actor may not decide on their own work; no page of ours offers it."""


def may(state: State, act: Action, role: Role) -> State:
    """Return the next state; raises NotAllowed."""
    move = _MOVES.get((state, act))
    if move is None:
        raise _forbidden(StepCode.STATE_FORBIDS, state, act)
    to, roles = move
    if role not in roles:
        raise _forbidden(StepCode.ROLE_FORBIDS, state, act)
    return to


def _forbidden(code: StepCode, state: State, act: Action) -> NotAllowed:
    return NotAllowed(code, state=Phrase(code=f"state.{state}"), act=Phrase(code=f"act.{act}"))


def approve(
    state: State, *, editors: Collection[str], approver: str, seen: str, current: str
) -> State:
    """Apply the four-eyes rule and return the next state: the approver is no editor, and saw the
    current content (both as `content_hash`). Raises NotAllowed.
    """
    if approver in editors:
        raise OwnWork(StepCode.OWN_APPROVAL)
    if not hmac.compare_digest(seen.encode(), current.encode()):
        raise NotAllowed(StepCode.CHANGED_SINCE_SEEN)
    return may(state, "approve", "approver")
