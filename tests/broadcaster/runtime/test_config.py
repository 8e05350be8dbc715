"""Settings: every error is reported in words, all at once; defaults follow from other settings."""

import json
from pathlib import Path

import pytest

from broadcaster.runtime import config
from broadcaster.runtime.config import BadSettings

EMAIL = {"EMAIL_URL": "smtp://127.0.0.1:1", "EMAIL_FROM": "info@cimahi.example"}


def problems(**variables: str) -> list[str]:
    """Return the complaints about these variables, line by line."""
    with pytest.raises(BadSettings) as error:
        config.read(variables)
    return str(error.value).splitlines()


def test_everything_wrong_is_reported_at_once_by_variable() -> None:
    assert problems(
        BROADCASTER_PORT="abc",
        BROADCASTER_LEASE="0",
        EMAIL_URL="surat",
        TELEGRAM_RATE="-1",
        WHATSAPP_TOKEN="x",
    ) == [
        "BROADCASTER_PORT: harus bilangan bulat.",
        "BROADCASTER_LEASE: paling kecil 1.0.",
        "EMAIL_URL: seharusnya smtp://nama:sandi@host:port?starttls=true atau smtps://nama:sandi@host:port.",
        "TELEGRAM_RATE: paling kecil 0.0.",
        "Setelan belum diisi: WHATSAPP_PHONE_ID, WHATSAPP_APP_SECRET, WHATSAPP_VERIFY_TOKEN",
    ]


def test_no_problem_quotes_the_value() -> None:
    assert "rahasia" not in "".join(
        problems(EMAIL_URL="surat://rahasia", BROADCASTER_BASE_URL="rahasia")
    )


def test_the_base_url_follows_the_port_unless_given() -> None:
    assert config.read({}).settings.base_url == "http://127.0.0.1:8000"
    assert config.read({"BROADCASTER_PORT": "8077"}).settings.base_url == "http://127.0.0.1:8077"
    variables = {"BROADCASTER_PORT": "8077", "BROADCASTER_BASE_URL": "https://info.example.go.id/"}
    assert config.read(variables).settings.base_url == "https://info.example.go.id"


def test_an_unknown_channel_is_refused_with_the_known_ones() -> None:
    (problem,) = problems(BROADCASTER_CHANNELS="display faks")
    assert problem.startswith(
        "BROADCASTER_CHANNELS menyebut 'faks', yang bukan kanal. Yang ada: display, email,"
    )


def test_a_channel_that_is_half_set_up_is_reported_by_what_it_lacks() -> None:
    assert problems(EMAIL_URL="smtp://127.0.0.1:1") == ["Setelan belum diisi: EMAIL_FROM"]


def test_a_channel_that_was_chosen_must_be_set_up() -> None:
    assert problems(BROADCASTER_CHANNELS="telegram feed") == ["Setelan belum diisi: TELEGRAM_TOKEN"]


def test_a_redis_url_of_another_kind_is_refused() -> None:
    (problem,) = problems(BROADCASTER_REDIS_URL="http://127.0.0.1:6379")
    assert problem == "BROADCASTER_REDIS_URL: harus diawali redis://, rediss:// atau unix://."
    assert config.read({"BROADCASTER_REDIS_URL": "unix:///run/valkey.sock"}).settings.redis_url


# --- which channels are open ----------------------------------------------------------------------------


def open_names(**variables: str) -> set[str]:
    """Return the names of the open channels under these variables."""
    loaded = config.read(variables)
    return {name for name in loaded.modules if loaded.is_open(name)}


def test_without_a_choice_every_channel_that_is_set_up_is_open() -> None:
    assert {"feed", "display"} <= open_names()
    assert not {"email", "telegram", "whatsapp"} & open_names()
    assert "email" in open_names(**EMAIL)


def test_a_choice_closes_the_others() -> None:
    assert open_names(BROADCASTER_CHANNELS="email feed", **EMAIL) == {"email", "feed"}


def test_an_empty_variable_counts_as_absent() -> None:
    assert (
        open_names(BROADCASTER_CHANNELS="", EMAIL_URL="", EMAIL_FROM="", BROADCASTER_PORT="")
        == open_names()
    )


def test_every_module_in_the_folder_of_channels_is_one_and_renders_without_settings() -> None:
    loaded = config.read({})
    push, pull = config.open_channels(loaded)
    assert set(push) | set(pull) == set(config.channel_modules())
    assert not set(push) & set(pull)
    assert all(channel.name == name for name, channel in [*push.items(), *pull.items()])


def test_the_settings_never_show_what_is_secret() -> None:
    loaded = config.read({**EMAIL, "EMAIL_URL": "smtp://nama:rahasia@127.0.0.1:1"})
    assert "rahasia" not in repr(loaded.variables.keys())
    assert "variables" not in repr(loaded)


# --- what follows from other settings -------------------------------------------------------------------


def test_the_database_is_a_file_in_the_data_folder_unless_given(tmp_path: Path) -> None:
    settings = config.read({"BROADCASTER_DATA_DIR": str(tmp_path)}).settings
    assert settings.database == f"sqlite:///{tmp_path / 'siaran.db'}"
    url = "postgresql://siaran@db/siaran"
    assert config.read({"BROADCASTER_DATABASE_URL": url}).settings.database == url


def test_the_domain_is_the_base_urls_host_unless_given() -> None:
    assert (
        config.read(
            {"BROADCASTER_BASE_URL": "https://info.cimahi.example:8443/x"}
        ).settings.site.domain
        == "info.cimahi.example"
    )
    assert (
        config.read({"BROADCASTER_DOMAIN": "surat.example"}).settings.site.domain == "surat.example"
    )


# --- a demo's folder ------------------------------------------------------------------------------------


def test_commands_in_a_demos_folder_join_the_demo(tmp_path: Path) -> None:
    (tmp_path / "simulation.json").write_text(
        json.dumps({"BROADCASTER_PORT": "8123", "BROADCASTER_CITY": "Kota Contoh"})
    )
    loaded = config.read({"BROADCASTER_DATA_DIR": str(tmp_path), "BROADCASTER_PORT": "9000"})
    assert (loaded.settings.port, loaded.settings.city) == (8123, "Kota Contoh")
    assert config.simulation(tmp_path)
    assert config.simulation(tmp_path / "other") == {}


@pytest.mark.parametrize("content", ["{", "[1]", "3", ""])
def test_a_demos_folder_that_is_broken_is_reported(tmp_path: Path, content: str) -> None:
    (tmp_path / "simulation.json").write_text(content)
    with pytest.raises(BadSettings, match=r"simulation\.json rusak"):
        config.read({"BROADCASTER_DATA_DIR": str(tmp_path)})


def test_the_data_folder_is_named_by_its_variable() -> None:
    assert config.data_folder({}) == Path("data")
    assert config.data_folder({"BROADCASTER_DATA_DIR": "/srv/siaran"}) == Path("/srv/siaran")


SIGN_ON = {
    "OIDC_ISSUER": "https://masuk.cimahi.example",
    "OIDC_CLIENT_ID": "siaran",
    "OIDC_CLIENT_SECRET": "rahasia",
}


def test_three_settings_turn_single_sign_on_on_and_fewer_are_refused() -> None:
    settings = config.read(SIGN_ON).settings
    assert (settings.oidc_issuer, settings.oidc_role_claim) == (
        "https://masuk.cimahi.example",
        "roles",
    )
    assert "rahasia" not in repr(settings)
    assert problems(OIDC_ISSUER=SIGN_ON["OIDC_ISSUER"]) == [
        "Setelan belum diisi: OIDC_CLIENT_ID, OIDC_CLIENT_SECRET"
    ]
    assert problems(OIDC_CLIENT_SECRET="rahasia") == [
        "Setelan belum diisi: OIDC_ISSUER, OIDC_CLIENT_ID"
    ]


def test_what_is_wrong_with_single_sign_on_is_reported_by_variable() -> None:
    roles = "berisi pasangan nilai=peran; peran yang ada: penyusun, penyetuju, operator-layar, pengelola"
    assert problems(
        **{**SIGN_ON, "OIDC_ISSUER": "http://masuk.cimahi.example", "OIDC_ROLES": "tulis=raja"}
    ) == [
        "OIDC_ISSUER: harus diawali https://.",
        f"OIDC_ROLES: {roles}.",
    ]
    assert problems(**SIGN_ON, OIDC_ROLES="penyusun") == [f"OIDC_ROLES: {roles}."]
    assert problems(**SIGN_ON, OIDC_ROLES="'tulis=penyusun") == [
        "OIDC_ROLES: tanda kutipnya tidak berpasangan."
    ]
    for issuer in ("http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        assert config.read({**SIGN_ON, "OIDC_ISSUER": issuer}).settings.oidc_issuer == issuer


def test_what_single_sign_on_asks_for_is_a_setting_that_holds_openid() -> None:
    assert config.read(SIGN_ON).settings.oidc_scope == "openid profile email"
    for scope in ("openid roles", "openid,roles", " openid,  roles "):
        assert config.read({**SIGN_ON, "OIDC_SCOPE": scope}).settings.oidc_scope == "openid roles"
    no_openid = ["OIDC_SCOPE: harus memuat openid, misalnya: openid profile email roles."]
    assert problems(**SIGN_ON, OIDC_SCOPE="profile email") == no_openid
    assert problems(**SIGN_ON, OIDC_SCOPE="OpenID") == no_openid
    assert problems(**SIGN_ON, OIDC_SCOPE='openid "x"') == [
        "OIDC_SCOPE: berisi huruf atau tanda yang tidak boleh."
    ]


@pytest.mark.parametrize(
    "hub",
    [
        "https://a.example,https://b.example",
        "https://a.example/ https://b.example/",
        "https://a.example/,https://b.example/",
    ],
)
def test_two_hubs_are_refused_and_not_taken_for_one_address(hub: str) -> None:
    with pytest.raises(BadSettings, match="FEED_HUB: harus satu alamat https"):
        config.read({"FEED_HUB": hub})
