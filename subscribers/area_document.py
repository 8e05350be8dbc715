"""The area document (format of cimahi.json): parsed and validated as a whole, reporting all
problems at once.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Level = Literal["city", "kecamatan", "kelurahan"]

LEVELS: tuple[Level, ...] = ("city", "kecamatan", "kelurahan")
_CODES: dict[Level, tuple[re.Pattern[str], str]] = {
    "city": (re.compile(r"\d\d\.\d\d"), "32.77"),
    "kecamatan": (re.compile(r"\d\d\.\d\d\.\d\d"), "32.77.03"),
    "kelurahan": (re.compile(r"\d\d\.\d\d\.\d\d\.\d{4}"), "32.77.03.1002"),
}
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class BadAreas(ValueError):
    """The document or the outlines are unusable; `problems` has one sentence per problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """An area; `code` (Kemendagri) is its permanent key, name and slug are labels."""

    code: str
    name: str
    slug: str
    level: Level
    parent: str | None
    short_name: str
    aliases: tuple[str, ...] = ()
    tile: tuple[int, int] | None = None
    """(column, row) in the grid of kelurahan, from the north-west."""
    population: int | None = None
    """None if no public source gives it; never estimated."""
    population_as_of: str = ""
    postcode: str = ""
    area_km2: float | None = None
    centroid: tuple[float, float] | None = None
    """(latitude, longitude), for display."""
    neighbours: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The unambiguous name: "Kota Cimahi", "Kec. Cimahi Utara", "Kel. Cimahi"."""
        return {"city": "", "kecamatan": "Kec. ", "kelurahan": "Kel. "}[self.level] + self.name

    @property
    def full_name(self) -> str:
        """The name without abbreviations: "Kota Cimahi", "Kecamatan Cimahi Utara", "Kelurahan
        Cimahi".
        """
        return {"city": "", "kecamatan": "Kecamatan ", "kelurahan": "Kelurahan "}[
            self.level
        ] + self.name


class _Grid(msgspec.Struct, frozen=True):
    columns: int
    rows: int


class _Tile(msgspec.Struct, frozen=True):
    col: int
    row: int


class _Centroid(msgspec.Struct, frozen=True):
    lat: float
    lon: float


class _Population(msgspec.Struct, frozen=True):
    total: int
    as_of: str = ""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    slug: str
    parent: str | None = None
    short_name: str = ""
    aliases: tuple[str, ...] = ()
    tile: _Tile | None = None
    population: _Population | int | None = None
    population_2020: int | None = None
    postcode: str = ""
    area_km2: float | None = None
    centroid: _Centroid | None = None
    neighbours: tuple[str, ...] = ()


class _Confusable(msgspec.Struct, frozen=True):
    terms: tuple[str, ...]
    candidates: tuple[str, ...]


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    city: _Entry
    kecamatan: tuple[_Entry, ...]
    kelurahan: tuple[_Entry, ...]
    tile_grid: _Grid | None = None
    ambiguous_terms: dict[str, tuple[str, ...]] = {}
    confusable: tuple[_Confusable, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """A validated document."""

    areas: tuple[Area, ...]
    """City, then kecamatan, then kelurahan, each by code."""
    grid: tuple[int, int]
    """(columns, rows) of the tiles; (0, 0) without a grid."""
    ambiguous: Mapping[str, tuple[str, ...]]
    confusable: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """Pairs of (terms that people confuse, codes they may mean)."""


def read_document(document: Mapping[str, Any]) -> Contents:
    """Parse and validate a document; raises BadAreas with every problem."""
    try:
        raw = msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        raise BadAreas([f"Daftar wilayah tidak berbentuk seperti cimahi.json: {error}."]) from None
    if problems := list(_problems(raw)):
        raise BadAreas(problems)
    areas = [_area(entry, level) for level, entry in _entries(raw)]
    areas.sort(key=lambda area: (LEVELS.index(area.level), area.code))
    return Contents(
        areas=tuple(areas),
        grid=(raw.tile_grid.columns, raw.tile_grid.rows) if raw.tile_grid else (0, 0),
        ambiguous=raw.ambiguous_terms,
        confusable=tuple((pair.terms, pair.candidates) for pair in raw.confusable),
    )


def slugify(name: str) -> str:
    """Join the words of a name in lower case with hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))


def _entries(raw: _Document) -> Iterator[tuple[Level, _Entry]]:
    yield "city", raw.city
    for kecamatan in raw.kecamatan:
        yield "kecamatan", kecamatan
    for kelurahan in raw.kelurahan:
        yield "kelurahan", kelurahan


def _area(entry: _Entry, level: Level) -> Area:
    total = (
        entry.population.total if isinstance(entry.population, _Population) else entry.population
    )
    as_of = entry.population.as_of if isinstance(entry.population, _Population) else ""
    if total is None and entry.population_2020 is not None:
        total, as_of = entry.population_2020, "2020"
    return Area(
        code=entry.code,
        name=entry.name,
        slug=entry.slug,
        level=level,
        parent=None if level == "city" else entry.parent,
        short_name=entry.short_name or entry.name,
        aliases=entry.aliases,
        tile=(entry.tile.col, entry.tile.row) if entry.tile else None,
        population=total,
        population_as_of=as_of,
        postcode=entry.postcode,
        area_km2=entry.area_km2,
        centroid=(entry.centroid.lat, entry.centroid.lon) if entry.centroid else None,
        neighbours=entry.neighbours,
    )


def _problems(raw: _Document) -> Iterator[str]:
    entries = list(_entries(raw))
    for level, entry in entries:
        yield from _entry_problems(raw, level, entry)
    yield from _repeated("Kode", [entry.code for _, entry in entries])
    yield from _repeated("Slug", [entry.slug for _, entry in entries])
    yield from _bare_namesakes(entries)
    yield from _tile_problems(raw)
    yield from _unknown_codes(raw, {entry.code for _, entry in entries})


def _entry_problems(raw: _Document, level: Level, entry: _Entry) -> Iterator[str]:
    pattern, sample = _CODES[level]
    if not pattern.fullmatch(entry.code):
        yield f'Kode "{entry.code}" ({entry.name}) salah: kode {_word(level)} berbentuk {sample}.'
    if not _SLUG.fullmatch(entry.slug):
        yield (
            f'Slug "{entry.slug}" ({entry.code}) salah: huruf kecil, angka, dan tanda hubung saja.'
        )
    if not entry.name.strip():
        yield f"Wilayah {entry.code} tidak bernama."
    if level == "city":
        return
    parents = (
        {raw.city.code} if level == "kecamatan" else {kecamatan.code for kecamatan in raw.kecamatan}
    )
    if entry.parent not in parents or not entry.code.startswith(f"{entry.parent}."):
        yield (
            f'Induk "{entry.parent}" dari {entry.code} ({entry.name}) '
            "tidak ada atau tidak cocok dengan kodenya."
        )


def _word(level: Level) -> str:
    return "kota" if level == "city" else level


def _repeated(what: str, values: list[str]) -> Iterator[str]:
    for value, times in Counter(values).items():
        if times > 1:
            yield f'{what} "{value}" dipakai {times} kali; harus unik.'


def _bare_namesakes(entries: list[tuple[Level, _Entry]]) -> Iterator[str]:
    """Yield a problem for each kelurahan that shares its city's name without the slug
    kelurahan-<name>, so that no bare word can mean both.
    """
    above: set[str] = set()
    for wanted in LEVELS:
        here = [entry for level, entry in entries if level == wanted]
        for entry in here:
            bare = slugify(entry.short_name or entry.name)
            if bare in above and entry.slug != f"{wanted}-{bare}":
                yield (
                    f"{entry.name} ({entry.code}) senama dengan wilayah di atasnya: "
                    f'slugnya harus "{wanted}-{bare}".'
                )
        above |= {slugify(entry.short_name or entry.name) for entry in here}


def _tile_problems(raw: _Document) -> Iterator[str]:
    tiles = [(entry.tile.col, entry.tile.row) for entry in raw.kelurahan if entry.tile]
    if tiles and raw.tile_grid is None:
        yield "Ada tile, tetapi tile_grid tidak ada."
    elif raw.tile_grid and not all(
        0 <= c < raw.tile_grid.columns and 0 <= r < raw.tile_grid.rows for c, r in tiles
    ):
        yield f"Ada tile di luar kisi {raw.tile_grid.columns} x {raw.tile_grid.rows}."
    if len(set(tiles)) < len(tiles):
        yield "Dua kelurahan menempati tile yang sama."


def _unknown_codes(raw: _Document, known: set[str]) -> Iterator[str]:
    named = [code for _, entry in _entries(raw) for code in entry.neighbours]
    named += [code for codes in raw.ambiguous_terms.values() for code in codes]
    named += [code for pair in raw.confusable for code in pair.candidates]
    for code in sorted(set(named) - known):
        yield f"Kode {code} disebut, tetapi wilayahnya tidak ada."
