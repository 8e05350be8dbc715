"""Fair counting of sign-in attempts: however many guess at a name, as fast as they can, its owner
gets a turn and they get no more guesses.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection, select

from broadcaster.store import sign_in_throttle
from broadcaster.store.database import Database
from broadcaster.store.sign_in_throttle import (
    CHARGE_SECONDS,
    FREE_NAME,
    FREE_PAIR,
    FREE_PLACE,
    LONGEST_WAIT,
    PATIENCE,
    Asker,
    begin,
    network_of,
)
from broadcaster.store.staff_tables import throttle

START = 1_764_000_000.0
HOUR = 3600.0


def asker(place: str, network: str = "", name: str = "rina") -> Asker:
    """Return an asker at an address who tries a name; the network is the address's own unless
    given.
    """
    return Asker(
        own=((f"pair {place} {name}".encode(), FREE_PAIR), (f"place {place}".encode(), FREE_PLACE)),
        name=(f"name {name}".encode(), FREE_NAME),
        network=f"network {network or place} {name}".encode(),
    )


@dataclass
class Person:
    """A person who obeys refusals: comes back at the time that a refusal names."""

    asker: Asker
    due: float
    tries: int = 0
    entered: float | None = None

    def attempt(self, connection: Connection, at: float) -> None:
        """Try if it is time; the first try that is looked at is right."""
        if self.entered is not None or at < self.due:
            return
        self.tries += 1
        turn = begin(connection, self.asker, at)
        self.due = at + turn.wait
        if not turn.wait:
            self.entered = at
            sign_in_throttle.succeed(connection, self.asker)


@dataclass
class Crowd:
    """Attackers at many addresses; `patient`: each comes back only when it may, else all at every
    moment.
    """

    askers: list[Asker]
    patient: bool = False
    due: dict[int, float] = field(default_factory=dict)
    guesses: int = 0

    def attempt(self, connection: Connection, at: float) -> None:
        """Guess from each address."""
        for number, attacker in enumerate(self.askers):
            if self.patient and at < self.due.get(number, 0.0):
                continue
            turn = begin(connection, attacker, at)
            self.due[number] = at + turn.wait
            self.guesses += not turn.wait


def moments(start: float, seconds: float, step: float) -> Iterator[float]:
    """Return every moment at which somebody may try."""
    return (start + step * number for number in range(int(seconds / step)))


@pytest.mark.parametrize(
    "patient", [False, True], ids=["as fast as they can", "as often as they may"]
)
@pytest.mark.parametrize("addresses", [1, 50, 120])
def test_an_owner_at_a_fresh_address_enters_within_seconds_while_strangers_guess(
    sqlite_url: str, addresses: int, patient: bool
) -> None:
    crowd = Crowd([asker(f"attacker {number}") for number in range(addresses)], patient=patient)
    owners = [Person(asker(f"home {after}"), START + after) for after in (12, 20)]

    def act(connection: Connection) -> None:
        for at in moments(START, 30, 1.0):
            crowd.attempt(connection, at)  # always just before the owners
            for owner in owners:
                owner.attempt(connection, at)

    database = Database(sqlite_url)
    database.write_now(act)
    database.close()
    waits = [
        (owner.entered or 0.0) - START - after
        for owner, after in zip(owners, (12, 20), strict=True)
    ]
    assert all(0 <= wait <= LONGEST_WAIT[FREE_NAME] + 1 for wait in waits), waits
    assert max(owner.tries for owner in owners) <= 2


def test_an_owner_who_mistyped_once_still_goes_before_guessers(database: Database) -> None:
    def act(connection: Connection) -> None:
        crowd = Crowd([asker(f"attacker {number}") for number in range(10)])
        owner = Person(asker("home"), START + 10)
        sign_in_throttle.fail(connection, [((b"name rina"), FREE_NAME)] * FREE_NAME, START)
        sign_in_throttle.fail(connection, owner.asker.counted, START)
        for at in moments(START + 1, 25, 1.0):
            crowd.attempt(connection, at)
            owner.attempt(connection, at)
        assert owner.entered is not None
        assert owner.entered <= START + 10 + LONGEST_WAIT[FREE_NAME] + 1

    database.write_now(act)


@pytest.mark.parametrize(
    "patient", [False, True], ids=["as fast as they can", "as often as they may"]
)
def test_strangers_in_sum_get_no_more_guesses_at_a_name_than_before(
    sqlite_url: str, patient: bool
) -> None:
    crowd = Crowd([asker(f"attacker {number}") for number in range(60)], patient=patient)
    seconds = 100

    def act(connection: Connection) -> None:
        for at in moments(START, seconds, 2.5):
            crowd.attempt(connection, at)

    database = Database(sqlite_url)
    database.write_now(act)
    database.close()
    assert crowd.guesses <= FREE_NAME + seconds / LONGEST_WAIT[FREE_NAME] + 1
    assert crowd.guesses > FREE_NAME, "the bound was tried"


def test_addresses_of_one_network_rank_together(database: Database) -> None:
    """Send fresh addresses of a whole /48 without end, each for the first time."""

    def act(connection: Connection) -> None:
        sign_in_throttle.fail(connection, [((b"name rina"), FREE_NAME)] * FREE_NAME, START)
        owner = Person(asker("home"), START + 3)
        for number, at in enumerate(moments(START, 20, 0.1)):
            begin(connection, asker(f"fresh {number}", "2001:db8:1::"), at)
            owner.attempt(connection, at)
        assert owner.entered is not None
        assert owner.entered <= START + 3 + LONGEST_WAIT[FREE_NAME] + 1

    database.write_now(act)


def test_coming_back_too_early_waits_longer_and_nobody_else_does(
    database: Database,
) -> None:
    hasty, other = asker("hasty"), asker("other")

    def act(connection: Connection) -> None:
        sign_in_throttle.fail(connection, hasty.counted * FREE_PAIR, START)
        waits = [begin(connection, hasty, START + 0.1 * number).wait for number in range(6)]
        assert waits == [1, 2, 4, 8, 16, 32]
        assert begin(connection, other, START + 1).wait == 0
        assert begin(connection, asker("hasty", name="budi"), START + 1).wait == 0

    database.write_now(act)


def test_the_longest_wait_is_refused_without_a_write_and_charged_once_a_minute(
    database: Database,
) -> None:
    hasty = asker("hasty")

    def failures(connection: Connection) -> dict[bytes, int]:
        rows = connection.execute(select(throttle.c.key, throttle.c.failures))
        return {row.key: row.failures for row in rows}

    longest = int(LONGEST_WAIT[FREE_PAIR])
    database.write_now(sign_in_throttle.fail, [hasty.own[0]] * 15, START)
    assert database.read_now(sign_in_throttle.shut_for, hasty, START + 10) == longest - 10
    assert database.read_now(sign_in_throttle.shut_for, asker("other"), START + 10) == 0
    assert database.read_now(sign_in_throttle.shut_for, hasty, START + CHARGE_SECONDS) == 0, (
        "it may be charged again"
    )
    assert database.write_now(begin, hasty, START + CHARGE_SECONDS).wait == longest - CHARGE_SECONDS
    assert database.write_now(begin, hasty, START + CHARGE_SECONDS + 1).wait == longest, (
        "it was told, and came all the same"
    )
    assert database.read_now(failures)[hasty.own[0][0]] == 16
    assert (
        database.read_now(sign_in_throttle.shut_for, hasty, START + CHARGE_SECONDS + 31)
        == longest - 30
    )


def test_coming_back_on_time_costs_nothing_for_having_been_refused(
    database: Database,
) -> None:
    patient = asker("patient")

    def act(connection: Connection) -> None:
        sign_in_throttle.fail(connection, patient.counted * FREE_PAIR, START)
        at, waits = START, []
        for _ in range(5):
            waits.append(begin(connection, patient, at).wait)
            at += waits[-1]
            assert begin(connection, patient, at).wait == 0
        assert waits == [1, 2, 4, 8, 16]

    database.write_now(act)


def test_a_turn_is_reserved_for_a_minute_for_the_one_who_tried_least_and_no_longer(
    database: Database,
) -> None:
    absent, busy = asker("absent"), asker("busy")

    def act(connection: Connection) -> None:
        sign_in_throttle.fail(connection, [((b"name rina"), FREE_NAME)] * FREE_NAME, START)
        sign_in_throttle.fail(connection, busy.own, START)
        due = START + begin(connection, absent, START).wait
        assert begin(connection, busy, due + PATIENCE - 1).wait > 0
        assert begin(connection, busy, due + PATIENCE + 5).wait == 0

    database.write_now(act)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.0"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:192.0.2.7", "192.0.2.0"), ("unix:", "unix:"),
    ],
)  # fmt: skip
def test_a_network_is_what_one_attacker_may_have_whole(address: str, network: str) -> None:
    assert network_of(address) == network
