"""CSV records as clerks produce them: any common delimiter, header words in either language, cells
over several lines.
"""

import csv
import difflib
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from subscribers.encodings import BadFile
from subscribers.refusals import BadValue, CellCode
from subscribers.spreadsheet import plain, unguarded

REQUIRED = ("channel", "address", "areas", "topics", "language", "consent_source", "consent_at")
COLUMNS = (*REQUIRED, "subscriber", "state")
"""`subscriber` joins rows of one person; `state` is in exports, so that opt-outs carry over."""
DELIMITERS = {",": "koma", ";": "titik koma", "\t": "tab", "|": "garis tegak"}

_WORDS = {
    "kanal": "channel", "saluran": "channel", "alamat": "address",
    "wilayah": "areas", "kelurahan": "areas", "area": "areas",
    "topik": "topics", "kategori": "topics", "bahasa": "language",
    "sumber persetujuan": "consent_source",
    "tanggal persetujuan": "consent_at", "waktu persetujuan": "consent_at",
    "pelanggan": "subscriber", "keadaan": "state",
    "status": "state", "alasan": "", "reason": "",
} | {name.replace("_", " "): name for name in COLUMNS}  # fmt: skip
"""Column by header word; "" is ignored: the reason column in files of rejected rows."""
_DECLARED = re.compile(r'"?sep=(.)"?[,;\t|]*\s*', re.IGNORECASE)
_MOST_LINES = 20
"""Maximum lines per cell: a missing quotation mark spoils one row, not all that follow."""
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A row of a file: its first line, its cells in the header's order, and why it is unreadable,
    if so.
    """

    line: int
    cells: tuple[str, ...]
    problem: BadValue | None = None


class Table:
    """A file's header, read at once, and its records, read one at a time. Raises BadFile for an
    invalid header.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = enumerate(_decoded(lines), 1)
        self._ahead: deque[tuple[int, str]] = deque()
        first = self._first()
        declared = _DECLARED.fullmatch(first)
        header = self._first() if declared else first
        if not header:
            raise BadFile(f"Berkas kosong: baris pertama harus {','.join(REQUIRED)}.")
        self.delimiter = _delimiter(header, declared[1] if declared else ",")
        self.header = _header(header, self.delimiter)
        """Names as written in the file, without empty ones at the end."""
        self.columns = _columns(self.header)
        """Our names of the columns; "" for ignored ones."""
        self._blank = f'{self.delimiter}{"".join(DELIMITERS)}" \t\r\n\v\f\xa0\u200b\ufeff'
        self._fewest = max(
            number for number, name in enumerate(self.columns, 1) if name in REQUIRED
        )

    def __iter__(self) -> Iterator[Record]:
        """Yield every non-empty record."""
        while (numbered := self._next()) is not None:
            number, text = numbered
            if text.strip(self._blank):
                yield self._record(number, text)

    def _first(self) -> str:
        """Return the next line that is not blank; "" at the end."""
        return next(
            (text for _, text in iter(self._next, None) if text.strip(" \t\r\n,;|\"'\xa0")), ""
        )

    def _next(self) -> tuple[int, str] | None:
        if self._ahead:
            return self._ahead.popleft()
        return next(((number, line.rstrip("\r\n")) for number, line in self._lines), None)

    def _record(self, number: int, text: str) -> Record:
        if len(text) > _LONGEST_LINE:
            return _too_long(number, text)
        if '"' not in text:
            cells = text.split(self.delimiter)
        else:
            joined = self._joined(text)
            if joined is None:
                rough = next(csv.reader([text], delimiter=self.delimiter), [text])
                return Record(
                    line=number, cells=_safe(rough), problem=BadValue(CellCode.ROW_QUOTES)
                )
            text, cells = joined
        width = len(self.columns)
        if problem := _unreadable(text) or self._unfit(cells):
            return Record(line=number, cells=_safe(cells), problem=problem)
        return _readable(number, text, [*cells, *[""] * (width - len(cells))][:width])

    def _joined(self, text: str) -> tuple[str, list[str]] | None:
        """Return the text of a record and its cells, reading on until quotation marks pair; None if
        they never do.
        """
        cells = _split(text, self.delimiter)
        if cells is not None:
            return text, cells
        taken: list[tuple[int, str]] = []
        while len(taken) < _MOST_LINES and (numbered := self._next()) is not None:
            taken.append(numbered)
            text += f"\n{numbered[1]}"
            if '"' not in numbered[1]:
                continue
            cells = _split(text, self.delimiter)
            if cells is not None and not self._unfit(cells):
                return text, cells
        self._ahead.extendleft(reversed(taken))
        return None

    def _unfit(self, cells: Sequence[str]) -> BadValue | None:
        """Return why the number of cells is wrong.

        Extra empty cells are allowed, as are missing optional columns at the end.
        """
        width = len(self.columns)
        if self._fewest <= len(cells) and not any(
            cell.strip(self._blank) for cell in cells[width:]
        ):
            return None
        return BadValue(CellCode.ROW_WIDTH, count=len(cells), width=width)


def record_of(cells: Sequence[str], number: int = 1) -> Record:
    """Make a record of cells that come from no file; cells that a file may not hold are refused
    here, too.
    """
    text = ",".join(cells)
    if len(text) > _LONGEST_LINE:
        return _too_long(number, text)
    if problem := _unreadable(text):
        return Record(line=number, cells=_safe(cells), problem=problem)
    return _readable(number, text, cells)


def _too_long(number: int, text: str) -> Record:
    problem = BadValue(CellCode.ROW_TOO_LONG, limit=_LONGEST_LINE // 1024)
    return Record(line=number, cells=(text[:100],), problem=problem)


def _readable(number: int, text: str, cells: Sequence[str]) -> Record:
    """Return the record of these cells, joined as `text`, without spreadsheet guards."""
    if "'" in text or '="' in text:
        cells = [unguarded(cell) for cell in cells]
    return Record(line=number, cells=tuple(cells))


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    try:
        for number, line in enumerate(lines):
            yield line.removeprefix("\ufeff") if number == 0 else line
    except UnicodeDecodeError:
        raise BadFile("Berkas ini bukan UTF-8. Simpan ulang sebagai CSV UTF-8.") from None


def _split(text: str, delimiter: str) -> list[str] | None:
    """Split a record into cells; None if its quotation marks do not pair."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _unreadable(text: str) -> BadValue | None:
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return BadValue(CellCode.ROW_NOT_UTF8)
    if "\ufffd" in text:
        return BadValue(CellCode.ROW_DAMAGED)
    return BadValue(CellCode.ROW_NUL) if "\0" in text else None


def _safe(cells: Iterable[str]) -> tuple[str, ...]:
    """Return the cells of an unreadable record so that they can be written to a file."""
    whole = (cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for cell in cells)
    return tuple(unguarded(cell.replace("\0", "\ufffd")) for cell in whole)


# --- the header ---------------------------------------------------------------------------------


def _delimiter(header: str, declared: str) -> str:
    """Return the delimiter that gives the most known names; on a tie, the declared one."""
    choices = dict.fromkeys((declared, *DELIMITERS))
    return max(
        choices, key=lambda choice: sum(_named(name) in COLUMNS for name in _header(header, choice))
    )


def _header(line: str, delimiter: str) -> tuple[str, ...]:
    names = [plain(name) for name in next(csv.reader([line], delimiter=delimiter), [])]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _named(name: str) -> str | None:
    """Return our name of a column, ignoring case, spaces and underscores; "" for an ignored column,
    None for an unknown one.
    """
    words = " ".join(re.findall(r"[a-z0-9]+", name.casefold()))
    return _WORDS.get(words) if words or name else ""


def _columns(header: Sequence[str]) -> tuple[str, ...]:
    names = tuple(_named(name) for name in header)
    problems = [f"kolom {name} tidak ada" for name in REQUIRED if name not in names]
    strangers = [word for word, name in zip(header, names, strict=True) if name is None]
    problems += [
        f'kolom "{word[:40]}" tidak dikenal{_near(word.casefold(), (*COLUMNS, *_WORDS))}'
        for word in strangers
    ]
    for name, times in Counter(name for name in names if name).items():
        if times > 1:
            words = [word for word, known in zip(header, names, strict=True) if known == name]
            also = f" ({', '.join(words)})" if len(set(words)) > 1 else ""
            problems.append(f"kolom {name} ada {times} kali{also}")
    if problems:
        raise BadFile(
            f"Baris pertama salah: {'; '.join(problems)}. "
            f"Kolomnya: {','.join(REQUIRED)}[,subscriber]."
        )
    return tuple(name or "" for name in names)


def _near(word: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, choices, n=1)
    return f" (maksud Anda {near[0]}?)" if near else ""
