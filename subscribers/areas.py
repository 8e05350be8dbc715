"""The area tree: city > kecamatan > kelurahan, their names, and which areas an announcement
concerns.

No other module knows the map.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from subscribers import store
from subscribers.area_document import Area, BadAreas, Level, read_document
from subscribers.matching import Match, Spellings
from subscribers.refusals import BadValue, CellCode, Part

__all__ = [
    "AmbiguousArea",
    "Area",
    "AreaTree",
    "BadAreas",
    "Level",
    "Match",
    "UnknownArea",
    "add_outlines",
    "deepest",
    "replace_tree",
]

_BUILT_IN = Path(__file__).with_name("cimahi.json")
_SHAPES = ("Polygon", "MultiPolygon")


class UnknownArea(BadValue):
    """No area has this slug or code; the message suggests the nearest ones, `suggestions` are their
    slugs.
    """

    def __init__(self, text: str, suggestions: tuple[str, ...]) -> None:
        self.text = text
        self.suggestions = suggestions
        ask = (
            f"Maksud Anda {' atau '.join(suggestions)}?"
            if suggestions
            else "Lihat: broadcaster areas list."
        )
        if suggestions:
            super().__init__(CellCode.AREA_MISSPELT, text=text, near=suggestions)
        else:
            super().__init__(CellCode.NO_SUCH_AREA, text=text)
        self.args = (f'Wilayah "{text}" tidak dikenal. {ask}',)


class AmbiguousArea(UnknownArea):
    """Several areas share this name; the message lists them and how to write each."""

    def __init__(self, text: str, areas: Sequence[Area]) -> None:
        super().__init__(text, tuple(area.slug for area in areas))
        choices = " atau ".join(f"{area.label} (tulis: {area.slug})" for area in areas)
        self.args = (f'Wilayah "{text}" dapat berarti {choices}.',)
        self.code = CellCode.AREA_AMBIGUOUS
        parts = [_choice(area) for area in areas]
        self.parameters = {"text": text, "choices": parts}


def _choice(area: Area) -> Part:
    parameters = {"label": area.label, "slug": area.slug}
    return Part(code=CellCode.AREA_CHOICE, parameters=parameters)


class AreaTree:
    """All areas of a city. Immutable; `tree[x]` takes a code or a slug and raises KeyError."""

    def __init__(
        self, document: Mapping[str, Any], outlines: Mapping[str, Any] | None = None
    ) -> None:
        contents = read_document(document)
        self.document = document
        self.outlines: Mapping[str, Any] = outlines or {}
        """GeoJSON geometry per code, if the city supplied it."""
        self.grid = contents.grid
        """(columns, rows) of the tiles."""
        self._areas = contents.areas
        self._by_key = {key: area for area in contents.areas for key in (area.code, area.slug)}
        self._spellings = Spellings(contents)
        self._concerned = {area.code: self._relatives(area) for area in contents.areas}

    @classmethod
    @cache
    def built_in(cls) -> "AreaTree":
        """Load Kota Cimahi, as shipped with the product."""
        return cls(json.loads(_BUILT_IN.read_text(encoding="utf-8")))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "AreaTree":
        """Build a tree from a document in the format of cimahi.json; raises BadAreas."""
        return cls(document)

    @classmethod
    def from_store(cls, conn: Connection) -> "AreaTree":
        """Load the imported tree, else the built-in one, with the imported outlines."""
        row = conn.execute(
            select(store.area_tree.c.document, store.area_tree.c.outlines)
        ).one_or_none()
        if row is None:
            return cls.built_in()
        document = json.loads(row.document) if row.document else cls.built_in().document
        return cls(document, json.loads(row.outlines) if row.outlines else None)

    @property
    def city(self) -> Area:
        """The whole city."""
        return self._areas[0]

    @property
    def zone(self) -> tzinfo:
        """Time zone of times that name none; WIB if the document gives none."""
        return (
            datetime.strptime(self.document["city"].get("utc_offset", "+07:00"), "%z").tzinfo or UTC
        )

    @property
    def kecamatan(self) -> tuple[Area, ...]:
        """All kecamatan by code."""
        return tuple(area for area in self._areas if area.level == "kecamatan")

    @property
    def kelurahan(self) -> tuple[Area, ...]:
        """All kelurahan by code."""
        return tuple(area for area in self._areas if area.level == "kelurahan")

    def all(self) -> tuple[Area, ...]:
        """City, kecamatan, kelurahan, each level by code."""
        return self._areas

    def __getitem__(self, code_or_slug: str) -> Area:
        return self._by_key[code_or_slug]

    def __contains__(self, code_or_slug: object) -> bool:
        return code_or_slug in self._by_key

    def get(self, code_or_slug: str) -> Area | None:
        """Return the area, or None."""
        return self._by_key.get(code_or_slug)

    def children(self, area: Area) -> tuple[Area, ...]:
        """Return the areas directly below."""
        return tuple(child for child in self._areas if child.parent == area.code)

    def exact(self, text: str) -> Area:
        """Return the area with exactly this slug or code, for front matter and CSV; raises
        UnknownArea.
        """
        area = self._by_key.get(text.strip())
        if area is None:
            raise UnknownArea(
                text.strip()[:80], tuple(near.slug for near in self._spellings.near(text)[:3])
            )
        return area

    def named(self, text: str) -> tuple[Area, ...]:
        """Return the areas of a typed list: slugs and codes separated by spaces, or names and
        aliases separated by `;`, `|`, `/` or `,`.

        Raises UnknownArea for an unknown name, AmbiguousArea for one that several areas share.
        """
        words = text.split()
        if all(word in self._by_key for word in words):
            return tuple(self._by_key[word] for word in words)
        parts = [part for piece in re.split(r"[;|/,\n]", text) if (part := " ".join(piece.split()))]
        return tuple(area for part in parts for area in self._of_part(part))

    def _of_part(self, text: str) -> tuple[Area, ...]:
        words = text.split()
        if all(word in self._by_key for word in words):
            return tuple(self._by_key[word] for word in words)
        match = self._spellings.match(text)
        if match.certain:
            return match.areas
        if len(areas := self._spellings.named(text)) > 1:
            raise AmbiguousArea(text[:80], areas)
        raise UnknownArea(text[:80], tuple(area.slug for area in match.areas[:3]))

    def match(self, text: str) -> Match:
        """Match a resident's text: misspelt, abbreviated, several areas at once; uncertain matches
        are never guessed.
        """
        return self._spellings.match(text)

    def concerned(self, codes: Iterable[str]) -> frozenset[str]:
        """Return these areas, all areas that contain them and all within them: the only rule of
        audiences.

        Raises KeyError for an unknown code.
        """
        return frozenset().union(*(self._concerned[self._by_key[code].code] for code in codes))

    def counted_under(
        self, subscribed: Iterable[str], concerned: frozenset[str] | None = None
    ) -> str | None:
        """Return the single code that a delivery is counted under: a matching kelurahan, else
        kecamatan, else city; the lowest code of several.
        """
        return deepest(code for code in subscribed if concerned is None or code in concerned)

    def _relatives(self, area: Area) -> frozenset[str]:
        return frozenset(
            other.code
            for other in self._areas
            if other is area
            or other.code.startswith(f"{area.code}.")
            or area.code.startswith(f"{other.code}.")
        )


def deepest(codes: Iterable[str]) -> str | None:
    """Return the lowest code of the deepest level: a kelurahan, else a kecamatan, else the city;
    None without codes.
    """
    return min(codes, key=lambda code: (-len(code), code), default=None)


def replace_tree(conn: Connection, document: Mapping[str, Any]) -> AreaTree:
    """Store another tree; raises BadAreas, also if somebody subscribes to an area that it lacks."""
    tree = AreaTree(document)
    subscribed = select(store.subscription.c.area, func.count().label("n")).group_by(
        store.subscription.c.area
    )
    lost = [row for row in conn.execute(subscribed).all() if row.area not in tree]
    if lost:
        raise BadAreas(
            f"{row.n} langganan memakai wilayah {row.area}, yang tidak ada dalam daftar baru."
            for row in lost
        )
    outlines = {
        code: shape for code, shape in AreaTree.from_store(conn).outlines.items() if code in tree
    }
    _save(conn, document, outlines)
    return AreaTree.from_store(conn)


def add_outlines(conn: Connection, geojson: Mapping[str, Any]) -> AreaTree:
    """Import the shapes of areas from a GeoJSON FeatureCollection (property `code` or `kode`);
    raises BadAreas.
    """
    tree = AreaTree.from_store(conn)
    features = geojson.get("features")
    if geojson.get("type") != "FeatureCollection" or not isinstance(features, list) or not features:
        raise BadAreas(["Berkas ini bukan FeatureCollection GeoJSON yang berisi wilayah."])
    shapes: dict[str, Any] = {}
    problems: list[str] = []
    for number, feature in enumerate(features, 1):
        try:
            code, shape = _outline(tree, feature)
            shapes[code] = shape
        except ValueError as error:
            problems.append(f"Fitur {number}: {error}")
    if problems:
        raise BadAreas(problems)
    built_in = tree.document is AreaTree.built_in().document
    _save(conn, None if built_in else tree.document, {**tree.outlines, **shapes})
    return AreaTree.from_store(conn)


def _outline(tree: AreaTree, feature: Any) -> tuple[str, Any]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    code = (
        (properties.get("code") or properties.get("kode")) if isinstance(properties, dict) else None
    )
    if code is None:
        raise ValueError("tidak ada properti code atau kode.")
    shape = feature.get("geometry")
    if (
        not isinstance(shape, dict)
        or shape.get("type") not in _SHAPES
        or not shape.get("coordinates")
    ):
        raise ValueError(f"bentuk wilayah {code} harus Polygon atau MultiPolygon.")
    return tree.exact(str(code)).code, shape


def _save(
    conn: Connection, document: Mapping[str, Any] | None, outlines: Mapping[str, Any]
) -> None:
    conn.execute(delete(store.area_tree))
    conn.execute(
        insert(store.area_tree).values(
            id=1,
            document=json.dumps(document, ensure_ascii=False) if document is not None else None,
            outlines=json.dumps(outlines) if outlines else None,
        )
    )
