"""Files of others that we serve: pinned, unchanged, with their licence, and nothing beside them."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

VENDOR = Path(__file__).resolve().parents[2] / "broadcaster" / "static" / "vendor"
PACKAGES: list[dict[str, Any]] = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))["package"]
FILES = [entry for package in PACKAGES for entry in package["files"]]


@pytest.mark.parametrize("entry", FILES, ids=lambda entry: entry["file"])
def test_a_vendored_file_is_the_one_that_was_pinned(entry: dict[str, str]) -> None:
    assert hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


def test_every_file_here_is_listed() -> None:
    listed = {entry["file"] for entry in FILES} | {"vendor.toml"}
    assert {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} == listed


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_a_package_is_pinned_by_version_and_integrity_and_carries_its_licence(package: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
    licences = [entry for entry in package["files"] if "LICENSE" in entry["source"]]
    assert package["licence"]
    assert all((VENDOR / entry["file"]).stat().st_size > 200 for entry in licences)
    assert licences


def test_the_font_is_a_woff2_file() -> None:
    font = VENDOR / "plus-jakarta-sans-latin-wght-normal.woff2"
    assert font.read_bytes()[:4] == b"wOF2"
