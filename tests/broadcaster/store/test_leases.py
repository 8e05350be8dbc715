"""Leases on both databases: which clock they use, who holds them, until when, and what ends them
early.
"""

import asyncio
import os
import time

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from broadcaster.store.database import Database
from broadcaster.store.leases import (
    Holder,
    boot_id,
    lease_clock,
    new_owner,
    suspend_proof,
    take_sweeper,
)
from broadcaster.store.tables import sweeper

clocks = st.floats(0, 1e9)


# --- who may take a lease -------------------------------------------------------------------------------


@given(until=st.none() | clocks, clock=clocks)
def test_a_lease_of_nobody_can_be_taken(until: float | None, clock: float) -> None:
    assert Holder(owner="me", lease=30).may_take(None, until, clock)


@given(until=clocks, clock=clocks, dead=st.booleans())
def test_anothers_lease_can_be_taken_when_it_has_run_out_or_its_holder_is_dead(
    until: float, clock: float, dead: bool
) -> None:
    me = Holder(owner="me", lease=30, is_dead=lambda owner: dead and owner == "other")
    assert me.may_take("other", until, clock) == (until <= clock or dead)


def test_a_holder_never_takes_its_own_running_lease_a_second_time() -> None:
    me = Holder(owner="me", lease=30, is_dead=lambda _owner: True)
    assert not me.may_take("me", 100.0, 50.0)
    assert me.may_take("me", 100.0, 100.0)


def test_a_lease_without_an_end_is_no_lease() -> None:
    assert Holder(owner="me", lease=30).may_take("other", None, 5.0)


# --- names and clocks -----------------------------------------------------------------------------------


def test_an_owner_names_boot_process_and_is_never_the_same_twice() -> None:
    names = {new_owner() for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(f"{boot_id()}-{os.getpid()}-") for name in names)


def test_the_boot_id_is_the_same_in_every_process_of_a_boot() -> None:
    assert boot_id() == boot_id()
    assert len(boot_id()) == 12
    assert set(boot_id()) <= set("0123456789abcdef")


def test_the_suspend_proof_clock_never_goes_back() -> None:
    readings = [suspend_proof() for _ in range(1000)]
    assert readings == sorted(readings)
    assert abs(suspend_proof() - readings[0]) < 5


async def test_each_database_has_the_clock_its_holders_share(database: Database) -> None:
    clock = database.read_now(lease_clock)
    expected = suspend_proof() if database.sqlite else time.time()
    assert abs(clock - expected) < 5
    later = database.read_now(lease_clock)
    assert later > clock


def test_the_clock_of_postgresql_goes_on_within_a_transaction(database: Database) -> None:
    first, second = database.write_now(
        lambda connection: (lease_clock(connection), lease_clock(connection))
    )
    assert second > first


# --- the one sweeper ------------------------------------------------------------------------------------


def holder() -> Holder:
    """Return the holder of a new process."""
    return Holder(owner=new_owner(), lease=30)


def test_one_owner_is_the_sweeper_and_may_remain_it(database: Database) -> None:
    first, second = holder(), holder()
    assert database.write_now(take_sweeper, first, 30)
    assert not database.write_now(take_sweeper, second, 30)
    assert database.write_now(take_sweeper, first, 30)
    assert not database.write_now(take_sweeper, second, 30)


def test_an_expired_sweeper_is_followed_by_another(database: Database) -> None:
    first, second = holder(), holder()
    assert database.write_now(take_sweeper, first, -1)
    assert database.write_now(take_sweeper, second, 30)
    assert not database.write_now(take_sweeper, first, 30)


def test_a_sweeper_known_to_be_dead_is_followed_at_once(database: Database) -> None:
    first, second = holder(), holder()
    assert database.write_now(take_sweeper, first, 30)
    assert not database.write_now(take_sweeper, second, 30)
    witness = Holder(owner=second.owner, lease=30, is_dead=lambda owner: owner == first.owner)
    assert database.write_now(take_sweeper, witness, 30)


def test_a_sweeper_of_an_earlier_boot_is_void_where_the_clock_began_anew(
    database: Database,
) -> None:
    database.write_now(take_sweeper, Holder(owner="0123456789ab-1-abcd", lease=30), 10**9)
    sweeper_of_this_boot = holder()
    assert database.write_now(take_sweeper, sweeper_of_this_boot, 30) == database.sqlite
    if not database.sqlite:  # the server's clock: another machine may hold it
        database.write_now(lambda c: c.execute(update(sweeper).values(lease_until=0)))
        assert database.write_now(take_sweeper, sweeper_of_this_boot, 30)


async def test_of_many_who_ask_at_once_one_becomes_the_sweeper(database: Database) -> None:
    owners = [holder() for _ in range(12)]
    answers = await asyncio.gather(*(database.write(take_sweeper, owner, 30) for owner in owners))
    assert sum(answers) == 1
