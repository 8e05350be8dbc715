"""Settings: what is wrong is told in words, all at once; what follows from other settings follows."""

import pytest

from broadcaster import config
from broadcaster.config import BadSettings


def problems(**variables: str) -> list[str]:
    """What reading these variables complains of."""
    with pytest.raises(BadSettings) as caught:
        config.read(variables)
    return str(caught.value).splitlines()


def test_everything_wrong_is_told_at_once_by_variable() -> None:
    assert problems(BROADCASTER_PORT="abc", BROADCASTER_LEASE="0", EMAIL_URL="surat", TELEGRAM_RATE="-1", WHATSAPP_TOKEN="x") == [
        "BROADCASTER_PORT: harus bilangan bulat.",
        "BROADCASTER_LEASE: paling kecil 1.0.",
        "EMAIL_URL: seharusnya smtp://nama:sandi@host:port?starttls=true atau smtps://nama:sandi@host:port.",
        "TELEGRAM_RATE: paling kecil 0.0.",
        "Setelan belum diisi: WHATSAPP_PHONE_ID, WHATSAPP_APP_SECRET, WHATSAPP_VERIFY_TOKEN",
    ]


def test_no_problem_quotes_the_value() -> None:
    assert "rahasia" not in "".join(problems(EMAIL_URL="surat://rahasia", BROADCASTER_BASE_URL="rahasia"))


def test_the_base_url_follows_the_port_unless_given() -> None:
    assert config.read({}).settings.base_url == "http://127.0.0.1:8000"
    assert config.read({"BROADCASTER_PORT": "8077"}).settings.base_url == "http://127.0.0.1:8077"
    given = {"BROADCASTER_PORT": "8077", "BROADCASTER_BASE_URL": "https://info.example.go.id/"}
    assert config.read(given).settings.base_url == "https://info.example.go.id"


def test_an_unknown_channel_is_refused_with_those_there_are() -> None:
    (problem,) = problems(BROADCASTER_CHANNELS="display faks")
    assert problem.startswith("BROADCASTER_CHANNELS menyebut 'faks', yang bukan kanal. Yang ada: display, email,")
