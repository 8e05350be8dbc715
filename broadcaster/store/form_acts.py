"""Submitted forms: submitting the same form again, later or concurrently, repeats nothing and leads
to the first result.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text, update

from broadcaster.store.staff_tables import form_act

KEEP_SECONDS = 2 * 24 * 3600.0
"""Seconds for which a form is remembered."""
COMMAND_LINE = 0
"""Account number that stands for the command line."""

_TAKE = text(
    "INSERT INTO form_act (account, form, result, at) VALUES (:account, :form, '', :at)"
    " ON CONFLICT (account, form) DO NOTHING"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FormAct:
    """A form's first submission: its result ("" while in progress) and time in epoch seconds."""

    result: str
    at: float


def take(
    connection: Connection, account: int, form: str, at: float, *, within: float = KEEP_SECONDS
) -> FormAct | None:
    """Claim a form of an account; return the earlier act if it was submitted within `within`
    seconds.

    A concurrent submission of the same form waits here until the first has committed.
    """
    mine = (form_act.c.account == account, form_act.c.form == form)
    connection.execute(delete(form_act).where(*mine, form_act.c.at <= at - within))
    if connection.execute(_TAKE, {"account": account, "form": form, "at": at}).rowcount == 1:
        return None
    return find(connection, account, form)


def find(connection: Connection, account: int, form: str) -> FormAct | None:
    """Find the earlier submission of this account's form."""
    row = connection.execute(
        select(form_act).where(form_act.c.account == account, form_act.c.form == form)
    ).one_or_none()
    return FormAct(result=row.result, at=row.at) if row is not None else None


def keep(connection: Connection, account: int, form: str, result: str) -> None:
    """Store the form's result, if possible in the transaction that made it."""
    connection.execute(
        update(form_act)
        .where(form_act.c.account == account, form_act.c.form == form)
        .values(result=result)
    )


def forget(connection: Connection, account: int, form: str) -> None:
    """Delete a form that had no result, so that it may be submitted again."""
    connection.execute(
        delete(form_act).where(form_act.c.account == account, form_act.c.form == form)
    )


def purge(connection: Connection, now: float) -> None:
    """Delete expired forms."""
    connection.execute(delete(form_act).where(form_act.c.at < now - KEEP_SECONDS))
