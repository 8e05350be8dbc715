"""Idempotent forms: each form has an id, and sending it twice leads to what it made first.

Two requests are the same form if both the id and the contents are equal; going back and changing a
word makes another form. A form without an id, from a page of an older version, runs every time
rather than being refused.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.store import form_acts
from broadcaster.web.base import csrf
from broadcaster.web.base.authorization import account_of, app_of

T = TypeVar("T")

DOUBLE_CLICK_SECONDS = 60.0
"""Window in which a refused repeat counts as a double click; a later refusal is reported."""

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class FormResult(Generic[T]):
    """Outcome of a form: `result` names what it made, now or before.

    `made` is the object itself, None if an earlier request made it.
    """

    result: str
    made: T | None = None


def id_of(data: Any) -> str:
    """Return the id of a form; "" if it has none."""
    value = data.get(csrf.ID_FIELD, "")
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


async def write(
    request: Request,
    data: Any,
    kind: str,
    act: Callable[[Connection], T],
    name: Callable[[T], str],
    *,
    makes: bool = True,
) -> FormResult[T]:
    """Run an act and record the name of what it made, in one transaction.

    `kind` keeps apart acts that share a form; `name` turns what was made into the recorded text.
    `makes`: True if the act makes something new on each run; a repeat then returns the first
    result. Any other act runs again, since somebody may have undone it meanwhile (approved, called
    back, approved again); only its refusal within DOUBLE_CLICK_SECONDS is ignored.
    """
    form, account, at = id_of(data), account_of(request).id, app_of(request).clock().timestamp()
    key = f"{kind} {form} {_words(request, data)}"

    def run_once(connection: Connection) -> FormResult[T]:
        earlier = form_acts.take(connection, account, key, at) if form else None
        if earlier is not None and makes:
            return FormResult(result=earlier.result)
        try:
            with connection.begin_nested():
                made = act(connection)
        except (InvalidAnnouncement, NotAllowed):
            if earlier is None or at - earlier.at > DOUBLE_CLICK_SECONDS:
                raise
            return FormResult(result=earlier.result)
        if form:
            form_acts.keep(connection, account, key, name(made))
        return FormResult(result=name(made), made=made)

    return await app_of(request).database.write(run_once)


def _words(request: Request, data: Any) -> str:
    """Hash the path and the contents of a form, without its CSRF token."""
    sent = [
        request.url.path,
        *(f"{name}={value}" for name, value in data.multi_items() if name != "csrf"),
    ]
    return hashlib.sha256("\0".join(sent).encode(errors="surrogatepass")).hexdigest()[:16]
