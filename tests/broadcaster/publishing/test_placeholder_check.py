"""Blanks of templates on both databases: no path takes one to residents, not even one that only the
stored template reveals.
"""

from typing import Any

import pytest
from sqlalchemy import update

from broadcaster.domain.actor import NamedActor
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import corrections, drafts, emergencies, release, review, templates
from broadcaster.newsroom.release import publish_held
from broadcaster.publishing import publications, schedule
from broadcaster.publishing.corrections import correct, withdraw
from broadcaster.simulation.staff import TEMPLATES
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from broadcaster.store.staff_tables import recurring
from broadcaster.store.templates import Template, add, find
from support.desk import EMERGENCY, NOTICE, NOW, later, press
from support.newsroom import Newsroom
from support.staffing import person
from support.wording import refuses, worded

BLANK = "(balai warga)"
OPEN = {**NOTICE, "title": f"Rapat warga di {BLANK}"}
"""The brackets alone do not show that they are a blank."""


class BlankNewsroom(Newsroom):
    """A newsroom with an author and an approver."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, person("rina", "author"), person("dewi", "approver"))

    def do(self, act: Any, *args: Any, **options: Any) -> Any:
        """Perform an act as Rina."""
        return self.perform(act, "rina", *args, **options)

    def store_template(self, form: Any = OPEN, name: str = "Rapat") -> Template:
        """Store a template as from a draft; return it."""
        identity = self.database.write_now(add, name, form, actor="staff:rina", at=NOW.timestamp())
        template = self.database.read_now(find, identity)
        assert template is not None
        return template

    def submit(self, form: Any = OPEN) -> Announcement:
        """Submit a form as Rina; return it."""
        row: Announcement = self.do(review.submit, self.do(drafts.save, form).id)
        return row

    def do_by_command(self, act: Any, raw: Any, *args: Any, **options: Any) -> Any:
        """Perform an act as a command or a token does."""
        checked = press().examine(raw, NOW)
        return self.database.write_now(
            act, press(), *args, checked, actor=NamedActor(name="cli", now=NOW), **options
        )


@pytest.fixture
def newsroom(database: Database) -> BlankNewsroom:
    return BlankNewsroom(database)


def refuses_blank(act: Any, *args: Any, **options: Any) -> None:
    """Check that the act is refused for the blank."""
    with pytest.raises(InvalidAnnouncement) as refused:
        act(*args, **options)
    assert BLANK in str(worded(refused.value)[0])


def test_what_a_stored_template_leaves_open_is_not_submitted(newsroom: BlankNewsroom) -> None:
    row = newsroom.do(drafts.save, OPEN)
    newsroom.store_template()
    refuses_blank(newsroom.do, review.submit, row.id)
    filled = newsroom.do(
        drafts.save, {**OPEN, "title": "Rapat di balai RW 05 (lihat denah)"}, announcement_id=row.id
    )
    assert newsroom.do(review.submit, filled.id).state == "review"


def test_what_a_template_left_open_is_not_submitted_once_the_template_is_gone(
    newsroom: BlankNewsroom,
) -> None:
    template = newsroom.store_template()
    row = newsroom.do(templates.use, template.id)
    copy = newsroom.do(drafts.duplicate, row.id)
    newsroom.do(templates.delete, template.id)
    refuses_blank(newsroom.do, review.submit, row.id)
    refuses_blank(newsroom.do, review.submit, copy.id)


def test_what_a_template_leaves_open_is_not_approved(newsroom: BlankNewsroom) -> None:
    row = newsroom.submit()
    newsroom.store_template()
    refuses_blank(newsroom.approve, row)


def test_what_a_template_leaves_open_does_not_go_out_after_the_hold(
    newsroom: BlankNewsroom,
) -> None:
    row = newsroom.submit()
    newsroom.approve(row)
    newsroom.store_template()
    assert newsroom.database.write_now(publish_held, press(), now=later(seconds=31)) == []
    assert (newsroom.stored(row).state, BLANK in newsroom.stored(row).note) == ("review", True)


def test_what_a_template_leaves_open_does_not_go_out_by_a_schedule(newsroom: BlankNewsroom) -> None:
    row = newsroom.submit({**OPEN, "publish_at": "2026-11-25 09:00"})
    newsroom.approve(row)
    newsroom.store_template()
    assert newsroom.database.write_now(schedule.publish_due, press(), now=later(hours=1.5)) == []
    assert (newsroom.stored(row).state, BLANK in newsroom.stored(row).note) == ("approved", True)


def test_what_a_template_leaves_open_does_not_go_out_as_a_warning(newsroom: BlankNewsroom) -> None:
    newsroom.store_template()
    form = {**EMERGENCY, "title": f"Banjir di {BLANK}"}
    refuses_blank(newsroom.do, emergencies.submit, form)
    row = newsroom.do(drafts.save, form)
    refuses_blank(newsroom.do, release.break_glass, row.id, reason="Mendesak.", allowed=True)


def test_what_a_template_leaves_open_does_not_go_out_by_file_or_token(
    newsroom: BlankNewsroom,
) -> None:
    newsroom.store_template()
    refuses_blank(newsroom.do_by_command, publications.publish, OPEN)
    refuses_blank(
        newsroom.do_by_command, publications.publish, {**OPEN, "publish_at": "2026-11-25 09:00"}
    )
    draft = newsroom.do_by_command(publications.save_draft, OPEN, role="grant")
    refuses_blank(
        newsroom.database.write_now,
        publications.publish_stored,
        press(),
        draft.id,
        actor=NamedActor(name="cli", now=NOW),
    )


def test_what_a_template_leaves_open_does_not_go_out_as_a_correction(
    newsroom: BlankNewsroom,
) -> None:
    published = newsroom.do_by_command(publications.publish, NOTICE)
    corrected = newsroom.do(drafts.save, NOTICE)
    assert corrected.state == "draft"
    newsroom.store_template()
    with refuses(InvalidAnnouncement, match="balai warga"):
        newsroom.do_by_command(correct, OPEN, published.id, reason="Salah.")
    refuses_blank(newsroom.do, corrections.propose_correction, published.id, OPEN, reason="Salah.")


@pytest.mark.parametrize("reason", [f"Pindah ke {BLANK}.", "Pindah ke (tempat)."])
def test_the_reason_of_a_correction_or_withdrawal_has_no_blank_either(
    newsroom: BlankNewsroom, reason: str
) -> None:
    newsroom.store_template()
    published = newsroom.do_by_command(publications.publish, NOTICE)
    other = {**NOTICE, "title": "Air menyala lagi"}
    for act in (
        lambda: newsroom.do(corrections.propose_correction, published.id, other, reason=reason),
        lambda: newsroom.do(corrections.propose_withdrawal, published.id, reason=reason),
        lambda: newsroom.do_by_command(correct, other, published.id, reason=reason),
        lambda: newsroom.database.write_now(
            withdraw, press(), published.id, reason=reason, actor=NamedActor(name="cli", now=NOW)
        ),
    ):
        with refuses(InvalidAnnouncement, match="reason: Masih ada isian kosong"):
            act()


def test_a_template_of_what_was_published_leaves_nothing_open(newsroom: BlankNewsroom) -> None:
    row = newsroom.submit({**NOTICE, "title": "Rapat warga (lihat denah)"})
    newsroom.approve(row)
    newsroom.database.write_now(publish_held, press(), now=later(seconds=31))
    template = newsroom.do(templates.keep, row.id, "Rapat")
    assert template.blanks == frozenset()
    second = newsroom.do(templates.use, template.id)
    assert newsroom.do(review.submit, second.id).state == "review"


PLACEHOLDERS = (
    "(NAMA PROGRAM)", "(JENIS BANTUAN)", "(maks. 3 titik)", "(hari 1)", "(RT 03/RW 05)", "(wilayah (RT/RW) terdampak)",
    "(alamat lengkap beserta patokannya, supaya warga tidak salah tempat)", "[NAMA PROGRAM]", "[HARI INI]", "<JENIS BANTUAN>",
    "{1}", "【balai】", "pukul XX.XX",
)  # fmt: skip


def paths_to_residents(newsroom: BlankNewsroom, form: Any) -> dict[str, Any]:
    """Return each act by which a text goes towards residents, ready to be called."""
    drafted, published = (
        newsroom.do(drafts.save, form),
        newsroom.do_by_command(publications.publish, NOTICE),
    )
    emergency = {**EMERGENCY, "body": form["body"]}
    alarm = newsroom.do(drafts.save, emergency)
    return {
        "submit": lambda: newsroom.do(review.submit, drafted.id),
        "warning": lambda: newsroom.do(emergencies.submit, emergency),
        "break glass": lambda: newsroom.do(
            release.break_glass, alarm.id, reason="Mendesak.", allowed=True
        ),
        "publish": lambda: newsroom.do_by_command(publications.publish, form),
        "schedule": lambda: newsroom.do_by_command(
            publications.publish, {**form, "publish_at": "2026-11-25 09:00"}
        ),
        "stored draft": lambda: newsroom.database.write_now(
            publications.publish_stored,
            press(),
            newsroom.do_by_command(publications.save_draft, form, role="grant").id,
            actor=NamedActor(name="cli", now=NOW),
        ),
        "correct": lambda: newsroom.do_by_command(correct, form, published.id, reason="Salah."),
        "propose": lambda: newsroom.do(
            corrections.propose_correction, published.id, form, reason="Salah."
        ),
        "reason": lambda: newsroom.do(
            corrections.propose_withdrawal, published.id, reason=form["body"]
        ),
    }


@pytest.mark.parametrize("blank", PLACEHOLDERS)
def test_each_blank_of_each_stored_template_is_refused_on_every_path(
    newsroom: BlankNewsroom, blank: str
) -> None:
    template = newsroom.store_template({**NOTICE, "body": f"Bawa KTP ke {blank}."})
    begun = newsroom.do(templates.use, template.id)
    acts = paths_to_residents(newsroom, {**NOTICE, "body": f"Datang besok ke {blank}, bawa KK."})
    acts["use"] = lambda: newsroom.do(review.submit, begun.id)
    for path, act in acts.items():
        with pytest.raises(InvalidAnnouncement) as refused:
            act()
        (problem,) = worded(refused.value)
        named = blank.translate({ord("【"): "[", ord("】"): "]"})
        assert (path, problem.field) == (path, "reason" if path == "reason" else "body")
        assert f'Masih ada isian kosong: "{named}"' in problem.reason
        assert "Ganti dengan isinya" in problem.remedy
    newsroom.do(templates.delete, template.id)
    with pytest.raises(InvalidAnnouncement, match="placeholder"):
        acts["use"]()


@pytest.mark.parametrize("blank", ["(NAMA PROGRAM)", "(maks. 3 titik)"])
def test_what_a_template_leaves_open_does_not_go_out_though_it_was_approved_before(
    newsroom: BlankNewsroom, blank: str
) -> None:
    form = {**NOTICE, "title": f"Rapat di {blank}"}
    waiting, in_hold, due = (
        newsroom.submit(form),
        newsroom.submit(form),
        newsroom.submit({**form, "publish_at": "2026-11-25 09:00"}),
    )
    newsroom.approve(in_hold)
    newsroom.approve(due)
    newsroom.store_template(form)
    with pytest.raises(InvalidAnnouncement, match="placeholder"):
        newsroom.approve(waiting)
    assert newsroom.database.write_now(publish_held, press(), now=later(seconds=31)) == []
    assert newsroom.database.write_now(schedule.publish_due, press(), now=later(hours=1.5)) == []
    assert (blank in newsroom.stored(in_hold).note, blank in newsroom.stored(due).note) == (
        True,
        True,
    )


def test_an_old_template_is_checked_by_the_rules_of_today(newsroom: BlankNewsroom) -> None:
    template = newsroom.store_template(
        {**NOTICE, "title": "Rapat di (balai warga), (NAMA PROGRAM)"}
    )
    newsroom.database.write_now(
        lambda connection: connection.execute(
            update(recurring).where(recurring.c.id == template.id).values(blanks='["balai warga"]')
        )
    )
    row = newsroom.do(drafts.save, {**NOTICE, "title": "Rapat (NAMA PROGRAM)"})
    with refuses(InvalidAnnouncement, match="NAMA PROGRAM"):
        newsroom.do(review.submit, row.id)


@pytest.mark.parametrize(
    "text", ["(lihat denah)", "(RT 03/RW 05)", "(NAMA RESMI)", "[HARI INI] (hari 1)"]
)
def test_brackets_of_what_was_published_stay_words_in_its_template(
    newsroom: BlankNewsroom, text: str
) -> None:
    published = newsroom.do_by_command(publications.publish, {**NOTICE, "title": f"Rapat {text}"})
    template = newsroom.do(templates.keep, published.id, "Rapat")
    assert template.blanks == frozenset()
    assert newsroom.do(review.submit, newsroom.do(templates.use, template.id).id).state == "review"


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_of_the_demo_is_submitted_as_it_stands(
    newsroom: BlankNewsroom, name: str
) -> None:
    template = newsroom.store_template(TEMPLATES[name], name)
    row = newsroom.do(templates.use, template.id)
    with pytest.raises(InvalidAnnouncement, match="placeholder"):
        newsroom.do(review.submit, row.id)
