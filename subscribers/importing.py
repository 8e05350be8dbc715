"""Import of subscribers from CSV: a bad row is reported with its line and reasons and never stops
the good ones.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import repeat
from typing import TypeVar, cast, get_args

from sqlalchemy import Connection

from subscribers import consent
from subscribers.areas import AreaTree
from subscribers.encodings import BadFile
from subscribers.enrolment import Outcome, Subscription, enrol
from subscribers.moments import read_moment
from subscribers.refusals import BadValue, CellCode, Parameter
from subscribers.spreadsheet import has_letter, plain
from subscribers.subscriptions import EMERGENCIES_ONLY, check_topics
from subscribers.table import COLUMNS, REQUIRED, Record, Table, record_of
from subscribers.vault import Vault, identity

__all__ = [
    "COLUMNS", "REQUIRED", "BadCell", "BadFile", "BadRow", "Row", "Table", "Tally",
    "import_rows", "read_records", "read_rows",
    "record_of", "take_rows",
]  # fmt: skip

T = TypeVar("T")

LANGUAGES = ("id", "en", "su")

_LANGUAGE_WORDS = {
    "indonesia": "id",
    "indonesian": "id",
    "inggris": "en",
    "english": "en",
    "sunda": "su",
}
_EMERGENCY_WORDS = ("hanya-darurat", "darurat-saja")
_ALL_TOPICS = ("semua", "all")
_REASONS = ("address_dead", "opted_out")
_LONGEST_CELL = 500
_CACHED = 10_000
"""Distinct area lists, topic lists and dates to cache: files repeat a few of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadCell:
    """An error in a row; `column` is empty if it is about the whole row."""

    column: str
    code: StrEnum
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A rejected row, with its problems."""

    line: int
    problems: tuple[BadCell, ...]
    cells: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A valid row; `replaces` is the line of an earlier row of the same address in this file."""

    line: int
    subscription: Subscription
    replaces: int | None = None


class _BadCells(ValueError):
    def __init__(self, problems: Sequence[BadCell]) -> None:
        super().__init__()
        self.problems = tuple(problems)


def read_rows(
    lines: Iterable[str] | Table,
    tree: AreaTree,
    topics: Sequence[str],
    parsers: Mapping[str, Callable[[str], str]],
    *,
    now: float | None = None,
) -> Iterator[Row | BadRow]:
    """Yield each row of the file in order; `parsers` are the channels' parse_address; consent after
    `now` is rejected.

    Raises BadFile for an unreadable header or encoding.
    """
    table = lines if isinstance(lines, Table) else Table(lines)
    yield from read_records(table, table.columns, tree, topics, parsers, now=now)


def read_records(
    records: Iterable[Record],
    columns: Sequence[str],
    tree: AreaTree,
    topics: Sequence[str],
    parsers: Mapping[str, Callable[[str], str]],
    *,
    now: float | None = None,
) -> Iterator[Row | BadRow]:
    """Check each record, whose cells are in the order of `columns`; see `read_rows`."""
    reader = _Reader(tree, topics, parsers, now)
    seen: dict[int, int] = {}
    for record in records:
        try:
            wanted = reader.read(record, columns)
        except _BadCells as bad:
            yield BadRow(line=record.line, problems=bad.problems, cells=record.cells)
            continue
        # a 64-bit hash instead of the address saves 100 MB per million rows
        key = hash((wanted.channel, identity(wanted.address)))
        yield Row(line=record.line, subscription=wanted, replaces=seen.get(key))
        seen[key] = record.line


def import_rows(
    conn: Connection, vault: Vault, tree: AreaTree, rows: Sequence[Row], now: float
) -> dict[str, int]:
    """Import one chunk of rows; return counts of "new", "changed", "same", "suppressed", "repeated"
    (replaced within this chunk).
    """
    return dict(Counter(take_rows(conn, vault, tree, rows, now)))


def take_rows(
    conn: Connection, vault: Vault, tree: AreaTree, rows: Sequence[Row], now: float
) -> list[Outcome]:
    """Import one chunk of rows; return the outcome of each."""
    return enrol(conn, vault, tree, [row.subscription for row in rows], now)


_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(slots=True)
class Tally:
    """Outcome counts for the addresses of a whole file, however it was chunked.

    `tried`: a dry run, in which nothing was stored in between.
    """

    tried: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    _owned: Counter[int] = field(default_factory=Counter)
    """Number of addresses per name (its hash); key 0 counts addresses without a name."""
    _by_line: bytearray = field(default_factory=bytearray)
    """Index in _OUTCOMES + 1 by line: a dictionary of a million rows would take a hundred times as
    much.
    """
    _names: "array[int]" = field(default_factory=lambda: array("q"))
    """Key in _owned by line."""

    def take(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> None:
        """Count a chunk; an address that also stood in an earlier chunk counts once, its other rows
        as repeated.
        """
        for row, outcome in zip(rows, outcomes, strict=True):
            earlier = self._earlier(row)
            final = outcome
            if earlier is not None and earlier != "repeated":
                final = outcome if self.tried or earlier == "same" else earlier
                self.counts[earlier] -= 1
                self.counts["repeated"] += 1
            self.counts[final] += 1
            self._note(row.line, final, self._whose(row))

    def _earlier(self, row: Row) -> Outcome | None:
        """Return the outcome of the row that this one replaces, if it was in an earlier chunk."""
        number = (
            self._by_line[row.replaces]
            if row.replaces is not None and row.replaces < len(self._by_line)
            else 0
        )
        return _OUTCOMES[number - 1] if number else None

    def _whose(self, row: Row) -> int:
        """Count the address for the name in its last row with a name; return its key in _owned."""
        name = hash(row.subscription.person) if row.subscription.person else 0
        if row.replaces is not None and row.replaces < len(self._names):
            before = self._names[row.replaces]
            name = name or before
            self._owned[before] -= 1
            if not self._owned[before]:
                del self._owned[before]
        self._owned[name] += 1
        return name

    def _note(self, line: int, outcome: Outcome, name: int) -> None:
        if line >= len(self._by_line):
            more = line + 1 - len(self._by_line)
            self._by_line.extend(bytes(more))
            self._names.extend(repeat(0, more))
        self._by_line[line] = _OUTCOMES.index(outcome) + 1
        self._names[line] = name

    @property
    def addresses(self) -> int:
        """Number of distinct addresses in valid rows."""
        return self.counts.total() - self.counts["repeated"]

    @property
    def people(self) -> int:
        """Number of people, as joined by the file."""
        unnamed = self._owned[0]
        return len(self._owned) - bool(unnamed) + unnamed


# --- a row --------------------------------------------------------------------------------------


class _Reader:
    """Parser of cells into a subscription; all errors of a row are reported together."""

    def __init__(
        self,
        tree: AreaTree,
        topics: Sequence[str],
        parsers: Mapping[str, Callable[[str], str]],
        now: float | None,
    ) -> None:
        self._tree, self._topics, self._parsers, self._now = tree, topics, parsers, now
        self._areas = _Cached(self._read_areas)
        self._topic_lists = _Cached(self._read_topics)
        self._moments = _Cached(self._read_moment)
        self._languages = _Cached(_read_language)
        self._channels = _Cached(self._read_channel)

    def read(self, record: Record, columns: Sequence[str]) -> Subscription:
        """Return the subscription of a record; raises _BadCells."""
        if record.problem is not None:
            raise _BadCells([_bad_cell("", record.problem)])
        cells = dict(zip(columns, record.cells, strict=True))
        problems: list[BadCell] = []

        def take(column: str, read: Callable[[str], T]) -> T | None:
            try:
                return read(cells.get(column, ""))
            except ValueError as error:
                problems.append(_bad_cell(column, error))
                return None

        channel = take("channel", self._channels.__getitem__)
        values = (
            take("address", lambda text: self._read_address(channel, text)),
            take("areas", self._areas.__getitem__),
            take("topics", self._topic_lists.__getitem__),
            take("language", self._languages.__getitem__),
            take("consent_source", lambda text: _read_source(text, cells["consent_at"])),
            take(
                "consent_at",
                lambda text: (
                    self._moments[text]
                    if plain(text) and has_letter(cells["consent_source"])
                    else 0.0
                ),
            ),
            take("state", _suppressed),
        )
        if problems:
            raise _BadCells(problems)
        return _subscription(cast(str, channel), values, _cut(plain(cells.get("subscriber", ""))))

    def _read_channel(self, text: str) -> str:
        channel = "".join(re.findall(r"[a-z0-9]+", text.casefold()))
        if channel not in self._parsers:
            raise BadValue(
                CellCode.NO_SUCH_CHANNEL, text=plain(text)[:40], channels=sorted(self._parsers)
            )
        return channel

    def _read_address(self, channel: str | None, text: str) -> str:
        if not plain(text):
            raise BadValue(CellCode.ADDRESS_MISSING)
        if len(text) > _LONGEST_CELL:
            raise BadValue(CellCode.CELL_TOO_LONG, limit=_LONGEST_CELL)
        return self._parsers[channel](text.strip()) if channel is not None else ""

    def _read_areas(self, text: str) -> tuple[str, ...]:
        codes = {area.code for area in self._tree.named(text)}
        if not codes:  # only separators, such as ";"
            raise BadValue(CellCode.AREAS_MISSING)
        return tuple(sorted(codes))

    def _read_topics(self, text: str) -> tuple[str, ...]:
        wanted = [
            slug
            for part in re.split(r"[;|/,&+\n]|\b(?:dan|and)\b", text, flags=re.IGNORECASE)
            for slug in self._topics_of(plain(part))
        ]
        return check_topics(wanted, self._topics)

    def _topics_of(self, text: str) -> list[str]:
        """Parse one part of a list into slugs: a topic by slug or name, or slugs separated by
        spaces.
        """
        words = re.findall(r"[a-z0-9-]+", text.casefold())
        slug = "-".join(words)
        if slug in _ALL_TOPICS:
            return []
        if slug in _EMERGENCY_WORDS:
            return [EMERGENCIES_ONLY]
        return [slug] if slug in (*self._topics, EMERGENCIES_ONLY) else words or text.split()

    def _read_moment(self, text: str) -> float:
        return read_moment(plain(text), self._tree.zone, self._now)


_Values = tuple[
    str | None,
    tuple[str, ...] | None,
    tuple[str, ...] | None,
    str | None,
    str | None,
    float | None,
    consent.Reason | None,
]


def _subscription(channel: str, values: _Values, person: str) -> Subscription:
    address, areas, topics, language, source, consent_at, suppressed = values
    return Subscription(
        channel=channel,
        address=address or "",
        areas=areas or (),
        topics=topics or (),
        language=language or "",
        source=source or "",
        consent_at=consent_at or 0.0,
        act="imported",
        person=person,
        suppressed=suppressed,
    )


def _cut(text: str) -> str:
    return text[:_LONGEST_CELL]


def _read_source(text: str, consent_at: str) -> str:
    """Parse the source of consent; a proof needs its time too."""
    source = plain(text)
    if not has_letter(source) or not plain(consent_at):
        raise BadValue(CellCode.CONSENT_MISSING)
    if len(source) > _LONGEST_CELL:
        raise BadValue(CellCode.CELL_TOO_LONG, limit=_LONGEST_CELL)
    return source


def _read_language(text: str) -> str:
    words = plain(text).casefold().removeprefix("bahasa ").strip()
    language = _LANGUAGE_WORDS.get(words, words) or LANGUAGES[0]
    if language not in LANGUAGES:
        raise BadValue(CellCode.NO_SUCH_LANGUAGE, text=language[:40], languages=LANGUAGES)
    return language


def _suppressed(text: str) -> consent.Reason | None:
    state = text.strip()
    if state in ("", "confirmed"):
        return None
    if state in _REASONS:
        return cast(consent.Reason, state)
    raise BadValue(CellCode.STATE_NOT_IMPORTED, text=state[:40])


def _bad_cell(column: str, error: ValueError) -> BadCell:
    """Name the code of an error; channels that give none refused an address."""
    code = getattr(error, "code", CellCode.ADDRESS_UNREADABLE)
    return BadCell(column=column, code=code, parameters=getattr(error, "parameters", {}))


class _Cached(dict[str, T]):
    """Cache of `make` by text; refusals are not cached."""

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> T:
        made = self._make(text)
        if len(self) < _CACHED:
            self[text] = made
        return made
