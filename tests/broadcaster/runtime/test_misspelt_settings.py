"""Misspelt variables: named at the start; those of other programs are left alone."""

import pytest
from structlog.testing import capture_logs

from broadcaster.commands import processes
from broadcaster.runtime import config, settings
from broadcaster.runtime.config import BadSettings


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("BROADCASTER_TRUSTED_PROXIE", "BROADCASTER_TRUSTED_PROXIES"),
        ("BROADCASTER_BASEURL", "BROADCASTER_BASE_URL"),
        ("EMAIL_FORM", "EMAIL_FROM"),
        ("EMAIL_ULR", "EMAIL_URL"),
        ("TELEGRAM_TOKN", "TELEGRAM_TOKEN"),
        ("TELEGRAM_WEBHOOK_SECRETS", "TELEGRAM_WEBHOOK_SECRET"),
        ("WHATSAPP_PHONEID", "WHATSAPP_PHONE_ID"),
        ("WHATSAPP_VERIFY_TOKE", "WHATSAPP_VERIFY_TOKEN"),
        ("OIDC_CLIENTID", "OIDC_CLIENT_ID"),
        ("FEED_HUBS", "FEED_HUB"),
        ("EMAIL_ULR", "EMAIL_URL"),
        ("broadcaster_channels", "BROADCASTER_CHANNELS"),
        ("Email_From", "EMAIL_FROM"),
    ],
)
def test_a_slip_of_the_pen_is_named_with_what_was_meant(name: str, suggestion: str) -> None:
    with pytest.raises(BadSettings, match=rf"{name} bukan setelan\. Maksud Anda {suggestion}\?"):
        config.read({name: "x"})


def test_all_slips_are_reported_at_once_beside_what_else_is_wrong() -> None:
    with pytest.raises(BadSettings) as caught:
        config.read({"BROADCASTER_PORT": "abc", "BROADCASTER_ZZZ": "1", "EMAIL_FORM": "x"})
    assert str(caught.value).splitlines() == [
        "BROADCASTER_PORT: harus bilangan bulat.",
        "BROADCASTER_ZZZ bukan setelan. Periksa ejaannya, atau hapus.",
        "EMAIL_FORM bukan setelan. Maksud Anda EMAIL_FROM?",
    ]


def test_a_variable_of_another_program_is_reported_and_not_refused() -> None:
    loaded = config.read(
        {"EMAIL_SMARTHOST": "mail", "TELEGRAM_CHAT": "7", "DATABASE_URL": "x", "PATH": "/bin"}
    )
    assert loaded.unknown == (
        "EMAIL_SMARTHOST bukan setelan. Periksa ejaannya, atau hapus.",
        "TELEGRAM_CHAT bukan setelan. Periksa ejaannya, atau hapus.",
    )
    with capture_logs() as entries:
        processes._warn_unknown(loaded)
    assert [entry["sentence"] for entry in entries] == list(loaded.unknown)


def test_every_setting_is_known() -> None:
    loaded = config.read({})
    names = [settings.variable(name) for name in settings.Settings.model_fields]
    names += [name for module in loaded.modules.values() for name in module.Settings.variables()]
    assert {
        "BROADCASTER_LINK_HOSTS",
        "OIDC_ROLES",
        "EMAIL_FROM",
        "WHATSAPP_RECEIPT_WAIT",
        "FEED_HUB",
    } <= set(names)
    assert config.read(dict.fromkeys(names, "")).unknown == ()
