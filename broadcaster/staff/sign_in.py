"""Sign-in by name and password, and the sessions and audit entries shared by all ways to sign in.

The second step is in second_factor.py, the city's identity provider in provisioning.py. Cookies and
page addresses belong to the pages.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, BadAccount, read_known_name
from broadcaster.domain.actor import StaffActor
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.password_hashing import RETRY_SECONDS, Busy
from broadcaster.staff.sign_in_throttle import Browser, asker_of, begin_try, rank_of
from broadcaster.store import accounts, audit, sessions, sign_in_throttle
from broadcaster.store.sessions import HALF, Session
from broadcaster.store.sign_in_throttle import Asker

ProblemCode = Literal[
    "",
    "signin.wait",
    "signin.busy",
    "signin.wrong",
    "signin.code.wrong",
    "signin.code.stopped",
    "staff.account.password.wrong",
]
"""Keys of the catalogue. signin.busy: the password queue is full; signin.code.stopped: codes are no
longer checked.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Result of an attempt: the new session's `cookie` (`half` if the second factor is missing), or
    the `stored` hash of a confirmed password; else the problem and the seconds to `wait`.
    """

    cookie: str = field(default="", repr=False)
    half: bool = False
    stored: str = field(default="", repr=False)
    problem: ProblemCode = ""
    wait: int = 0

    def text(self, t: Words) -> str:
        """Return the problem in the reader's language; "" without one."""
        if not self.problem:
            return ""
        return t(self.problem, n=self.wait) if self.wait else t(self.problem)


async def enter_password(app: App, browser: Browser, name: str, password: str) -> Outcome:
    """Open a session for the right password, a half one if the account has a second factor."""
    asker = asker_of(app, browser, name)
    turn = await begin_try(app, asker)
    if turn.wait:
        return Outcome(problem="signin.wait", wait=turn.wait)
    account, stored = await app.database.read(_account_and_hash, name)
    check = partial(_check, stored, password)
    try:
        right, rehashed = await app.hasher.run(check, rank=rank_of(asker, turn))
    except Busy:
        return Outcome(problem="signin.busy", wait=RETRY_SECONDS)
    if not right or account is None or account.disabled_at is not None:
        await note_failure(app, browser, account)
        return Outcome(problem="signin.wrong")
    return await app.database.write(_succeed, app, browser, asker, account.id, stored, rehashed)


async def confirm_password(app: App, browser: Browser, account: Account, password: str) -> Outcome:
    """Check the password of a signed-in person; attempts count together with sign-ins.

    Raises Busy if the password queue is full.
    """
    asker = asker_of(app, browser, account.name)
    turn = await begin_try(app, asker)
    if turn.wait:
        return Outcome(problem="signin.wait", wait=turn.wait)
    stored, _sealed, _step = await app.database.read(accounts.secrets_of, account.id)
    if not await app.hasher.run(partial(credentials.password_fits, stored, password)):
        actor = actor_at(app, account, browser)
        await app.database.write(audit.append, actor, Act.PASSWORD_FAILED, actor.name)
        return Outcome(problem="staff.account.password.wrong")
    await app.database.write(sign_in_throttle.succeed, asker)
    return Outcome(stored=stored)


def open_session(
    connection: Connection,
    app: App,
    account: Account,
    browser: Browser,
    way: str,
    *,
    hint: str = "",
) -> str:
    """Start a session and return its cookie's value; full sessions are audited.

    `hint` is the sealed id token of the identity provider.
    """
    value = sessions.start(
        connection,
        account.id,
        way=way,
        agent=browser.agent,
        place=browser.address,
        at=app.clock().timestamp(),
        hint=hint,
    )
    if way != HALF:
        actor = actor_at(app, account, browser)
        audit.append(connection, actor, Act.SIGN_IN, actor.name, agent=browser.agent, way=way)
    return value


def sign_out(connection: Connection, app: App, session: Session, browser: Browser) -> None:
    """End a session and audit it."""
    sessions.end(connection, session.id, session.account.id)
    actor = actor_at(app, session.account, browser)
    audit.append(connection, actor, Act.SIGN_OUT, actor.name, agent=browser.agent)


def actor_at(app: App, account: Account, browser: Browser) -> StaffActor:
    """Return the account's owner at this browser as an actor."""
    return StaffActor(account=account, now=app.clock(), place=browser.address)


async def note_failure(app: App, browser: Browser, account: Account | None) -> None:
    """Audit a failed attempt; an unknown name is not recorded, it may be a mistyped password."""
    log.warning("sign_in_failed", known=account is not None)
    if account is not None:
        actor = actor_at(app, account, browser)
        await app.database.write(
            audit.append, actor, Act.SIGN_IN_FAILED, actor.name, agent=browser.agent
        )


def _succeed(
    connection: Connection,
    app: App,
    browser: Browser,
    asker: Asker,
    account_id: int,
    stored: str,
    rehashed: str,
) -> Outcome:
    """Open the session unless the account was disabled or its password changed during the check."""
    account = accounts.by_id(connection, account_id)
    unchanged = accounts.secrets_of(connection, account_id)[0] == stored
    if account is None or account.disabled_at is not None or not unchanged:
        return Outcome(problem="signin.wrong")
    sign_in_throttle.succeed(connection, asker)
    if rehashed:
        accounts.set_password(connection, account.id, rehashed, must_change=account.must_change)
    way = HALF if account.secured else "password"
    cookie = open_session(connection, app, account, browser, way)
    return Outcome(cookie=cookie, half=account.secured)


def _check(stored: str, password: str) -> tuple[bool, str]:
    """Compare a password with its hash.

    Returns also a new hash if the stored one was made with a lower cost, else "".
    """
    if not credentials.password_fits(stored, password):
        return False, ""
    outdated = credentials.needs_new_hash(stored)
    return True, credentials.hash_password(password) if outdated else ""


def _account_and_hash(connection: Connection, name: str) -> tuple[Account | None, str]:
    try:
        account = accounts.find(connection, read_known_name(name))
    except BadAccount:
        return None, ""
    return account, accounts.secrets_of(connection, account.id)[0] if account else ""
