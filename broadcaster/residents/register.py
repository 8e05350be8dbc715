"""Operators' acts on subscribers' data, each in one transaction with its row of the audit log."""

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
    """Take one chunk of a file in, which `file` names (its SHA-256); what became of each row."""

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
    """What would become of each row of a chunk; nothing is stored."""

    def act(connection: Connection) -> list[Outcome]:
        with connection.begin_nested() as trial:
            done = importing.take_rows(
                connection, app.vault, app.tree, rows, app.clock().timestamp()
            )
            trial.rollback()
        return done

    return await app.database.write(act) if rows else []


async def note_export(app: App, *, actor: Actor) -> None:
    """Write down that everything is about to leave; call it before the first byte does."""

    def act(connection: Connection) -> None:
        addresses = sum(sum(states.values()) for states in residents.count(connection).values())
        audit.append(connection, actor, Act.SUBSCRIBERS_EXPORT, SUBJECT, count=addresses)

    await app.database.write(act)


async def note_look(app: App, address_id: int, *, of: str, actor: Actor) -> None:
    """Write down that somebody is about to see what is known of one address."""
    await app.database.write(
        audit.append, actor, Act.READ_ADDRESSES, f"address:{address_id}", of=of
    )


def note_erasure(connection: Connection, address_id: int, *, channel: str, actor: Actor) -> None:
    """Write down that an address was erased, in the same transaction; what is told of it is its
    number alone.
    """
    audit.append(connection, actor, Act.SUBSCRIBER_ERASE, f"address:{address_id}", channel=channel)
