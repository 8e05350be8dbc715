"""Picture rows in both databases: stored once, found again, unused only when nothing names them."""

from dataclasses import replace

from sqlalchemy import insert

from broadcaster.store import media
from broadcaster.store.database import Database
from broadcaster.store.media import PictureRow
from broadcaster.store.staff_tables import recurring

ONE = PictureRow(
    id="a1" * 16,
    width=1600,
    height=1067,
    sizes={"web": 183_042, "kecil": 21_000},
    at=100.0,
    actor="staff:rina",
)
OTHER = replace(ONE, id="b2" * 16, at=200.0)


def test_a_picture_is_remembered_once_and_becomes_young_again(database: Database) -> None:
    assert database.write_now(media.add, ONE)
    assert not database.write_now(media.add, replace(ONE, at=300.0, actor="staff:dewi"))
    assert database.read_now(media.find, ONE.id) == replace(ONE, at=300.0)
    assert database.read_now(media.find, OTHER.id) is None


def test_the_newest_come_first(database: Database) -> None:
    for picture in (ONE, OTHER):
        database.write_now(media.add, picture)
    assert database.read_now(media.newest, 5) == [OTHER, ONE]
    assert database.read_now(media.newest, 1) == [OTHER]


def test_unused_is_what_is_old_and_unnamed(database: Database) -> None:
    for picture in (ONE, OTHER):
        database.write_now(media.add, picture)
    assert database.read_now(media.unused, 50.0) == []
    assert database.read_now(media.unused, 150.0) == [ONE]
    form = f'{{"image": "https://info.cimahi.example/media/{ONE.id}/web.jpg"}}'
    database.write_now(
        lambda connection: connection.execute(
            insert(recurring).values(name="Rutin", form=form, at=0, actor="staff:rina")
        )
    )
    assert database.read_now(media.unused, 300.0) == [OTHER]


def test_a_picture_that_became_young_again_is_not_forgotten(database: Database) -> None:
    database.write_now(media.add, ONE)
    database.write_now(media.add, replace(ONE, at=300.0))
    assert not database.write_now(media.forget, ONE)
    assert database.write_now(media.forget, replace(ONE, at=300.0))
    assert database.read_now(media.find, ONE.id) is None
