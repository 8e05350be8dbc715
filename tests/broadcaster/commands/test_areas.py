"""`broadcaster areas`: the tree as people and machines read it, and its replacement."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.commanding import Program

BUILT_IN = json.loads(
    (Path(__file__).resolve().parents[3] / "subscribers" / "cimahi.json").read_text(
        encoding="utf-8"
    )
)


def file_of(tmp_path: Path, document: Any) -> str:
    """Write a document to a file and return its path; a string is written as it is."""
    path = tmp_path / "wilayah.json"
    path.write_text(
        document if isinstance(document, str) else json.dumps(document), encoding="utf-8"
    )
    return str(path)


def renamed() -> dict[str, Any]:
    """Return the built-in tree with Cibabat under another name."""
    return dict(json.loads(json.dumps(BUILT_IN).replace("Cibabat", "Cibabat Baru")))


def test_the_list_shows_city_kecamatan_and_kelurahan_with_code_and_slug(program: Program) -> None:
    lines = program("areas", "list").ok.splitlines()
    assert len(lines) == 1 + 3 + 15
    assert lines[0].split() == ["32.77", "Kota", "Cimahi", "(cimahi)"]
    assert any(
        line.startswith("32.77.03 ") and "Kecamatan Cimahi Utara  (cimahi-utara)" in line
        for line in lines
    )
    assert any(
        line.startswith("32.77.03.1002") and "Kelurahan Cibabat  (cibabat)" in line
        for line in lines
    )


def test_the_list_is_json_for_machines(program: Program) -> None:
    areas = json.loads(program("areas", "list", "--json").ok)
    assert len(areas) == 19
    cibabat = next(area for area in areas if area["slug"] == "cibabat")
    assert cibabat == {
        "code": "32.77.03.1002",
        "name": "Cibabat",
        "slug": "cibabat",
        "level": "kelurahan",
        "parent": "32.77.03",
    }


def test_a_file_of_the_same_shape_replaces_the_tree(program: Program, tmp_path: Path) -> None:
    assert "Pohon wilayah diganti" in program("areas", "import", file_of(tmp_path, renamed())).ok
    assert "Cibabat Baru" in program("areas", "list").ok
    assert program("areas", "import", file_of(tmp_path, BUILT_IN)).ok
    assert "Cibabat Baru" not in program("areas", "list").ok


def test_a_file_with_a_byte_order_mark_is_read_and_what_is_no_json_is_explained(
    program: Program, tmp_path: Path
) -> None:
    marked = tmp_path / "wilayah.json"
    marked.write_text(json.dumps(renamed()), encoding="utf-8-sig")
    assert "Pohon wilayah diganti" in program("areas", "import", str(marked)).ok
    marked.write_text('{"a": 1,\n b}', encoding="utf-8")
    assert (
        "bukan JSON dalam UTF-8: berhenti di baris 2."
        in program("areas", "import", str(marked)).err
    )


def test_previews_speak_of_the_tree_that_was_imported(program: Program, tmp_path: Path) -> None:
    program("areas", "import", file_of(tmp_path, renamed()))
    notice = "---\ntitle: Air mati\nareas: [cibabat]\n---\nTampung air."
    assert "Cibabat Baru" in program("preview", "-", "--channel", "email", text=notice).ok


def test_outlines_are_added_without_changing_the_tree(program: Program, tmp_path: Path) -> None:
    before = program("areas", "list").ok
    square = [[[107.5, -6.8], [107.6, -6.8], [107.6, -6.9], [107.5, -6.8]]]
    feature = {
        "type": "Feature",
        "properties": {"kode": "32.77.03.1002"},
        "geometry": {"type": "Polygon", "coordinates": square},
    }
    document = {"type": "FeatureCollection", "features": [feature]}
    assert program("areas", "import", file_of(tmp_path, document)).ok == "Batas wilayah disimpan.\n"
    assert program("areas", "list").ok == before


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        "3",
        '"x"',
        {},
        {
            "type": "FeatureCollection",
            "features": [{"type": "Feature", "properties": {"kode": "99"}}],
        },
    ],
)
def test_a_file_that_is_neither_is_refused_in_one_line_and_the_tree_stays(
    program: Program, tmp_path: Path, document: Any
) -> None:
    result = program("areas", "import", file_of(tmp_path, document))
    assert (result.code, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1
    assert "Cibabat" in program("areas", "list").ok


def test_a_file_that_is_not_there_is_one_line(program: Program, tmp_path: Path) -> None:
    result = program("areas", "import", str(tmp_path / "tidak-ada.json"))
    assert (result.code, len(result.err.splitlines())) == (1, 1)
