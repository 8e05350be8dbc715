"""A person's own account: password, second factor, recovery codes, sessions, notification address.
Every act is audited.

Each function with a Connection is one transaction, to be run through `Database.write`. The caller
must have checked the password first (sign_in.confirm_password): that takes 50 ms by design, too
long for a transaction.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, BadAccount
from broadcaster.domain.actor import StaffActor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.refusal_codes import AccountCode
from broadcaster.staff.administration import masked, masked_apart
from broadcaster.store import accounts, audit, code_guard, former_mails, sessions
from subscribers.vault import SealBroken, Vault, identity

SETUP_SECONDS = 900.0
"""Time from displaying the QR code of a second factor to its first code."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """New recovery codes: `codes` to be displayed once, `digests` to be stored."""

    codes: list[str]
    digests: list[bytes]

    @classmethod
    def drawn(cls, vault: Vault, account: Account) -> "Recovery":
        """Draw ten codes for this account."""
        codes = credentials.new_recovery_codes()
        return cls(
            codes=codes,
            digests=[vault.lookup("recovery", f"{account.id}:{code}") for code in codes],
        )


def hash_new_password(stored: str, password: str, repeated: str, account: Account) -> str:
    """Check and hash a new password. Raises BadAccount if it is weak, mistyped or unchanged.

    Takes some 100 ms, and a second on the first call, which loads the lists of guessable words: run
    it through password_hashing.py.
    """
    names = (account.name, *account.full_name.split(), *account.agencies)
    normal = credentials.check_password(password, names=names)
    if password != repeated:
        raise BadAccount(AccountCode.PASSWORDS_DIFFER)
    if credentials.password_fits(stored, normal):
        raise BadAccount(AccountCode.PASSWORD_UNCHANGED)
    return credentials.hash_password(normal)


def change_password(connection: Connection, actor: StaffActor, hashed: str, *, session: str) -> int:
    """Store the new password's hash, end every other session and return their number."""
    accounts.set_password(connection, actor.account.id, hashed)
    code_guard.reset(connection, actor.account.id)  # guesses required the old password
    ended = sessions.end_all(connection, actor.account.id, but=session)
    audit.append(connection, actor, Act.PASSWORD_CHANGE, actor.name, sessions=ended)
    return ended


def change_mail(connection: Connection, vault: Vault, actor: StaffActor, mail: str) -> bool:
    """Set the notification address, validated by `accounts.read_mail`; False if unchanged."""
    person = accounts.by_id(connection, actor.account.id)
    if person is None or identity(person.email) == identity(mail):
        return False
    former_mails.keep(connection, vault, person.id, person.email, actor.at)
    accounts.change(connection, replace(person, email=mail))
    states = {
        "before": {"mail": masked(person.email)},
        "after": {"mail": masked_apart(person.email, mail)},
    }
    audit.append(connection, actor, Act.ACCOUNT_CHANGE, actor.name, **states, own=True)
    return True


# --- second factor --------------------------------------------------------------------------------


def begin_second_factor(vault: Vault, actor: StaffActor) -> tuple[str, bytes]:
    """Generate a secret and return it with a copy sealed for this person.

    Nothing is stored until `turn_on` is called with one of its codes.
    """
    secret = credentials.new_totp_secret()
    return secret, vault.seal("totp-new", f"{actor.account.id} {actor.at} {secret}")


def begun_second_factor(vault: Vault, actor: StaffActor, sealed: bytes) -> str:
    """Open the sealed secret. Raises BadAccount if it is another person's or expired."""
    try:
        account_id, at, secret = vault.open("totp-new", sealed).split(" ")
    except (SealBroken, ValueError) as error:
        raise BadAccount(AccountCode.FACTOR_SETUP_EXPIRED) from error
    if account_id != str(actor.account.id) or not 0 <= actor.at - float(at) <= SETUP_SECONDS:
        raise BadAccount(AccountCode.FACTOR_SETUP_EXPIRED)
    return secret


def turn_on(
    connection: Connection, vault: Vault, actor: StaffActor, *, session: str, secret: str, code: str
) -> list[str]:
    """Turn on the second factor, end every other session and return the recovery codes.

    Raises BadAccount if it is on already or the code is wrong.
    """
    person = accounts.by_id(connection, actor.account.id)
    if person is None or person.secured:
        raise BadAccount(AccountCode.FACTOR_ACTIVE)
    step = credentials.totp_step(secret, code, actor.now, last=0)
    if step is None:
        raise BadAccount(AccountCode.FACTOR_CODE_WRONG)
    recovery = Recovery.drawn(vault, person)
    accounts.set_totp(
        connection, person.id, vault.seal("totp", secret), recovery.digests, step=step
    )
    ended = sessions.end_all(connection, person.id, but=session)
    changed = {"before": {"second_factor": False}, "after": {"second_factor": True}}
    audit.append(connection, actor, Act.SECOND_FACTOR_ON, actor.name, **changed, sessions=ended)
    return recovery.codes


def turn_off(connection: Connection, actor: StaffActor) -> bool:
    """Turn off the second factor; False if it was off."""
    person = accounts.by_id(connection, actor.account.id)
    if person is None or not person.secured:
        return False
    accounts.set_totp(connection, person.id, None, [])
    audit.append(
        connection,
        actor,
        Act.SECOND_FACTOR_OFF,
        actor.name,
        before={"second_factor": True},
        after={"second_factor": False},
    )
    return True


def renew_recovery(connection: Connection, vault: Vault, actor: StaffActor) -> list[str]:
    """Replace the recovery codes and return them. Raises BadAccount if the second factor is off."""
    person = accounts.by_id(connection, actor.account.id)
    if person is None or not person.secured:
        raise BadAccount(AccountCode.FACTOR_INACTIVE)
    recovery = Recovery.drawn(vault, person)
    accounts.set_recovery_codes(connection, person.id, recovery.digests)
    audit.append(connection, actor, Act.RECOVERY_RENEWED, actor.name)
    return recovery.codes


# --- sessions -------------------------------------------------------------------------------------


def end_session(connection: Connection, actor: StaffActor, session_id: str) -> bool:
    """End a session of this person; False if it is not theirs."""
    ended = sessions.end(connection, session_id, actor.account.id)
    if ended:
        audit.append(connection, actor, Act.SESSIONS_END, actor.name, sessions=1)
    return ended


def end_other_sessions(connection: Connection, actor: StaffActor, *, session: str) -> int:
    """End every session but `session` and return their number."""
    ended = sessions.end_all(connection, actor.account.id, but=session)
    if ended:
        audit.append(connection, actor, Act.SESSIONS_END, actor.name, sessions=ended)
    return ended
