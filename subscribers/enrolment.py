"""Enrolment rules for people and addresses: one at a time from forms and interfaces, thousands from
a file.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    Table,
    select,
)

from subscribers import consent, store
from subscribers.areas import AreaTree
from subscribers.enrolment_plan import BATCH, Plan, write
from subscribers.store import State, address, alias, batches, subscriber, subscription
from subscribers.subscriptions import codes_of, home_of, pack_topics
from subscribers.vault import Vault

Outcome = Literal["new", "changed", "same", "suppressed", "repeated"]
"""Result of a subscription; repeated = replaced by a later one in the same group."""

Key = tuple[str, bytes]
"""Channel and lookup."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """Request of an address, and the proof of consent.

    `areas` are slugs or codes, `topics` come validated; times are epoch seconds.
    """

    channel: str
    address: str
    areas: tuple[str, ...]
    topics: tuple[str, ...] = ()
    language: str = "id"
    source: str
    consent_at: float
    text_version: str = ""
    act: consent.Act = "granted"
    person: str = ""
    """Joins the addresses of one person: any name, stored as a keyed hash."""
    confirmed: bool = True
    """False if typed in by somebody else; such a request only creates or changes an unconfirmed
    address.
    """
    renewed: bool = False
    """True if it is the resident's own new opt-in, which lifts a suppression."""
    suppressed: consent.Reason | None = None
    """Set if the source lists it as stopped or dead: a new address starts in that state."""


@dataclass(slots=True)
class _Known:
    """An existing address; `named` is True if its subscriber has a reference."""

    id: int
    subscriber: int
    named: bool
    state: int
    language: str
    topics: str
    areas: tuple[str, ...] = ()


def enrol(
    conn: Connection, vault: Vault, tree: AreaTree, wanted: Sequence[Subscription], now: float
) -> list[Outcome]:
    """Process all of `wanted`, later ones replacing earlier ones of the same address; return one
    outcome each, in order.

    A request without a person leaves the one that an earlier request named. Raises KeyError for an
    unknown area.
    """
    store.lock_making(conn)
    keys = [(item.channel, vault.address_lookup(item.channel, item.address)) for item in wanted]
    known = _known(conn, keys)
    same = [known[key].id if key in known else key for key in keys]
    chosen = sorted({address: number for number, address in enumerate(same)}.values())
    named = {
        address: item.person for address, item in zip(same, wanted, strict=True) if item.person
    }
    references = _references(conn, {vault.reference(item.person) for item in wanted if item.person})
    most = sum(keys[number] not in known for number in chosen) + sum(
        person is None for person in references.values()
    )
    people = iter(store.reserve_ids(conn, subscriber, most))
    group = _Group(vault=vault, tree=tree, now=now, references=references, people=people)
    outcomes: list[Outcome] = ["repeated"] * len(wanted)
    spelled = {
        key: item.address for key, item in zip(reversed(keys), reversed(wanted), strict=True)
    }  # as first written
    for number in chosen:
        item, first, person = wanted[number], spelled[keys[number]], named.get(same[number], "")
        if (item.address, item.person) != (first, person):
            item = replace(item, address=first, person=person)
        outcomes[number] = group.take(item, keys[number][1], known.get(keys[number]))
    write(conn, group.plan, now)
    return outcomes


class _Group:
    """Decisions about one subscription after another, without database access."""

    def __init__(
        self,
        *,
        vault: Vault,
        tree: AreaTree,
        now: float,
        references: dict[str, int | None],
        people: Iterator[int],
    ) -> None:
        self.plan = Plan()
        self._vault, self._tree, self._now = vault, tree, now
        self._references = references
        self._people = people
        self._named = {person for person in references.values() if person is not None}
        self._codes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def take(self, item: Subscription, lookup: bytes, known: _Known | None) -> Outcome:
        """Decide about one subscription."""
        if known is None:
            self._add(item, lookup)
            return "new"
        if known.state == State.SUPPRESSED and not item.renewed:
            return "suppressed"
        if item.suppressed or (known.state == State.CONFIRMED and not item.confirmed):
            return "same"
        return "changed" if self._change(item, known) else "same"

    def _add(self, item: Subscription, lookup: bytes) -> None:
        areas = self._areas(item)
        state = (
            State.SUPPRESSED
            if item.suppressed
            else State.CONFIRMED
            if item.confirmed
            else State.UNCONFIRMED
        )
        row = {
            "subscriber": self._person(item, None),
            "channel": item.channel,
            "lookup": lookup,
            "cipher": self._vault.seal(item.channel, item.address),
            "state": int(state),
            "reason": item.suppressed or "",
            "created_at": self._now,
            "confirmed_at": self._now if state == State.CONFIRMED else None,
            "suppressed_at": self._now if state == State.SUPPRESSED else None,
            "agreed_at": item.consent_at
            if item.confirmed and item.act in consent.OWN_WORD
            else None,
            **_asked(item, areas),
        }
        proof = (
            _proof(0, item) if item.confirmed else None
        )  # its number is drawn when it is written
        self.plan.fresh.append((row, areas, proof))

    def _change(self, item: Subscription, known: _Known) -> bool:
        areas = self._areas(item)
        person = self._person(item, known)
        opens = item.confirmed and known.state != State.CONFIRMED
        asked = (areas, pack_topics(item.topics), item.language) != (
            known.areas,
            known.topics,
            known.language,
        )
        if person != known.subscriber:
            self.plan.deserted.add(known.subscriber)
        elif not (asked or opens):
            return False
        self.plan.changes.append({"key": known.id, "subscriber": person, **_asked(item, areas)})
        if opens:
            self.plan.opened.append(known.id)
        if areas != known.areas:
            self.plan.moved_areas[known.id] = areas
        if item.confirmed and (asked or opens):
            self.plan.consents.append(_proof(known.id, item))
        return True

    def _areas(self, item: Subscription) -> tuple[str, ...]:
        codes = self._codes.get(item.areas)
        if codes is None:
            codes = self._codes[item.areas] = codes_of(self._tree, item.areas)
        return codes

    def _person(self, item: Subscription, known: _Known | None) -> int:
        """Return the subscriber that the row names; an unnamed subscriber adopts the name."""
        if not item.person:
            return known.subscriber if known else self._new_person(None)
        reference = self._vault.reference(item.person)
        person = self._references.get(reference)
        if person is None:
            if known and not known.named and known.subscriber not in self._named:
                person = known.subscriber
                self.plan.names.append({"key": person, "reference": reference})
            else:
                person = self._new_person(reference)
            self._references[reference] = person
            self._named.add(person)
        return person

    def _new_person(self, reference: str | None) -> int:
        person = next(self._people)
        self.plan.people.append({"id": person, "reference": reference, "created_at": self._now})
        return person


def _asked(item: Subscription, areas: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns of an address that follow from its request."""
    return {
        "language": item.language,
        "topics": pack_topics(item.topics),
        "home": home_of(areas),
        "places": len(areas),
    }


def _proof(address_id: int, item: Subscription) -> dict[str, Any]:
    """Return the consent row."""
    return {
        "address": address_id,
        "act": item.act,
        "source": item.source,
        "text_version": item.text_version,
        "at": item.consent_at,
    }


# --- reading ------------------------------------------------------------------------------------


def _known(conn: Connection, keys: Iterable[Key]) -> dict[Key, _Known]:
    """Load the existing addresses, by their own id or an alias."""
    by_channel: dict[str, list[bytes]] = defaultdict(list)
    for channel, lookup in keys:
        by_channel[channel].append(lookup)
    known: dict[Key, _Known] = {}
    for channel, lookups in by_channel.items():
        for batch in batches(lookups, BATCH):
            for table in (alias, address):
                known.update(
                    {
                        (channel, known_by): row
                        for known_by, row in _with_lookup(conn, table, channel, batch)
                    }
                )
    _add_areas(conn, known.values())
    return known


def _with_lookup(
    conn: Connection, table: Table, channel: str, lookups: list[bytes]
) -> Iterator[tuple[bytes, _Known]]:
    columns = (
        table.c.lookup,
        address.c.id,
        address.c.subscriber,
        subscriber.c.reference,
        address.c.state,
        address.c.language,
    )
    people = address.join(subscriber, subscriber.c.id == address.c.subscriber)
    source = people if table is address else people.join(alias, alias.c.address == address.c.id)
    query = (
        select(*columns, address.c.topics)
        .select_from(source)
        .where(table.c.channel == channel, table.c.lookup.in_(lookups))
    )
    for lookup, number, person, reference, state, language, topics in conn.execute(query):
        yield (
            bytes(lookup),
            _Known(
                id=number,
                subscriber=person,
                named=reference is not None,
                state=state,
                language=language,
                topics=topics,
            ),
        )


def _add_areas(conn: Connection, rows: Iterable[_Known]) -> None:
    by_id: dict[int, list[str]] = {row.id: [] for row in rows}
    for batch in batches(by_id, BATCH):
        query = select(subscription.c.address, subscription.c.area).where(
            subscription.c.address.in_(batch)
        )
        for number, area in conn.execute(query):
            by_id[number].append(area)
    for row in rows:
        row.areas = tuple(sorted(by_id[row.id]))


def _references(conn: Connection, names: set[str]) -> dict[str, int | None]:
    """Load the subscriber of each reference, None if there is none yet."""
    subscribers: dict[str, int | None] = dict.fromkeys(names)
    for batch in batches(names, BATCH):
        query = select(subscriber.c.reference, subscriber.c.id).where(
            subscriber.c.reference.in_(batch)
        )
        subscribers.update((row.reference, row.id) for row in conn.execute(query))
    return subscribers
