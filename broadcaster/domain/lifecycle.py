"""States of an announcement, the acts that move it, and who may perform each. Pure."""

import hmac
from collections.abc import Collection
from typing import Literal

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
    "edit", "submit", "send_back", "reject", "approve", "call_back", "lapse", "schedule", "unschedule",
    "publish", "rehearse", "miss", "correct", "withdraw", "end", "archive",
]  # fmt: skip
Role = Literal["author", "approver", "grant", "breaker", "clock"]
"""author and approver: two different people; grant: the program or a token with scope publish,
itself the second person; breaker: one person alone in an emergency, where the city allows it.
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
    """(state, act) -> where it leads and who may; several rules of one move lead to the same state."""
    moves: dict[tuple[State, Action], tuple[State, tuple[Role, ...]]] = {}
    for states, act, to, roles in _RULES:
        for state in states:
            moves[state, act] = (to, moves.get((state, act), (to, ()))[1] + roles)
    return moves


_MOVES = _by_move()
STATE_WORDS: dict[State, str] = {
    "draft": "draf", "review": "menunggu persetujuan", "returned": "dikembalikan", "rejected": "ditolak", "approved": "disetujui",
    "scheduled": "terjadwal", "published": "terbit", "ended": "berakhir", "archived": "diarsipkan",
}  # fmt: skip
ACT_WORDS: dict[Action, str] = {
    "edit": "diubah", "submit": "diajukan", "send_back": "dikembalikan", "reject": "ditolak", "approve": "disetujui",
    "call_back": "ditarik kembali", "lapse": "ditunda karena persetujuannya gugur", "rehearse": "diselesaikan sebagai latihan",
    "schedule": "dijadwalkan", "unschedule": "dibatalkan jadwalnya", "publish": "diterbitkan", "miss": "dilewatkan",
    "correct": "diralat", "withdraw": "dicabut", "end": "diakhiri", "archive": "diarsipkan",
}  # fmt: skip


class NotAllowed(Exception):
    """The announcement's state, or who asks, does not allow this; the message says why, in
    Indonesian.
    """


class OwnWork(NotAllowed):
    """Nobody decides on what they wrote or proposed: no page of ours offers it."""


def may(state: State, act: Action, role: Role) -> State:
    """The state that follows; raises NotAllowed."""
    move = _MOVES.get((state, act))
    if move is None:
        raise NotAllowed(f"Pengumuman ini {STATE_WORDS[state]}, jadi tidak dapat {ACT_WORDS[act]}.")
    to, roles = move
    if role not in roles:
        raise NotAllowed(
            f"Peran Anda tidak dapat membuat pengumuman yang {STATE_WORDS[state]} {ACT_WORDS[act]}."
        )
    return to


def approve(
    state: State, *, editors: Collection[str], approver: str, seen: str, current: str
) -> State:
    """Four eyes: none of its editors approves, and what was shown (`content_hash` seen and
    current). Raises NotAllowed.
    """
    if approver in editors:
        raise OwnWork(
            "Penyusun tidak dapat menyetujui pengumumannya sendiri. Minta orang lain memeriksanya."
        )
    if not hmac.compare_digest(seen.encode(), current.encode()):
        raise NotAllowed(
            "Isi atau wilayahnya berubah sesudah Anda melihatnya. Periksa lagi, lalu setujui."
        )
    return may(state, "approve", "approver")
