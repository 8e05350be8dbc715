"""Templates of notices that come again: a name and a form, as the composer stores one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from broadcaster.store.staff_tables import recurring


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """One template; `at` (epoch seconds) and `actor` are of the last change."""

    id: int
    name: str
    form: Mapping[str, Any]
    at: float
    actor: str


class NameTaken(Exception):
    """Another template has this name."""


def everything(connection: Connection) -> list[Template]:
    """All templates by name."""
    return [_template(row) for row in connection.execute(select(recurring).order_by(func.lower(recurring.c.name)))]


def find(connection: Connection, template_id: int) -> Template | None:
    """One template."""
    row = connection.execute(select(recurring).where(recurring.c.id == template_id)).one_or_none()
    return _template(row) if row is not None else None


def add(connection: Connection, name: str, form: Mapping[str, Any], *, actor: str, at: float) -> int:
    """Store a new one; its id. Raises NameTaken."""
    _require_free(connection, name)
    values = {"name": name, "form": json.dumps(form, ensure_ascii=False, sort_keys=True), "actor": actor, "at": at}
    try:
        with connection.begin_nested():
            return int(connection.execute(insert(recurring).values(values).returning(recurring.c.id)).scalar_one())
    except IntegrityError as error:
        raise NameTaken from error


def rename(connection: Connection, template_id: int, name: str, *, actor: str, at: float) -> None:
    """Give it another name. Raises NameTaken."""
    _require_free(connection, name, but=template_id)
    values = {"name": name, "actor": actor, "at": at}
    try:
        with connection.begin_nested():
            connection.execute(update(recurring).where(recurring.c.id == template_id).values(values))
    except IntegrityError as error:
        raise NameTaken from error


def remove(connection: Connection, template_id: int) -> None:
    """Delete it; what was written from it stays."""
    connection.execute(delete(recurring).where(recurring.c.id == template_id))


def _require_free(connection: Connection, name: str, *, but: int = 0) -> None:
    """Raises NameTaken where another one has the name but for capitals."""
    names = connection.execute(select(recurring.c.name).where(recurring.c.id != but)).scalars()
    if name.casefold() in {other.casefold() for other in names}:
        raise NameTaken


def _template(row: Row[Any]) -> Template:
    return Template(id=row.id, name=row.name, form=json.loads(row.form), at=row.at, actor=row.actor)
