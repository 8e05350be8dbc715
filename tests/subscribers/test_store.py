"""Needs of the tables beyond SQL: ids that never return, slots that spread every kelurahan evenly."""

import bisect
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, delete, insert, inspect, select

from subscribers import store
from subscribers.areas import AreaTree
from subscribers.store import slot_of

HOMES = [area.code for area in AreaTree.built_in().kelurahan][:12]
UNEVEN = [3, 10, 30, 50, 77, 100, 150, 400, 900, 1700, 2400, 3000]


def slots_by_home(sizes: list[int]) -> list[list[int]]:
    """Return the sorted slots of each kelurahan."""
    number = 0
    homes = []
    for home, size in zip(HOMES, sizes, strict=True):
        homes.append(
            sorted(
                slot_of("email", home, position, number + position + 1) for position in range(size)
            )
        )
        number += size
    return homes


def behind(homes: list[list[int]], percent: int) -> float:
    """Return, after `percent` of all slots, the most messages by which one home is more than 2
    percentage points behind another.
    """
    everyone = sorted(slot for slots in homes for slot in slots)
    done = [bisect.bisect_left(slots, everyone[len(everyone) * percent // 100]) for slots in homes]
    worst = 0.0
    for mine, my_slots in zip(done, homes, strict=True):
        for theirs, their_slots in zip(done, homes, strict=True):
            gap = theirs / len(their_slots) - mine / len(my_slots)
            if gap > 0.02:
                worst = max(worst, gap * min(len(my_slots), len(their_slots)))
    return worst


@settings(max_examples=25, deadline=None)
@given(st.permutations(UNEVEN))
def test_at_any_point_of_slot_order_no_kelurahan_is_behind_another(sizes: list[int]) -> None:
    homes = slots_by_home(sizes)
    assert max(behind(homes, percent) for percent in range(1, 100)) <= 2.0 + 1e-9


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=500), min_size=12, max_size=12))
def test_any_sizes_of_kelurahan_are_served_alike(sizes: list[int]) -> None:
    homes = slots_by_home(sizes)
    assert max(behind(homes, percent) for percent in range(5, 100, 5)) <= 3.0


@given(st.integers(min_value=0, max_value=10**7), st.integers(min_value=1, max_value=2**32 - 1))
def test_a_slot_is_a_positive_bigint_that_ends_in_the_id(number: int, address_id: int) -> None:
    slot = slot_of("email", HOMES[0], number, address_id)
    assert 0 <= slot < 2**63
    assert slot & 0xFFFF_FFFF == address_id


def test_homes_and_channels_do_not_share_their_places() -> None:
    places = {slot_of(channel, home, 0, 1) for channel in ("email", "telegram") for home in HOMES}
    assert len(places) == 24


def test_numbers_run_on_within_each_home(conn: Connection) -> None:
    first = store.draw_slots(
        conn, [("email", HOMES[0], "", 1), ("email", HOMES[1], "", 2), ("email", HOMES[0], "", 3)]
    )
    again = store.draw_slots(conn, [("email", HOMES[0], "", 4), ("telegram", HOMES[0], "", 5)])
    assert first == [
        slot_of("email", HOMES[0], 0, 1),
        slot_of("email", HOMES[1], 0, 2),
        slot_of("email", HOMES[0], 1, 3),
    ]
    assert again == [slot_of("email", HOMES[0], 2, 4), slot_of("telegram", HOMES[0], 0, 5)]


def test_each_choice_of_topics_is_spread_by_itself(conn: Connection) -> None:
    mine, other = ("email", HOMES[0]), ("email", HOMES[1])
    first = store.draw_slots(
        conn,
        [(*mine, " bansos ", 1), (*mine, "", 2), (*mine, " cuaca ", 3), (*other, " cuaca ", 4)],
    )
    again = store.draw_slots(
        conn, [(*mine, " bansos ", 5), (*mine, " bansos cuaca ", 6), (*mine, "", 7)]
    )
    assert first == [
        slot_of(*mine, 0, 1, 1),
        slot_of(*mine, 0, 2),
        slot_of(*mine, 0, 3, 2),
        slot_of(*other, 0, 4, 1),
    ]
    assert again == [slot_of(*mine, 1, 5, 1), slot_of(*mine, 0, 6, 3), slot_of(*mine, 1, 7)]


def test_no_slot_is_drawn_for_nobody(conn: Connection) -> None:
    assert store.draw_slots(conn, []) == []
    assert store.reserve_ids(conn, store.subscriber, 0) == []


def test_an_erased_id_never_comes_back(conn: Connection) -> None:
    (first,) = store.reserve_ids(conn, store.subscriber, 1)
    conn.execute(insert(store.subscriber).values(id=first, created_at=0.0))
    conn.execute(delete(store.subscriber))
    assert min(store.reserve_ids(conn, store.subscriber, 3)) > first


def test_reserved_ids_are_new_and_different(conn: Connection) -> None:
    ids = store.reserve_ids(conn, store.subscriber, 5)
    conn.execute(insert(store.subscriber), [{"id": number, "created_at": 0.0} for number in ids])
    assert len(set(ids)) == 5
    assert not set(ids) & set(store.reserve_ids(conn, store.subscriber, 5))


def test_a_row_that_is_there_stays(conn: Connection) -> None:
    for n in (1, 2):
        conn.execute(
            store.insert_new(conn, store.slot_counter).values(channel="email", home=HOMES[0], n=n)
        )
    assert conn.execute(select(store.slot_counter.c.n)).scalars().all() == [1]


def test_batches_split_and_keep_the_order() -> None:
    assert list(store.batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(store.batches([], 2)) == []


@pytest.mark.parametrize("table", store.metadata.sorted_tables, ids=lambda table: table.name)
def test_each_table_can_be_made_alone(tmp_path: Path, table) -> None:  # type: ignore[no-untyped-def]
    engine = create_engine(f"sqlite:///{tmp_path / 'one.db'}")
    table.create(engine)
    assert inspect(engine).get_table_names() == [table.name]
    engine.dispose()
