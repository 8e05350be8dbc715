"""compose.yaml and the image: pinned, without privileges, and simulated until real credentials are given."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from broadcaster import cli, config
from broadcaster.config import channel_modules

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
START = ROOT / ".docker" / "start"


def started(**variables: str) -> dict[str, str]:
    """The variables under which a container's command runs."""
    done = subprocess.run(
        ["sh", START, "env"], env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


SIMULATED = {"BROADCASTER_SIMULATION_URL": "http://providers:9000", "MAIL_CATCHER_URL": "smtp://mail:1025"}


def test_it_is_web_worker_postgresql_valkey_mail_and_stand_ins() -> None:
    assert set(OURS) == {"migrate", "providers", "web", "worker"}
    assert set(SERVICES) - set(OURS) == {"database", "doorbell", "mail"}


def test_every_image_is_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [image for image in images if not re.search(r":v?\d+\.\d+", image)] == []


def test_our_containers_run_without_privileges() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert "\nUSER siaran\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_only_the_site_and_the_mail_catcher_listen_and_on_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8025:8025", "127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", ["database", "doorbell", "mail", "providers", "web"])
def test_what_can_be_asked_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_every_command_is_one_of_the_programs() -> None:
    known = get_command(cli.program).commands  # type: ignore[attr-defined]
    for service in OURS.values():
        for word in re.findall(r"broadcaster (\w+)", " ".join(service["command"])):
            assert word in known


def test_every_variable_is_a_setting() -> None:
    known = {config.variable(name) for name in config.Settings.model_fields} | {"MAIL_CATCHER_URL"}
    for module in channel_modules().values():
        known |= {module.Settings.prefix + (field.alias or name).upper() for name, field in module.Settings.model_fields.items()}
    for service in OURS.values():
        assert set(service["environment"]) <= known


def test_without_credentials_every_channel_is_open_and_simulated(tmp_path: Path) -> None:
    variables = started(**SIMULATED)
    loaded = config.read(variables, data_dir=tmp_path)
    assert loaded.settings.simulated
    assert all(loaded.is_open(name) for name in ("whatsapp", "telegram", "email"))
    assert variables["WHATSAPP_API_URL"].startswith("http://providers:9000/")
    assert variables["TELEGRAM_API_URL"].startswith("http://providers:9000/")
    assert variables["EMAIL_URL"] == "smtp://mail:1025"


@pytest.mark.parametrize(
    ("real", "given"),
    [
        ("telegram", {"TELEGRAM_TOKEN": "1234567:real"}),
        ("email", {"EMAIL_URL": "smtp://mail.example.go.id:587", "EMAIL_FROM": "info@example.go.id"}),
    ],
)
def test_one_real_credential_ends_the_simulation_of_all(tmp_path: Path, real: str, given: dict[str, str]) -> None:
    variables = started(**SIMULATED, **given)
    loaded = config.read(variables, data_dir=tmp_path)
    assert not loaded.settings.simulated
    assert loaded.settings.simulation_url == ""
    assert [name for name in ("whatsapp", "telegram", "email") if loaded.is_open(name)] == [real]
