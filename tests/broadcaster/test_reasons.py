"""Reasons that residents read: no link to a host that nobody named."""

import pytest

from broadcaster import publishing, reasons
from broadcaster.announcements import InvalidAnnouncement
from broadcaster.store.database import Database
from desk import NOW, checked, press

NAMED = press(link_hosts=("cimahikota.go.id",))


def test_a_correction_or_withdrawal_smuggles_no_link_past_the_named_hosts(
    database: Database,
) -> None:
    stored = database.write_now(publishing.publish, NAMED, checked(), actor="rina", now=NOW)
    with pytest.raises(InvalidAnnouncement, match=r"jahat\.com"):
        database.write_now(
            publishing.withdraw, NAMED, stored.id, reason="Lihat jahat.com.", actor="dewi", now=NOW
        )
    other = checked(title="Air PDAM mati di Cibabat sampai sore")
    with pytest.raises(InvalidAnnouncement, match=r"jahat\.com"):
        database.write_now(
            publishing.correct,
            NAMED,
            stored.id,
            other,
            reason="Lihat https:jahat.com",
            actor="dewi",
            now=NOW,
        )
    fine = "Lihat https://cimahikota.go.id/air dan https://info.cimahi.example/p/1."
    assert (
        database.write_now(
            publishing.withdraw, NAMED, stored.id, reason=fine, actor="dewi", now=NOW
        ).number
        == 2
    )


def test_where_no_hosts_are_named_any_link_may_stand_in_a_reason(database: Database) -> None:
    assert (
        database.read_now(reasons.read_public, "Lihat contoh.com.", link_hosts=())
        == "Lihat contoh.com."
    )
