"""A person's own account: password, second factor, recovery codes, sessions, notification address.
Every act is audited.

Each function with a Connection is one transaction, to be run through `Database.write`. Whether the
right password was given first is for the caller to have asked (sign_in.confirm_password): checking
it takes 50 ms on purpose, too long for a transaction.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, BadAccount
from broadcaster.domain.actor import StaffActor
from broadcaster.domain.audit_acts import Act
from broadcaster.staff.administration import masked, masked_apart
from broadcaster.store import accounts, audit, code_guard, former_mails, sessions
from subscribers.vault import SealBroken, Vault, identity

SETUP_SECONDS = 900.0
"""Time from the picture of a second factor to its first code."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Fresh recovery codes: `codes` to be shown once, `digests` to be stored."""

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
    """Check and hash a password; raises BadAccount when it is weak, mistyped or the one before.

    Takes some 100 ms, and a second where the lists of guessable words are read for the first time:
    for password_hashing.py.
    """
    names = (account.name, *account.full_name.split(), *account.agencies)
    normal = credentials.check_password(password, names=names)
    if password != repeated:
        raise BadAccount("Kedua kata sandi baru tidak sama. Ketik lagi.")
    if credentials.password_fits(stored, normal):
        raise BadAccount("Kata sandi baru sama dengan yang lama. Pilih yang lain.")
    return credentials.hash_password(normal)


def change_password(connection: Connection, actor: StaffActor, hashed: str, *, session: str) -> int:
    """Store the new password's hash; every session but this one ends. How many."""
    accounts.set_password(connection, actor.account.id, hashed)
    code_guard.reset(connection, actor.account.id)  # who guessed codes knew the old password
    ended = sessions.end_all(connection, actor.account.id, but=session)
    audit.append(connection, actor, Act.PASSWORD_CHANGE, actor.name, sessions=ended)
    return ended


def change_mail(connection: Connection, vault: Vault, actor: StaffActor, mail: str) -> bool:
    """Set the notification address that `accounts.read_mail` gave; False if unchanged."""
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


# --- second factor ------------------------------------------------------------------------------------


def begin_second_factor(vault: Vault, actor: StaffActor) -> tuple[str, bytes]:
    """Draw a secret; return it with a sealed copy for this person. It is stored nowhere until a code
    of it has come back.
    """
    secret = credentials.new_totp_secret()
    return secret, vault.seal("totp-new", f"{actor.account.id} {actor.at} {secret}")


def begun_second_factor(vault: Vault, actor: StaffActor, sealed: bytes) -> str:
    """Open the sealed secret. Raises BadAccount when it is somebody else's or too old."""
    try:
        account_id, at, secret = vault.open("totp-new", sealed).split(" ")
    except (SealBroken, ValueError) as error:
        raise BadAccount(_AGAIN) from error
    if account_id != str(actor.account.id) or not 0 <= actor.at - float(at) <= SETUP_SECONDS:
        raise BadAccount(_AGAIN)
    return secret


_AGAIN = "Gambarnya sudah kedaluwarsa. Pindai gambar yang baru."


def turn_on(
    connection: Connection, vault: Vault, actor: StaffActor, *, session: str, secret: str, code: str
) -> list[str]:
    """Ask for the second factor from now on; the recovery codes. Every session but this one ends. Raises
    BadAccount.
    """
    person = accounts.by_id(connection, actor.account.id)
    if person is None or person.secured:
        raise BadAccount("Langkah kedua sudah aktif. Matikan dulu yang lama.")
    step = credentials.totp_step(secret, code, actor.now, last=0)
    if step is None:
        raise BadAccount(
            "Kodenya salah. Ketik 6 angka yang sekarang tampil di aplikasi; periksa juga jam ponsel Anda."
        )
    recovery = Recovery.drawn(vault, person)
    accounts.set_totp(
        connection, person.id, vault.seal("totp", secret), recovery.digests, step=step
    )
    ended = sessions.end_all(connection, person.id, but=session)
    changed = {"before": {"second_factor": False}, "after": {"second_factor": True}}
    audit.append(connection, actor, Act.SECOND_FACTOR_ON, actor.name, **changed, sessions=ended)
    return recovery.codes


def turn_off(connection: Connection, actor: StaffActor) -> bool:
    """Ask for the password alone from now on; False when that was so before."""
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
    """Replace the recovery codes. Raises BadAccount where there is no second factor."""
    person = accounts.by_id(connection, actor.account.id)
    if person is None or not person.secured:
        raise BadAccount("Kode pemulihan hanya ada bila langkah kedua aktif.")
    recovery = Recovery.drawn(vault, person)
    accounts.set_recovery_codes(connection, person.id, recovery.digests)
    audit.append(connection, actor, Act.RECOVERY_RENEWED, actor.name)
    return recovery.codes


# --- sessions -----------------------------------------------------------------------------------------


def end_session(connection: Connection, actor: StaffActor, session_id: str) -> bool:
    """Sign out another browser; False when the session is not this person's."""
    ended = sessions.end(connection, session_id, actor.account.id)
    if ended:
        audit.append(connection, actor, Act.SESSIONS_END, actor.name, sessions=1)
    return ended


def end_other_sessions(connection: Connection, actor: StaffActor, *, session: str) -> int:
    """Sign out every browser but that of `session`; how many."""
    ended = sessions.end_all(connection, actor.account.id, but=session)
    if ended:
        audit.append(connection, actor, Act.SESSIONS_END, actor.name, sessions=ended)
    return ended
