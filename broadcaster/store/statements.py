"""Statements that run for every message: each is a single call into the database for a whole batch,
in either dialect.

On SQLite a batch goes in and comes out as a JSON value. Single rows would be as fast by themselves,
but each would pass the global interpreter lock back and forth with the event loop.
"""

import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, CursorResult

from broadcaster.domain.deliveries import PENDING, SENDING, SENT, STATES, MarkedRow
from broadcaster.store.database import is_sqlite

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


class Statement:
    """SQL with `:name` parameters; `postgresql` where it differs."""

    def __init__(self, sqlite: str, postgresql: str = "") -> None:
        self._sqlite = sqlite
        self._postgresql = _PARAMETER.sub(r"%(\1)s", postgresql or sqlite)

    def __call__(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        """Run it without SQLAlchemy's compiler, which would cost more than the statement; errors
        are SQLAlchemy's.
        """
        return connection.exec_driver_sql(
            self._sqlite if is_sqlite(connection) else self._postgresql, values
        )


ERASED = -1
"""State of an address that no longer exists."""


class Candidate(MarkedRow, frozen=True, kw_only=True, array_like=True):
    """A due row as the gate reads it, with the fields it has once marked, and its address's state
    (subscribers.store.State, or ERASED).
    """

    address_state: int
    address_reason: str


_GATE = """
SELECT r.state, {wall} AS wall, coalesce(s.halted, ''), coalesce(s.holding, {no}),
       coalesce(s.paused_until, 0), coalesce(s.suspected, {no})
FROM run r LEFT JOIN channel_state s ON s.channel = r.channel
WHERE r.edition = :edition AND r.channel = :channel
"""
_gate = Statement(
    _GATE.format(wall="0", no="0"),
    _GATE.format(wall="extract(epoch FROM clock_timestamp())::double precision", no="false"),
)


def gate(connection: Connection, edition: int, channel: str, lane: str) -> tuple[str, float, bool]:
    """Return a run's state, the database's wall clock (epoch seconds), and whether the channel is
    closed to this lane (store/channels.py).
    """
    row: Any = _gate(connection, edition=edition, channel=channel).one()
    state, wall, halted, holding, paused_until, suspected = row
    wall = time.time() if is_sqlite(connection) else wall
    if lane == "emergency" and suspected:
        return state, wall, False
    return (
        state,
        wall,
        bool(halted and not (holding and lane == "emergency")) or paused_until > wall,
    )


_CANDIDATES = """
SELECT d.slot, d.address, d.area, d.attempt + 1 AS attempt, d.spent, d.uncertain,
       coalesce({hex}, '') AS sealed,
       coalesce(a.language, '') AS language,
       coalesce(a.agreed_at, 0.0) AS consented_at,
       {none} AS corrects, coalesce(a.state, {erased}) AS address_state,
       coalesce(a.reason, '') AS address_reason
FROM delivery d LEFT JOIN address a ON a.id = d.address
WHERE d.edition = :edition AND d.channel = :channel AND d.slot > :cursor AND d.slot <= :last
  AND d.state = {pending} AND d.due_at <= :until
ORDER BY d.slot LIMIT :limit
"""
_ONE_VALUE = """
SELECT json_group_array(json_array(slot, address, area, attempt, spent, uncertain, sealed,
    language, consented_at, json(corrects), address_state, address_reason))
FROM (%s)
"""
_candidates = Statement(
    _ONE_VALUE
    % _CANDIDATES.format(hex="hex(a.cipher)", none="'[]'", pending=PENDING, erased=ERASED),
    _CANDIDATES.format(
        hex="encode(a.cipher, 'hex')", none="'{}'::bigint[]", pending=PENDING, erased=ERASED
    ),
)
# created at import time for the sake of `convert` below too: see domain/signatures.py
_decode = msgspec.json.Decoder(list[Candidate]).decode


def candidates(
    connection: Connection,
    *,
    edition: int,
    channel: str,
    cursor: int,
    last: int,
    until: float,
    limit: int,
) -> list[Candidate]:
    """Return the first `limit` rows in slot order with cursor < slot <= last that are due by
    `until`.
    """
    result = _candidates(
        connection,
        edition=edition,
        channel=channel,
        cursor=cursor,
        last=last,
        until=until,
        limit=limit,
    )
    if is_sqlite(connection):
        return _decode(result.scalar_one())
    return msgspec.convert([tuple(row) for row in result], list[Candidate])


_MARK = (
    f"UPDATE delivery SET state = {SENDING}, attempt = attempt + 1"
    " WHERE edition = :edition AND channel = :channel"
    f" AND slot > :cursor AND slot <= :last AND state = {PENDING} AND due_at <= :until"
)
_mark = Statement(_MARK, f"{_MARK} RETURNING slot")


def mark_range(
    connection: Connection,
    passing: set[int],
    *,
    edition: int,
    channel: str,
    cursor: int,
    last: int,
    until: float,
) -> set[int]:
    """Mark the due rows of a range `sending`; return their slots, which on PostgreSQL may differ
    from `passing`.
    """
    done = _mark(
        connection, edition=edition, channel=channel, cursor=cursor, last=last, until=until
    )
    if not is_sqlite(connection):
        return set(done.scalars())
    # no other writer meanwhile: the rows due when the candidates were read are due now
    if done.rowcount != len(passing):
        raise AssertionError(f"{done.rowcount} rows marked of {len(passing)}")
    return passing


_MOVED = ", ".join(f"n_{state} = n_{state} + :n_{state}" for state in STATES)
_MOVE = (
    f"UPDATE slice SET {_MOVED}, open = open + :open,"
    " possible_duplicates = possible_duplicates + :doubles{more}"
    " WHERE edition = :edition AND channel = :channel AND number = :number"
)
move_counters = Statement(_MOVE.format(more=""))
"""Add to the counters of a slice."""
move_counters_held = Statement(
    _MOVE.format(more=", lease_until = :until")
    + " AND owner = :owner AND epoch = :epoch AND lease_until > :clock"
)
"""The same, and renew the lease; changes no row if the lease is lost."""

_TAKEN = (
    f"UPDATE delivery SET state = {SENT}, due_at = 0, reason = NULL, provider_code = NULL,"
    " closed_at = :wall, provider_key = nullif(sent.provider_key, ''),"
    " message_number = sent.message_number"
)
_MINE = "delivery.edition = :edition AND delivery.channel = :channel"
_ON_THE_WIRE = f"delivery.attempt = sent.attempt AND delivery.state = {SENDING}"
_settle_sent = Statement(
    # materialised, so that SQLite looks each row up instead of scanning the edition
    f"{_TAKEN} FROM (WITH batch AS MATERIALIZED ("
    "SELECT CAST(json_extract(value, '$[0]') AS INTEGER) AS slot,"
    " json_extract(value, '$[1]') AS attempt,"
    " json_extract(value, '$[2]') AS provider_key, json_extract(value, '$[3]') AS message_number"
    " FROM json_each(:rows)) SELECT * FROM batch) AS sent"
    f" WHERE {_MINE} AND delivery.slot = sent.slot AND {_ON_THE_WIRE}",
    f"{_TAKEN} FROM unnest(:slots::bigint[], :attempts::int[], :keys::text[], :numbers::bigint[])"
    " AS sent (slot, attempt, provider_key, message_number)"
    # with the batch's range, since PostgreSQL underestimates the rows of a table just filled
    f" WHERE {_MINE} AND delivery.slot BETWEEN :first::bigint AND :last::bigint"
    f" AND delivery.slot = sent.slot AND {_ON_THE_WIRE}",
)

Sent = Sequence[tuple[int, int, str, int | None]]
"""(slot, attempt, key of the provider's id, message number) of messages accepted by the provider.
"""


def settle_sent(
    connection: Connection, *, edition: int, channel: str, sent: Sent, wall: float
) -> int:
    """Close rows whose current attempt was accepted; return how many (fewer if some were settled or
    fenced before).
    """
    return _settle_sent(
        connection, edition=edition, channel=channel, wall=wall, **_batch(connection, sent)
    ).rowcount


_keep_keys = Statement(
    "INSERT INTO provider_message (channel, provider_key, edition, slot)"
    " SELECT :channel, json_extract(sent.value, '$[2]'), :edition, json_extract(sent.value, '$[0]')"
    " FROM json_each(:rows) AS sent WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO provider_message (channel, provider_key, edition, slot)"
    " SELECT :channel, sent.provider_key, :edition, sent.slot"
    " FROM unnest(:slots::bigint[], :keys::text[]) AS sent (slot, provider_key)"
    " ON CONFLICT DO NOTHING",
)


def keep_keys(connection: Connection, *, edition: int, channel: str, sent: Sent) -> None:
    """Store the mapping from provider ids' keys to rows."""
    if known := [message for message in sent if message[2]]:
        _keep_keys(connection, edition=edition, channel=channel, **_batch(connection, known))


def _batch(connection: Connection, sent: Sent) -> dict[str, Any]:
    if is_sqlite(connection):
        return {"rows": msgspec.json.encode(sent).decode()}
    slots, attempts, keys, numbers = zip(*sent, strict=True)
    return {
        "slots": list(slots),
        "attempts": list(attempts),
        "keys": list(keys),
        "numbers": list(numbers),
        "first": min(slots),
        "last": max(slots),
    }
