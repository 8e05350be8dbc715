"""Identities read from claims, in the shapes in which providers send them."""

from typing import Any

import pytest

from broadcaster.staff import oidc_claims

ISSUER = "https://masuk.cimahi.example/realms/kota"


@pytest.mark.parametrize(
    ("claims", "name", "values"),
    [
        ({"roles": ["a", 5, "b"]}, "roles", ("a", "b")),
        ({"roles": " a b "}, "roles", ("a b",)),
        ({"roles": "a,b"}, "roles", ("a,b",)),
        (
            {"roles": {"a": True, "b": False, "c": "true", "d": 1, "e": None, "f": [], "g": {}}},
            "roles",
            ("a",),
        ),
        (
            {
                "roles": {
                    "a": {"1": ""},
                    "b": {"granted": False},
                    "c": {"x": {"y": "z"}},
                    "d": ["x"],
                }
            },
            "roles",
            (),
        ),
        ({"roles": [["a"], {"b": True}, "c", True]}, "roles", ("c",)),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ("a",)),
        ({"https://cimahi.example/peran": ["a"]}, "https://cimahi.example/peran", ("a",)),
        ({"urn:peran": {"a": {"1": "cimahi.example"}}}, "urn:peran", ("a",)),
        (
            {
                "roles": {
                    "a": {"granted": "false"},
                    "b": {"enabled": "no"},
                    "c": {"1": "false"},
                    "d": {"1": True},
                }
            },
            "roles",
            (),
        ),
        (
            {
                "roles": {
                    "a": {"1": "x.example", "granted": "y.example"},
                    "b": {"1": "x.example", "2": "no"},
                }
            },
            "roles",
            (),
        ),
        (
            {
                "roles": {
                    "a": {"١": "x.example"},
                    "b": {"1": "0.0"},
                    "c": {"1": ".example"},
                    "d": {"1": "x.example "},
                }
            },
            "roles",
            (),
        ),
        ({"roles": 5}, "roles", ()),
        ({"roles": ["a"]}, "roles.dalam", ()),
        ({}, "roles", ()),
    ],
)
def test_the_claim_that_names_roles_may_have_many_shapes(
    claims: dict[str, Any], name: str, values: tuple[str, ...]
) -> None:
    assert oidc_claims.read_identity({"iss": ISSUER, "sub": "u", **claims}, name).values == values


def test_a_text_is_split_only_where_the_operator_says_that_it_is_a_list() -> None:
    claims = {"iss": ISSUER, "sub": "u", "roles": "Pengelola Keuangan, penyusun"}
    assert oidc_claims.read_identity(claims, "roles").values == ("Pengelola Keuangan, penyusun",)
    assert oidc_claims.read_identity(claims, "roles", "comma").values == (
        "Pengelola Keuangan",
        "penyusun",
    )
    assert oidc_claims.read_identity({**claims, "roles": " a  b "}, "roles", "space").values == (
        "a",
        "b",
    )
