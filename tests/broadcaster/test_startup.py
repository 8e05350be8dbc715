"""Imports at the start of a command: only those that it uses."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {
    "PIL", "aiohttp", "aiosmtplib", "alembic", "argon2", "arq", "authlib", "babel", "cryptography", "email_validator", "feedgen",
    "jinja2", "lxml", "markdown_it", "nh3", "phonenumbers", "prometheus_client", "publicsuffixlist", "pyotp", "redis", "rich",
    "segno", "starlette", "structlog", "telegram", "uvicorn", "uvloop", "yaml", "zxcvbn",
}  # fmt: skip
"""Libraries that only some commands need."""
UNUSED = {
    "broadcaster.app", "broadcaster.runtime.logs", "broadcaster.runtime.secret_key", "broadcaster.store.migrate",
    "broadcaster.store.staff_tables", "dateutil", "httpx", "psycopg", "sqlalchemy.dialects.postgresql", "sqlalchemy.ext", "sqlalchemy.orm",
    "subscribers.vault",
}  # fmt: skip
"""Modules that reading the progress in a SQLite file does not need either."""
PROBE = """
import json, sys
from broadcaster.cli import main
try:
    main()
finally:
    sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""


def run_and_list_imports(folder: Path, *words: str) -> set[str]:
    """Run a command as a process of its own; return the modules that it imported."""
    process = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "BROADCASTER_DATA_DIR": str(folder),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stderr.splitlines()[-1]))


def test_help_and_version_import_neither_database_nor_channels(tmp_path: Path) -> None:
    for words in (("--help",), ("--version",)):
        assert (
            run_and_list_imports(tmp_path, *words)
            & {*LIBRARIES, "sqlalchemy", "pydantic", "channels"}
            == set()
        )


def test_show_imports_the_database_and_nothing_that_sends(tmp_path: Path) -> None:
    run_and_list_imports(tmp_path, "migrate")
    notice = tmp_path / "notice.md"
    notice.write_text("---\ntitle: Air mati\nareas: [cibabat]\n---\nTampung air.\n")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    published = subprocess.run(
        [sys.executable, "-m", "broadcaster", "publish", str(notice), "--json"],
        env={**environ, "BROADCASTER_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    identity = json.loads(published.stdout)["id"]
    for words in (("show", identity), ("show", identity, "--json")):
        assert run_and_list_imports(tmp_path, *words) & (LIBRARIES | UNUSED) == set()
