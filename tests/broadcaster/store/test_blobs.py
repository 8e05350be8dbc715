"""The media folder: whole files or none, readable by their owner alone, and no name that leads
elsewhere.
"""

import stat
from pathlib import Path

import pytest

from broadcaster.store.blobs import FolderDepot, StoreDown

NAME = "0123456789abcdef0123456789abcdef/web.jpg"


async def test_a_file_is_stored_read_and_deleted(tmp_path: Path) -> None:
    depot = FolderDepot(tmp_path / "media")
    assert await depot.get(NAME) is None
    await depot.delete(NAME)
    await depot.put(NAME, b"gambar")
    await depot.put(NAME, b"gambar")
    assert await depot.get(NAME) == b"gambar"
    assert [path.name for path in (tmp_path / "media").rglob("*")] == [
        NAME.split("/")[0],
        "web.jpg",
    ]
    await depot.delete(NAME)
    assert list((tmp_path / "media").iterdir()) == []


async def test_a_folder_stays_while_a_file_is_in_it(tmp_path: Path) -> None:
    depot, other = FolderDepot(tmp_path), NAME.replace("web", "kecil")
    await depot.put(NAME, b"a")
    await depot.put(other, b"b")
    await depot.delete(NAME)
    assert await depot.get(other) == b"b"


async def test_files_are_their_owners(tmp_path: Path) -> None:
    await FolderDepot(tmp_path / "media").put(NAME, b"gambar")
    for path in (tmp_path / "media").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize(
    "name",
    [
        "../secret.key",
        "a/../../x.jpg",
        "/etc/passwd",
        "a/b/c.jpg",
        "web.jpg",
        "a/.web.jpg",
        "A/web.jpg",
        "a\x00/web.jpg",
        "",
    ],
)
async def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    depot = FolderDepot(tmp_path / "media")
    for act in (depot.get(name), depot.delete(name), depot.put(name, b"x")):
        with pytest.raises(ValueError, match="not a name"):
            await act


async def test_a_folder_that_cannot_be_written_is_reported_and_nothing_is_left_behind(
    tmp_path: Path,
) -> None:
    (tmp_path / "media").write_text("keliru")
    with pytest.raises(StoreDown):
        await FolderDepot(tmp_path / "media").put(NAME, b"gambar")
    folder = tmp_path / "lain" / NAME
    folder.mkdir(parents=True)  # where the file should stand
    with pytest.raises(StoreDown):
        await FolderDepot(tmp_path / "lain").put(NAME, b"gambar")
    assert [path.name for path in folder.parent.iterdir()] == ["web.jpg"]
