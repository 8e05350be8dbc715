"""Second persons, on both databases: accounts under one person's control do not approve each other,
and approvals lapse with the approver's rights.
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


class CityHall:
    """A newsroom at a database: rina writes, dewi and eka approve, ani and joko administer; all
    accounts are older than a day.
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
        """Have somebody do something at the desk, `after` seconds from NOW."""
        desk = Desk(press=press(), account=self.people[who], now=later(seconds=after))
        return self.database.write_now(act, desk, *args, **options)

    def administer(self, act: Any, who: str, *args: Any, after: float = 0.0, **options: Any) -> Any:
        """Have somebody do something to an account; "cli" is the command line."""
        person, now = self.people.get(who), later(seconds=after)
        actor = StaffActor(account=person, now=now) if person else NamedActor(name=who, now=now)
        return self.database.write_now(act, actor, *args, **options)

    def hire(self, by: str, name: str, *roles: AccountRole, after: float = 0.0) -> Account:
        """Have an administrator make an account."""
        particulars = Particulars(full_name=name.title(), roles=roles)
        self.people[name] = self.administer(
            administration.add_account, by, name, particulars, hashed="x", after=after
        )
        return self.people[name]

    def change(self, by: str, name: str, after: float = 0.0, **values: Any) -> None:
        """Have an administrator change what somebody may do."""
        account = self.people[name]
        particulars = Particulars(
            full_name=account.full_name,
            roles=account.roles,
            agencies=account.agencies,
            areas=account.areas,
            mail=account.email,
        )
        self.people[name] = self.administer(
            administration.change,
            by,
            account.id,
            replace(particulars, **values),
            after=after,
            vault=VAULT,
        )

    def submit(self, who: str = "rina", raw: Any = NOTICE) -> Announcement:
        """Submit an announcement; return it in review."""
        row: Announcement = self.do(review.submit, who, self.do(drafts.save, who, raw).id)
        return row

    def approve(self, row: Announcement, who: str = "dewi", **options: Any) -> Any:
        """Approve an announcement as it was read."""
        return self.do(review.approve, who, row.id, seen=row.bound, version=row.version, **options)

    def reload(self, row: Announcement) -> Announcement:
        """Return an announcement as it is stored now."""
        stored = self.database.read_now(announcements.find, row.id)
        assert stored is not None
        return stored

    def editions(self) -> int:
        """Return the number of published editions."""
        return int(
            self.database.read_now(
                lambda c: c.execute(select(func.count()).select_from(edition)).scalar_one()
            )
        )

    def nudged(self, reason: str) -> list[str]:
        """Return the names of those with a waiting nudge of this reason."""
        names = {account.id: name for name, account in self.people.items()}
        waiting = self.database.write_now(nudges.due, later(days=9).timestamp())
        return sorted(names[nudge.account] for nudge in waiting if nudge.reason == reason)

    def pass_hold(self) -> list[Any]:
        """Publish what the clock publishes once the hold is over; return it."""
        published: list[Any] = self.database.write_now(publish_held, press(), now=later(seconds=31))
        return published

    def pass_schedule(self) -> list[Any]:
        """Publish what the clock publishes at the scheduled time; return it."""
        published: list[Any] = self.database.write_now(
            schedule.publish_due, press(), now=later(hours=1.5)
        )
        return published


@pytest.fixture
def hall(database: Database) -> CityHall:
    """A city hall on each database in turn."""
    return CityHall(database)


# --- accounts under one person's control --------------------------------------------------------------


def test_an_account_that_the_author_made_does_not_approve_their_work_for_a_day(
    hall: CityHall,
) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.hire("joko", "palsu", "approver")
    row = hall.submit("joko", {**NOTICE, "expires": None})
    with refuses(
        NotIndependent, match=r"Joko, yang menyusun ini.*atau tunggu sampai 26 Nov 2026 07\.43 WIB"
    ):
        hall.approve(row, "palsu", after=DAY - 60)
    hall.approve(row, "dewi", after=DAY - 60)


def test_a_day_later_that_account_may_approve(hall: CityHall) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.hire("joko", "baru", "approver", after=-DAY)
    hall.approve(hall.submit("joko"), "baru")


def test_one_administrator_with_two_made_accounts_publishes_nothing(hall: CityHall) -> None:
    hall.hire("joko", "satu", "author")
    hall.hire("joko", "dua", "approver")
    with refuses(NotIndependent, match="Joko baru saja mengatur akun Anda dan akun Satu"):
        hall.approve(hall.submit("satu"), "dua")


def test_makers_of_makers_count(hall: CityHall) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.hire("joko", "kedua", "admin")
    hall.hire("kedua", "ketiga", "approver")
    with pytest.raises(NotIndependent):
        hall.approve(hall.submit("joko"), "ketiga")


def test_who_made_the_author_does_not_approve_their_work(hall: CityHall) -> None:
    hall.change("ani", "dewi", after=-2 * DAY, roles=("approver", "admin"))
    hall.hire("dewi", "boneka", "author")
    with refuses(NotIndependent, match="Anda baru saja mengatur akun Boneka"):
        hall.approve(hall.submit("boneka"), "dewi")
    hall.approve(hall.submit("boneka"), "eka")


@pytest.mark.parametrize("act", ["password", "factor", "enable", "roles", "areas"])
def test_an_account_that_the_author_reset_enabled_or_changed_is_no_second_person(
    hall: CityHall, act: str
) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    dewi = hall.people["dewi"]
    if act == "password":
        hall.administer(administration.reset_password, "joko", dewi.id, hashed="x")
    elif act == "factor":
        hall.database.write_now(accounts.set_totp, dewi.id, b"x", [])
        hall.administer(administration.remove_second_factor, "joko", dewi.id)
    elif act == "enable":
        hall.administer(administration.disable, "ani", dewi.id)
        hall.administer(administration.enable, "joko", dewi.id)
    else:
        hall.change(
            "joko",
            "dewi",
            **({"roles": ("approver", "screens")} if act == "roles" else {"areas": ("32.77.03",)}),
        )
    with pytest.raises(NotIndependent):
        hall.approve(hall.submit("joko"), "dewi")


def test_another_name_or_a_signed_out_browser_is_no_bond(hall: CityHall) -> None:
    hall.change("ani", "joko", after=-2 * DAY, roles=("admin", "author"))
    hall.change("joko", "dewi", full_name="Dewi Lestari")
    hall.administer(administration.end_sessions, "joko", hall.people["dewi"].id)
    hall.approve(hall.submit("joko"), "dewi")


def test_accounts_that_the_command_line_made_work_together_at_once(hall: CityHall) -> None:
    hall.hire("cli", "satu", "author")
    hall.hire("cli", "dua", "approver")
    hall.approve(hall.submit("satu"), "dua")


def test_an_emergency_is_no_exception(hall: CityHall) -> None:
    hall.hire("joko", "satu", "author")
    hall.hire("joko", "dua", "approver")
    with pytest.raises(NotIndependent):
        hall.approve(hall.submit("satu", EMERGENCY), "dua", read=True)
    assert hall.editions() == 0


def test_corrections_and_withdrawals_want_a_second_person_too(hall: CityHall) -> None:
    row = hall.submit()
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


def test_a_missed_schedule_wants_a_second_person_too(hall: CityHall) -> None:
    hall.hire("joko", "satu", "author")
    hall.hire("joko", "dua", "approver")
    row = hall.submit("satu", SCHEDULED)
    hall.approve(row, "dewi")
    hall.database.write_now(schedule.publish_due, press(), now=later(hours=4))
    with pytest.raises(NotIndependent):
        hall.do(release.publish_approved, "dua", row.id, after=4 * 3600.0)


# --- approvals whose approver lost the right ----------------------------------------------------------


def take_right(hall: CityHall, loss: str) -> str:
    """Take from dewi the right to approve; return a part of the reason that is given."""
    if loss == "disabled":
        hall.administer(administration.disable, "ani", hall.people["dewi"].id)
        return "dinonaktifkan"
    changes: dict[str, Any] = {
        "role": {"roles": ("screens",)},
        "agency": {"agencies": ("Puskesmas Cibabat",)},
        "area": {"areas": ("32.77.03.1002",)},
    }[loss]
    hall.change("ani", "dewi", **changes)
    return "bukan penyetuju lagi" if loss == "role" else "di luar tugas"


LOSSES = ["disabled", "role", "agency", "area"]


@pytest.mark.parametrize("loss", LOSSES)
def test_within_the_hold_an_approver_who_may_no_longer_approve_stops_it(
    hall: CityHall, loss: str
) -> None:
    row = hall.submit()
    hall.approve(row)
    reason = take_right(hall, loss)
    assert hall.pass_hold() == []
    lapsed = hall.reload(row)
    assert (lapsed.state, lapsed.approved_by, lapsed.release_at, hall.editions()) == (
        "review",
        "",
        None,
        0,
    )
    assert reason in lapsed.note
    assert set(hall.nudged("lapsed")) >= {"rina", "eka"}
    assert hall.database.read_now(audit.about, row.id)[-1].act == "lapse"
    hall.approve(hall.reload(row), "eka", after=40)
    assert len(hall.database.write_now(publish_held, press(), now=later(seconds=80))) == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_a_schedule_does_not_go_out_once_its_approver_may_no_longer_approve(
    hall: CityHall, loss: str
) -> None:
    row = hall.submit(raw=SCHEDULED)
    hall.approve(row)
    reason = take_right(hall, loss)
    assert hall.pass_schedule() == []
    lapsed = hall.reload(row)
    assert (lapsed.state, lapsed.publish_at, hall.editions()) == ("review", None, 0)
    assert reason in lapsed.note
    hall.approve(lapsed, "eka", after=2 * 3600.0 + 10)
    assert len(hall.database.write_now(publish_held, press(), now=later(hours=2, seconds=60))) == 1


def test_a_schedule_whose_words_are_no_longer_those_approved_does_not_go_out(
    hall: CityHall,
) -> None:
    row = hall.submit(raw=SCHEDULED)
    hall.approve(row)
    fields = row.fields.model_copy(update={"title": "Diubah di basis data"})
    hall.database.write_now(
        announcements.move, hall.reload(row), "scheduled", later().timestamp(), fields=fields
    )
    assert hall.pass_schedule() == []
    assert (hall.reload(row).state, hall.editions()) == ("review", 0)


def test_what_a_revoked_token_scheduled_does_not_go_out_and_approvers_are_alerted(
    hall: CityHall,
) -> None:
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


def test_what_the_command_line_and_tokens_in_force_scheduled_goes_out(hall: CityHall) -> None:
    hall.database.write_now(tokens.add, "dinas", ["publish"])
    for actor in ("token:dinas", "cli"):
        checked = press().examine({**SCHEDULED, "title": f"Air mati, kata {actor}"}, later())
        hall.database.write_now(
            publications.publish, press(), checked, actor=NamedActor(name=actor, now=later())
        )
    assert len(hall.pass_schedule()) == 2


@pytest.mark.parametrize("loss", LOSSES)
def test_a_page_that_was_opened_before_decides_nothing_afterwards(
    hall: CityHall, loss: str
) -> None:
    row, before = hall.submit(), hall.people["dewi"]
    take_right(hall, loss)
    hall.people["dewi"] = before
    with pytest.raises(NotAllowed):
        hall.approve(row)
    assert hall.reload(row).state == "review"


# --- alerts to the others -----------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["joko", "cli"])
def test_every_other_administrator_is_alerted_to_acts_on_accounts(hall: CityHall, by: str) -> None:
    hall.hire(by, "baru", "approver")
    others = ["ani"] if by == "joko" else ["ani", "joko"]
    assert hall.nudged("account_add") == others
    hall.administer(administration.reset_password, by, hall.people["dewi"].id, hashed="x")
    assert hall.nudged("password_reset") == sorted([*others, "dewi"])
    hall.change(by, "dewi", roles=("approver", "author"))
    assert hall.nudged("account_change") == sorted([*others, "dewi"])


def test_where_nobody_else_administers_approvers_are_alerted(hall: CityHall) -> None:
    hall.administer(administration.disable, "joko", hall.people["ani"].id)
    hall.hire("joko", "baru", "author")
    assert hall.nudged("account_add") == ["dewi", "eka"]


def test_breaking_the_glass_alerts_others_too(hall: CityHall) -> None:
    hall.administer(administration.disable, "ani", hall.people["joko"].id)
    hall.change("cli", "ani", roles=("admin", "author"))
    row = hall.do(drafts.save, "ani", EMERGENCY)
    hall.do(release.break_glass, "ani", row.id, reason="Mendesak.", allowed=True)
    assert hall.nudged("break_glass") == ["ani", "dewi", "eka"]
