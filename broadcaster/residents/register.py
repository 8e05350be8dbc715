"""Operators' acts on subscribers' data, each in one transaction with its audit entry."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.store import audit
from subscribers import importing, residents
from subscribers.enrolment import Outcome

SUBJECT = "subscribers"


async def import_rows(
    app: App, rows: Sequence[importing.Row], *, file: str, actor: Actor
) -> list[Outcome]:
    """Import one chunk of a file, named by its SHA-256 in `file`; return the outcome of
    each row.
    """

    def act(connection: Connection) -> list[Outcome]:
        done = importing.take_rows(connection, app.vault, app.tree, rows, app.clock().timestamp())
        lines = f"{rows[0].line}-{rows[-1].line}"
        counts = Counter[str](done)
        audit.append(
            connection, actor, Act.SUBSCRIBERS_IMPORT, SUBJECT, file=file, lines=lines, **counts
        )
        return done

    return await app.database.write(act) if rows else []


async def try_rows(app: App, rows: Sequence[importing.Row]) -> list[Outcome]:
    """Return the outcome that each row of a chunk would have; nothing is stored."""

    def act(connection: Connection) -> list[Outcome]:
        with connection.begin_nested() as trial:
            done = importing.take_rows(
                connection, app.vault, app.tree, rows, app.clock().timestamp()
            )
            trial.rollback()
        return done

    return await app.database.write(act) if rows else []


async def note_export(app: App, *, actor: Actor) -> None:
    """Audit an export of everything; call it before the first byte leaves."""

    def act(connection: Connection) -> None:
        addresses = sum(sum(states.values()) for states in residents.count(connection).values())
        audit.append(connection, actor, Act.SUBSCRIBERS_EXPORT, SUBJECT, count=addresses)

    await app.database.write(act)


async def note_reading(app: App, address_id: int, *, of: str, actor: Actor) -> None:
    """Audit that a person is about to read the data of one address."""
    await app.database.write(
        audit.append, actor, Act.READ_ADDRESSES, f"address:{address_id}", of=of
    )


def note_erasure(connection: Connection, address_id: int, *, channel: str, actor: Actor) -> None:
    """Audit an erasure, in the same transaction; the entry names the address by its
    number alone.
    """
    audit.append(connection, actor, Act.SUBSCRIBER_ERASE, f"address:{address_id}", channel=channel)
