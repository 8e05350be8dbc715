"""Passwords and codes that could be guessed: each try is counted before it is looked at, at sign-in
and when asked again.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec
from starlette.requests import Request

from broadcaster.app import App
from broadcaster.domain import accounts as rules
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.password_hashing import KNOWN
from broadcaster.store import accounts, audit, sign_in_throttle
from broadcaster.web.base.authorization import actor_of, app_of, client_of
from broadcaster.web.staff import trusted_browsers


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a try ended: `problem` is a key of words, "" when it was right; `wait` the seconds until
    the next.
    """

    problem: str = ""
    wait: int = 0
    stored: str = ""

    def said(self, t: Words) -> str:
        """The problem in words."""
        return t(self.problem, n=self.wait) if self.wait else t(self.problem)


async def ask_again(request: Request, account: Account, password: str) -> Asked:
    """Whether this is the password of who is signed in; counted together with their sign-ins.
    `stored`: its hash.
    """
    app = app_of(request)
    asker = asker_of(app, request, account.name)
    turn = await begin_try(app, asker)
    if turn.wait:
        return Asked(problem="signin.wait", wait=turn.wait)
    stored, _sealed, _step = await app.database.read(accounts.secrets_of, account.id)
    if not await app.hasher.run(partial(credentials.password_fits, stored, password)):
        await app.database.write(
            audit.append, actor_of(request, account), Act.PASSWORD_FAILED, account.actor
        )
        return Asked(problem="staff.account.password.wrong")
    await app.database.write(sign_in_throttle.succeed, asker)
    return Asked(stored=stored)


def asker_of(
    app: App, request: Request, name: str, *, step: Literal["password", "code"] = "password"
) -> sign_in_throttle.Asker:
    """What tries are counted by: name and address together, the address, the name; in a known
    browser by that one alone.

    `step`: guesses at a second factor are counted apart, but for the address.
    """
    plain, client = spelled(name), client_of(request)
    if mark := trusted_browsers.mark_of(request, plain):
        return sign_in_throttle.Asker(
            own=((counted(app, step, "browser", plain, mark), sign_in_throttle.FREE_PAIR),)
        )
    place = sign_in_throttle.place_of(client)
    return sign_in_throttle.Asker(
        own=(
            (counted(app, step, "pair", plain, place), sign_in_throttle.FREE_PAIR),
            (counted(app, "place", place), sign_in_throttle.FREE_PLACE),
        ),
        name=(counted(app, step, "name", plain), sign_in_throttle.FREE_NAME),
        network=counted(app, step, "network", plain, sign_in_throttle.network_of(client)),
    )


async def begin_try(app: App, asker: sign_in_throttle.Asker) -> sign_in_throttle.Turn:
    """Count a try before it is looked at, or refuse it."""
    at = app.clock().timestamp()
    if shut := await app.database.read(sign_in_throttle.shut_for, asker, at):
        return sign_in_throttle.Turn(wait=shut)
    return await app.database.write(sign_in_throttle.begin, asker, at)


def rank_of(asker: sign_in_throttle.Asker, turn: sign_in_throttle.Turn) -> int:
    """Return the rank in the queue before Argon2, where known browsers have places of their own."""
    return KNOWN if asker.name is None else turn.rank


def counted(app: App, *parts: str) -> bytes:
    """A key that no other parts have, whatever stands in them: who types a name cannot count
    against somebody else's.
    """
    return app.vault.lookup("sign-in", msgspec.json.encode(parts).decode())


def spelled(name: str) -> str:
    """A name in its one spelling, also where it is none: who guesses gains nothing by writing it
    differently.
    """
    try:
        return rules.read_known_name(name)
    except rules.BadAccount:
        return name.strip().lower()[:200]
