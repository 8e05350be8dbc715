"""Rows recording who gave an account its means of signing in, or its rights."""

from sqlalchemy import Connection, insert, select

from broadcaster.domain.independence import Control
from broadcaster.store.staff_tables import account_control


def record(connection: Connection, control: Control, act: str) -> None:
    """Store a control."""
    values = {"account": control.account, "maker": control.maker, "act": act, "at": control.at}
    connection.execute(insert(account_control).values(values))


def since(connection: Connection, at: float) -> list[Control]:
    """List the controls later than `at`."""
    recent = select(account_control).where(account_control.c.at > at)
    return [
        Control(account=row.account, maker=row.maker, at=row.at)
        for row in connection.execute(recent)
    ]
