"""Sign-in names that look like others: none is given to a second account."""

import pytest

from broadcaster import accounts as rules
from broadcaster.accounts import BadAccount
from broadcaster.lookalikes import skeleton
from broadcaster.store import accounts
from broadcaster.store.database import Database
from staffing import person


@pytest.mark.parametrize("other", ["rіna", "rína", "ｒina", "rina.", "_rina", "rinα", "RINA"])
def test_names_that_look_alike_have_one_skeleton(other: str) -> None:
    assert skeleton(other) == skeleton("rina")


@pytest.mark.parametrize(
    ("one", "other"), [("rina", "rani"), ("rina", "rina2"), ("orang1", "orang2"), ("siti.aminah", "sitiaminah"), ("a", "b")]
)
def test_names_that_can_be_told_apart_have_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize("other", ["budi-santoso", "budi_santoso", "budi.santos0", "budi.santoso."])
def test_no_second_account_gets_a_name_that_looks_like_the_first(database: Database, other: str) -> None:
    database.write_now(accounts.add, person("budi.santoso"), at=1.0)
    with pytest.raises(BadAccount, match=r"terlalu mirip dengan budi\.santoso"):
        database.write_now(accounts.add, person(other), at=2.0)
    with pytest.raises(BadAccount, match="sudah ada"):
        database.write_now(accounts.add, person("budi.santoso"), at=2.0)


def test_an_account_from_before_is_still_found_and_nobody_gets_its_look(database: Database) -> None:
    database.write_now(accounts.add, person("rіna"), at=1.0)
    assert database.read_now(accounts.find, rules.read_known_name(" RІNA ")) is not None
    with pytest.raises(BadAccount):
        database.write_now(accounts.add, person("rina"), at=2.0)
