"""The program of command tests."""

from pathlib import Path

import pytest

from support.commanding import Program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program without settings; its data folder does not exist yet."""
    return Program(tmp_path / "data", {})
