"""What operators do to subscribers' data, each act together with its row of the audit log in one
transaction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.store import audit
from subscribers import importing, residents
from subscribers.enrolment import Outcome

SUBJECT = "subscribers"


async def import_rows(
    app: App, rows: Sequence[importing.Row], *, file: str, actor: str
) -> list[Outcome]:
    """Take one chunk of a file in, which `file` names (its SHA-256); what became of each row."""

    def act(connection: Connection) -> list[Outcome]:
        done = importing.take_rows(connection, app.vault, app.tree, rows, app.clock().timestamp())
        detail = {"file": file, "lines": f"{rows[0].line}-{rows[-1].line}", **Counter[str](done)}
        _note(connection, app, actor, "subscribers_import", SUBJECT, detail)
        return done

    return await app.database.write(act) if rows else []


async def try_rows(app: App, rows: Sequence[importing.Row]) -> list[Outcome]:
    """What would become of each row of a chunk; nothing is stored."""

    def act(connection: Connection) -> list[Outcome]:
        with connection.begin_nested() as trial:
            done = importing.take_rows(
                connection, app.vault, app.tree, rows, app.clock().timestamp()
            )
            trial.rollback()
        return done

    return await app.database.write(act) if rows else []


async def note_export(app: App, *, actor: str) -> None:
    """Write down that everything is about to leave; call it before the first byte does."""

    def act(connection: Connection) -> None:
        addresses = sum(sum(states.values()) for states in residents.count(connection).values())
        _note(connection, app, actor, "subscribers_export", SUBJECT, {"count": addresses})

    await app.database.write(act)


async def note_look(app: App, address_id: int, *, of: str, actor: str) -> None:
    """Write down that somebody is about to see what is known of one address."""
    await app.database.write(
        _note, app, actor, "read-addresses", f"address:{address_id}", {"of": of}
    )


def note_erasure(
    connection: Connection, app: App, address_id: int, *, channel: str, actor: str
) -> None:
    """Write down that an address was erased, in the same transaction; what is told of it is its
    number alone.
    """
    _note(connection, app, actor, "subscriber_erase", f"address:{address_id}", {"channel": channel})


def _note(
    connection: Connection, app: App, actor: str, act: str, subject: str, detail: Mapping[str, Any]
) -> None:
    audit.append(connection, at=app.clock(), actor=actor, act=act, subject=subject, detail=detail)
