"""Nobody decides alone, on both databases: accounts of one hand, and approvals behind which nobody
stands any more.
"""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from broadcaster.domain.accounts import Account, AccountRole
from broadcaster.domain.actor import NamedActor, StaffActor
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom import corrections, drafts, release, review
from broadcaster.newsroom.desk import Desk
from broadcaster.newsroom.release import publish_held
from broadcaster.publishing import publications, schedule
from broadcaster.staff import administration
from broadcaster.staff.administration import Particulars
from broadcaster.staff.second_person import NotIndependent
from broadcaster.store import accounts, announcements, audit, nudges, tokens
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from broadcaster.store.tables import edition
from subscribers.vault import Vault
from support.desk import EMERGENCY, NOTICE, later, press
from support.staffing import person
from support.wording import refuses

VAULT = Vault(b"a secret of sixteen bytes")
DAY = 24 * 3600.0
SCHEDULED = {**NOTICE, "publish_at": "2026-11-25 09:00"}


class Hall:
    """A city hall at a database: rina writes, dewi approves, ani and joko administer; nobody was
    hired lately.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.people: dict[str, Account] = {}
        roles: tuple[tuple[str, AccountRole], ...] = (
            ("rina", "author"),
            ("dewi", "approver"),
            ("eka", "approver"),
            ("ani", "admin"),
            ("joko", "admin"),
        )
        for name, role in roles:
            self.people[name] = database.write_now(
                accounts.add, person(name, role), at=later(days=-9).timestamp()
            )

    def do(self, act: Any, who: str, *args: Any, after: float = 0.0, **options: Any) -> Any:
        """Have somebody do something at the desk."""
        desk = Desk(press=press(), account=self.people[who], now=later(seconds=after))
        return self.database.write_now(act, desk, *args, **options)

    def keep(self, act: Any, who: str, *args: Any, after: float = 0.0, **options: Any) -> Any:
        """Have somebody do something to an account; "cli" is the command line."""
        person, now = self.people.get(who), later(seconds=after)
        actor = StaffActor(account=person, now=now) if person else NamedActor(name=who, now=now)
        return self.database.write_now(act, actor, *args, **options)

    def hire(self, by: str, name: str, *roles: AccountRole, after: float = 0.0) -> Account:
        """Have an administrator make an account."""
        particulars = Particulars(full_name=name.title(), roles=roles)
        self.people[name] = self.keep(
            administration.add_account, by, name, particulars, hashed="x", after=after
        )
        return self.people[name]

    def change(self, by: str, name: str, after: float = 0.0, **values: Any) -> None:
        """Have an administrator change what somebody may do."""
        account = self.people[name]
        stands = Particulars(
            full_name=account.full_name,
            roles=account.roles,
            agencies=account.agencies,
            areas=account.areas,
            mail=account.email,
        )
        self.people[name] = self.keep(
            administration.change,
            by,
            account.id,
            replace(stands, **values),
            after=after,
            vault=VAULT,
        )

    def submitted(self, who: str = "rina", raw: Any = NOTICE) -> Announcement:
        """Something in review."""
        found: Announcement = self.do(review.submit, who, self.do(drafts.save, who, raw).id)
        return found

    def approve(self, row: Announcement, who: str = "dewi", **options: Any) -> Any:
        """Approve what was seen."""
        return self.do(review.approve, who, row.id, seen=row.bound, version=row.version, **options)

    def now(self, row: Announcement) -> Announcement:
        """As it stands."""
        found = self.database.read_now(announcements.find, row.id)
        assert found is not None
        return found

    def editions(self) -> int:
        """How many were published."""
        return int(
            self.database.read_now(
                lambda c: c.execute(select(func.count()).select_from(edition)).scalar_one()
            )
        )

    def nudged(self, reason: str) -> list[str]:
        """Who is to be told for this reason."""
        names = {account.id: name for name, account in self.people.items()}
        waiting = self.database.write_now(nudges.due, later(days=9).timestamp())
        return sorted(names[one.account] for one in waiting if one.reason == reason)

    def pass_hold(self) -> list[Any]:
        """What the clock does once the hold is over."""
        found: list[Any] = self.database.write_now(publish_held, press(), now=later(seconds=31))
        return found

    def pass_schedule(self) -> list[Any]:
        """What the clock does once the scheduled time has come."""
        found: list[Any] = self.database.write_now(
            schedule.publish_due, press(), now=later(hours=1.5)
        )
        return found


@pytest.fixture
def hall(database: Database) -> Hall:
    return Hall(database)


# --- accounts of one hand -----------------------------------------------------------------------------


def test_an_account_that_the_author_made_does_not_approve_their_work_for_a_day(hall: Hall) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.hire("joko", "palsu", "approver")
    row = hall.submitted("joko", {**NOTICE, "expires": None})
    with refuses(
        NotIndependent, match=r"Joko, yang menyusun ini.*atau tunggu sampai 26 Nov 2026 07\.43 WIB"
    ):
        hall.approve(row, "palsu", after=DAY - 60)
    hall.approve(row, "dewi", after=DAY - 60)


def test_a_day_later_it_approves(hall: Hall) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.hire("joko", "baru", "approver", after=-DAY)
    hall.approve(hall.submitted("joko"), "baru")


def test_one_administrator_with_two_made_accounts_publishes_nothing(hall: Hall) -> None:
    hall.hire("joko", "satu", "author")
    hall.hire("joko", "dua", "approver")
    with refuses(NotIndependent, match="Joko baru saja mengatur akun Anda dan akun Satu"):
        hall.approve(hall.submitted("satu"), "dua")


def test_makers_of_makers_count(hall: Hall) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.hire("joko", "kedua", "admin")
    hall.hire("kedua", "ketiga", "approver")
    with pytest.raises(NotIndependent):
        hall.approve(hall.submitted("joko"), "ketiga")


def test_who_made_the_author_does_not_approve_their_work(hall: Hall) -> None:
    hall.change("ani", "dewi", after=-2 * DAY, roles=("approver", "admin"))
    hall.hire("dewi", "boneka", "author")
    with refuses(NotIndependent, match="Anda baru saja mengatur akun Boneka"):
        hall.approve(hall.submitted("boneka"), "dewi")
    hall.approve(hall.submitted("boneka"), "eka")


@pytest.mark.parametrize("act", ["password", "factor", "enable", "roles", "areas"])
def test_an_account_that_the_author_reset_enabled_or_changed_is_no_second_person(
    hall: Hall, act: str
) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    dewi = hall.people["dewi"]
    if act == "password":
        hall.keep(administration.reset_password, "joko", dewi.id, hashed="x")
    elif act == "factor":
        hall.database.write_now(accounts.set_totp, dewi.id, b"x", [])
        hall.keep(administration.remove_second_factor, "joko", dewi.id)
    elif act == "enable":
        hall.keep(administration.disable, "ani", dewi.id)
        hall.keep(administration.enable, "joko", dewi.id)
    else:
        hall.change(
            "joko",
            "dewi",
            **({"roles": ("approver", "screens")} if act == "roles" else {"areas": ("32.77.03",)}),
        )
    with pytest.raises(NotIndependent):
        hall.approve(hall.submitted("joko"), "dewi")


def test_another_name_or_a_signed_out_browser_is_no_bond(hall: Hall) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.change("joko", "dewi", full_name="Dewi Lestari")
    hall.keep(administration.end_sessions, "joko", hall.people["dewi"].id)
    hall.approve(hall.submitted("joko"), "dewi")


def test_accounts_that_the_command_line_made_work_together_at_once(hall: Hall) -> None:
    hall.hire("cli", "satu", "author")
    hall.hire("cli", "dua", "approver")
    hall.approve(hall.submitted("satu"), "dua")


def test_an_emergency_is_no_exception(hall: Hall) -> None:
    hall.hire("joko", "satu", "author")
    hall.hire("joko", "dua", "approver")
    with pytest.raises(NotIndependent):
        hall.approve(hall.submitted("satu", EMERGENCY), "dua", read=True)
    assert hall.editions() == 0


def test_corrections_and_withdrawals_want_a_second_person_too(hall: Hall) -> None:
    row = hall.submitted()
    hall.approve(row)
    hall.pass_hold()
    hall.hire("joko", "satu", "author")
    hall.hire("joko", "dua", "approver")
    for propose in (
        lambda: hall.do(
            corrections.propose_correction,
            "satu",
            row.id,
            {**NOTICE, "title": "Air mati"},
            reason="Salah.",
            after=40,
        ),
        lambda: hall.do(corrections.propose_withdrawal, "satu", row.id, reason="Salah.", after=40),
    ):
        bound = propose().bound
        with pytest.raises(NotIndependent):
            hall.do(corrections.approve, "dua", row.id, seen=bound, after=50)
        hall.do(corrections.take_back, "satu", row.id, after=60)


def test_a_missed_schedule_wants_a_second_person_too(hall: Hall) -> None:
    hall.hire("joko", "satu", "author")
    hall.hire("joko", "dua", "approver")
    row = hall.submitted("satu", SCHEDULED)
    hall.approve(row, "dewi")
    hall.database.write_now(schedule.publish_due, press(), now=later(hours=4))
    with pytest.raises(NotIndependent):
        hall.do(release.publish_approved, "dua", row.id, after=4 * 3600.0)


# --- approvals behind which nobody stands -------------------------------------------------------------


def gone(hall: Hall, how: str) -> str:
    """What happens to dewi after she approved; a word of the reason."""
    if how == "disabled":
        hall.keep(administration.disable, "ani", hall.people["dewi"].id)
        return "dinonaktifkan"
    changes: dict[str, Any] = {
        "role": {"roles": ("screens",)},
        "agency": {"agencies": ("Puskesmas Cibabat",)},
        "area": {"areas": ("32.77.03.1002",)},
    }[how]
    hall.change("ani", "dewi", **changes)
    return "bukan penyetuju lagi" if how == "role" else "di luar tugas"


HOW = ["disabled", "role", "agency", "area"]


@pytest.mark.parametrize("how", HOW)
def test_within_the_hold_an_approver_who_may_no_longer_approve_stops_it(
    hall: Hall, how: str
) -> None:
    row = hall.submitted()
    hall.approve(row)
    why = gone(hall, how)
    assert hall.pass_hold() == []
    now = hall.now(row)
    assert (now.state, now.approved_by, now.release_at, hall.editions()) == ("review", "", None, 0)
    assert why in now.note
    assert set(hall.nudged("lapsed")) >= {"rina", "eka"}
    assert hall.database.read_now(audit.about, row.id)[-1].act == "lapse"
    hall.approve(hall.now(row), "eka", after=40)
    assert len(hall.database.write_now(publish_held, press(), now=later(seconds=80))) == 1


@pytest.mark.parametrize("how", HOW)
def test_a_schedule_does_not_go_out_once_its_approver_may_no_longer_approve(
    hall: Hall, how: str
) -> None:
    row = hall.submitted(raw=SCHEDULED)
    hall.approve(row)
    why = gone(hall, how)
    assert hall.pass_schedule() == []
    now = hall.now(row)
    assert (now.state, now.publish_at, hall.editions()) == ("review", None, 0)
    assert why in now.note
    hall.approve(now, "eka", after=2 * 3600.0 + 10)
    assert len(hall.database.write_now(publish_held, press(), now=later(hours=2, seconds=60))) == 1


def test_a_schedule_whose_words_are_no_longer_those_approved_does_not_go_out(hall: Hall) -> None:
    row = hall.submitted(raw=SCHEDULED)
    hall.approve(row)
    fields = row.fields.model_copy(update={"title": "Diubah di basis data"})
    hall.database.write_now(
        announcements.move, hall.now(row), "scheduled", later().timestamp(), fields=fields
    )
    assert hall.pass_schedule() == []
    assert (hall.now(row).state, hall.editions()) == ("review", 0)


def test_what_a_revoked_token_scheduled_does_not_go_out_and_approvers_are_told(hall: Hall) -> None:
    hall.database.write_now(tokens.add, "dinas", ["publish"])
    checked = press().examine(SCHEDULED, later())
    stored = hall.database.write_now(
        publications.publish, press(), checked, actor=NamedActor(name="token:dinas", now=later())
    )
    hall.database.write_now(tokens.revoke, "dinas")
    assert hall.pass_schedule() == []
    row = hall.database.read_now(announcements.find, stored.id)
    assert row is not None
    assert (row.state, hall.editions()) == ("review", 0)
    assert hall.nudged("lapsed") == ["dewi", "eka"]
    hall.approve(row, "eka", after=2 * 3600.0 + 10)


def test_what_the_command_line_and_tokens_in_force_scheduled_goes_out(hall: Hall) -> None:
    hall.database.write_now(tokens.add, "dinas", ["publish"])
    for actor in ("token:dinas", "cli"):
        checked = press().examine({**SCHEDULED, "title": f"Air mati, kata {actor}"}, later())
        hall.database.write_now(
            publications.publish, press(), checked, actor=NamedActor(name=actor, now=later())
        )
    assert len(hall.pass_schedule()) == 2


@pytest.mark.parametrize("how", HOW)
def test_a_page_that_was_opened_before_decides_nothing_afterwards(hall: Hall, how: str) -> None:
    row, before = hall.submitted(), hall.people["dewi"]
    gone(hall, how)
    hall.people["dewi"] = before
    with pytest.raises(NotAllowed):
        hall.approve(row)
    assert hall.now(row).state == "review"


# --- what the others are told -------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["joko", "cli"])
def test_every_other_administrator_is_told_of_what_is_done_to_accounts(hall: Hall, by: str) -> None:
    hall.hire(by, "baru", "approver")
    others = ["ani"] if by == "joko" else ["ani", "joko"]
    assert hall.nudged("account_add") == others
    hall.keep(administration.reset_password, by, hall.people["dewi"].id, hashed="x")
    assert hall.nudged("password_reset") == sorted([*others, "dewi"])
    hall.change(by, "dewi", roles=("approver", "author"))
    assert hall.nudged("account_change") == sorted([*others, "dewi"])


def test_where_nobody_else_administers_approvers_are_told(hall: Hall) -> None:
    hall.keep(administration.disable, "joko", hall.people["ani"].id)
    hall.hire("joko", "baru", "author")
    assert hall.nudged("account_add") == ["dewi", "eka"]


def test_who_breaks_the_glass_alarms_somebody_else_too(hall: Hall) -> None:
    hall.keep(administration.disable, "ani", hall.people["joko"].id)
    hall.change("cli", "ani", roles=("admin", "author"))
    row = hall.do(drafts.save, "ani", EMERGENCY)
    hall.do(release.break_glass, "ani", row.id, reason="Mendesak.", allowed=True)
    assert hall.nudged("break_glass") == ["ani", "dewi", "eka"]
