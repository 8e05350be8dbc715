"""Names, agencies, roles and mail addresses of staff as people write them."""

import pytest

from broadcaster.domain import accounts
from broadcaster.domain.accounts import OWN_MAPPING, BadAccount
from channels.base.legibility import MARKS_AT_MOST

PILED = "a" + "\u0301" * (MARKS_AT_MOST + 1)
"""A letter under more marks than anybody reads."""


@pytest.mark.parametrize(
    ("text", "name"), [("Rina Lestari", "Rina Lestari"), ("  Rina\n Lestari ", "Rina Lestari")]
)
def test_a_full_name_stands_on_one_line(text: str, name: str) -> None:
    assert accounts.read_full_name(text) == name


@pytest.mark.parametrize("text", ["", "123", "a" * (accounts.FULL_NAME_LIMIT + 1), PILED])
def test_a_full_name_that_nobody_can_read_is_refused(text: str) -> None:
    with pytest.raises(BadAccount):
        accounts.read_full_name(text)


def test_an_address_may_be_left_out_but_not_be_wrong() -> None:
    assert accounts.read_mail(" ") == ""
    assert accounts.read_mail("rina@contoh.example") == "rina@contoh.example"
    with pytest.raises(BadAccount):
        accounts.read_mail("rina di contoh")


def test_agencies_are_each_named_once_by_alphabet() -> None:
    assert accounts.read_agency_names(["PUPR", "", "BPBD", " BPBD "]) == ("BPBD", "PUPR")


@pytest.mark.parametrize(
    "names",
    [
        ["..."],
        [PILED],
        ["a" * (accounts.AGENCY_LIMIT + 1)],
        [f"Dinas {number}" for number in range(accounts.AGENCIES_LIMIT + 1)],
    ],
    ids=["no letter", "marks", "too long", "too many"],
)
def test_agencies_that_cannot_be_shown_are_refused(names: list[str]) -> None:
    with pytest.raises(BadAccount):
        accounts.read_agency_names(names)


def test_roles_are_read_in_either_language_and_kept_in_their_own_order() -> None:
    assert accounts.read_roles(["pengelola, penyusun", "Approver"]) == (
        "author",
        "approver",
        "admin",
    )
    assert accounts.role_words(("author", "screens")) == ("penyusun", "operator-layar")


@pytest.mark.parametrize("names", [[], ["direktur"]])
def test_no_role_and_unknown_roles_are_refused(names: list[str]) -> None:
    with pytest.raises(BadAccount):
        accounts.read_roles(names)


def test_values_of_a_claim_stand_for_roles() -> None:
    mapping = accounts.read_role_mapping('cn=siaran,ou=grup=penyusun,"Kepala Bidang=penyetuju"')
    assert mapping == {"cn=siaran,ou=grup": "author", "kepala bidang": "approver"}
    assert accounts.mapped_roles(["KEPALA BIDANG", "lain"], mapping) == ("approver",)
    assert accounts.read_role_mapping("") == OWN_MAPPING
    assert "admin" not in OWN_MAPPING.values()


@pytest.mark.parametrize("text", ['"grup=penyusun', "penyusun", "=penyusun", "grup=direktur"])
def test_a_mapping_that_names_no_role_is_refused(text: str) -> None:
    with pytest.raises(BadAccount):
        accounts.read_role_mapping(text)


@pytest.mark.parametrize(("text", "name"), [("Siti Aminah", "sitiaminah"), ("李", "akun")])
def test_a_sign_in_name_is_made_of_what_somebody_is_called(text: str, name: str) -> None:
    assert accounts.name_from(text) == name
