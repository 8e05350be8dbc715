"""No road leads a template's blank to residents, on both databases: also one that only the stored
template tells of.
"""

from typing import Any

import pytest
from sqlalchemy import update

from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import corrections, drafts, emergencies, release, review, templates
from broadcaster.newsroom.desk import Desk
from broadcaster.newsroom.release import publish_held
from broadcaster.publishing import publications, schedule
from broadcaster.publishing.corrections import correct, withdraw
from broadcaster.simulation.staff import TEMPLATES
from broadcaster.store import accounts, announcements
from broadcaster.store import templates as store
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from broadcaster.store.staff_tables import recurring as table
from support.desk import EMERGENCY, NOTICE, NOW, later, press
from support.staffing import person
from support.wording import refuses, worded

BLANK = "(balai warga)"
OPEN = {**NOTICE, "title": f"Rapat warga di {BLANK}"}
"""Nothing in these brackets says by itself that they are a blank."""


class Room:
    """An author and an approver at a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        people = (person("rina", "author"), person("dewi", "approver"))
        self.people: dict[str, Account] = {
            one.name: database.write_now(accounts.add, one, at=NOW.timestamp()) for one in people
        }

    def do(self, act: Any, *args: Any, who: str = "rina", **options: Any) -> Any:
        """Have somebody do something."""
        return self.database.write_now(
            act, Desk(press=press(), account=self.people[who], now=NOW), *args, **options
        )

    def keep(self, form: Any = OPEN, name: str = "Rapat") -> store.Template:
        """Store a template, as from a draft."""
        identity = self.database.write_now(
            store.add, name, form, actor="staff:rina", at=NOW.timestamp()
        )
        template = self.database.read_now(store.find, identity)
        assert template is not None
        return template

    def submitted(self, form: Any = OPEN) -> Announcement:
        """Something in review."""
        row: Announcement = self.do(review.submit, self.do(drafts.save, form).id)
        return row

    def approve(self, row: Announcement) -> Any:
        """Approve what was seen."""
        return self.do(review.approve, row.id, seen=row.bound, version=row.version, who="dewi")

    def now(self, row: Announcement) -> Announcement:
        """As it stands."""
        found = self.database.read_now(announcements.find, row.id)
        assert found is not None
        return found

    def granted(self, act: Any, raw: Any, *args: Any, **options: Any) -> Any:
        """What the program or a token does."""
        checked = press().examine(raw, NOW)
        return self.database.write_now(
            act, press(), *args, checked, actor=NamedActor(name="cli", now=NOW), **options
        )


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


def refuses_blank(act: Any, *args: Any, **options: Any) -> None:
    """The act is refused for the blank."""
    with pytest.raises(InvalidAnnouncement) as refused:
        act(*args, **options)
    assert BLANK in str(worded(refused.value)[0])


def test_what_a_stored_template_leaves_open_is_not_submitted(room: Room) -> None:
    row = room.do(drafts.save, OPEN)
    room.keep()
    refuses_blank(room.do, review.submit, row.id)
    filled = room.do(
        drafts.save, {**OPEN, "title": "Rapat di balai RW 05 (lihat denah)"}, announcement_id=row.id
    )
    assert room.do(review.submit, filled.id).state == "review"


def test_what_a_template_left_open_is_not_submitted_once_the_template_is_gone(room: Room) -> None:
    template = room.keep()
    row = room.do(templates.use, template.id)
    copy = room.do(drafts.duplicate, row.id)
    room.do(templates.delete, template.id)
    refuses_blank(room.do, review.submit, row.id)
    refuses_blank(room.do, review.submit, copy.id)


def test_what_a_template_leaves_open_is_not_approved(room: Room) -> None:
    row = room.submitted()
    room.keep()
    refuses_blank(room.approve, row)


def test_what_a_template_leaves_open_does_not_go_out_after_the_hold(room: Room) -> None:
    row = room.submitted()
    room.approve(row)
    room.keep()
    assert room.database.write_now(publish_held, press(), now=later(seconds=31)) == []
    assert (room.now(row).state, BLANK in room.now(row).note) == ("review", True)


def test_what_a_template_leaves_open_does_not_go_out_by_a_schedule(room: Room) -> None:
    row = room.submitted({**OPEN, "publish_at": "2026-11-25 09:00"})
    room.approve(row)
    room.keep()
    assert room.database.write_now(schedule.publish_due, press(), now=later(hours=1.5)) == []
    assert (room.now(row).state, BLANK in room.now(row).note) == ("approved", True)


def test_what_a_template_leaves_open_does_not_go_out_as_a_warning(room: Room) -> None:
    room.keep()
    form = {**EMERGENCY, "title": f"Banjir di {BLANK}"}
    refuses_blank(room.do, emergencies.submit, form)
    row = room.do(drafts.save, form)
    refuses_blank(room.do, release.break_glass, row.id, reason="Mendesak.", allowed=True)


def test_what_a_template_leaves_open_does_not_go_out_by_file_or_token(room: Room) -> None:
    room.keep()
    refuses_blank(room.granted, publications.publish, OPEN)
    refuses_blank(room.granted, publications.publish, {**OPEN, "publish_at": "2026-11-25 09:00"})
    draft = room.granted(publications.save_draft, OPEN, role="grant")
    refuses_blank(
        room.database.write_now,
        publications.publish_stored,
        press(),
        draft.id,
        actor=NamedActor(name="cli", now=NOW),
    )


def test_what_a_template_leaves_open_does_not_go_out_as_a_correction(room: Room) -> None:
    published = room.granted(publications.publish, NOTICE)
    corrected = room.do(drafts.save, NOTICE)
    assert corrected.state == "draft"
    room.keep()
    with refuses(InvalidAnnouncement, match="balai warga"):
        room.granted(correct, OPEN, published.id, reason="Salah.")
    refuses_blank(room.do, corrections.propose_correction, published.id, OPEN, reason="Salah.")


@pytest.mark.parametrize("reason", [f"Pindah ke {BLANK}.", "Pindah ke (tempat)."])
def test_the_reason_of_a_correction_or_withdrawal_has_no_blank_either(
    room: Room, reason: str
) -> None:
    room.keep()
    published = room.granted(publications.publish, NOTICE)
    other = {**NOTICE, "title": "Air menyala lagi"}
    for act in (
        lambda: room.do(corrections.propose_correction, published.id, other, reason=reason),
        lambda: room.do(corrections.propose_withdrawal, published.id, reason=reason),
        lambda: room.granted(correct, other, published.id, reason=reason),
        lambda: room.database.write_now(
            withdraw, press(), published.id, reason=reason, actor=NamedActor(name="cli", now=NOW)
        ),
    ):
        with refuses(InvalidAnnouncement, match="reason: Masih ada isian kosong"):
            act()


def test_a_template_of_what_was_published_leaves_nothing_open(room: Room) -> None:
    row = room.submitted({**NOTICE, "title": "Rapat warga (lihat denah)"})
    room.approve(row)
    room.database.write_now(publish_held, press(), now=later(seconds=31))
    template = room.do(templates.keep, row.id, "Rapat")
    assert template.blanks == frozenset()
    again = room.do(templates.use, template.id)
    assert room.do(review.submit, again.id).state == "review"


PLACEHOLDERS = (
    "(NAMA PROGRAM)", "(JENIS BANTUAN)", "(maks. 3 titik)", "(hari 1)", "(RT 03/RW 05)", "(wilayah (RT/RW) terdampak)",
    "(alamat lengkap beserta patokannya, supaya warga tidak salah tempat)", "[NAMA PROGRAM]", "[HARI INI]", "<JENIS BANTUAN>",
    "{1}", "【balai】", "pukul XX.XX",
)  # fmt: skip


def roads(room: Room, form: Any) -> dict[str, Any]:
    """Each act by which a text goes towards residents, ready to be done."""
    drafted, published = room.do(drafts.save, form), room.granted(publications.publish, NOTICE)
    emergency = {**EMERGENCY, "body": form["body"]}
    alarm = room.do(drafts.save, emergency)
    return {
        "submit": lambda: room.do(review.submit, drafted.id),
        "warning": lambda: room.do(emergencies.submit, emergency),
        "break glass": lambda: room.do(
            release.break_glass, alarm.id, reason="Mendesak.", allowed=True
        ),
        "publish": lambda: room.granted(publications.publish, form),
        "schedule": lambda: room.granted(
            publications.publish, {**form, "publish_at": "2026-11-25 09:00"}
        ),
        "stored draft": lambda: room.database.write_now(
            publications.publish_stored,
            press(),
            room.granted(publications.save_draft, form, role="grant").id,
            actor=NamedActor(name="cli", now=NOW),
        ),
        "correct": lambda: room.granted(correct, form, published.id, reason="Salah."),
        "propose": lambda: room.do(
            corrections.propose_correction, published.id, form, reason="Salah."
        ),
        "reason": lambda: room.do(
            corrections.propose_withdrawal, published.id, reason=form["body"]
        ),
    }


@pytest.mark.parametrize("blank", PLACEHOLDERS)
def test_each_blank_of_each_stored_template_is_refused_on_every_road(
    room: Room, blank: str
) -> None:
    template = room.keep({**NOTICE, "body": f"Bawa KTP ke {blank}."})
    begun = room.do(templates.use, template.id)
    acts = roads(room, {**NOTICE, "body": f"Datang besok ke {blank}, bawa KK."})
    acts["use"] = lambda: room.do(review.submit, begun.id)
    for road, act in acts.items():
        with pytest.raises(InvalidAnnouncement) as refused:
            act()
        (problem,) = worded(refused.value)
        named = blank.translate({ord("【"): "[", ord("】"): "]"})
        assert (road, problem.field) == (road, "reason" if road == "reason" else "body")
        assert f'Masih ada isian kosong: "{named}"' in problem.reason
        assert "Ganti dengan isinya" in problem.remedy
    room.do(templates.delete, template.id)
    with pytest.raises(InvalidAnnouncement, match="placeholder"):
        acts["use"]()


@pytest.mark.parametrize("blank", ["(NAMA PROGRAM)", "(maks. 3 titik)"])
def test_what_a_template_leaves_open_does_not_go_out_though_it_was_approved_before(
    room: Room, blank: str
) -> None:
    form = {**NOTICE, "title": f"Rapat di {blank}"}
    waiting, held, due = (
        room.submitted(form),
        room.submitted(form),
        room.submitted({**form, "publish_at": "2026-11-25 09:00"}),
    )
    room.approve(held)
    room.approve(due)
    room.keep(form)
    with pytest.raises(InvalidAnnouncement, match="placeholder"):
        room.approve(waiting)
    assert room.database.write_now(publish_held, press(), now=later(seconds=31)) == []
    assert room.database.write_now(schedule.publish_due, press(), now=later(hours=1.5)) == []
    assert (blank in room.now(held).note, blank in room.now(due).note) == (True, True)


def test_a_template_of_before_is_held_against_the_rules_of_today(room: Room) -> None:
    template = room.keep({**NOTICE, "title": "Rapat di (balai warga), (NAMA PROGRAM)"})
    room.database.write_now(
        lambda connection: connection.execute(
            update(table).where(table.c.id == template.id).values(blanks='["balai warga"]')
        )
    )
    row = room.do(drafts.save, {**NOTICE, "title": "Rapat (NAMA PROGRAM)"})
    with refuses(InvalidAnnouncement, match="NAMA PROGRAM"):
        room.do(review.submit, row.id)


@pytest.mark.parametrize(
    "text", ["(lihat denah)", "(RT 03/RW 05)", "(NAMA RESMI)", "[HARI INI] (hari 1)"]
)
def test_brackets_of_what_was_published_stay_words_in_its_template(room: Room, text: str) -> None:
    published = room.granted(publications.publish, {**NOTICE, "title": f"Rapat {text}"})
    template = room.do(templates.keep, published.id, "Rapat")
    assert template.blanks == frozenset()
    assert room.do(review.submit, room.do(templates.use, template.id).id).state == "review"


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_of_the_demo_is_submitted_as_it_stands(room: Room, name: str) -> None:
    template = room.keep(TEMPLATES[name], name)
    row = room.do(templates.use, template.id)
    with pytest.raises(InvalidAnnouncement, match="placeholder"):
        room.do(review.submit, row.id)
