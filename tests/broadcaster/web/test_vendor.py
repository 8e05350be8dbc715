"""Third-party files that we serve or test with: pinned, unchanged, licensed, and nothing beside
them.
"""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVED, TESTS_ONLY = ROOT / "broadcaster" / "static" / "vendor", ROOT / "tests" / "vendor"
FOLDERS = (SERVED, TESTS_ONLY)


def packages(folder: Path) -> list[dict[str, Any]]:
    """Return the packages that a folder's vendor.toml lists."""
    listed: list[dict[str, Any]] = tomllib.loads(
        (folder / "vendor.toml").read_text(encoding="utf-8")
    )["package"]
    return listed


PACKAGES = [(folder, package) for folder in FOLDERS for package in packages(folder)]
FILES = [(folder, entry) for folder, package in PACKAGES for entry in package["files"]]


@pytest.mark.parametrize(("folder", "entry"), FILES, ids=[entry["file"] for _, entry in FILES])
def test_a_vendored_file_is_the_one_that_was_pinned(folder: Path, entry: dict[str, str]) -> None:
    assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_file_here_is_listed(folder: Path) -> None:
    listed = {entry["file"] for parent, entry in FILES if parent == folder} | {"vendor.toml"}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == listed


@pytest.mark.parametrize(
    ("folder", "package"), PACKAGES, ids=[package["name"] for _, package in PACKAGES]
)
def test_a_package_is_pinned_by_version_and_integrity_and_carries_its_licence(
    folder: Path, package: dict[str, Any]
) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
    licences = [entry for entry in package["files"] if "LICENSE" in entry["source"]]
    assert package["licence"]
    assert all((folder / entry["file"]).stat().st_size > 200 for entry in licences)
    assert licences


def test_the_font_is_a_woff2_file() -> None:
    font = SERVED / "plus-jakarta-sans-latin-wght-normal.woff2"
    assert font.read_bytes()[:4] == b"wOF2"
