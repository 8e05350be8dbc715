"""Subscription of an address: a set of areas and of topics.

No topics = all; `darurat` alone = emergencies only.
"""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from subscribers.areas import AreaTree, deepest
from subscribers.refusals import BadValue, CellCode
from subscribers.store import address, subscription

EMERGENCIES_ONLY = "darurat"
"""The only topic that is not a category of announcements."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Areas (codes, sorted) and topics (slugs, sorted; empty = all) of an address."""

    areas: tuple[str, ...]
    topics: tuple[str, ...]


def check_topics(topics: Iterable[str], allowed: Collection[str]) -> tuple[str, ...]:
    """Return the topics sorted; raises ValueError if the city lacks one.

    `darurat` is dropped beside others: emergencies are always sent.
    """
    wanted = set(topics)
    for topic in sorted(wanted - {EMERGENCIES_ONLY} - set(allowed)):
        near = difflib.get_close_matches(topic, [*allowed, EMERGENCIES_ONLY], n=1)
        if near:
            raise BadValue(CellCode.TOPIC_MISSPELT, text=topic, near=near[0])
        raise BadValue(CellCode.NO_SUCH_TOPIC, text=topic, topics=[*allowed, EMERGENCIES_ONLY])
    return tuple(sorted(wanted if wanted == {EMERGENCIES_ONLY} else wanted - {EMERGENCIES_ONLY}))


def pack_topics(topics: Iterable[str]) -> str:
    """Pack topics for the table: '' or ' a b ', sorted."""
    words = " ".join(sorted(topics))
    return f" {words} " if words else ""


def unpack_topics(packed: str) -> tuple[str, ...]:
    """Unpack the topics of a table row."""
    return tuple(packed.split())


def read(conn: Connection, address_id: int) -> Choice:
    """Return the choice of an address; no areas if it is unknown."""
    areas = conn.execute(
        select(subscription.c.area)
        .where(subscription.c.address == address_id)
        .order_by(subscription.c.area)
    )
    packed = conn.execute(select(address.c.topics).where(address.c.id == address_id)).scalar()
    return Choice(areas=tuple(areas.scalars()), topics=unpack_topics(packed or ""))


def replace(
    conn: Connection,
    tree: AreaTree,
    address_id: int,
    *,
    areas: Iterable[str],
    topics: Iterable[str],
) -> bool:
    """Replace the choice; True if it changed.

    `topics` come validated. Raises KeyError for an unknown area, ValueError for none.
    """
    wanted = Choice(areas=codes_of(tree, areas), topics=tuple(sorted(topics)))
    before = read(conn, address_id)
    if before == wanted:
        return False
    values = {
        "home": home_of(wanted.areas),
        "places": len(wanted.areas),
        "topics": pack_topics(wanted.topics),
    }
    conn.execute(update(address).where(address.c.id == address_id).values(values))
    if before.areas != wanted.areas:
        conn.execute(delete(subscription).where(subscription.c.address == address_id))
        conn.execute(
            insert(subscription), [{"address": address_id, "area": area} for area in wanted.areas]
        )
    return True


def codes_of(tree: AreaTree, areas: Iterable[str]) -> tuple[str, ...]:
    """Return sorted, distinct codes of areas given by code or slug.

    Raises KeyError for an unknown area, ValueError for none.
    """
    codes = tuple(sorted({tree[area].code for area in areas}))
    if not codes:
        raise ValueError("Pilih sedikitnya satu wilayah.")
    return codes


def home_of(codes: Iterable[str]) -> str:
    """Return the home of an address: the lowest kelurahan among the codes, else kecamatan, else the
    city.

    Raises ValueError without codes.
    """
    home = deepest(codes)
    if home is None:
        raise ValueError("Pilih sedikitnya satu wilayah.")
    return home
