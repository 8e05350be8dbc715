"""Audiences: the SQL condition against the same rule in plain Python, and the query plan."""

import random
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from subscribers import consent, store
from subscribers.areas import AreaTree
from subscribers.audience import Audience, chunk, count, left_out, people, window
from subscribers.enrolment import Subscription, enrol
from subscribers.store import State, address
from subscribers.subscriptions import EMERGENCIES_ONLY
from subscribers.vault import Vault

NOW = 1_795_600_000.0
LAST = 2**63 - 1
TREE = AreaTree.built_in()
CODES = [area.code for area in TREE.all()]
TOPICS = ("cuaca", "bansos", "kesehatan")


def audience(
    *areas: str, topic: str = "cuaca", emergency: bool = False, confirmed_before: float = NOW + 1000
) -> Audience:
    """Return the audience of an edition for these areas."""
    return Audience(
        areas=TREE.concerned(areas),
        topic=topic,
        emergency=emergency,
        confirmed_before=confirmed_before,
    )


def reached(
    conn: Connection, vault: Vault, who: Audience, channel: str = "email"
) -> dict[str, str]:
    """Return, by address, the slug of the area it counts under."""
    slug_by_address = {}
    for row in conn.execute(chunk(who, channel, -1, LAST)):
        cipher = (
            conn.execute(store.address.select().where(address.c.id == row.address)).one().cipher
        )
        slug_by_address[vault.open(channel, cipher)] = TREE[row.area].slug
    return slug_by_address


def test_a_kelurahan_notice_reaches_its_kelurahan_kecamatan_and_city(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    for area in (
        "cibabat",
        "cimahi-utara",
        "cimahi",
        "melong",
        "citeureup",
        "cimahi-tengah",
        "kelurahan-cimahi",
    ):
        sign_up(f"{area}@contoh.example", area)
    assert reached(conn, vault, audience("cibabat")) == {
        "cibabat@contoh.example": "cibabat",
        "cimahi-utara@contoh.example": "cimahi-utara",
        "cimahi@contoh.example": "cimahi",
    }


def test_a_kecamatan_notice_reaches_its_kelurahan_too(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    for area in ("cibabat", "citeureup", "melong", "cimahi"):
        sign_up(f"{area}@contoh.example", area)
    assert set(reached(conn, vault, audience("cimahi-utara")).values()) == {
        "cibabat",
        "citeureup",
        "cimahi",
    }


def test_a_city_notice_reaches_everyone_under_their_home(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    sign_up("a@contoh.example", "cimahi cimahi-utara cibabat baros")
    sign_up("b@contoh.example", "cimahi-utara")
    assert reached(conn, vault, audience("cimahi")) == {
        "a@contoh.example": "baros",
        "b@contoh.example": "cimahi-utara",
    }


def test_a_second_kelurahan_counts_where_the_first_does_not_match(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    sign_up("a@contoh.example", "melong cibabat cimahi")
    sign_up("b@contoh.example", "melong cimahi-utara cimahi")
    sign_up("c@contoh.example", "melong cimahi")
    sign_up("d@contoh.example", "melong baros")
    assert reached(conn, vault, audience("cibabat")) == {
        "a@contoh.example": "cibabat",
        "b@contoh.example": "cimahi-utara",
        "c@contoh.example": "cimahi",
    }


def test_two_of_a_residents_kelurahan_are_one_message(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    sign_up("a@contoh.example", "melong cibabat")
    assert reached(conn, vault, audience("melong", "cibabat")) == {"a@contoh.example": "melong"}


def test_topics_choose_notices_and_emergencies_ignore_them(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    for name, topics in (
        ("all", ""),
        ("cuaca", "cuaca"),
        ("two", "bansos cuaca"),
        ("bansos", "bansos"),
        ("darurat", EMERGENCIES_ONLY),
    ):
        sign_up(f"{name}@contoh.example", topics=topics)
    assert set(reached(conn, vault, audience("cibabat"))) == {
        "all@contoh.example",
        "cuaca@contoh.example",
        "two@contoh.example",
    }
    assert len(reached(conn, vault, audience("cibabat", emergency=True))) == 5


def test_a_topic_is_matched_whole(conn: Connection, vault: Vault, sign_up: Any) -> None:
    sign_up("a@contoh.example", topics="cuaca-laut")
    assert reached(conn, vault, audience("cibabat", topic="cuaca")) == {}
    assert reached(conn, vault, audience("cibabat", topic="cuac_-laut")) == {}


def test_only_confirmed_addresses_are_written_to(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("unconfirmed@contoh.example", confirmed=False)
    sign_up("stopped@contoh.example")
    consent.stop(conn, look_up("stopped@contoh.example").id, source="web", at=NOW)
    sign_up("dead@contoh.example")
    consent.suppress(
        conn, look_up("dead@contoh.example").id, "address_dead", source="provider", at=NOW
    )
    assert reached(conn, vault, audience("cibabat")) == {}


def test_an_address_confirmed_after_publication_is_not_in_the_audience(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    sign_up("early@contoh.example", now=NOW)
    sign_up("late@contoh.example", now=NOW + 10)
    assert set(reached(conn, vault, audience("cibabat", confirmed_before=NOW + 10))) == {
        "early@contoh.example"
    }


def test_a_person_gets_one_message_a_channel_at_the_newest_address(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    sign_up("old@contoh.example", person="rina", now=NOW)
    sign_up("new@contoh.example", person="rina", now=NOW + 5)
    sign_up("77", channel="telegram", person="rina", now=NOW + 9)
    assert set(reached(conn, vault, audience("cibabat"))) == {"new@contoh.example"}
    assert set(reached(conn, vault, audience("cibabat"), "telegram")) == {"77"}


def test_the_newest_address_counts_only_where_it_wants_the_message(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("old@contoh.example", "cibabat", person="rina", now=NOW)
    sign_up("new@contoh.example", "melong", person="rina", now=NOW + 5)
    assert set(reached(conn, vault, audience("cibabat"))) == {"old@contoh.example"}
    assert set(reached(conn, vault, audience("cimahi"))) == {"new@contoh.example"}
    consent.stop(conn, look_up("new@contoh.example").id, source="web", at=NOW)
    assert set(reached(conn, vault, audience("cimahi"))) == {"old@contoh.example"}


def test_of_two_addresses_confirmed_at_once_the_later_one_gets_it(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    for name in ("a", "b"):
        sign_up(f"{name}@contoh.example", person="rina")
    assert set(reached(conn, vault, audience("cibabat"))) == {"b@contoh.example"}


# --- against the rule in plain Python -----------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Person:
    """An address as the plain rule sees it."""

    wanted: Subscription
    state: State
    confirmed_at: float
    number: int
    slot: int


def expected(people: list[Person], who: Audience, channel: str) -> list[tuple[int, int, str]]:
    """Apply the rule in plain Python; return (slot, address, area) in slot order."""
    newest: dict[str, Person] = {}
    for person in people:
        topics = person.wanted.topics
        wants = who.emergency or not topics or who.topic in topics
        open_ = (
            person.state == State.CONFIRMED
            and person.confirmed_at < who.confirmed_before
            and person.wanted.channel == channel
        )
        if open_ and wants and TREE.counted_under(person.wanted.areas, who.areas):
            name = person.wanted.person or f"only {person.number}"
            newest[name] = max(
                newest.get(name, person),
                person,
                key=lambda entry: (entry.confirmed_at, entry.number),
            )
    return sorted(
        (person.slot, person.number, TREE.counted_under(person.wanted.areas, who.areas) or "")
        for person in newest.values()
    )


def populate(conn: Connection, vault: Vault, chance: random.Random, size: int) -> list[Person]:
    """Store people with random wishes, states and times, and return them."""
    wanted = [
        Subscription(
            channel=chance.choice(["email", "telegram"]),
            address=f"warga{number}@contoh.example",
            source="test",
            consent_at=NOW,
            areas=tuple(sorted(chance.sample(CODES, chance.choice([1, 1, 2, 4])))),
            topics=chance.choice([(), (), ("cuaca",), ("bansos", "cuaca"), (EMERGENCIES_ONLY,)]),
            person=chance.choice(["", "", f"p{chance.randrange(size // 8)}"]),
        )
        for number in range(size)
    ]
    assert enrol(conn, vault, TREE, wanted, NOW) == ["new"] * size
    people = []
    for subscription in wanted:
        state, at = (
            chance.choice([State.CONFIRMED] * 4 + [State.SUPPRESSED, State.UNCONFIRMED]),
            NOW + chance.randrange(3),
        )
        condition = (address.c.channel == subscription.channel) & (
            address.c.lookup == vault.lookup(subscription.channel, subscription.address)
        )
        conn.execute(update(address).where(condition).values(state=state, confirmed_at=at))
        row = conn.execute(address.select().where(condition)).one()
        people.append(
            Person(wanted=subscription, state=state, confirmed_at=at, number=row.id, slot=row.slot)
        )
    return people


def _without(persons: list[Person], who: Audience, reached: set[str]) -> set[str]:
    """Return the persons who subscribed to these areas, did not stop, and get nothing."""
    names = set()
    for person in persons:
        here = TREE.counted_under(person.wanted.areas, who.areas)
        wants = who.emergency or not person.wanted.topics or who.topic in person.wanted.topics
        if here and (
            person.state == State.UNCONFIRMED or (person.state == State.CONFIRMED and not wants)
        ):
            names.add(person.wanted.person or f"only {person.number}")
    return names - reached


@pytest.mark.parametrize("seed", range(3))
def test_the_sql_says_what_the_rule_says(conn: Connection, vault: Vault, seed: int) -> None:
    chance = random.Random(seed)
    persons = populate(conn, vault, chance, 150)
    for _ in range(12):
        who = audience(
            *chance.sample(CODES, chance.choice([1, 1, 2])),
            emergency=chance.random() < 0.3,
            confirmed_before=NOW + chance.randrange(5),
        )
        for channel in ("email", "telegram"):
            rows: list[Any] = [tuple(row) for row in conn.execute(chunk(who, channel, -1, LAST))]
            assert rows == expected(persons, who, channel)
        numbers = {
            channel: len(expected(persons, who, channel)) for channel in ("email", "telegram")
        }
        assert count(conn, who) == {
            channel: number for channel, number in numbers.items() if number
        }
        for channels in (["email"], ["email", "telegram"]):
            reached_numbers = {
                row[1] for channel in channels for row in expected(persons, who, channel)
            }
            names = {
                person.wanted.person or f"only {person.number}"
                for person in persons
                if person.number in reached_numbers
            }
            assert people(conn, who, channels) == len(names)
            assert sum(left_out(conn, who, channels).values()) == len(_without(persons, who, names))


# --- in parts, by the index ---------------------------------------------------------------------


def test_chunks_join_to_the_whole(conn: Connection, vault: Vault, sign_up: Any) -> None:
    for number in range(25):
        sign_up(f"warga{number}@contoh.example", CODES[number % len(CODES)])
    who = audience("cimahi-utara")
    whole = [tuple(row) for row in conn.execute(chunk(who, "email", -1, LAST))]
    parts: list[Any] = []
    after = -1
    while after != LAST:
        until = window(conn, "email", after, 7) or LAST
        parts += [tuple(row) for row in conn.execute(chunk(who, "email", after, until))]
        after = until
    assert parts == whole
    assert [row[0] for row in whole] == sorted(row[0] for row in whole)


def test_a_window_ends_at_the_nth_address_whoever_it_is(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    for number in range(20):
        sign_up(f"warga{number}@contoh.example", CODES[number % len(CODES)])
    sign_up("77", "cibabat", channel="telegram")
    slots = sorted(
        conn.execute(select(address.c.slot).where(address.c.channel == "email")).scalars()
    )
    assert window(conn, "email", -1, 5) == slots[4]
    assert window(conn, "email", slots[4], 15) == slots[19]
    assert window(conn, "email", slots[4], 16) is None, "fewer are left"


def plan(conn: Connection, who: Audience) -> str:
    """Return the query plan of the next chunk."""
    on_postgresql = conn.dialect.name == "postgresql"
    statement = chunk(who, "email", -1, LAST // 200).compile(
        dialect=conn.dialect, compile_kwargs={"literal_binds": True}
    )
    explain = "EXPLAIN " if on_postgresql else "EXPLAIN QUERY PLAN "
    return "\n".join(str(row[-1]) for row in conn.exec_driver_sql(explain + str(statement)))


@pytest.mark.parametrize("area", ["cibabat", "cimahi"])
def test_the_walk_follows_the_slots_without_sorting(
    conn: Connection, vault: Vault, area: str
) -> None:
    defaults: dict[str, Any] = {"channel": "email", "source": "test", "consent_at": NOW}
    rows = [
        Subscription(address=f"w{n}@contoh.example", areas=(CODES[n % len(CODES)],), **defaults)
        for n in range(4_000)
    ]
    enrol(conn, vault, TREE, rows, NOW)
    if conn.dialect.name == "postgresql":
        # PostgreSQL scans a table of few pages, never a large one: leave it only the index scans
        conn.exec_driver_sql("ANALYZE address, subscription")
        conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        conn.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
    steps = plan(conn, audience(area))
    assert "address_channel_slot" in steps
    assert "address_subscriber_channel" in steps
    for costly in ("TEMP B-TREE", "Sort", "SCAN ", "Seq Scan", "Hash"):
        assert costly not in steps, steps


def test_people_left_out_are_counted_by_reason(
    conn: Connection, sign_up: Any, look_up: Any
) -> None:
    sign_up("a@contoh.example", "cibabat")
    sign_up("b@contoh.example", "cibabat", topics="bansos")
    sign_up("c@contoh.example", "cibabat melong")
    sign_up("d@contoh.example", "cibabat")
    sign_up("e@contoh.example", "cibabat")
    sign_up("f@contoh.example", "melong", topics="bansos")
    for name, values in (
        ("c", {"state": State.UNCONFIRMED, "confirmed_at": None}),
        ("d", {"state": State.SUPPRESSED, "reason": "address_dead"}),
        ("e", {"state": State.SUPPRESSED, "reason": "opted_out"}),
    ):
        conn.execute(
            update(address)
            .where(address.c.id == look_up(f"{name}@contoh.example").id)
            .values(values)
        )
    assert left_out(conn, audience("cibabat"), ["email"]) == {
        "topic": 1,
        "unconfirmed": 1,
        "dead": 1,
    }
    assert left_out(conn, audience("melong"), ["email"]) == {"topic": 1, "unconfirmed": 1}
    assert left_out(conn, audience("cibabat", emergency=True), ["email"]) == {
        "unconfirmed": 1,
        "dead": 1,
    }


def test_a_person_with_two_addresses_is_reached_or_left_out_once(
    conn: Connection, sign_up: Any, look_up: Any
) -> None:
    for person, channels in (
        ("sari", ("email", "telegram")),
        ("budi", ("email", "telegram")),
        ("", ("email",)),
    ):
        for channel in channels:
            sign_up(f"{person or 'x'}@contoh.example", "cibabat", channel=channel, person=person)
    unconfirmed = {"state": State.UNCONFIRMED, "confirmed_at": None}
    conn.execute(
        update(address).where(address.c.id == look_up("sari@contoh.example").id).values(unconfirmed)
    )
    both = ["email", "telegram"]
    assert count(conn, audience("cibabat")) == {"email": 2, "telegram": 2}
    assert people(conn, audience("cibabat"), both) == 3
    assert people(conn, audience("cibabat"), ["email"]) == 2
    assert left_out(conn, audience("cibabat"), both) == {}
    assert left_out(conn, audience("cibabat"), ["email"]) == {"unconfirmed": 1}
