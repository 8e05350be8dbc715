"""Messages for expected failures of a command."""

from sqlalchemy.exc import DatabaseError, OperationalError

from broadcaster.commands.errors import Failed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.runtime import storage_faults
from broadcaster.runtime.config import BadSettings
from broadcaster.runtime.locks import CannotStart
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.store.database import BadDatabase


def explained(error: Exception) -> str | None:
    """Return what failed and the remedy, in words; None for a bug of ours."""
    if isinstance(error, InvalidAnnouncement):
        return indonesian(error)
    if isinstance(error, Failed | BadSettings | BadDatabase | CannotStart):
        return str(error)
    if isinstance(error, DatabaseError):
        return _database_words(error)
    if isinstance(error, OSError):
        words = storage_faults.explain_fault(error)
        return " ".join(words) if words is not None else None
    return None


def _database_words(error: DatabaseError) -> str | None:
    if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
        return None  # a bug in a statement, not a fault of the database
    words = storage_faults.explain_fault(error.orig)
    if words:
        return " ".join(words)
    reason = str(error.orig).strip().splitlines()[0]
    return f"Basis data tidak dapat dipakai: {reason}. Periksa BROADCASTER_DATABASE_URL."
