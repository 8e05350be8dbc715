"""Containers of compose.yaml and the image: pinned, without privileges, and simulated until real
credentials are set.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from broadcaster import cli
from broadcaster.runtime import config, settings
from broadcaster.runtime.config import channel_modules

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
WRAPPER = ROOT / ".docker" / "broadcaster"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def wrapped(folder: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the image's `broadcaster` with a program that prints its variables."""
    program = folder / "broadcaster"
    program.write_text("#!/bin/sh\nexec env\n")
    program.chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    return subprocess.run(
        ["sh", WRAPPER, command],
        env={"PATH": path, **variables},
        capture_output=True,
        text=True,
        check=True,
    )


def started(folder: Path, **variables: str) -> dict[str, str]:
    """Return the variables under which a container's command runs."""
    return dict(
        line.split("=", 1) for line in wrapped(folder, "web", **variables).stdout.splitlines()
    )


SIMULATED = {
    "BROADCASTER_SIMULATION_URL": "http://providers:9000",
    "MAIL_CATCHER_URL": "smtp://mail:1025",
}


def test_it_is_web_worker_postgresql_valkey_mail_and_stand_ins() -> None:
    assert set(OURS) == {"migrate", "providers", "web", "worker"}
    assert set(SERVICES) - set(OURS) == {"database", "doorbell", "mail"}


def test_every_image_is_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [image for image in images if not re.search(r":v?\d+\.\d+", image)] == []


def test_our_containers_run_without_privileges() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert "\nUSER siaran\n" in DOCKERFILE


def test_only_the_site_and_the_mail_catcher_listen_and_on_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8025:8025", "127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", ["database", "doorbell", "mail", "providers", "web", "worker"])
def test_what_can_be_asked_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_every_command_is_one_of_the_programs() -> None:
    known = get_command(cli.program).commands  # type: ignore[attr-defined]
    for service in OURS.values():
        for word in re.findall(r"broadcaster (\w+)", " ".join(service["command"])):
            assert word in known


def test_every_variable_is_a_setting() -> None:
    # what the wrapper reads, and what PostgreSQL's own client does
    known = {settings.variable(name) for name in settings.Settings.model_fields} | {
        "MAIL_CATCHER_URL",
        "PGPASSWORD",
    }
    for module in channel_modules().values():
        known |= {
            module.Settings.prefix + (field.alias or name).upper()
            for name, field in module.Settings.model_fields.items()
        }
    for service in OURS.values():
        assert set(service["environment"]) <= known


def test_without_credentials_every_channel_is_open_and_simulated(tmp_path: Path) -> None:
    variables = started(tmp_path, **SIMULATED)
    loaded = config.read(variables, data_dir=tmp_path)
    assert loaded.settings.simulated
    assert all(loaded.is_open(name) for name in ("whatsapp", "telegram", "email"))
    assert variables["WHATSAPP_API_URL"].startswith("http://providers:9000/")
    assert variables["TELEGRAM_API_URL"].startswith("http://providers:9000/")
    assert variables["EMAIL_URL"] == "smtp://mail:1025"


@pytest.mark.parametrize(
    ("real", "credentials"),
    [
        ("telegram", {"TELEGRAM_TOKEN": "1234567:real"}),
        (
            "email",
            {"EMAIL_URL": "smtp://mail.example.go.id:587", "EMAIL_FROM": "info@example.go.id"},
        ),
    ],
)
def test_one_real_credential_ends_the_simulation_of_all(
    tmp_path: Path, real: str, credentials: dict[str, str]
) -> None:
    variables = started(tmp_path, **SIMULATED, **credentials)
    loaded = config.read(variables, data_dir=tmp_path)
    assert not loaded.settings.simulated
    assert loaded.settings.simulation_url == ""
    assert [name for name in ("whatsapp", "telegram", "email") if loaded.is_open(name)] == [real]


def test_every_setting_may_stand_in_the_file_of_settings() -> None:
    fixed = {
        "BROADCASTER_DATA_DIR",
        "BROADCASTER_HOST",
        "BROADCASTER_PORT",  # the container's own
        "BROADCASTER_SIMULATION_URL",
        "MAIL_CATCHER_URL",
        "PGPASSWORD",
    }
    for service in OURS.values():
        assert service["env_file"] == ".env"
        for name, value in service["environment"].items():
            assert name in fixed or str(value).startswith(f"${{{name}:-")


def test_the_database_has_no_password_that_everybody_knows() -> None:
    passwords = [
        SERVICES["database"]["environment"]["POSTGRES_PASSWORD"],
        SERVICES["web"]["environment"]["PGPASSWORD"],
    ]
    assert all(value.startswith("${POSTGRES_PASSWORD:?") for value in passwords)
    assert "siaran@database" in SERVICES["web"]["environment"]["BROADCASTER_DATABASE_URL"]


def test_the_stand_ins_start_only_in_simulation() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == {
        "providers",
        "mail",
    }
    assert all(SERVICES[name]["profiles"] == ["simulation"] for name in ("providers", "mail"))


def test_beside_real_credentials_the_stand_ins_end_and_are_not_started_again(
    tmp_path: Path,
) -> None:
    done = wrapped(tmp_path, "providers", **SIMULATED, TELEGRAM_TOKEN="1234567:real")
    assert done.stdout == ""
    assert "tidak ada yang disimulasikan" in done.stderr
    assert SERVICES["providers"]["restart"] == "on-failure"
    assert wrapped(tmp_path, "providers", **SIMULATED).stdout != ""


def test_a_command_typed_into_a_container_runs_under_the_settings_of_its_service() -> None:
    assert "COPY --chmod=0755 .docker/broadcaster /usr/local/bin/broadcaster" in DOCKERFILE
    assert "ENV PATH=/usr/local/bin:/opt/siaran/bin:" in DOCKERFILE
    assert "ENTRYPOINT" not in DOCKERFILE


def test_the_image_holds_what_the_lock_has_by_hash() -> None:
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert len(installs) == 2
    assert all("--no-index --find-links /packages" in words for words in installs)


def test_no_container_may_fill_the_memory_or_the_disk() -> None:
    for service in SERVICES.values():
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
