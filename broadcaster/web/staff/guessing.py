"""Passwords and codes that could be guessed: each try is counted before it is looked at, at sign-in and when asked again."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster import accounts as rules
from broadcaster.accounts import Account
from broadcaster.app import App
from broadcaster.hashing import KNOWN
from broadcaster.store import accounts, audit, throttle
from broadcaster.web.access import app_of, client_of
from broadcaster.web.staff import known
from broadcaster.wording import Words


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a try ended: `problem` is a key of words, "" when it was right; `wait` the seconds until the next."""

    problem: str = ""
    wait: int = 0
    stored: str = ""

    def said(self, t: Words) -> str:
        """The problem in words."""
        return t(self.problem, n=self.wait) if self.wait else t(self.problem)


async def ask_again(request: Request, account: Account, password: str) -> Asked:
    """Whether this is the password of who is signed in; counted together with their sign-ins. `stored`: its hash."""
    app = app_of(request)
    keys = keys_of(app, request, account.name)
    wait = await app.database.write(begin_try, keys, app.clock().timestamp())
    if wait:
        return Asked(problem="signin.wait", wait=wait)
    stored, _sealed, _step = await app.database.read(accounts.secrets_of, account.id)
    if not await fits(app, stored, password):
        await app.database.write(_note_failure, app, account)
        return Asked(problem="staff.account.password.wrong")
    await app.database.write(throttle.succeed, keys)
    return Asked(stored=stored)


def keys_of(app: App, request: Request, name: str, *, step: Literal["password", "code"] = "password") -> list[throttle.Key]:
    """What tries are counted by: name and address together, the address, the name; in a known browser by that one alone.

    `step`: guesses at a second factor are counted apart, but for the address.
    """
    plain, place = spelled(name), throttle.place_of(client_of(request))
    if mark := known.mark_of(request, plain):
        return [(counted(app, step, "browser", plain, mark), throttle.FREE_PAIR)]
    return [
        (counted(app, step, "pair", plain, place), throttle.FREE_PAIR),
        (counted(app, "place", place), throttle.FREE_PLACE),
        (counted(app, step, "name", plain), throttle.FREE_NAME),
    ]


def counted(app: App, *parts: str) -> bytes:
    """A key that no other parts have, whatever stands in them: who types a name cannot count against somebody else's."""
    return app.book.lookup("sign-in", msgspec.json.encode(parts).decode())


def spelled(name: str) -> str:
    """A name in its one spelling, also where it is none: who guesses gains nothing by writing it differently."""
    try:
        return rules.read_name(name)
    except rules.BadAccount:
        return name.strip().lower()[:200]


def begin_try(connection: Connection, keys: list[throttle.Key], at: float) -> int:
    """Count the try before it is looked at, so that many at once are no way round; the seconds to wait, where it must."""
    wait = throttle.wait(connection, keys, at)
    if wait:
        return max(1, round(wait))
    throttle.fail(connection, keys, at)
    return 0


async def fits(app: App, stored: str, password: str, *, rank: int = KNOWN) -> bool:
    """Whether this is the password; raises Busy where too many wait to have theirs looked at."""
    return await app.hasher.run(partial(rules.password_fits, stored, password), rank=rank)


def _note_failure(connection: Connection, app: App, account: Account) -> None:
    audit.append(connection, at=app.clock(), actor=account.actor, act="password_failed", subject=account.actor)
