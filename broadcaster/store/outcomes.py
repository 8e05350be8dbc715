"""Outcomes of attempts: settle their rows, hand back unsent ones. domain/retry_policy.py decides
what an outcome means.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, text, update

from broadcaster.domain.deliveries import (
    FAILED,
    PENDING,
    SENDING,
    SENT,
    UNCONFIRMED,
    Decision,
    MarkedRow,
)
from broadcaster.store import statements
from broadcaster.store.database import now
from broadcaster.store.slices import Claim, move_counters
from broadcaster.store.tables import delivery
from subscribers.vault import Vault

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
        state=bindparam("b_state"),
        due_at=bindparam("b_due_at"),
        reason=bindparam("b_reason"),
        provider_code=bindparam("b_code"),
        closed_at=bindparam("b_closed_at"),
        spent=delivery.c.spent + bindparam("b_spend"),
        uncertain=delivery.c.uncertain + bindparam("b_uncertain"),
    )
)


def settle(
    connection: Connection,
    vault: Vault,
    claim: Claim,
    decisions: Sequence[Decision],
    *,
    keep_ids: bool,
) -> set[int]:
    """Record the outcomes of a group of attempts, idempotently; return the slots that ended
    otherwise than sent.

    An outcome of a fenced attempt still counts: a message that was sent after all is sent.
    `keep_ids`: the provider reports later by its own id, so store a mapping from it to the row;
    else nothing of the id is stored.
    """
    wall = now(connection)
    change: Counter[int] = Counter()
    sent = [decision for decision in decisions if decision.state == SENT]
    if sent:
        _settle_sent(connection, vault, claim, sent, wall, change, keep_ids=keep_ids)
    others = (
        decisions if not sent else [decision for decision in decisions if decision.state != SENT]
    )
    current = _current(connection, claim, others) if others else []
    if current:
        connection.execute(_settle, [_values(claim, decision, wall) for decision in current])
    for decision in current:
        change[SENDING] -= 1
        change[decision.state] += 1
    doubled = sum(1 for decision in current if decision.uncertain and decision.state == PENDING)
    move_counters(connection, claim, change, possible_duplicates=doubled)
    return {decision.slot for decision in current}


def _settle_sent(
    connection: Connection,
    vault: Vault,
    claim: Claim,
    sent: Sequence[Decision],
    wall: float,
    change: Counter[int],
    *,
    keep_ids: bool,
) -> None:
    """Settle sent rows, most of all outcomes, in one statement; only if it changes fewer rows is
    each row checked.
    """
    place: dict[str, Any] = {"edition": claim.edition, "channel": claim.channel}
    taken = [
        (
            each.slot,
            each.attempt,
            vault.provider_key(claim.channel, each.provider_id) if keep_ids else "",
            each.message_number,
        )
        for each in sent
    ]
    ended = statements.settle_sent(connection, **place, sent=taken, wall=wall)
    change.update({SENDING: -ended, SENT: ended})
    if ended < len(sent):
        rows = _rows(connection, claim, sent)
        for decision, (_slot, _attempt, key, _number) in zip(sent, taken, strict=True):
            _settle_late(connection, claim, decision, key, rows[decision.slot], wall, change)
    if keep_ids:
        statements.keep_keys(connection, **place, sent=taken)


def _current(connection: Connection, claim: Claim, decisions: Sequence[Decision]) -> list[Decision]:
    """Return the decisions for their row's current attempt; others are of attempts given up and add
    nothing.
    """
    rows = _rows(connection, claim, decisions)
    return [
        decision
        for decision in decisions
        if (rows[decision.slot].state, rows[decision.slot].attempt) == (SENDING, decision.attempt)
    ]


def _rows(
    connection: Connection, claim: Claim, decisions: Sequence[Decision]
) -> dict[int, Row[*tuple[Any, ...]]]:
    """Lock the rows until the transaction ends and return their state and attempt."""
    slots = [decision.slot for decision in decisions]
    statement = select(delivery.c.slot, delivery.c.state, delivery.c.attempt).where(
        delivery.c.edition == claim.edition,
        delivery.c.channel == claim.channel,
        delivery.c.slot.in_(slots),
    )
    return {row.slot: row for row in connection.execute(statement.with_for_update())}


def plain(text: str) -> str:
    """Remove NUL characters and lone surrogates, which databases refuse, from a provider's text."""
    return (
        text
        if text.isascii() and "\0" not in text
        else text.replace("\0", "").encode("utf-8", "replace").decode()
    )


def _values(claim: Claim, decision: Decision, wall: float) -> dict[str, object]:
    return {
        "b_edition": claim.edition,
        "b_channel": claim.channel,
        "b_slot": decision.slot,
        "b_attempt": decision.attempt,
        "b_state": decision.state,
        "b_due_at": decision.due_at,
        "b_reason": decision.reason or None,
        "b_code": plain(decision.provider_code) or None,
        "b_closed_at": None if decision.state in (PENDING, SENDING) else wall,
        "b_spend": int(decision.spend),
        "b_uncertain": int(decision.uncertain),
    }


def _settle_late(
    connection: Connection,
    claim: Claim,
    decision: Decision,
    key: str,
    row: "Row[Any]",
    wall: float,
    change: Counter[int],
) -> None:
    """Settle a row as sent when the receipt of an attempt given up as uncertain arrives, whatever a
    later attempt did.
    """
    if row.state not in (PENDING, UNCONFIRMED) and not (
        row.state in (SENDING, FAILED) and row.attempt > decision.attempt
    ):
        return
    connection.execute(
        update(delivery)
        .where(
            delivery.c.edition == claim.edition,
            delivery.c.channel == claim.channel,
            delivery.c.slot == decision.slot,
        )
        .values(
            state=SENT,
            provider_key=key or None,
            message_number=decision.message_number,
            reason=None,
            closed_at=wall,
        )
    )
    change[row.state] -= 1
    change[SENT] += 1


def hand_back(connection: Connection, claim: Claim, rows: Sequence[MarkedRow]) -> None:
    """Return rows marked but never sent to pending; no attempt is spent."""
    if not rows:
        return
    given = connection.execute(
        text(
            f"UPDATE delivery SET state = {PENDING}"
            " WHERE edition = :edition AND channel = :channel AND slot = :slot"
            f" AND state = {SENDING} AND attempt = :attempt"
        ),
        [
            {
                "edition": claim.edition,
                "channel": claim.channel,
                "slot": row.slot,
                "attempt": row.attempt,
            }
            for row in rows
        ],
    ).rowcount
    move_counters(connection, claim, {PENDING: given, SENDING: -given})
