"""Surroundings of runtime tests: a folder without a demo, whose settings would count as given."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, as the data folder is `data` in the current one by default."""
    folder = tmp_path_factory.mktemp("current")
    monkeypatch.chdir(folder)
    return folder
