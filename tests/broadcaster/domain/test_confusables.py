"""Look-alike names, for signing in or in full: no second account gets one."""

from dataclasses import replace

import pytest

from broadcaster.domain.accounts import BadAccount, read_known_name
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.confusables import full_name_skeleton, skeleton
from broadcaster.staff import administration
from broadcaster.staff.administration import Particulars
from broadcaster.store import accounts
from broadcaster.store.database import Database
from subscribers.vault import Vault
from support.desk import later
from support.staffing import person
from support.wording import refuses

VAULT = Vault(b"a secret of sixteen bytes")


@pytest.mark.parametrize("other", ["rіna", "rína", "ｒina", "rina.", "_rina", "rinα", "RINA"])
def test_names_that_look_alike_have_one_skeleton(other: str) -> None:
    assert skeleton(other) == skeleton("rina")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("rina", "rani"),
        ("rina", "rina2"),
        ("orang1", "orang2"),
        ("siti.aminah", "sitiaminah"),
        ("a", "b"),
    ],
)
def test_names_that_can_be_told_apart_have_two_skeletons(first: str, second: str) -> None:
    assert skeleton(first) != skeleton(second)


@pytest.mark.parametrize("other", ["budi-santoso", "budi_santoso", "budi.santos0", "budi.santoso."])
def test_no_second_account_gets_a_name_that_looks_like_the_first(
    database: Database, other: str
) -> None:
    database.write_now(accounts.add, person("budi.santoso"), at=1.0)
    with refuses(BadAccount, match=r"terlalu mirip dengan budi\.santoso"):
        database.write_now(accounts.add, person(other), at=2.0)
    with refuses(BadAccount, match="sudah ada"):
        database.write_now(accounts.add, person("budi.santoso"), at=2.0)


def test_an_account_from_before_is_still_found_and_nobody_gets_its_look(database: Database) -> None:
    database.write_now(accounts.add, person("rіna"), at=1.0)
    assert database.read_now(accounts.find, read_known_name(" RІNA ")) is not None
    with pytest.raises(BadAccount):
        database.write_now(accounts.add, person("rina"), at=2.0)


@pytest.mark.parametrize(
    "other",
    [
        "BUDI  SANTOSO",
        "Budi Sаntoso",
        "Budi Sant0so",
        "Budi-Santoso.",
        "BudI\u3164Santoso",
        "Budl Santoso",
    ],
)
def test_full_names_that_are_read_alike_have_one_skeleton(other: str) -> None:
    assert full_name_skeleton(other) == full_name_skeleton("Budi Santoso")
    assert full_name_skeleton(other) != full_name_skeleton("Budi Santosa")


def test_no_second_active_account_is_called_the_same(database: Database) -> None:
    operator = NamedActor(name="cli", now=later())
    first, second = (
        Particulars(full_name="Budi Santoso", roles=("author",)),
        Particulars(full_name="budi sant0so", roles=("author",)),
    )
    budi = database.write_now(administration.add_account, operator, "budi", first, hashed="x")
    with refuses(BadAccount, match=r"terlalu mirip dengan, akun budi \(Budi Santoso\)"):
        database.write_now(administration.add_account, operator, "lain", second, hashed="x")
    dewi = database.write_now(
        administration.add_account, operator, "dewi", replace(second, full_name="Dewi"), hashed="x"
    )
    with pytest.raises(BadAccount, match="full_name_taken"):
        database.write_now(administration.change, operator, dewi.id, second, vault=VAULT)
    database.write_now(administration.disable, operator, budi.id)
    database.write_now(administration.change, operator, dewi.id, second, vault=VAULT)
    with pytest.raises(BadAccount):
        database.write_now(administration.enable, operator, budi.id)


def test_who_was_called_the_same_before_may_be_changed_otherwise(database: Database) -> None:
    database.write_now(accounts.add, person("budi", full_name="Budi"), at=1.0)
    other = database.write_now(accounts.add, person("budi2", full_name="Budi"), at=1.0)
    particulars = Particulars(full_name="Budi", roles=("author", "screens"))
    changed = database.write_now(
        administration.change,
        NamedActor(name="cli", now=later()),
        other.id,
        particulars,
        vault=VAULT,
    )
    assert changed.roles == ("author", "screens")
