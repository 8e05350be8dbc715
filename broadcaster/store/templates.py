"""Templates of recurring notices: a name and a form, as the composer stores one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from broadcaster.domain.placeholders import of_form
from broadcaster.store.staff_tables import recurring


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template; `at` (epoch seconds) and `actor` are of the last change, `blanks` its
    placeholders in brackets.
    """

    id: int
    name: str
    form: Mapping[str, Any]
    at: float
    actor: str
    blanks: frozenset[str] = frozenset()

    @property
    def subject(self) -> str:
        """Name in the audit log."""
        return f"template:{self.id}"


class NameTaken(Exception):
    """Another template has this name."""


def everything(connection: Connection) -> list[Template]:
    """List all templates by name."""
    return [
        _template(row)
        for row in connection.execute(select(recurring).order_by(func.lower(recurring.c.name)))
    ]


def find(connection: Connection, template_id: int) -> Template | None:
    """Find a template by its id."""
    row = connection.execute(select(recurring).where(recurring.c.id == template_id)).one_or_none()
    return _template(row) if row is not None else None


def blanks(connection: Connection) -> frozenset[str]:
    """Return the placeholders of all templates."""
    rows = connection.execute(select(recurring.c.blanks, recurring.c.form))
    return frozenset(blank for row in rows for blank in _blanks(row.blanks, row.form))


def blanks_text(blanks: Iterable[str]) -> str:
    """Encode placeholders for storage."""
    return json.dumps(sorted(blanks), ensure_ascii=False)


def read_blanks(text: str) -> frozenset[str]:
    """Decode stored placeholders; "" is none."""
    return frozenset(json.loads(text)) if text else frozenset()


def add(
    connection: Connection,
    name: str,
    form: Mapping[str, Any],
    *,
    actor: str,
    at: float,
    finished: bool = False,
) -> int:
    """Store a new template; return its id. Raises NameTaken.

    `finished`: its text was fit to be published, so no bracket is a placeholder.
    """
    _require_free(connection, name)
    open_words = blanks_text(()) if finished else None
    text = json.dumps(form, ensure_ascii=False, sort_keys=True)
    values = {"name": name, "form": text, "actor": actor, "at": at, "blanks": open_words}
    try:
        with connection.begin_nested():
            return int(
                connection.execute(
                    insert(recurring).values(values).returning(recurring.c.id)
                ).scalar_one()
            )
    except IntegrityError as error:
        raise NameTaken from error


def rename(connection: Connection, template_id: int, name: str, *, actor: str, at: float) -> None:
    """Rename a template. Raises NameTaken."""
    _require_free(connection, name, but=template_id)
    values = {"name": name, "actor": actor, "at": at}
    try:
        with connection.begin_nested():
            connection.execute(
                update(recurring).where(recurring.c.id == template_id).values(values)
            )
    except IntegrityError as error:
        raise NameTaken from error


def remove(connection: Connection, template_id: int) -> None:
    """Delete a template; announcements written from it stay."""
    connection.execute(delete(recurring).where(recurring.c.id == template_id))


def _require_free(connection: Connection, name: str, *, but: int = 0) -> None:
    """Raise NameTaken if another template has the name, ignoring case."""
    names = connection.execute(select(recurring.c.name).where(recurring.c.id != but)).scalars()
    if name.casefold() in {other.casefold() for other in names}:
        raise NameTaken


def _template(row: Row[Any]) -> Template:
    return Template(
        id=row.id,
        name=row.name,
        form=json.loads(row.form),
        at=row.at,
        actor=row.actor,
        blanks=_blanks(row.blanks, row.form),
    )


def _blanks(stored: str | None, form: str) -> frozenset[str]:
    """Return a template's placeholders by today's rules, whichever it was stored under; none if it
    was finished.
    """
    return frozenset() if stored is not None and not read_blanks(stored) else _open_in(form)


@lru_cache(maxsize=256)
def _open_in(form: str) -> frozenset[str]:
    return of_form(json.loads(form))
