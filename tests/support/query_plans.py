"""Query plans of both databases."""

from typing import Any

from sqlalchemy import Connection


def plan(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """Return the steps by which the database executes a statement."""
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return [str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters)]
