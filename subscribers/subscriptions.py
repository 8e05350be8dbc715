"""What an address asked for: a set of areas and of topics. No topics = all; `darurat` alone =
emergencies only.
"""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from subscribers.areas import AreaTree, deepest
from subscribers.refusals import BadValue, CellCode
from subscribers.store import address, subscription

EMERGENCIES_ONLY = "darurat"
"""The one topic that is no category of announcements."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Areas (codes, sorted) and topics (slugs, sorted; empty = all) of one address."""

    areas: tuple[str, ...]
    topics: tuple[str, ...]


def check_topics(topics: Iterable[str], allowed: Collection[str]) -> tuple[str, ...]:
    """The topics sorted, if the city has them all, else ValueError. Beside others `darurat` goes:
    emergencies always come.
    """
    wanted = set(topics)
    for topic in sorted(wanted - {EMERGENCIES_ONLY} - set(allowed)):
        near = difflib.get_close_matches(topic, [*allowed, EMERGENCIES_ONLY], n=1)
        if near:
            raise BadValue(CellCode.TOPIC_MISSPELT, text=topic, near=near[0])
        raise BadValue(CellCode.NO_SUCH_TOPIC, text=topic, topics=[*allowed, EMERGENCIES_ONLY])
    return tuple(sorted(wanted if wanted == {EMERGENCIES_ONLY} else wanted - {EMERGENCIES_ONLY}))


def pack_topics(topics: Iterable[str]) -> str:
    """As the table keeps them: '' or ' a b ', sorted."""
    words = " ".join(sorted(topics))
    return f" {words} " if words else ""


def unpack_topics(packed: str) -> tuple[str, ...]:
    """The topics of a table row."""
    return tuple(packed.split())


def read(conn: Connection, address_id: int) -> Choice:
    """The choice of an address; no areas if it is unknown."""
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
    """Set the choice; says whether it changed. KeyError for an unknown area, ValueError for none;
    topics come checked.
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
    """Codes of areas given by code or slug, sorted, each once. KeyError for an unknown one,
    ValueError for none.
    """
    codes = tuple(sorted({tree[area].code for area in areas}))
    if not codes:
        raise ValueError("Pilih sedikitnya satu wilayah.")
    return codes


def home_of(codes: Iterable[str]) -> str:
    """The lowest kelurahan among the codes, else kecamatan, else the city: where an address is at
    home. ValueError for none.
    """
    home = deepest(codes)
    if home is None:
        raise ValueError("Pilih sedikitnya satu wilayah.")
    return home
