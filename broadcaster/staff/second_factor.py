"""Second step of sign-in: a code of the authenticator app (TOTP) or a recovery code.

It requires a half session. Wrong codes are counted per account, over all sessions, in
store/code_guard.py.
"""

import math

import structlog
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.staff.sign_in import Outcome, actor_at, note_failure, open_session
from broadcaster.staff.sign_in_throttle import Browser, asker_of
from broadcaster.store import accounts, audit, code_guard, nudges, sessions, sign_in_throttle
from broadcaster.store.sessions import HALF, Session
from broadcaster.store.sign_in_throttle import Asker
from subscribers.vault import SealBroken

HALF_SECONDS = 300.0
"""Time allowed for entering the second factor."""

log = structlog.get_logger(__name__)


def is_awaited(session: Session, at: float) -> bool:
    """True if a session lacks its second factor and may still be completed."""
    return session.way == HALF and at - session.started_at < HALF_SECONDS


async def enter_code(app: App, browser: Browser, half: Session, code: str) -> Outcome:
    """Replace the half session by a full one if the code is right."""
    account = half.account
    asker = asker_of(app, browser, account.name, step="code")
    refusal = await app.database.write(_begin, app, account, asker)
    if refusal.problem:
        return refusal
    outcome = await app.database.write(_finish, app, browser, half, asker, code)
    if not outcome.cookie:
        await note_failure(app, browser, account)
    return outcome


def spend_code(connection: Connection, app: App, account: Account, code: str) -> str:
    """Use up a code and return its kind, "totp" or "recovery"; "" if it is wrong or used."""
    _password, sealed, last = accounts.secrets_of(connection, account.id)
    if sealed is None:
        return ""
    step = _totp_step(app, account, sealed, code, last)
    if step is not None:
        return "totp" if accounts.use_totp_step(connection, account.id, step) else ""
    plain = credentials.read_recovery_code(code)
    digest = app.vault.lookup("recovery", f"{account.id}:{plain}")
    at = app.clock().timestamp()
    return "recovery" if accounts.use_recovery_code(connection, account.id, digest, at) else ""


def _begin(connection: Connection, app: App, account: Account, asker: Asker) -> Outcome:
    """Count an attempt before its code is checked, or refuse it."""
    at = app.clock().timestamp()
    if refusal := _stopped(connection, account, asker, at):
        return refusal
    turn = sign_in_throttle.begin(connection, asker, at)
    return Outcome(problem="signin.wait" if turn.wait else "", wait=turn.wait)


def _finish(
    connection: Connection, app: App, browser: Browser, half: Session, asker: Asker, code: str
) -> Outcome:
    """Use up the code and open the full session."""
    account = half.account
    code_guard.lock(connection, account.id)
    if refusal := _stopped(connection, account, asker, app.clock().timestamp()):
        return refusal
    way = spend_code(connection, app, account, code)
    if not way:
        return _refuse(connection, app, browser, account, asker)
    if not sessions.end(connection, half.id, account.id):
        return Outcome(problem="signin.code.wrong")  # the half session has ended meanwhile
    sign_in_throttle.succeed(connection, asker)
    code_guard.reset(connection, account.id, _guarded(asker))
    return Outcome(cookie=open_session(connection, app, account, browser, way))


def _refuse(
    connection: Connection, app: App, browser: Browser, account: Account, asker: Asker
) -> Outcome:
    """Count a wrong code; the last one allowed ends every half session and alerts the owner."""
    at = app.clock().timestamp()
    if not code_guard.count_wrong(connection, account.id, _guarded(asker), at):
        return Outcome(problem="signin.code.wrong")
    sessions.end_way(connection, account.id, HALF)
    actor = actor_at(app, account, browser)
    audit.append(connection, actor, Act.CODES_STOPPED, actor.name, agent=browser.agent)
    if code_guard.claim_notice(connection, account.id, at):
        nudges.add(connection, [account], account.actor, "codes_stopped", at)
    return Outcome(problem="signin.code.stopped", wait=int(code_guard.COOLING_SECONDS))


def _stopped(connection: Connection, account: Account, asker: Asker, at: float) -> Outcome | None:
    """Return the refusal while code checking is suspended, else None."""
    rest = code_guard.suspended_for(connection, account.id, _guarded(asker), at)
    return Outcome(problem="signin.code.stopped", wait=math.ceil(rest)) if rest else None


def _guarded(asker: Asker) -> bytes:
    """Return the guard's key for a browser: its own for a known one, b"" for all others."""
    return b"" if asker.name is not None else asker.own[0][0]


def _totp_step(app: App, account: Account, sealed: bytes, code: str, last: int) -> int | None:
    """Return the TOTP step of a right code; None if it is wrong or the secret cannot be opened.

    In the latter case a recovery code still works.
    """
    try:
        secret = app.vault.open("totp", sealed)
    except SealBroken:
        log.error("second_factor_not_opened", account=account.id)
        return None
    return credentials.totp_step(secret, code, app.clock(), last=last)
