"""CPU time of commands: `python tests/benchmarks/bench_startup.py`.

Each command runs as a process of its own, several times; the least is printed, and how many times
that of an empty Python and of the bare import of SQLAlchemy it is, measured in the same rounds: on
a busy machine only the ratios mean something.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7
NOTICE = "---\ntitle: Air mati\nareas: [cibabat]\n---\nTampung air.\n"
EMPTY, SQLALCHEMY = "python -c pass", "import sqlalchemy"


def seconds(words: Sequence[str], environ: Mapping[str, str]) -> float:
    """Return the CPU seconds, user and system, of one process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        words, env=environ, capture_output=True, check=False
    )  # doctor may find something
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prepared(folder: Path, environ: Mapping[str, str]) -> str:
    """Make a database with one announcement; returns its id."""
    notice = folder / "notice.md"
    notice.write_text(NOTICE)
    program = [sys.executable, "-m", "broadcaster"]
    subprocess.run([*program, "migrate"], env=environ, capture_output=True, check=True)
    published = subprocess.run(
        [*program, "publish", str(notice), "--json"], env=environ, capture_output=True, check=True
    )
    return str(json.loads(published.stdout)["id"])


def main() -> None:
    """Print a line for each command."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "BROADCASTER_DATA_DIR": folder,
        }
        identity = prepared(Path(folder), environ)
        program = [sys.executable, "-m", "broadcaster"]
        cases = {
            EMPTY: [sys.executable, "-c", "pass"],
            SQLALCHEMY: [sys.executable, "-c", "import sqlalchemy"],
            "--help": [*program, "--help"],
            "--version": [*program, "--version"],
            "show": [*program, "show", identity],
            "areas list": [*program, "areas", "list"],
            "doctor": [*program, "doctor"],
        }
        least = dict.fromkeys(cases, float("inf"))
        for _ in range(ROUNDS):
            for name, words in cases.items():
                least[name] = min(least[name], seconds(words, environ))
    for name, time in least.items():
        empty, bare = time / least[EMPTY], time / least[SQLALCHEMY]
        print(
            f"{name:<18} {time * 1000:6.0f} ms CPU  {empty:5.1f} x empty  {bare:5.2f} x SQLAlchemy"
        )


if __name__ == "__main__":
    main()
