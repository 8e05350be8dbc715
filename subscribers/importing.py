"""Subscribers from a CSV file: a bad row is told with its line and reason and never stops the good ones."""

import csv
import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast

from sqlalchemy import Connection

from subscribers import consent
from subscribers.addresses import AddressBook
from subscribers.areas import AreaTree
from subscribers.enrolment import Subscription, enrol
from subscribers.subscriptions import check_topics

T = TypeVar("T")

REQUIRED = ("channel", "address", "areas", "topics", "language", "consent_source", "consent_at")
COLUMNS = (*REQUIRED, "subscriber", "state")
"""`subscriber` joins rows of one person; `state` stands in exports, so that who stopped there stays stopped elsewhere."""
LANGUAGES = ("id", "en", "su")

_REASONS = ("address_dead", "opted_out")
_LONGEST_CELL = 500
_CACHED = 10_000
"""Different area or topic lists, dates: files repeat a few of them."""


class BadFile(ValueError):
    """The file as a whole is no such CSV; the sentence says what to mend."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A row that was left out, and why."""

    line: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A good row; `replaces` is the line of an earlier row of the same address in this file."""

    line: int
    subscription: Subscription
    replaces: int | None = None


def read_rows(
    lines: Iterable[str],
    tree: AreaTree,
    topics: Sequence[str],
    parsers: Mapping[str, Callable[[str], str]],
    *,
    now: float | None = None,
) -> Iterator[Row | BadRow]:
    """Each row of the file in its order; `parsers` are the channels' parse_address; consent after `now` is refused.

    Raises BadFile for a header or an encoding that cannot be read.
    """
    numbered = enumerate(_decoded(lines), 1)
    columns = _header(next((line for _, line in numbered), ""))
    reader = _Reader(tree, topics, parsers, now)
    seen: dict[int, int] = {}
    for number, line in numbered:
        if not line.strip():
            continue
        try:
            wanted = reader.read(dict(zip(columns, _cells(line, len(columns)), strict=True)))
        except ValueError as error:
            yield BadRow(line=number, reason=str(error))
            continue
        # a 64-bit hash instead of the address: a million rows take 100 MB less
        key = hash((wanted.channel, wanted.address))
        yield Row(line=number, subscription=wanted, replaces=seen.get(key))
        seen[key] = number


def import_rows(conn: Connection, book: AddressBook, tree: AreaTree, rows: Sequence[Row], now: float) -> dict[str, int]:
    """Take one chunk of rows in; counts of "new", "changed", "same", "suppressed", "repeated" (replaced in this chunk)."""
    return dict(Counter(enrol(conn, book, tree, [row.subscription for row in rows], now)))


# --- the file -----------------------------------------------------------------------------------


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    try:
        for number, line in enumerate(lines):
            yield line.removeprefix("\ufeff") if number == 0 else line
    except UnicodeDecodeError:
        raise BadFile("Berkas ini bukan UTF-8. Simpan ulang sebagai CSV UTF-8.") from None


def _header(line: str) -> tuple[str, ...]:
    """The names of the columns."""
    names = tuple(name.strip().lower() for name in next(csv.reader([line.strip()]), []))
    if not any(names):
        raise BadFile(f"Berkas kosong: baris pertama harus {','.join(REQUIRED)}.")
    for separator, word in ((";", "titik koma"), ("\t", "tab"), ("|", "garis tegak")):
        if len(names) < len(REQUIRED) and line.count(separator) >= len(REQUIRED) - 1:
            raise BadFile(f"Kolom dipisah {word}; pakai koma. Di Excel: simpan sebagai CSV UTF-8 (dipisah koma).")
    problems = [f"kolom {name} tidak ada" for name in REQUIRED if name not in names]
    problems += [f'kolom "{name}" tidak dikenal{_near(name, COLUMNS)}' for name in names if name not in COLUMNS]
    problems += [f"kolom {name} ada {times} kali" for name, times in Counter(names).items() if times > 1]
    if problems:
        raise BadFile(f"Baris pertama salah: {'; '.join(problems)}. Kolomnya: {','.join(REQUIRED)}[,subscriber].")
    return names


def _near(word: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, choices, n=1)
    return f" (maksud Anda {near[0]}?)" if near else ""


def _cells(line: str, expected: int) -> list[str]:
    """Cells of one line. Line by line, so that a forgotten quotation mark spoils one row and not all that follow."""
    text = line.rstrip("\r\n")
    if '"' not in text:
        cells = text.split(",")
    else:
        try:
            cells = next(csv.reader([text], strict=True))
        except csv.Error:
            raise ValueError("Tanda kutip tidak berpasangan.") from None
    if len(cells) != expected:
        raise ValueError(f"Ada {len(cells)} kolom, seharusnya {expected}.")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("Baris ini bukan UTF-8.")
    if "\0" in text:
        raise ValueError("Baris ini berisi karakter NUL.")
    return cells


# --- a row --------------------------------------------------------------------------------------


class _Reader:
    """Turns cells into a subscription; every refusal is a ValueError with its reason."""

    def __init__(
        self, tree: AreaTree, topics: Sequence[str], parsers: Mapping[str, Callable[[str], str]], now: float | None
    ) -> None:
        self._tree, self._topics, self._parsers, self._now = tree, topics, parsers, now
        self._areas = _Cached(self._read_areas)
        self._topic_lists = _Cached(lambda text: check_topics(text.split(), self._topics))
        self._moments = _Cached(self._read_moment)

    def read(self, cells: Mapping[str, str]) -> Subscription:
        channel = cells["channel"].strip().lower()
        parse = self._parsers.get(channel)
        if parse is None:
            raise ValueError(f'Kanal "{channel[:40]}" tidak dikenal. Yang ada: {", ".join(sorted(self._parsers))}.')
        if not (text := cells["address"].strip()):
            raise ValueError("Alamat kosong.")
        source = cells["consent_source"].strip()
        if not source or not cells["consent_at"].strip():
            raise ValueError("Tanpa bukti persetujuan: isi consent_source dan consent_at.")
        if len(source) > _LONGEST_CELL or len(text) > _LONGEST_CELL:
            raise ValueError(f"Sel lebih dari {_LONGEST_CELL} karakter.")
        return Subscription(
            channel=channel,
            address=parse(text),
            areas=self._areas[cells["areas"]],
            topics=self._topic_lists[cells["topics"]],
            language=_language(cells["language"]),
            source=source,
            consent_at=self._moments[cells["consent_at"]],
            act="imported",
            person=cells.get("subscriber", "").strip()[:_LONGEST_CELL],
            suppressed=_suppressed(cells.get("state", "")),
        )

    def _read_areas(self, text: str) -> tuple[str, ...]:
        names = text.split()
        if not names:
            raise ValueError("Wilayah kosong: tulis slug atau kode, misalnya cibabat.")
        return tuple(sorted({self._tree.exact(name).code for name in names}))

    def _read_moment(self, text: str) -> float:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f'Waktu "{text.strip()[:40]}" tidak terbaca: tulis seperti 2026-11-03T09:00.') from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=self._tree.zone)).timestamp()
        if self._now is not None and seconds > self._now:
            raise ValueError(f"Persetujuan bertanggal di masa depan: {text.strip()}.")
        return seconds


def _language(text: str) -> str:
    language = text.strip().lower() or LANGUAGES[0]
    if language not in LANGUAGES:
        raise ValueError(f'Bahasa "{language[:40]}" tidak dikenal. Yang ada: {", ".join(LANGUAGES)}.')
    return language


def _suppressed(text: str) -> consent.Reason | None:
    state = text.strip()
    if state in ("", "confirmed"):
        return None
    if state in _REASONS:
        return cast(consent.Reason, state)
    raise ValueError(f'Alamat berstatus "{state[:40]}" tidak diimpor.')


class _Cached(dict[str, T]):
    """Answers of `make` by text; what it refuses it is asked again."""

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> T:
        made = self._make(text)
        if len(self) < _CACHED:
            self[text] = made
        return made
