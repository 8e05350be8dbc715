"""Lists in settings, with commas, spaces or both; wrong values are refused by name."""

from typing import get_origin

import pytest

from broadcaster.runtime import config
from broadcaster.runtime.config import BadSettings
from broadcaster.runtime.proxies import trusts
from broadcaster.runtime.settings import Settings
from broadcaster.web.base import admission

SPELLINGS = ["a b", "a,b", "a, b", " a ,b, ", "a;b", "a\nb"]


def settings(**variables: str) -> Settings:
    """Return the settings read from these variables."""
    return config.read(variables).settings


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_list_takes_commas_spaces_or_both(spelling: str) -> None:
    def written(first: str, second: str) -> str:
        return spelling.replace("a", first, 1).replace("b", second, 1)

    assert settings(
        BROADCASTER_TRUSTED_PROXIES=written("10.0.0.5", "10.1.0.0/16")
    ).trusted_proxies == ("10.0.0.5", "10.1.0.0/16")
    assert settings(BROADCASTER_CHANNELS=written("display", "feed")).channels == ("display", "feed")
    assert settings(BROADCASTER_LINK_HOSTS=written("Cimahi.go.id", "bmkg.go.id")).link_hosts == (
        "cimahi.go.id",
        "bmkg.go.id",
    )
    assert settings(OIDC_SCOPE=written("openid", "profile")).oidc_scope == "openid profile"
    assert settings(BROADCASTER_PHONES=written("112", "0226654274")).phones == ("112", "0226654274")


def test_no_list_is_left_out_above() -> None:
    lists = {
        name
        for name, field in Settings.model_fields.items()
        if get_origin(field.annotation) is tuple
    }
    assert lists == {"channels", "link_hosts", "phones", "trusted_proxies"}
    for module in config.channel_modules().values():
        fields = module.Settings.model_fields.values()
        assert not [field for field in fields if get_origin(field.annotation) in (tuple, list)]


@pytest.mark.parametrize(
    "spelling", ["10.0.0.5,10.0.0.6", "10.0.0.5, 10.0.0.6", "10.0.0.5 10.0.0.6"]
)
def test_two_proxies_are_believed_however_they_are_written(spelling: str) -> None:
    proxied = settings(BROADCASTER_TRUSTED_PROXIES=spelling)
    assert all(
        trusts(proxied, peer) and admission.trusts(proxied.trusted_proxies)(peer)
        for peer in ("10.0.0.5", "10.0.0.6")
    )
    assert not trusts(proxied, "10.0.0.7")


def test_a_network_named_by_one_of_its_addresses_is_that_network() -> None:
    assert trusts(settings(BROADCASTER_TRUSTED_PROXIES="10.0.0.5/24"), "10.0.0.77")


@pytest.mark.parametrize("wrong", ["proksi.example", "10.0.0.300", "10.0.0.0/33"])
def test_what_is_no_address_and_would_match_nobody_is_refused(wrong: str) -> None:
    with pytest.raises(
        BadSettings, match=r"BROADCASTER_TRUSTED_PROXIES: '.*' bukan alamat IP atau jaringan"
    ):
        settings(BROADCASTER_TRUSTED_PROXIES=f"10.0.0.5, {wrong}")


def test_a_link_in_the_place_of_a_host_is_refused() -> None:
    assert settings(BROADCASTER_LINK_HOSTS="*.Cimahi.go.id").link_hosts == ("cimahi.go.id",)
    with pytest.raises(
        BadSettings, match=r"BROADCASTER_LINK_HOSTS: 'https://cimahi.go.id' bukan nama host"
    ):
        settings(BROADCASTER_LINK_HOSTS="https://cimahi.go.id")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("112, (022) 6654274", ("112", "(022) 6654274")),
        ("+62 22 6654274; 112 119", ("+62 22 6654274", "112", "119")),
        ("0812 3456 7890", ("0812 3456 7890",)),
        ("112 0226654274 +628123456789", ("112", "0226654274", "+628123456789")),
        ("112\n14045", ("112", "14045")),
    ],
)
def test_spaces_within_a_telephone_number_are_its_own(written: str, read: tuple[str, ...]) -> None:
    assert settings(BROADCASTER_PHONES=written).phones == read


@pytest.mark.parametrize("spelling", ["debug", "DEBUG", " Debug "])
def test_a_log_level_is_read_in_any_case(spelling: str) -> None:
    assert settings(BROADCASTER_LOG_LEVEL=spelling).log_level == "debug"


def test_an_unknown_log_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadSettings) as refused:
        settings(BROADCASTER_LOG_LEVEL="verbose")
    assert str(refused.value) == (
        "BROADCASTER_LOG_LEVEL: harus salah satu dari debug, info, warning, error."
    )
