"""Wrong codes of a second factor in a row: after STOP_AFTER of them the second step rests, whoever
asks and in whatever session.

Only who knows the password comes so far. Strangers' browsers of one account are counted together,
each browser in which its owner signed in before by itself, so that a stranger with the password
never shuts the owner out. Time alone forgives nothing: after COOLING_SECONDS one more wrong code
stops it again, so a stranger has STOP_AFTER guesses and then 24 a day. A right code, a new
password, or a new or removed second factor begins anew.
"""

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from broadcaster.store.database import is_sqlite
from broadcaster.store.staff_tables import account, code_guard

STOP_AFTER = 10
"""Wrong codes in a row; who types a code from a phone with a wrong clock has noticed by then."""
COOLING_SECONDS = 3600.0
"""How long the second step rests."""
TELL_AGAIN_SECONDS = 24 * 3600.0
"""Its owner is told of the first stop, and again of one after so long: an attack that goes on is no
news each hour.
"""


def lock(connection: Connection, account_id: int) -> None:
    """Let tries of one account follow each other: on PostgreSQL many at once must not share one
    count.
    """
    connection.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())


def rests(connection: Connection, account_id: int, browser: bytes, at: float) -> float:
    """Return the seconds for which codes are not looked at, or 0. `browser`: a known one's key, b""
    for all strangers'.
    """
    stopped_at = connection.execute(
        select(code_guard.c.stopped_at).where(*_own(account_id, browser))
    ).scalar()
    return max(0.0, float(stopped_at) + COOLING_SECONDS - at) if stopped_at is not None else 0.0


def count_wrong(connection: Connection, account_id: int, browser: bytes, at: float) -> bool:
    """Count a wrong code; True where the second step stops with it."""
    dialect = sqlite if is_sqlite(connection) else postgresql
    added = dialect.insert(code_guard).values(account=account_id, browser=browser, wrong=1)
    more = added.on_conflict_do_update(
        index_elements=["account", "browser"], set_={"wrong": code_guard.c.wrong + 1}
    )
    if connection.execute(more.returning(code_guard.c.wrong)).scalar_one() < STOP_AFTER:
        return False
    connection.execute(update(code_guard).where(*_own(account_id, browser)).values(stopped_at=at))
    return True


def must_tell(connection: Connection, account_id: int, at: float) -> bool:
    """Note that the owner is told now; False where they were told of the same lately."""
    told_at = connection.execute(
        select(code_guard.c.told_at).where(code_guard.c.account == account_id)
    ).scalars()
    if any(told is not None and at - told < TELL_AGAIN_SECONDS for told in told_at):
        return False
    connection.execute(
        update(code_guard).where(code_guard.c.account == account_id).values(told_at=at)
    )
    return True


def begin_anew(connection: Connection, account_id: int, browser: bytes | None = None) -> None:
    """Forget wrong codes: those of one kind of browser after a right one, else all of the
    account's.
    """
    mine = (
        _own(account_id, browser) if browser is not None else (code_guard.c.account == account_id,)
    )
    connection.execute(delete(code_guard).where(*mine))


def _own(account_id: int, browser: bytes) -> tuple[ColumnElement[bool], ...]:
    return code_guard.c.account == account_id, code_guard.c.browser == browser
