"""Storage faults in words: an unusable folder or database file, and the remedy. Pure."""

import errno
import sqlite3

_ANOTHER_FOLDER = "Pilih folder lain (BROADCASTER_DATA_DIR, atau --data untuk demo)."
_RIGHTS = f"Beri akun yang menjalankan program ini izin baca dan tulis. Atau: {_ANOTHER_FOLDER}"
_ROOM = "Kosongkan ruang penyimpanan, lalu coba lagi."
_BACKUP = f"Pulihkan dari cadangan. Atau: {_ANOTHER_FOLDER}"

_BY_ERRNO = {
    errno.EACCES: ("tidak boleh dipakai oleh akun ini", _RIGHTS),
    errno.EPERM: ("tidak boleh dipakai oleh akun ini", _RIGHTS),
    errno.EROFS: ("berada di penyimpanan yang hanya dapat dibaca", _ANOTHER_FOLDER),
    errno.ENOSPC: ("tidak dapat ditulis karena penyimpanan penuh", _ROOM),
    errno.EDQUOT: ("tidak dapat ditulis karena jatah penyimpanan habis", _ROOM),
    errno.EEXIST: ("bukan folder", _ANOTHER_FOLDER),
    errno.ENOTDIR: ("berada di bawah berkas, bukan folder", _ANOTHER_FOLDER),
    errno.EISDIR: ("berupa folder, padahal harus berkas", _ANOTHER_FOLDER),
    errno.ENOENT: ("tidak ada dan tidak dapat dibuat", _ANOTHER_FOLDER),
    errno.ENAMETOOLONG: ("terlalu panjang namanya", _ANOTHER_FOLDER),
    errno.ELOOP: ("berupa tautan yang berputar", _ANOTHER_FOLDER),
    errno.EIO: (
        "tidak dapat dibaca atau ditulis karena penyimpanannya rusak",
        "Periksa penyimpanannya.",
    ),
}
_BY_SQLITE = {
    sqlite3.SQLITE_NOTADB: ("bukan basis data SQLite", _BACKUP),
    sqlite3.SQLITE_CORRUPT: ("rusak", _BACKUP),
    sqlite3.SQLITE_CANTOPEN: ("tidak dapat dibuka", _RIGHTS),
    sqlite3.SQLITE_PERM: ("tidak dapat dibuka", _RIGHTS),
    sqlite3.SQLITE_READONLY: ("hanya dapat dibaca", _RIGHTS),
    sqlite3.SQLITE_FULL: ("tidak dapat ditulis karena penyimpanan penuh", _ROOM),
    sqlite3.SQLITE_IOERR: ("tidak dapat dibaca atau ditulis", "Periksa penyimpanannya."),
}


def explain_fault(error: BaseException | None) -> tuple[str, str] | None:
    """Describe an error of the disk, or of SQLite on it, as reason and remedy; None for any
    other.
    """
    if isinstance(error, sqlite3.Error):
        known = _BY_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        return (
            (f"Basis data tidak dapat dipakai: berkasnya {known[0]}.", known[1])
            if known is not None
            else None
        )
    if isinstance(error, OSError) and error.errno in _BY_ERRNO:
        reason, remedy = _BY_ERRNO[error.errno]
        return f"{error.filename or 'Folder data'} {reason}.", remedy
    return None
