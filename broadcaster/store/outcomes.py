"""What became of attempts: settle their rows, hand back what was never written. delivery.py decides what an outcome means."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, select, text, update

from broadcaster.store.database import now
from broadcaster.store.slices import Claim, MarkedRow, move_counters
from broadcaster.store.tables import FAILED, PENDING, SENDING, SENT, UNCONFIRMED, delivery


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What becomes of a row after an attempt: its next state and why. PENDING is a retry at `due_at`."""

    slot: int
    attempt: int
    state: int
    due_at: float = 0.0
    reason: str = ""
    provider_code: str = ""
    provider_id: str = ""
    spend: bool = False
    uncertain: bool = False


_settle = (
    update(delivery)
    .where(
        delivery.c.edition == bindparam("b_edition"),
        delivery.c.channel == bindparam("b_channel"),
        delivery.c.slot == bindparam("b_slot"),
        delivery.c.attempt == bindparam("b_attempt"),
        delivery.c.state == SENDING,
    )
    .values(
        state=bindparam("b_state"), due_at=bindparam("b_due_at"), reason=bindparam("b_reason"),
        provider_code=bindparam("b_code"), provider_id=bindparam("b_id"), closed_at=bindparam("b_closed_at"),
        spent=delivery.c.spent + bindparam("b_spend"), uncertain=delivery.c.uncertain + bindparam("b_uncertain"),
    )
)  # fmt: skip


def settle(connection: Connection, claim: Claim, decisions: Sequence[Decision], *, keep_ids: bool) -> set[int]:
    """Record what became of a group of attempts, repeating it changes nothing; the slots whose current attempt this ended.

    An outcome from a fenced attempt is still a fact: a message that was sent after all is sent.
    `keep_ids`: the provider reports later by its own id, so keep a way back from it.
    """
    wall = now(connection)
    slots = [decision.slot for decision in decisions]
    before = select(delivery.c.slot, delivery.c.state, delivery.c.attempt).where(
        delivery.c.edition == claim.edition, delivery.c.channel == claim.channel, delivery.c.slot.in_(slots)
    )
    rows = {row.slot: row for row in connection.execute(before.with_for_update())}
    change: Counter[int] = Counter()
    current, late = [], []
    for decision in decisions:
        row = rows[decision.slot]
        if row.state == SENDING and row.attempt == decision.attempt:
            current.append(decision)
            change[SENDING] -= 1
            change[decision.state] += 1
        elif decision.state == SENT:
            late.append((decision, row))
    if current:
        connection.execute(_settle, [_values(claim, decision, wall) for decision in current])
    for decision, row in late:
        _settle_late(connection, claim, decision, row, wall, change)
    doubled = sum(1 for decision in current if decision.uncertain and decision.state == PENDING)
    move_counters(connection, claim, change, possible_duplicates=doubled)
    if keep_ids:
        _keep_ids(connection, claim, decisions)
    return {decision.slot for decision in current}


def _values(claim: Claim, decision: Decision, wall: float) -> dict[str, object]:
    return {
        "b_edition": claim.edition, "b_channel": claim.channel, "b_slot": decision.slot, "b_attempt": decision.attempt,
        "b_state": decision.state, "b_due_at": decision.due_at, "b_reason": decision.reason or None,
        "b_code": decision.provider_code or None, "b_id": decision.provider_id or None,
        "b_closed_at": None if decision.state in (PENDING, SENDING) else wall,
        "b_spend": int(decision.spend), "b_uncertain": int(decision.uncertain),
    }  # fmt: skip


def _settle_late(connection: Connection, claim: Claim, decision: Decision, row: Row, wall: float, change: Counter[int]) -> None:  # type: ignore[type-arg]
    """A receipt of an attempt given up as uncertain: whatever a later attempt does or did not do, it was sent after all."""
    if row.state not in (PENDING, UNCONFIRMED) and not (row.state in (SENDING, FAILED) and row.attempt > decision.attempt):
        return
    connection.execute(
        update(delivery)
        .where(delivery.c.edition == claim.edition, delivery.c.channel == claim.channel, delivery.c.slot == decision.slot)
        .values(state=SENT, provider_id=decision.provider_id or None, reason=None, closed_at=wall)
    )
    change[row.state] -= 1
    change[SENT] += 1


def _keep_ids(connection: Connection, claim: Claim, decisions: Iterable[Decision]) -> None:
    known = [
        {"channel": claim.channel, "provider_id": decision.provider_id, "edition": claim.edition, "slot": decision.slot}
        for decision in decisions
        if decision.provider_id
    ]
    if known:
        connection.execute(
            text("INSERT INTO provider_message (channel, provider_id, edition, slot)"
                 " VALUES (:channel, :provider_id, :edition, :slot) ON CONFLICT DO NOTHING"),
            known,
        )  # fmt: skip


def hand_back(connection: Connection, claim: Claim, rows: Sequence[MarkedRow]) -> None:
    """Rows marked but never written wait again; no attempt is spent."""
    if not rows:
        return
    given = connection.execute(
        text("UPDATE delivery SET state = 0 WHERE edition = :edition AND channel = :channel AND slot = :slot"
             " AND state = 1 AND attempt = :attempt"),
        [{"edition": claim.edition, "channel": claim.channel, "slot": row.slot, "attempt": row.attempt} for row in rows],
    ).rowcount  # fmt: skip
    move_counters(connection, claim, {PENDING: given, SENDING: -given})
