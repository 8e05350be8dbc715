"""Actors: a person of staff, or a token, clock or command line known by name alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import Actor, NamedActor, StaffActor, require
from broadcaster.domain.lifecycle import NotAllowed

NOW = datetime(2026, 11, 25, 7, 43, tzinfo=UTC)
RINA = Account(id=7, name="rina", full_name="Rina", roles=("author",))


@pytest.mark.parametrize(
    ("actor", "name", "place"),
    [
        (StaffActor(account=RINA, now=NOW, place="203.0.113.9"), "staff:rina", "203.0.113.9"),
        (
            NamedActor(name="token:siaga", now=NOW, place="203.0.113.9"),
            "token:siaga",
            "203.0.113.9",
        ),
        (NamedActor.clock(NOW), "clock", ""),
    ],
)
def test_every_actor_has_a_name_a_moment_and_a_place(actor: Actor, name: str, place: str) -> None:
    assert (actor.name, actor.at, actor.place) == (name, NOW.timestamp(), place)


def test_only_a_person_has_an_account() -> None:
    assert StaffActor(account=RINA, now=NOW).account is RINA
    assert NamedActor.clock(NOW).account is None


def test_the_end_of_a_long_act_has_its_own_moment() -> None:
    later = NOW + timedelta(minutes=3)
    for actor in (StaffActor(account=RINA, now=NOW), NamedActor.clock(NOW)):
        assert replace(actor, now=later).at == later.timestamp()


def test_a_right_comes_with_a_role() -> None:
    require(StaffActor(account=RINA, now=NOW), "write")
    with pytest.raises(NotAllowed):
        require(StaffActor(account=RINA, now=NOW), "approve")
