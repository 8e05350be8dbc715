"""A plain `pip install .` includes all that is needed: built, installed elsewhere, and every
channel rendered from there.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("broadcaster", "channels", "subscribers", "templates")
CHANNELS = sorted(path.stem for path in (ROOT / "channels").glob("*.py") if path.stem != "__init__")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

NOTICE = """---
title: Air PDAM mati di Cibabat
summary: Tampung air sebelum pukul 07.00.
areas: [cibabat]
category: gangguan-layanan
agency: Perumda Tirta
---
Perumda Tirta mengganti pipa induk di **Jl. Amir Machmud**.
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources with the tools that are installed."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "."],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel installed into it, its dependencies taken from here."""
    target = tmp_path_factory.mktemp("installed")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    return target


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """Run Python on the installed copy, from a folder that knows nothing of this one."""
    environ = {
        "PYTHONPATH": str(installed),
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "BROADCASTER_DATA_DIR": str(folder / "data"),
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    files = [
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file()
    ]
    assert [path for path in files if path not in held and "__pycache__" not in path] == []


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_installed_copy_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    output = run(
        installed,
        tmp_path,
        "-c",
        "import broadcaster, channels; print(broadcaster.__file__, channels.__file__)",
    )
    assert output.count(str(installed)) == 2


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_renders_from_there(installed: Path, tmp_path: Path, channel: str) -> None:
    (tmp_path / "notice.md").write_text(NOTICE, encoding="utf-8")
    script = str(installed / "bin" / "broadcaster")
    parts = json.loads(
        run(installed, tmp_path, script, "preview", "notice.md", "--channel", channel, "--json")
    )
    assert parts
    assert any("Air PDAM mati di Cibabat" in text for text in parts.values())


def test_migrations_words_pages_and_areas_are_found_there(installed: Path, tmp_path: Path) -> None:
    script = str(installed / "bin" / "broadcaster")
    assert "0001" in run(installed, tmp_path, script, "migrate")
    assert "Cibabat" in run(installed, tmp_path, script, "areas", "list")
    look = """
import asyncio, sys
from broadcaster.runtime import config
from broadcaster.app import open_app
from broadcaster.web.server import create_web
from broadcaster.web.base import pages, static_files
from broadcaster.runtime.i18n import words
from broadcaster.simulation import news
from datetime import datetime, UTC
async def main():
    async with open_app(config.read()) as app:
        create_web(app)
    pages.environment().get_template("archive.html")
    print(words("id")("brand"), static_files.address("site.css"), len(news.history(datetime.now(UTC))))
asyncio.run(main())
"""
    assert "Siaran Cimahi /static/site." in run(installed, tmp_path, "-c", look)


# --- the lock -----------------------------------------------------------------------------------

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK, re.MULTILINE)
}


def test_the_lock_is_names_versions_and_hashes_and_no_address() -> None:
    line = re.compile(
        r"(?:[A-Za-z0-9._-]+==\S+(?: ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}(?: \\)?|#.*|)"
    )
    assert [text for text in LOCK.splitlines() if not line.fullmatch(text)] == []
    assert "://" not in LOCK
    assert LOCK.count("==") - LOCK.count("python_full_version") <= len(
        re.findall(r"\\\n    --hash", LOCK)
    ) + LOCK.count(" == ")


def test_every_locked_release_has_a_hash() -> None:
    for entry in re.split(r"\n(?=[a-z0-9])", LOCK.split("# The following")[0]):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_lock_holds_every_dependency_within_its_range() -> None:
    wanted = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["postgres"],
        *PROJECT["optional-dependencies"]["test"],
    ]
    for text in wanted:
        requirement = Requirement(text)
        version = LOCKED.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked"
        assert requirement.specifier.contains(version), (
            f"{requirement.name} {version} is locked, {requirement.specifier} is wanted"
        )


def test_the_lock_is_closed_under_dependencies() -> None:
    for name in LOCKED:
        try:
            dependencies = requires(name) or []
        except ModuleNotFoundError:  # locked for other systems
            continue
        for text in dependencies:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in LOCKED, (
                    f"{name} needs {requirement.name}"
                )


def test_the_version_is_the_same_everywhere() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"siaran-cimahi:{PROJECT['version']}" in (ROOT / "compose.yaml").read_text(
        encoding="utf-8"
    )
