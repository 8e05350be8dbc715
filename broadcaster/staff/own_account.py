"""One's own account: password, second factor, recovery codes, sessions, where nudges go. All is
audited.

Each function with a Connection is one transaction, to be run through `Database.write`. Whether the
right password was given first is for the caller to have asked (sign_in.confirm_password): checking
it takes 50 ms on purpose, too long for a transaction.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, BadAccount
from broadcaster.staff.administration import masked, masked_apart
from broadcaster.store import accounts, audit, code_guard, former_mails, sessions
from subscribers.vault import SealBroken, Vault, identity

SETUP_SECONDS = 900.0
"""How long a second factor may take from its picture to its first code."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who acts on their own account, when, and in which session, which stays."""

    account: Account
    session: str
    now: datetime

    @property
    def at(self) -> float:
        """Epoch seconds."""
        return self.now.timestamp()


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Fresh recovery codes: `codes` to be shown once, `digests` to be stored."""

    codes: list[str]
    digests: list[bytes]

    @classmethod
    def drawn(cls, vault: Vault, account: Account) -> "Recovery":
        """Ten codes of this account."""
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


def change_password(connection: Connection, owner: Owner, hashed: str) -> int:
    """Store the new password's hash; every other session ends. How many."""
    accounts.set_password(connection, owner.account.id, hashed)
    code_guard.begin_anew(connection, owner.account.id)  # who guessed codes knew the old password
    ended = sessions.end_all(connection, owner.account.id, but=owner.session)
    _note(connection, owner, "password_change", sessions=ended)
    return ended


def change_mail(connection: Connection, vault: Vault, owner: Owner, mail: str) -> bool:
    """Where nudges go from now on, as `accounts.read_mail` gave it; False when that is where they
    went before.
    """
    person = accounts.by_id(connection, owner.account.id)
    if person is None or identity(person.email) == identity(mail):
        return False
    former_mails.keep(connection, vault, person.id, person.email, owner.at)
    accounts.change(connection, replace(person, email=mail))
    states = {
        "before": {"mail": masked(person.email)},
        "after": {"mail": masked_apart(person.email, mail)},
    }
    _note(connection, owner, "account_change", **states, own=True)
    return True


# --- second factor ------------------------------------------------------------------------------------


def begin_second_factor(vault: Vault, owner: Owner) -> tuple[str, bytes]:
    """A fresh secret, and the same sealed for this person: it is stored nowhere until a code of it
    has come back.
    """
    secret = credentials.new_totp_secret()
    return secret, vault.seal("totp-new", f"{owner.account.id} {owner.at} {secret}")


def begun_second_factor(vault: Vault, owner: Owner, sealed: bytes) -> str:
    """The secret that was begun with; raises BadAccount when it was somebody else's, or too long
    ago.
    """
    try:
        account_id, at, secret = vault.open("totp-new", sealed).split(" ")
    except (SealBroken, ValueError) as error:
        raise BadAccount(_AGAIN) from error
    if account_id != str(owner.account.id) or not 0 <= owner.at - float(at) <= SETUP_SECONDS:
        raise BadAccount(_AGAIN)
    return secret


_AGAIN = "Gambarnya sudah kedaluwarsa. Pindai gambar yang baru."


def turn_on(
    connection: Connection, vault: Vault, owner: Owner, *, secret: str, code: str
) -> list[str]:
    """Ask for the second factor from now on; the recovery codes. Every other session ends. Raises
    BadAccount.
    """
    person = accounts.by_id(connection, owner.account.id)
    if person is None or person.secured:
        raise BadAccount("Langkah kedua sudah aktif. Matikan dulu yang lama.")
    step = credentials.totp_step(secret, code, owner.now, last=0)
    if step is None:
        raise BadAccount(
            "Kodenya salah. Ketik 6 angka yang sekarang tampil di aplikasi; periksa juga jam ponsel Anda."
        )
    recovery = Recovery.drawn(vault, person)
    accounts.set_totp(
        connection, person.id, vault.seal("totp", secret), recovery.digests, step=step
    )
    ended = sessions.end_all(connection, person.id, but=owner.session)
    changed = {"before": {"second_factor": False}, "after": {"second_factor": True}}
    _note(connection, owner, "second_factor_on", **changed, sessions=ended)
    return recovery.codes


def turn_off(connection: Connection, owner: Owner) -> bool:
    """Ask for the password alone from now on; False when that was so before."""
    person = accounts.by_id(connection, owner.account.id)
    if person is None or not person.secured:
        return False
    accounts.set_totp(connection, person.id, None, [])
    _note(
        connection,
        owner,
        "second_factor_off",
        before={"second_factor": True},
        after={"second_factor": False},
    )
    return True


def renew_recovery(connection: Connection, vault: Vault, owner: Owner) -> list[str]:
    """New recovery codes; those before serve no more. Raises BadAccount where there is no second
    factor.
    """
    person = accounts.by_id(connection, owner.account.id)
    if person is None or not person.secured:
        raise BadAccount("Kode pemulihan hanya ada bila langkah kedua aktif.")
    recovery = Recovery.drawn(vault, person)
    accounts.set_recovery_codes(connection, person.id, recovery.digests)
    _note(connection, owner, "recovery_renewed")
    return recovery.codes


# --- sessions -----------------------------------------------------------------------------------------


def end_session(connection: Connection, owner: Owner, session_id: str) -> bool:
    """Sign out another browser; False when it is none of this person's."""
    ended = sessions.end(connection, session_id, owner.account.id)
    if ended:
        _note(connection, owner, "sessions_end", sessions=1)
    return ended


def end_other_sessions(connection: Connection, owner: Owner) -> int:
    """Sign out every other browser; how many."""
    ended = sessions.end_all(connection, owner.account.id, but=owner.session)
    if ended:
        _note(connection, owner, "sessions_end", sessions=ended)
    return ended


def _note(connection: Connection, owner: Owner, act: str, **detail: Any) -> None:
    actor = owner.account.actor
    audit.append(connection, at=owner.now, actor=actor, act=act, subject=actor, detail=detail)
