"""Rows of who gave an account what lets somebody sign in with it, or what it may do."""

from sqlalchemy import Connection, insert, select

from broadcaster.domain.independence import Control
from broadcaster.store.staff_tables import account_control


def record(connection: Connection, control: Control, act: str) -> None:
    """Store one."""
    values = {"account": control.account, "maker": control.maker, "act": act, "at": control.at}
    connection.execute(insert(account_control).values(values))


def since(connection: Connection, at: float) -> list[Control]:
    """All later than this."""
    recent = select(account_control).where(account_control.c.at > at)
    return [
        Control(account=row.account, maker=row.maker, at=row.at)
        for row in connection.execute(recent)
    ]
