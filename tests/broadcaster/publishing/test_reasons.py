"""Reasons that residents read: no link to a host that was not allowed."""

from broadcaster.domain.actor import NamedActor
from broadcaster.domain.rules import InvalidAnnouncement
from broadcaster.publishing import corrections, publications, reasons
from broadcaster.store.database import Database
from support.desk import NOW, checked, press
from support.wording import refuses

NAMED = press(link_hosts=("cimahikota.go.id",))


def test_a_correction_or_withdrawal_smuggles_no_link_past_the_named_hosts(
    database: Database,
) -> None:
    stored = database.write_now(
        publications.publish, NAMED, checked(), actor=NamedActor(name="rina", now=NOW)
    )
    with refuses(InvalidAnnouncement, match=r"jahat\.com"):
        database.write_now(
            corrections.withdraw,
            NAMED,
            stored.id,
            reason="Lihat jahat.com.",
            actor=NamedActor(name="dewi", now=NOW),
        )
    other = checked(title="Air PDAM mati di Cibabat sampai sore")
    with refuses(InvalidAnnouncement, match=r"jahat\.com"):
        database.write_now(
            corrections.correct,
            NAMED,
            stored.id,
            other,
            reason="Lihat https:jahat.com",
            actor=NamedActor(name="dewi", now=NOW),
        )
    fine = "Lihat https://cimahikota.go.id/air dan https://info.cimahi.example/p/1."
    assert (
        database.write_now(
            corrections.withdraw,
            NAMED,
            stored.id,
            reason=fine,
            actor=NamedActor(name="dewi", now=NOW),
        ).number
        == 2
    )


def test_where_no_hosts_are_named_any_link_may_stand_in_a_reason(database: Database) -> None:
    assert (
        database.read_now(reasons.read_public, "Lihat contoh.com.", link_hosts=())
        == "Lihat contoh.com."
    )
