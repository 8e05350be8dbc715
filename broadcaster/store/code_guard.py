"""Limit on consecutive wrong codes of a second factor: after STOP_AFTER the step is suspended, for
every session.

Only people who know the password get this far. Unknown browsers of an account are counted together,
each browser known to the account by itself, so that a stranger with the password never locks the
owner out. Time alone does not reset the count: after COOLING_SECONDS one more wrong code suspends
it again, so a stranger has STOP_AFTER guesses and then 24 a day. A right code, a new password, or a
new or removed second factor resets it.
"""

from sqlalchemy import ColumnElement, Connection, delete, select, update

from broadcaster.store.staff_tables import account, code_guard
from subscribers.store import dialect_insert

STOP_AFTER = 10
"""Consecutive wrong codes; an owner whose phone has a wrong clock has noticed by then."""
COOLING_SECONDS = 3600.0
"""Seconds for which the second step is suspended."""
TELL_AGAIN_SECONDS = 24 * 3600.0
"""Seconds between notices to the owner, so that a continuing attack is not reported each hour."""


def lock(connection: Connection, account_id: int) -> None:
    """Serialise tries of an account: on PostgreSQL concurrent ones must not share a count."""
    connection.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())


def suspended_for(connection: Connection, account_id: int, browser: bytes, at: float) -> float:
    """Return the seconds for which codes are refused, or 0. `browser`: a known one's key, b"" for
    all unknown ones.
    """
    stopped_at = connection.execute(
        select(code_guard.c.stopped_at).where(*_own(account_id, browser))
    ).scalar()
    return max(0.0, float(stopped_at) + COOLING_SECONDS - at) if stopped_at is not None else 0.0


def count_wrong(connection: Connection, account_id: int, browser: bytes, at: float) -> bool:
    """Count a wrong code; True if it suspends the second step."""
    added = dialect_insert(connection, code_guard).values(
        account=account_id, browser=browser, wrong=1
    )
    more = added.on_conflict_do_update(
        index_elements=["account", "browser"], set_={"wrong": code_guard.c.wrong + 1}
    )
    if connection.execute(more.returning(code_guard.c.wrong)).scalar_one() < STOP_AFTER:
        return False
    connection.execute(update(code_guard).where(*_own(account_id, browser)).values(stopped_at=at))
    return True


def claim_notice(connection: Connection, account_id: int, at: float) -> bool:
    """Record a notice to the owner; False if there was one within TELL_AGAIN_SECONDS."""
    told_at = connection.execute(
        select(code_guard.c.told_at).where(code_guard.c.account == account_id)
    ).scalars()
    if any(
        notified_at is not None and at - notified_at < TELL_AGAIN_SECONDS for notified_at in told_at
    ):
        return False
    connection.execute(
        update(code_guard).where(code_guard.c.account == account_id).values(told_at=at)
    )
    return True


def reset(connection: Connection, account_id: int, browser: bytes | None = None) -> None:
    """Reset the count of a browser, or of all the account's browsers if None."""
    mine = (
        _own(account_id, browser) if browser is not None else (code_guard.c.account == account_id,)
    )
    connection.execute(delete(code_guard).where(*mine))


def _own(account_id: int, browser: bytes) -> tuple[ColumnElement[bool], ...]:
    return code_guard.c.account == account_id, code_guard.c.browser == browser
