"""Templates of recurring notices on both databases: stored, used, renamed, deleted, and each act in
the audit log.
"""

import re
from typing import Any

import pytest

from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import drafts, forms, templates
from broadcaster.simulation.staff import TEMPLATES, add_templates
from broadcaster.store import audit
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from broadcaster.store.templates import Template, everything, find
from support.desk import NOTICE, NOW, press
from support.newsroom import Newsroom
from support.staffing import person
from support.wording import refuses, worded

FORM = {
    **NOTICE,
    "effective": "2026-11-25 08:00",
    "publish_at": "2026-11-25 09:00",
    "summary": "Tampung air.",
}


class TemplateNewsroom(Newsroom):
    """A newsroom with an author and an approver."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, person("rina", "author"), person("dewi", "approver"))

    def do(self, act: Any, *args: Any, who: str = "rina", **options: Any) -> Any:
        """Perform an act as Rina or as `who`."""
        return self.perform(act, who, *args, **options)

    def keep_template(self, name: str = "Air PDAM mati", **changes: Any) -> Template:
        """Keep a template of a notice; return it."""
        row: Announcement = self.do(drafts.save, {**FORM, **changes})
        template: Template = self.do(templates.keep, row.id, name)
        return template

    @property
    def names(self) -> list[str]:
        """Return the names in the list."""
        return [template.name for template in self.database.read_now(everything)]


@pytest.fixture
def newsroom(database: Database) -> TemplateNewsroom:
    return TemplateNewsroom(database)


def test_a_template_keeps_words_and_areas_and_leaves_the_times_open(
    newsroom: TemplateNewsroom,
) -> None:
    template = newsroom.keep_template()
    assert set(template.form) == {"title", "body", "areas", "category", "summary"}
    row = newsroom.do(templates.use, template.id)
    assert (row.state, row.title, row.created_by) == ("draft", NOTICE["title"], "staff:rina")
    assert forms.form_of(row) == template.form
    second = newsroom.do(templates.use, template.id)
    assert second.id != row.id


def test_what_comes_of_the_announcement_later_leaves_the_template_alone(
    newsroom: TemplateNewsroom,
) -> None:
    row = newsroom.do(drafts.save, FORM)
    template = newsroom.do(templates.keep, row.id, "Air")
    newsroom.do(drafts.save, {**FORM, "title": "Lain"}, announcement_id=row.id)
    current = newsroom.database.read_now(find, template.id)
    assert current is not None
    assert current.form["title"] == NOTICE["title"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "belum bernama"),
        (" \n ", "belum bernama"),
        ("x" * 61, "terlalu panjang"),
        ("AIR pdam  MATI", "sudah dipakai"),
    ],
)
def test_a_name_is_short_and_nobody_elses(newsroom: TemplateNewsroom, name: str, why: str) -> None:
    template = newsroom.keep_template()
    other = newsroom.keep_template("Posyandu")
    row = newsroom.do(drafts.save, FORM)
    for act, args in ((templates.keep, (row.id, name)), (templates.rename, (other.id, name))):
        with refuses(InvalidAnnouncement, match=why):
            newsroom.do(act, *args)
    assert newsroom.names == [template.name, "Posyandu"]


def test_a_template_can_change_the_capitals_of_its_own_name(newsroom: TemplateNewsroom) -> None:
    template = newsroom.keep_template("air pdam")
    assert newsroom.do(templates.rename, template.id, "  Air\nPDAM ").name == "Air PDAM"
    assert newsroom.names == ["Air PDAM"]


def test_each_act_is_in_the_audit_log(newsroom: TemplateNewsroom) -> None:
    template = newsroom.keep_template()
    newsroom.do(templates.rename, template.id, "Air mati")
    newsroom.do(templates.rename, template.id, "Air mati")
    newsroom.do(templates.use, template.id)
    newsroom.do(templates.delete, template.id)
    acts = newsroom.database.read_now(audit.about, f"template:{template.id}")
    assert [entry.act for entry in acts] == [
        "keep_template",
        "rename_template",
        "use_template",
        "delete_template",
    ]
    assert acts[1].detail == {"name": "Air mati", "was": "Air PDAM mati", "from": "127.0.0.1"}
    assert newsroom.names == []
    newsroom.database.read_now(audit.verify)


def test_a_deleted_template_cannot_be_used_renamed_or_deleted(newsroom: TemplateNewsroom) -> None:
    template = newsroom.keep_template()
    newsroom.do(templates.delete, template.id)
    for act, args in ((templates.use, ()), (templates.rename, ("Lain",)), (templates.delete, ())):
        with pytest.raises(NotAllowed, match="no_template"):
            newsroom.do(act, template.id, *args)


def test_only_authors_keep_use_rename_and_delete_templates(newsroom: TemplateNewsroom) -> None:
    template, row = newsroom.keep_template(), newsroom.do(drafts.save, FORM)
    acts = (
        (templates.keep, (row.id, "Lain")),
        (templates.use, (template.id,)),
        (templates.rename, (template.id, "Lain")),
        (templates.delete, (template.id,)),
    )
    for act, args in acts:
        with pytest.raises(NotAllowed):
            newsroom.do(act, *args, who="dewi")


def test_the_demos_templates_lack_nothing_but_their_times_and_blanks(
    newsroom: TemplateNewsroom,
) -> None:
    for _start in range(2):
        newsroom.database.write_now(add_templates, NOW.timestamp())
    assert newsroom.names == sorted(TEMPLATES)
    for template in newsroom.database.read_now(everything):
        row = newsroom.do(templates.use, template.id)
        with pytest.raises(InvalidAnnouncement) as refused:
            press().examine(forms.form_of(row), NOW)
        assert all("Masih ada isian kosong" in problem.reason for problem in worded(refused.value))
        filled = {
            name: re.sub(r"\([^)]*\)|\.\.", "05", text)
            for name, text in template.form.items()
            if isinstance(text, str)
        }
        press().examine({**template.form, **filled}, NOW)
