"""Commands that a new installation may begin with: each prepares the database of an empty folder."""

from pathlib import Path

import pytest

import subscribers
from support.commanding import Program
from support.subscriber_samples import HEADER

AREAS = str(Path(str(subscribers.__file__)).parent / "cimahi.json")
PEOPLE = f"{HEADER}\nemail,wati@contoh.example,cibabat,,id,formulir,2026-01-02\n"
ADMINISTRATOR = ("user", "add", "ani", "--full-name", "Ani", "--role", "admin", "--ask")


@pytest.mark.parametrize(
    "words",
    [
        ("areas", "list"),
        ("areas", "import", AREAS),
        ("subscribers", "import", "people.csv"),
        ("token", "add", "--name", "situs", "--scope", "read"),
        ADMINISTRATOR,
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_an_empty_folder_is_prepared(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    program = Program(tmp_path / "data", {})
    paths = [str(tmp_path / word) if word == "people.csv" else word for word in words]
    result = program(*paths, text="sebuah kata sandi yang panjang\n")
    assert result.code == 0, result.err
    assert {"siaran.db", "secret.key"} <= {path.name for path in program.folder.iterdir()}
    assert program("migrate").ok == "Sudah terbaru.\n"
