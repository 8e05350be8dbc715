"""Acts of a form that happen once: each form that a page shows has an id, and the same form sent again leads to what it made.

A form without an id, as a page of an older version sends it, is taken each time: no text is refused for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster.store import form_acts
from broadcaster.web import forms
from broadcaster.web.access import account_of, app_of

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T]):
    """What a form did; `made` is None where it did so before, `result` names what it made then or now."""

    result: str
    made: T | None = None


def id_of(data: Any) -> str:
    """Read a form's id; "" where it has none."""
    value = data.get(forms.ID_FIELD, "")
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


async def write(
    request: Request, data: Any, kind: str, act: Callable[[Connection], T], name: Callable[[T], str]
) -> Done[T]:  # fmt: skip
    """Run an act and remember what it made (`name`), in one transaction; `kind` keeps acts apart that share a form."""
    form, account, at = id_of(data), account_of(request).id, app_of(request).clock().timestamp()

    def once(connection: Connection) -> Done[T]:
        earlier = form_acts.take(connection, account, f"{kind} {form}", at) if form else None
        if earlier is not None:
            return Done(result=earlier.result)
        made = act(connection)
        if form:
            form_acts.keep(connection, account, f"{kind} {form}", name(made))
        return Done(result=name(made), made=made)

    return await app_of(request).database.write(once)
