"""Templates of notices that come again, on both databases: kept, used, renamed, deleted, and each
act in the audit.
"""

import re
from typing import Any

import pytest

from broadcaster.domain.accounts import Account
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import drafts, forms, templates
from broadcaster.newsroom.desk import Desk
from broadcaster.simulation.staff import TEMPLATES, add_templates
from broadcaster.store import accounts, audit
from broadcaster.store import templates as store
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from broadcaster.store.templates import Template
from support.desk import NOTICE, NOW, press
from support.staffing import person
from support.wording import refuses, worded

FORM = {
    **NOTICE,
    "effective": "2026-11-25 08:00",
    "publish_at": "2026-11-25 09:00",
    "summary": "Tampung air.",
}


class Shelf:
    """An author and an approver at a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        people = (person("rina", "author"), person("dewi", "approver"))
        self.people: dict[str, Account] = {
            one.name: database.write_now(accounts.add, one, at=NOW.timestamp()) for one in people
        }

    def do(self, act: Any, *args: Any, who: str = "rina", **options: Any) -> Any:
        """Have somebody do something."""
        desk = Desk(press=press(), account=self.people[who], now=NOW, place="127.0.0.1")
        return self.database.write_now(act, desk, *args, **options)

    def kept(self, name: str = "Air PDAM mati", **changes: Any) -> Template:
        """A template of a notice."""
        row: Announcement = self.do(drafts.save, {**FORM, **changes})
        found: Template = self.do(templates.keep, row.id, name)
        return found

    @property
    def names(self) -> list[str]:
        """What the list shows."""
        return [one.name for one in self.database.read_now(store.everything)]


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


def test_a_template_keeps_words_and_areas_and_leaves_the_times_open(shelf: Shelf) -> None:
    kept = shelf.kept()
    assert set(kept.form) == {"title", "body", "areas", "category", "summary"}
    row = shelf.do(templates.use, kept.id)
    assert (row.state, row.title, row.created_by) == ("draft", NOTICE["title"], "staff:rina")
    assert forms.form_of(row) == kept.form
    again = shelf.do(templates.use, kept.id)
    assert again.id != row.id


def test_what_comes_of_the_announcement_later_leaves_the_template_alone(shelf: Shelf) -> None:
    row = shelf.do(drafts.save, FORM)
    kept = shelf.do(templates.keep, row.id, "Air")
    shelf.do(drafts.save, {**FORM, "title": "Lain"}, announcement_id=row.id)
    found = shelf.database.read_now(store.find, kept.id)
    assert found is not None
    assert found.form["title"] == NOTICE["title"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "belum bernama"),
        (" \n ", "belum bernama"),
        ("x" * 61, "terlalu panjang"),
        ("AIR pdam  MATI", "sudah dipakai"),
    ],
)
def test_a_name_is_short_and_nobody_elses(shelf: Shelf, name: str, why: str) -> None:
    kept = shelf.kept()
    other = shelf.kept("Posyandu")
    row = shelf.do(drafts.save, FORM)
    for act, args in ((templates.keep, (row.id, name)), (templates.rename, (other.id, name))):
        with refuses(InvalidAnnouncement, match=why):
            shelf.do(act, *args)
    assert shelf.names == [kept.name, "Posyandu"]


def test_a_template_can_change_the_capitals_of_its_own_name(shelf: Shelf) -> None:
    kept = shelf.kept("air pdam")
    assert shelf.do(templates.rename, kept.id, "  Air\nPDAM ").name == "Air PDAM"
    assert shelf.names == ["Air PDAM"]


def test_each_act_is_in_the_audit(shelf: Shelf) -> None:
    kept = shelf.kept()
    shelf.do(templates.rename, kept.id, "Air mati")
    shelf.do(templates.rename, kept.id, "Air mati")
    shelf.do(templates.use, kept.id)
    shelf.do(templates.delete, kept.id)
    acts = shelf.database.read_now(audit.about, f"template:{kept.id}")
    assert [entry.act for entry in acts] == [
        "keep_template",
        "rename_template",
        "use_template",
        "delete_template",
    ]
    assert acts[1].detail == {"name": "Air mati", "was": "Air PDAM mati", "from": "127.0.0.1"}
    assert shelf.names == []
    shelf.database.read_now(audit.verify)


def test_what_is_gone_is_gone(shelf: Shelf) -> None:
    kept = shelf.kept()
    shelf.do(templates.delete, kept.id)
    for act, args in ((templates.use, ()), (templates.rename, ("Lain",)), (templates.delete, ())):
        with pytest.raises(NotAllowed, match="no_template"):
            shelf.do(act, kept.id, *args)


def test_only_who_may_write_has_to_do_with_templates(shelf: Shelf) -> None:
    kept, row = shelf.kept(), shelf.do(drafts.save, FORM)
    acts = (
        (templates.keep, (row.id, "Lain")),
        (templates.use, (kept.id,)),
        (templates.rename, (kept.id, "Lain")),
        (templates.delete, (kept.id,)),
    )
    for act, args in acts:
        with pytest.raises(NotAllowed):
            shelf.do(act, *args, who="dewi")


def test_the_demos_templates_lack_nothing_but_their_times_and_blanks(shelf: Shelf) -> None:
    for _start in range(2):
        shelf.database.write_now(add_templates, NOW.timestamp())
    assert shelf.names == sorted(TEMPLATES)
    for template in shelf.database.read_now(store.everything):
        row = shelf.do(templates.use, template.id)
        with pytest.raises(InvalidAnnouncement) as refused:
            press().examine(forms.form_of(row), NOW)
        assert all("Masih ada isian kosong" in problem.reason for problem in worded(refused.value))
        filled = {
            name: re.sub(r"\([^)]*\)|\.\.", "05", text)
            for name, text in template.form.items()
            if isinstance(text, str)
        }
        press().examine({**template.form, **filled}, NOW)
