"""Acts of a form that happen once: each form that a page shows has an id, and the same form sent
again leads to what it made.

The same form is one with the same id and the same words: who goes back, changes a word and sends it
again is doing something else. A form without an id, as a page of an older version sends it, is
taken each time: no text is refused for it.
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

TWICE_SECONDS = 60.0
"""A second press of one button comes within so long; what is refused later is told."""

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T]):
    """What a form did; `made` is None where it did so before, `result` names what it made then or
    now.
    """

    result: str
    made: T | None = None


def id_of(data: Any) -> str:
    """Read a form's id; "" where it has none."""
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
) -> Done[T]:
    """Run an act and remember what it made (`name`), in one transaction; `kind` keeps acts apart
    that share a form.

    `makes`: it makes something new each time it is run. An act that makes nothing is run each time,
    as another may have undone it, say a call back after which it was approved again; only that the
    second press is refused is passed over.
    """
    form, account, at = id_of(data), account_of(request).id, app_of(request).clock().timestamp()
    key = f"{kind} {form} {_words(request, data)}"

    def once(connection: Connection) -> Done[T]:
        earlier = form_acts.take(connection, account, key, at) if form else None
        if earlier is not None and makes:
            return Done(result=earlier.result)
        try:
            with connection.begin_nested():
                made = act(connection)
        except (InvalidAnnouncement, NotAllowed):
            if earlier is None or at - earlier.at > TWICE_SECONDS:
                raise
            return Done(result=earlier.result)
        if form:
            form_acts.keep(connection, account, key, name(made))
        return Done(result=name(made), made=made)

    return await app_of(request).database.write(once)


def _words(request: Request, data: Any) -> str:
    """Hash what a form says, and of what; its session's token is none of its words."""
    sent = [
        request.url.path,
        *(f"{name}={value}" for name, value in data.multi_items() if name != "csrf"),
    ]
    return hashlib.sha256("\0".join(sent).encode(errors="surrogatepass")).hexdigest()[:16]
