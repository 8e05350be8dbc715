"""Forms that were sent: the same one sent again, later or at the same time, does nothing again and
leads to what it made.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text, update

from broadcaster.store.staff_tables import form_act

KEEP_SECONDS = 2 * 24 * 3600.0
"""How long a form is remembered."""
COMMAND_LINE = 0
"""Stands for the account of who publishes by command."""

_TAKE = text(
    "INSERT INTO form_act (account, form, result, at) VALUES (:account, :form, '', :at) ON CONFLICT (account, form) DO NOTHING"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FormAct:
    """A form as it was sent first: what it made ("" while it is at it) and when, in epoch seconds."""

    result: str
    at: float


def take(
    connection: Connection, account: int, form: str, at: float, *, within: float = KEEP_SECONDS
) -> FormAct | None:
    """Claim a form of an account; the earlier act if it was sent within so many seconds.

    Who sends the same form at the same time waits here until the first has committed.
    """
    mine = (form_act.c.account == account, form_act.c.form == form)
    connection.execute(delete(form_act).where(*mine, form_act.c.at <= at - within))
    if connection.execute(_TAKE, {"account": account, "form": form, "at": at}).rowcount == 1:
        return None
    return find(connection, account, form)


def find(connection: Connection, account: int, form: str) -> FormAct | None:
    """Find what a form of this account made."""
    row = connection.execute(
        select(form_act).where(form_act.c.account == account, form_act.c.form == form)
    ).one_or_none()
    return FormAct(result=row.result, at=row.at) if row is not None else None


def keep(connection: Connection, account: int, form: str, result: str) -> None:
    """Store what the form made; in the transaction that made it, wherever that is one."""
    connection.execute(
        update(form_act)
        .where(form_act.c.account == account, form_act.c.form == form)
        .values(result=result)
    )


def forget(connection: Connection, account: int, form: str) -> None:
    """Drop a form that came to nothing, so that it may be sent again."""
    connection.execute(
        delete(form_act).where(form_act.c.account == account, form_act.c.form == form)
    )


def purge(connection: Connection, now: float) -> None:
    """Drop what is older than a form is remembered."""
    connection.execute(delete(form_act).where(form_act.c.at < now - KEEP_SECONDS))
