"""The program `broadcaster`: its commands, and how their errors are told (one clear line; exit 2
for usage, 1 for failure).
"""

import os
import sys
from typing import NoReturn

import typer
from sqlalchemy.exc import DatabaseError, OperationalError

from broadcaster import storage_faults
from broadcaster.announcements import InvalidAnnouncement
from broadcaster.commands import (
    announcing,
    auditing,
    following,
    people,
    places,
    serving,
    staffing,
    steering,
    upkeep,
    usage,
)
from broadcaster.commands.failing import Failed
from broadcaster.config import BadSettings
from broadcaster.locks import CannotStart
from broadcaster.store.database import BadDatabase

program = typer.Typer(
    name="broadcaster",
    help="Siaran Cimahi: satu pengumuman, lima kanal, tidak ada yang hilang.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
program.command()(serving.demo)
program.command()(serving.run)
program.command()(serving.web)
program.command()(serving.worker)
program.command(hidden=True)(serving.providers)
program.command()(upkeep.migrate)
program.command()(upkeep.doctor)
program.command()(upkeep.adopt)
program.command()(announcing.preview)
program.command()(announcing.publish)
program.command()(following.show)
program.command()(following.failed)
program.command("retry-failed")(steering.retry_failed)
program.command()(steering.pause)
program.command()(steering.resume)
program.command()(steering.cancel)
program.add_typer(people.program, name="subscribers")
program.add_typer(places.program, name="areas")
program.add_typer(upkeep.tokens, name="token")
program.add_typer(upkeep.channels, name="channel")
program.add_typer(staffing.program, name="user")
program.add_typer(auditing.program, name="audit")


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
