"""The program of command tests."""

from pathlib import Path

import pytest

from support.command_data import migrated
from support.commanding import Program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program without settings, its database migrated."""
    return migrated(tmp_path / "data", {})
