"""Export of every address as rows that the import accepts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, Select, select

from subscribers.residents import ADDRESS_COLUMNS, state_name
from subscribers.store import address, consent, subscriber, subscription
from subscribers.subscriptions import unpack_topics
from subscribers.vault import SealBroken, Vault

_EXPORT_BATCH = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Unopened:
    """An address that cannot be exported because the key does not open it; the others are."""

    id: int
    channel: str


def export_rows(conn: Connection, vault: Vault) -> Iterator[dict[str, str] | Unopened]:
    """Yield every address as a row of importing.COLUMNS, by id; importing them restores the same
    state, opt-outs included.
    """
    after = 0
    while rows := conn.execute(_export_query(after)).all():
        ids = [row.id for row in rows]
        areas = _areas(conn, ids)
        proofs = _proofs(conn, ids)
        for row in rows:
            try:
                yield _exported(vault, row, areas.get(row.id, []), proofs.get(row.id))
            except SealBroken:
                yield Unopened(id=row.id, channel=row.channel)
        after = ids[-1]


def _export_query(after: int) -> Select[tuple[object, ...]]:
    source = address.join(subscriber, subscriber.c.id == address.c.subscriber)
    return (
        select(*ADDRESS_COLUMNS, subscriber.c.reference)
        .select_from(source)
        .where(address.c.id > after)
        .order_by(address.c.id)
        .limit(_EXPORT_BATCH)
    )


def _areas(conn: Connection, ids: list[int]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    query = (
        select(subscription.c.address, subscription.c.area)
        .where(subscription.c.address.in_(ids))
        .order_by(subscription.c.area)
    )
    for number, area in conn.execute(query):
        groups.setdefault(number, []).append(area)
    return groups


def _proofs(conn: Connection, ids: list[int]) -> dict[int, tuple[str, float]]:
    """Return source and time of each address's latest consent."""
    given = consent.c.act.in_(("granted", "imported"))
    query = (
        select(consent.c.address, consent.c.source, consent.c.at)
        .where(consent.c.address.in_(ids), given)
        .order_by(consent.c.id)
    )
    return {row.address: (row.source, row.at) for row in conn.execute(query)}


def _exported(
    vault: Vault,
    row: Row[tuple[object, ...]],
    areas: list[str],
    proof: tuple[str, float] | None,
) -> dict[str, str]:
    source, at = proof or ("", 0.0)
    return {
        "channel": row.channel,
        "address": vault.open(row.channel, row.cipher),
        "areas": " ".join(areas),
        "topics": " ".join(unpack_topics(row.topics)),
        "language": row.language,
        "consent_source": source,
        "consent_at": datetime.fromtimestamp(at, UTC).isoformat() if proof else "",
        "subscriber": row.reference or "",
        "state": state_name(row.state, row.reason),
    }
