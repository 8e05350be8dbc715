"""Real PostgreSQL server for tests: own folder, own unix socket, no TCP; it leaves nothing behind
and ends with the tests.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

PLACES = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt")
UNSAFE_BUT_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=64MB",
)


def binaries() -> Path:
    """Return the folder of the newest initdb and postgres; skips the test if none is installed."""
    folders = [path.parent for place in PLACES for path in Path(place).glob("*/bin/initdb")]
    if in_path := shutil.which("initdb"):
        folders.append(Path(in_path).parent)
    if not folders:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return max(
        folders,
        key=lambda path: [int(part) for part in path.parent.name.split(".") if part.isdigit()],
    )


def account() -> str:
    """Return the user who runs the server: PostgreSQL refuses root. "" = the current user; skips
    the test if root has no user to run it as.
    """
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


def as_user(user: str) -> list[str]:
    """Return the command prefix that runs a command as `user` and ends it with this process."""
    if sys.platform != "linux":
        return []
    change = (
        ["--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups"]
        if user
        else []
    )
    return ["setpriv", "--pdeathsig", "QUIT", *change]


def initialise(folder: Path, programs: Path, user: str) -> Path:
    """Create an empty cluster in `folder`, which becomes the user's own; returns its data
    directory.
    """
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    make = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "siaran",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    subprocess.run([*as_user(user), *make], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return data


@contextmanager
def running_postgresql(
    _folder: Path | None = None, *, settings: Sequence[str] = UNSAFE_BUT_FAST
) -> Iterator[str]:
    """Start a fresh server and yield the URL of its database `postgres`; its folder is in /tmp, as
    socket paths must be short.
    """
    programs, user = binaries(), account()
    folder = Path(tempfile.mkdtemp(prefix="siaran-pg-", dir="/tmp"))
    try:
        data = initialise(folder, programs, user)
        options = [part for setting in settings for part in ("-c", setting)]
        serve = [programs / "postgres", "-D", data, "-k", folder, "-h", "", *options]
        with _serving([*as_user(user), *map(str, serve)], folder):
            yield f"postgresql://siaran@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(command: list[str], folder: Path) -> Iterator[None]:
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=folder, start_new_session=True
    ) as process:
        if process.stderr is None:
            raise RuntimeError("no pipe to read from")
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise RuntimeError("PostgreSQL did not start: " + "".join(lines))
        rest = threading.Thread(target=process.stderr.read, daemon=True)
        rest.start()
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            rest.join()


def cluster_files(url: str) -> Iterator[tuple[str, bytes]]:
    """Read the files of a PostgreSQL database, and its dump."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        (number,) = connection.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone() or (0,)
    for path in sorted((Path(data) / "base" / str(number)).iterdir()):
        with suppress(FileNotFoundError):  # the server takes its own caches away whenever it likes
            yield path.name, path.read_bytes()
    dump = subprocess.run([binaries() / "pg_dump", plain], capture_output=True, check=True)
    yield "dump", dump.stdout
