"""The program `broadcaster`: its commands, and how their errors are told (one clear line; exit 2
for usage, 1 for failure).
"""

import os
import sys
from typing import NoReturn

import typer
from sqlalchemy.exc import DatabaseError, OperationalError

from broadcaster.commands import (
    announcements,
    areas,
    audit,
    controls,
    maintenance,
    processes,
    status,
    subscribers,
    usage,
    users,
)
from broadcaster.commands.errors import Failed
from broadcaster.domain.fields import InvalidAnnouncement
from broadcaster.runtime import storage_faults
from broadcaster.runtime.config import BadSettings
from broadcaster.runtime.locks import CannotStart
from broadcaster.store.database import BadDatabase

program = typer.Typer(
    name="broadcaster",
    help="Siaran Cimahi: satu pengumuman, lima kanal, tidak ada yang hilang.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
program.command()(processes.demo)
program.command()(processes.run)
program.command()(processes.web)
program.command()(processes.worker)
program.command(hidden=True)(processes.providers)
program.command()(maintenance.migrate)
program.command()(maintenance.doctor)
program.command()(maintenance.adopt)
program.command()(announcements.preview)
program.command()(announcements.publish)
program.command()(status.show)
program.command()(status.failed)
program.command("retry-failed")(controls.retry_failed)
program.command()(controls.pause)
program.command()(controls.resume)
program.command()(controls.cancel)
program.add_typer(subscribers.program, name="subscribers")
program.add_typer(areas.program, name="areas")
program.add_typer(maintenance.tokens, name="token")
program.add_typer(maintenance.channels, name="channel")
program.add_typer(users.program, name="user")
program.add_typer(audit.program, name="audit")


def main() -> None:
    """Run the program; every foreseen failure is one line on standard error and exit code 1."""
    try:
        try:
            code = program(prog_name="broadcaster", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except usage.NoArguments as error:
        error.show()  # the list of commands
        raise SystemExit(2) from None
    except usage.UsageError as error:
        _fail(usage.sentence(error), code=2)
    except typer.Abort:
        raise SystemExit(1) from None
    except BrokenPipeError:  # whoever read our words has enough: `doctor | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except InvalidAnnouncement as error:
        _fail(
            "\n".join(
                f"{p.field + ': ' if p.field else ''}{p.reason} {p.remedy}".strip()
                for p in error.problems
            )
        )
    except (Failed, BadSettings, BadDatabase, CannotStart) as error:
        _fail(str(error))
    except DatabaseError as error:
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise  # a mistake of ours in a statement, not the database's
        words = storage_faults.told(error.orig)
        reason = str(error.orig).strip().splitlines()[0]
        _fail(
            " ".join(words)
            if words
            else f"Basis data tidak dapat dipakai: {reason}. Periksa BROADCASTER_DATABASE_URL."
        )
    except OSError as error:
        words = storage_faults.told(error)
        if words is None:
            raise  # no matter of folders and files
        _fail(" ".join(words))
    raise SystemExit(code if isinstance(code, int) else 0)


def _fail(text: str, *, code: int = 1) -> NoReturn:
    sys.stderr.write(text + "\n")
    raise SystemExit(code)
