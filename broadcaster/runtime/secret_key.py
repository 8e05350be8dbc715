"""Secret key, from which all other keys are derived: read, created only together with an empty
database, and bound to that database.
"""

import base64
import binascii
import contextlib
import hmac
import os
import re
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection

from broadcaster.domain.signatures import Signer
from broadcaster.runtime.config import BadSettings
from broadcaster.runtime.settings import PREFIX, Settings
from broadcaster.store import key_binding, respelling
from broadcaster.store.database import Database
from subscribers.vault import Vault

KEY_BYTES = 32
VARIABLE = f"{PREFIX}SECRET_KEY"
FILE = "secret.key"
"""Name of the key's file in the data folder."""
FORM = f"harus {KEY_BYTES} byte dalam base64"
AGAIN = (
    "Pakai kunci yang dahulu, dari cadangan; hanya untuk pemasangan baru buat satu: "
    "openssl rand -base64 32"
)
RESTORE = (
    "Pulihkan kunci dari cadangan: isi {variable} atau letakkan berkasnya di {path}; "
    "semua mesin memakai kunci yang sama. "
    "Tanpa kunci itu alamat warga dan kode dua langkah staf tidak dapat dibaca lagi, "
    "dan tautan serta tanda tangan lama tidak berlaku. "
    "Kalau memang hendak mulai dari awal, pakai basis data dan folder data yang kosong."
)


class WrongKey(BadSettings):
    """The key is missing, or belongs to another database: restore it. Nothing was changed and no
    new key was created.
    """


def derive(secret: bytes, purpose: str) -> bytes:
    """Derive a separate 32-byte key for each purpose (HKDF-SHA256)."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(
        secret
    )


# --- reading and making -----------------------------------------------------------------------


def read(settings: Settings) -> bytes | None:
    """Read the 32-byte key from the setting, or from its file; None if there is neither. Raises
    BadSettings.
    """
    if settings.secret_key:
        return decode(settings.secret_key, VARIABLE)
    path = settings.data_dir / FILE
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadSettings(
            f"{path}: tidak dapat dibaca ({error.strerror}). "
            f"Beri akun layanan ini izin bacanya, atau isi {VARIABLE}."
        ) from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: {FORM}. Pulihkan berkasnya dari cadangan.") from error
    if not text.strip():
        raise BadSettings(f"{path}: kosong. Pulihkan berkasnya dari cadangan.")
    return decode(text, str(path))


def decode(text: str, where: str) -> bytes:
    """Decode a key: base64 with or without padding, of either alphabet, or hex; whitespace is
    ignored. Raises BadSettings.
    """
    compact = "".join(text.split())
    if re.fullmatch(f"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", compact):
        return bytes.fromhex(compact)
    plain = compact.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSettings(f"{where}: {FORM}. {AGAIN}") from error
    if len(key) != KEY_BYTES:
        raise BadSettings(f"{where}: {FORM}, bukan {len(key)}. {AGAIN}")
    return key


def place(settings: Settings) -> str:
    """Name the setting or file that the key comes from."""
    return VARIABLE if settings.secret_key else str(settings.data_dir / FILE)


def make(settings: Settings) -> bytes:
    """Create a key file (0600) in the data folder; if several processes do so at once, one wins.
    Raises BadSettings.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = settings.data_dir / FILE
    _write(path)
    key = read(settings)
    if key is None:
        raise BadSettings(
            f"{path}: tidak dapat dibuat. Hapus tautan yang ada di situ, lalu coba lagi."
        )
    return key


def _write(path: Path) -> None:
    """Write a new key atomically, unless there is one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink()


# --- one key, one database --------------------------------------------------------------------


def bound(connection: Connection, settings: Settings) -> bytes | None:
    """Return the key if the database is bound to it; None if it is bound to none yet. Raises
    WrongKey.
    """
    fingerprint = key_binding.fingerprint(connection)
    if fingerprint is None:
        return None
    key = read(settings)
    if key is None:
        raise _lost(settings)
    if not hmac.compare_digest(fingerprint, derive(key, "fingerprint")):
        raise _differs(settings)
    return key


def bind(connection: Connection, settings: Settings) -> bytes:
    """Bind the database to the key that opens its sealed data; an empty database may get a new
    key. Raises WrongKey.

    One transaction at a time: if two machines start at once, the second finds the first one's
    fingerprint and creates no key.
    """
    key_binding.lock(connection)
    key = bound(connection, settings)
    if key is None:
        key = verified(connection, settings)
        if key is None:
            key = make(settings)
        key_binding.bind(connection, derive(key, "fingerprint"))
    return key


async def unlock(database: Database, settings: Settings) -> bytes:
    """Return the key of a migrated database, binding the database if it was bound to none.
    Raises WrongKey.
    """
    key = await database.read(bound, settings)
    return key if key is not None else await database.write(bind, settings)


def verified(connection: Connection, settings: Settings) -> bytes | None:
    """Return the key after trying it on the data, at any schema version; None: no key and no
    data. Raises WrongKey.
    """
    key = read(settings)
    if key is None:
        if key_binding.holds_data(connection):
            raise _lost(settings)
        return None
    if not fits(connection, key):
        raise _differs(settings)
    return key


def examine(connection: Connection, settings: Settings) -> bytes | None:
    """Return the key of a database at any schema version: by its fingerprint, or else
    `verified`. Raises WrongKey; changes nothing.
    """
    key = bound(connection, settings) if key_binding.can_be_bound(connection) else None
    return key if key is not None else verified(connection, settings)


def fits(connection: Connection, key: bytes) -> bool:
    """True if the key opens most of the oldest seals and signed most of the oldest editions, or
    if there are none.

    Most, as single rows may be damaged; the oldest, as a wrong key may have sealed later ones.
    """
    vault, signer = Vault(derive(key, "addresses")), Signer.from_seed(derive(key, "editions"))
    proofs = [
        vault.opens(purpose, sealed) for purpose, sealed in key_binding.oldest_seals(connection)
    ]
    proofs += [key_id == signer.key_id for key_id in key_binding.oldest_key_ids(connection)]
    return not proofs or 2 * sum(proofs) > len(proofs)


def _lost(settings: Settings) -> WrongKey:
    return WrongKey(
        f"Kunci rahasia tidak ada, padahal basis data sudah berisi data. {_restore(settings)}"
    )


def _differs(settings: Settings) -> WrongKey:
    return WrongKey(
        f"Kunci rahasia dari {place(settings)} bukan kunci basis data ini. {_restore(settings)}"
    )


def _restore(settings: Settings) -> str:
    return RESTORE.format(variable=VARIABLE, path=(settings.data_dir / FILE).absolute())


# --- the database's tables --------------------------------------------------------------------


def prepare(settings: Settings) -> list[str]:
    """Migrate the database and bind it to its key; returns the names of the applied migrations.
    Raises WrongKey.
    """
    from broadcaster.store.migrate import migrate  # noqa: PLC0415  costs 10 MB of memory

    database = Database(settings.database)
    try:
        database.read_now(examine, settings)
        applied = migrate(settings.database)
        key = database.read_now(bound, settings) or database.write_now(bind, settings)
        respelling.finish(database, Vault(derive(key, "addresses")))
        return applied
    finally:
        database.close()
