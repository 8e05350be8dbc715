"""The protocol by itself: discovery, keys, the addresses we may call, mapped roles."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, RSAKey

from broadcaster.domain.accounts import (
    BadAccount,
    mapped_roles,
    name_from,
    read_name,
    read_role_mapping,
)
from broadcaster.staff import oidc
from broadcaster.staff.oidc import Misconfigured, SignInAttempt, Stale, may_ask

ISSUER = "https://masuk.cimahi.example/realms/kota"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": "https://kunci.penyedia.example/jwks",
    "id_token_signing_alg_values_supported": ["none", "HS256", "RS256", "ES256"],
}


@pytest.mark.parametrize(
    "address",
    [
        f"{ISSUER}/token", "https://lain.example/token", "https://8.8.8.8/token", "https://lain.example:8443/token?a=b",
        "https://[2606:4700::1]/token",
    ],
)  # fmt: skip
def test_we_may_ask_the_open_internet_by_https(address: str) -> None:
    assert may_ask(address, ISSUER)


@pytest.mark.parametrize(
    "address",
    [
        "http://masuk.cimahi.example/token", "ftp://lain.example", "file:///etc/passwd", "https://", "", "https://lain.example:abc",
        "https://10.0.0.1/", "https://127.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
        "https://224.0.0.1/", "https://nama:sandi@lain.example/", "https://lain.example/#x", "http://127.0.0.1:80/",
        "https://[::ffff:1", "https://100.64.0.1/",
    ],
)  # fmt: skip
def test_we_may_not_ask_without_https_or_within_a_network(address: str) -> None:
    assert not may_ask(address, ISSUER)


def test_a_provider_within_the_citys_own_network_is_asked_there_and_nowhere_else() -> None:
    assert may_ask("https://10.0.0.5/token", "https://10.0.0.5")
    assert not may_ask("https://10.0.0.6/token", "https://10.0.0.5")
    assert may_ask("http://127.0.0.1:9/token", "http://127.0.0.1:9")
    assert not may_ask("http://10.0.0.5/token", "http://127.0.0.1:9")


def test_only_signatures_that_nobody_else_can_make_are_trusted() -> None:
    assert oidc.read_discovery(DOCUMENT, ISSUER).algorithms == ("RS256", "ES256")
    assert not {"none", "HS256", "HS384", "HS512"} & oidc.ALGORITHMS


def test_a_slash_at_the_end_of_the_issuer_is_forgiven_and_the_providers_own_spelling_counts() -> (
    None
):
    assert oidc.read_discovery({**DOCUMENT, "issuer": ISSUER + "/"}, ISSUER).issuer == ISSUER + "/"
    assert oidc.discovery_address(ISSUER + "/") == f"{ISSUER}/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://masuk.cimahi.example/realms/lain"}, {"issuer": None}, {"token_endpoint": 5},
        {"jwks_uri": "http://kunci.example"}, {"userinfo_endpoint": "https://192.168.1.1/u"},
        {"end_session_endpoint": "javascript:1"},
        {"id_token_signing_alg_values_supported": "RS256"}, {"code_challenge_methods_supported": ["plain"]},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_provider_that_does_not_fit_is_not_used(changes: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        oidc.read_discovery({**DOCUMENT, **changes}, ISSUER)
    with pytest.raises(Misconfigured):
        oidc.read_discovery([], ISSUER)


def test_keys_that_are_shared_broken_or_for_encryption_are_left_out() -> None:
    rsa_key, curve_key = (
        RSAKey.generate_key(2048, auto_kid=True),
        ECKey.generate_key("P-256", auto_kid=True),
    )
    good = rsa_key.as_dict(private=False)
    others: list[Any] = [
        {"kty": "oct", "k": "cmFoYXNpYQ"},
        {"kty": "RSA"},
        {**curve_key.as_dict(private=False), "use": "enc"},
        "x",
        {},
    ]
    assert [key.kid for key in oidc.read_keys({"keys": [*others, good]})] == [rsa_key.kid]
    for document in ({}, {"keys": []}, {"keys": others}, [], None):
        with pytest.raises(Misconfigured):
            oidc.read_keys(document)


def test_an_attempt_has_secrets_of_its_own_and_ends() -> None:
    attempt, other = (
        SignInAttempt.begin("/redaksi/", 1000.0),
        SignInAttempt.begin("/redaksi/", 1000.0),
    )
    assert (
        len(
            {
                attempt.state,
                attempt.nonce,
                attempt.verifier,
                other.state,
                other.nonce,
                other.verifier,
            }
        )
        == 6
    )
    assert 43 <= len(attempt.verifier) <= 128
    assert oidc.check_state(attempt, {"state": attempt.state}, 1500.0) is attempt
    for stale, state, at in (
        (attempt, other.state, 1500.0),
        (attempt, "", 1500.0),
        (None, attempt.state, 1500.0),
        (attempt, attempt.state, 1800.0),
    ):
        with pytest.raises(Stale):
            oidc.check_state(stale, {"state": state}, at)


def test_our_own_words_make_nobody_an_administrator() -> None:
    assert mapped_roles(["pengelola", "admin", "Pengelola Keuangan"], read_role_mapping("")) == ()
    assert mapped_roles(["Pengelola"], read_role_mapping("pengelola=pengelola")) == ("admin",)


def test_roles_are_mapped_by_value_and_a_plain_admin_means_nothing() -> None:
    default_mapping = read_role_mapping("")
    assert mapped_roles(["operator-layar", "Penyusun", "tamu"], default_mapping) == (
        "author",
        "screens",
    )
    assert mapped_roles(["admin", "author", ""], default_mapping) == ()
    mapping = read_role_mapping("tulis=penyusun 'Kepala Bagian'=admin a=b=layar=operator-layar")
    assert mapped_roles(["TULIS", "kepala bagian", "a=b=layar", "pengelola"], mapping) == (
        "author",
        "screens",
        "admin",
    )
    for text in ("tulis", "=penyusun", "tulis=", "tulis=raja", "'tulis=penyusun"):
        with pytest.raises(BadAccount):
            read_role_mapping(text)


@pytest.mark.parametrize("value", ["adminſ", "ADMINſ", "adminß", "adminss\u0307", "\u212aepala"])
def test_a_letter_that_only_folds_to_another_is_another(value: str) -> None:
    mapping = read_role_mapping("admins=pengelola adminss=pengelola kepala=pengelola")
    assert mapped_roles([value], mapping) == ()
    assert mapped_roles(["ADMINS"], mapping) == ("admin",)
    assert (
        mapped_roles(
            ["admins", "kepala"], read_role_mapping("adminſ=pengelola \u212aepala=pengelola")
        )
        == ()
    )


@pytest.mark.parametrize(
    "text",
    [
        "Siti.Aminah",
        "CIMAHI\\siti",
        "  ",
        "<b>",
        "a" * 99,
        "Étienne ÀÇ",
        "siti@cimahi.example",
        "rіna",
        "Ｒina",
        "李",
    ],
)
def test_a_name_from_elsewhere_becomes_one_that_may_sign_in(text: str) -> None:
    name = name_from(text)
    assert read_name(f"{name}999") == f"{name}999"


def test_a_long_token_is_left_out_of_the_address_and_a_query_is_kept() -> None:
    discovery = oidc.read_discovery(
        {**DOCUMENT, "end_session_endpoint": f"{ISSUER}/keluar?realm=kota"}, ISSUER
    )
    address = oidc.sign_out_address(
        discovery, "siaran", "", "https://info.example/redaksi/masuk/sso/keluar"
    )
    assert address.startswith(
        f"{ISSUER}/keluar?realm=kota&client_id=siaran&post_logout_redirect_uri=https%3A%2F%2Finfo.example%2F"
    )


def test_the_provider_is_asked_for_what_the_setting_says() -> None:
    discovery, attempt = (
        oidc.read_discovery(DOCUMENT, ISSUER),
        SignInAttempt.begin("/redaksi/", 0.0),
    )
    address = oidc.authorize_address(
        discovery, "siaran", attempt, "https://info.example/kembali", "openid roles"
    )
    assert parse_qs(urlsplit(address).query)["scope"] == ["openid roles"]


def test_a_mapping_takes_roles_in_every_spelling_that_commands_take() -> None:
    mapping = read_role_mapping("cn=a,ou=b=Penyusun,layar=Operator_Layar;kelola=PENGELOLA")
    assert mapping == {"cn=a,ou=b": "author", "layar": "screens", "kelola": "admin"}
