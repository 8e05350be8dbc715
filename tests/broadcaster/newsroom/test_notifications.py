"""Notifications of staff: each person who must act is told once by mail and in their chat, over a
real mail server and a Bot API; moot ones are dropped.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from broadcaster.newsroom import corrections, drafts, notifications, release, review
from broadcaster.publishing import schedule
from broadcaster.publishing.press import Press
from broadcaster.simulation.faults import Faults
from broadcaster.store import accounts, nudges
from broadcaster.store.announcements import Announcement
from broadcaster.worker import LaneWorker
from support.browsing import EMERGENCY
from support.staffing import NOTICE, Browser
from support.telling import DEWI_CHAT, PostOffice
from support.waiting import until


async def submit(
    office: PostOffice, rina: Browser, form: Any = NOTICE, **changes: Any
) -> Announcement:
    """Save an announcement as Rina and submit it."""
    row = await office.act(rina, drafts.save, {**form, **changes})
    announcement: Announcement = await office.act(rina, review.submit, row.id)
    return announcement


async def hire_staff(office: PostOffice) -> tuple[Browser, Browser]:
    """Hire an author and an approver, whose chat is linked too."""
    return await office.hire("rina", "author"), await office.hire(
        "dewi", "approver", telegram=str(DEWI_CHAT)
    )


async def test_an_approver_is_told_once_by_mail_and_chat_with_the_page(
    office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(office)
    row = await submit(office, rina)
    assert [await office.work(), await office.work()] == [1, 0]
    (letter,) = office.letters("dewi")
    assert letter["subject"] == "Menunggu persetujuan Anda: Air PDAM mati di Cibabat"
    page = f"{office.site.url}/redaksi/pengumuman/{row.id}/periksa"
    assert letter["text"].splitlines() == [
        "Rina meminta Anda memeriksa pengumuman ini (Info, Kel. Cibabat, Kel. Pasirkaliki).",
        "",
        "Periksa, lalu setujui atau kembalikan:",
        page,
        "",
        f"Pesan otomatis dari Info Kota Cimahi untuk Dewi. Atur pemberitahuan: {office.site.url}/redaksi/akun",
    ]
    (message,) = office.bot.inbox(DEWI_CHAT)
    assert message.text.startswith(letter["subject"])
    assert page in message.text
    assert office.letters("rina") == []
    assert [(row.outcome, row.settled) for row in office.rows()] == [("told", "email telegram")]


async def test_the_author_reads_why_it_came_back_or_was_refused(office: PostOffice) -> None:
    rina, dewi = await hire_staff(office)
    for act, subject, below in (
        (review.send_back, "Dikembalikan untuk diperbaiki", "/tulis"),
        (review.reject, "Ditolak", ""),
    ):
        row = await submit(office, rina)
        await office.act(dewi, act, row.id, "Jam berapa?")
        await office.work()
        letter = office.letters("rina")[-1]
        assert letter["subject"] == f"{subject}: {NOTICE['title']}"
        assert "Alasan: Jam berapa?" in letter["text"]
        assert f"/redaksi/pengumuman/{row.id}{below}\n" in letter["text"]
    assert office.subjects("dewi") == [], "nothing waited for her any more when the worker looked"
    assert {row.outcome for row in office.rows() if row.reason == "review"} == {"moot"}


async def test_what_was_approved_meanwhile_needs_nobody_else(sqlite_office: PostOffice) -> None:
    rina, dewi = await hire_staff(sqlite_office)
    await sqlite_office.hire("budi", "approver")
    row = await submit(sqlite_office, rina)
    await sqlite_office.act(dewi, review.approve, row.id, seen=row.bound, version=row.version)
    assert await sqlite_office.work() == 2
    assert sqlite_office.mail.accepted == []
    assert {nudge.outcome for nudge in sqlite_office.rows()} == {"moot"}


async def test_a_person_who_can_no_longer_act_is_not_told(sqlite_office: PostOffice) -> None:
    rina, dewi = await hire_staff(sqlite_office)
    ani, budi = (
        await sqlite_office.hire("ani", "approver", "author"),
        await sqlite_office.hire("budi", "approver"),
    )
    row = await submit(sqlite_office, rina)
    at, write = sqlite_office.site.clock().timestamp(), sqlite_office.site.app.database.write
    await write(accounts.disable, dewi.account.id, at)
    await write(accounts.change, replace(budi.account, roles=("author",)))
    await sqlite_office.act(
        ani, drafts.save, {**NOTICE, "title": "Air mati"}, announcement_id=row.id
    )
    assert await sqlite_office.work() == 3
    assert sqlite_office.mail.accepted == []


async def test_submitted_twice_before_the_worker_looks_is_told_once(
    sqlite_office: PostOffice,
) -> None:
    rina, dewi = await hire_staff(sqlite_office)
    row = await submit(sqlite_office, rina)
    sqlite_office.pass_time(seconds=1)
    await sqlite_office.act(dewi, review.send_back, row.id, "Kurang jelas")
    sqlite_office.pass_time(seconds=1)
    await sqlite_office.act(rina, review.submit, row.id)
    await sqlite_office.work()
    assert len(sqlite_office.letters("dewi")) == 1
    assert sqlite_office.letters("rina") == []


async def test_a_proposal_is_told_to_approvers_and_its_refusal_to_its_author(
    office: PostOffice,
) -> None:
    rina, dewi = await hire_staff(office)
    stored = await office.site.publish()
    form = {**NOTICE, "title": "Air PDAM mati sampai sore"}
    await office.act(rina, corrections.propose_correction, stored.id, form, reason="Jam berubah")
    await office.work()
    (letter,) = office.letters("dewi")
    assert letter["subject"].startswith("Ralat menunggu persetujuan Anda: ")
    assert "Alasan: Jam berubah" in letter["text"]
    assert f"{stored.id}/ralat\n" in letter["text"]
    await office.act(dewi, corrections.refuse, stored.id, "Belum pasti")
    await office.work()
    (letter,) = office.letters("rina")
    assert letter["subject"].startswith("Usulan ralat ditolak: ")
    assert "Alasan: Belum pasti" in letter["text"]


async def test_breaking_the_glass_alarms_every_pengelola(office: PostOffice) -> None:
    rina, _dewi = await hire_staff(office)
    await office.hire("ani", "admin")
    await office.hire("tono", "admin", "approver")
    row = await office.act(rina, drafts.save, EMERGENCY)
    await office.act(rina, release.break_glass, row.id, reason="Air naik cepat", allowed=True)
    await office.work()
    for name in ("ani", "tono"):
        (letter,) = office.letters(name)
        assert (
            letter["subject"]
            == f"[Darurat] PERHATIAN, terbit tanpa persetujuan kedua: {EMERGENCY['title']}"
        )
        assert "Rina menerbitkan peringatan darurat ini sendirian" in letter["text"]
        assert "Alasan: Air naik cepat" in letter["text"]
    assert office.letters("dewi") == []


async def test_an_exercise_is_told_to_staff_and_says_that_it_is_one(
    sqlite_office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(sqlite_office)
    row = await sqlite_office.act(rina, drafts.save, EMERGENCY, training=True)
    await sqlite_office.act(rina, review.submit, row.id)
    await sqlite_office.work()
    (letter,) = sqlite_office.letters("dewi")
    assert letter["subject"].startswith("[LATIHAN] [Darurat] Menunggu persetujuan Anda")
    assert "Ini latihan. Pengumuman ini tidak dikirim ke warga." in letter["text"]


async def test_what_did_not_go_out_is_told_to_its_approver(office: PostOffice) -> None:
    rina, dewi = await hire_staff(office)
    row = await submit(office, rina, publish_at="2026-11-25 09:00")
    await office.act(dewi, review.approve, row.id, seen=row.bound, version=row.version)
    await office.work()
    office.pass_time(hours=4)
    press = Press.of(office.site.app)
    assert (
        await office.site.app.database.write(schedule.publish_due, press, now=office.site.clock())
        == []
    )
    await office.work()
    letter = office.letters("dewi")[-1]
    assert letter["subject"].startswith("Tidak jadi terbit, perlu keputusan penyetuju: ")
    assert "terlewat lebih dari 30 menit" in letter["text"]


async def test_a_correction_that_did_not_go_out_is_told_with_its_own_page_and_reason(
    office: PostOffice,
) -> None:
    rina, dewi = await hire_staff(office)
    budi = await office.hire("budi", "author")
    row = await submit(office, rina)
    await office.act(dewi, review.approve, row.id, seen=row.bound, version=row.version)
    office.pass_time(minutes=1)
    press = Press.of(office.site.app)
    await office.site.app.database.write(release.publish_held, press, now=office.site.clock())
    form = {**NOTICE, "title": "Air PDAM mati di Cibabat sampai 16.00"}
    waiting = await office.act(
        budi, corrections.propose_correction, row.id, form, reason="Jamnya salah."
    )
    await office.act(dewi, corrections.approve, row.id, seen=waiting.bound)
    office.pass_time(minutes=40)
    assert (
        await office.site.app.database.write(
            corrections.publish_held, press, now=office.site.clock()
        )
        == []
    )
    await office.work()
    for name in ("budi", "dewi"):
        letter = next(
            candidate
            for candidate in office.letters(name)
            if "perlu keputusan" in candidate["subject"]
        )
        assert (
            letter["subject"]
            == "Ralat tidak jadi terbit, perlu keputusan penyetuju: Air PDAM mati di Cibabat"
        )
        assert letter["text"].startswith(
            "Ralat pengumuman ini tidak jadi terbit dan menunggu keputusan."
        )
        assert "terlewat lebih dari 30 menit" in letter["text"]
        assert f"/redaksi/pengumuman/{row.id}/ralat\n" in letter["text"]


async def missed_correction(office: PostOffice) -> tuple[Browser, Announcement, str]:
    """Let an approved correction miss its time, with nobody told yet; return Dewi, the announcement
    and the version she approved.
    """
    rina, dewi = await hire_staff(office)
    row = await submit(office, rina)
    await office.act(dewi, review.approve, row.id, seen=row.bound, version=row.version)
    office.pass_time(minutes=1)
    database, press = office.site.app.database, Press.of(office.site.app)
    await database.write(release.publish_held, press, now=office.site.clock())
    form = {**NOTICE, "title": "Air PDAM mati di Cibabat sampai 16.00"}
    waiting = await office.act(
        rina, corrections.propose_correction, row.id, form, reason="Jamnya salah."
    )
    await office.act(dewi, corrections.approve, row.id, seen=waiting.bound)
    office.pass_time(minutes=40)
    assert await database.write(corrections.publish_held, press, now=office.site.clock()) == []
    return dewi, row, waiting.bound


def missed_subjects(office: PostOffice) -> list[str]:
    """Return the subjects by which Rina learns that something was not published."""
    return [subject for subject in office.subjects("rina") if "tidak jadi terbit" in subject]


async def test_a_missed_correction_that_was_approved_again_asks_nobody(office: PostOffice) -> None:
    dewi, row, bound = await missed_correction(office)
    await office.act(dewi, corrections.approve, row.id, seen=bound)
    await office.work()
    assert missed_subjects(office) == []


async def test_a_correction_proposed_after_something_was_missed_is_not_told_as_missed(
    office: PostOffice,
) -> None:
    rina, dewi = await hire_staff(office)
    tono = await office.hire("tono", "approver")
    row = await submit(office, rina, publish_at="2026-11-25 09:00")
    await office.act(dewi, review.approve, row.id, seen=row.bound, version=row.version)
    await office.work()
    office.pass_time(hours=4)
    database, press = office.site.app.database, Press.of(office.site.app)
    assert await database.write(schedule.publish_due, press, now=office.site.clock()) == []
    await office.act(tono, release.publish_approved, row.id)
    office.pass_time(minutes=1)
    await database.write(release.publish_held, press, now=office.site.clock())
    form = {**NOTICE, "title": "Air PDAM mati di Cibabat sampai 16.00"}
    await office.act(rina, corrections.propose_correction, row.id, form, reason="Jamnya salah.")
    await office.work()
    assert missed_subjects(office) == []


async def test_what_went_out_late_is_told_with_both_times_and_stands_on_the_first_page(
    office: PostOffice,
) -> None:
    rina, dewi = await hire_staff(office)
    row = await submit(office, rina, publish_at="2026-11-25 09:00")
    await office.act(dewi, review.approve, row.id, seen=row.bound, version=row.version)
    planned = datetime.fromisoformat("2026-11-25T09:29:00+07:00")
    office.site.clock.now = planned
    press = Press.of(office.site.app)
    assert len(await office.site.app.database.write(schedule.publish_due, press, now=planned)) == 1
    await office.work()
    for name in ("rina", "dewi"):
        letter = office.letters(name)[-1]
        assert letter["subject"] == f"Terbit terlambat: {NOTICE['title']}"
        assert (
            "Jadwalnya 25 Nov 2026 09.00 WIB, terbit 25 Nov 2026 09.29 WIB: 29 menit kemudian."
            in letter["text"]
        )
    page = await rina.get("/redaksi/")
    assert "Terbit terlambat, 24 jam terakhir" in page.text
    assert "Jadwalnya 25 Nov 2026 09.00 WIB, terbit 25 Nov 2026 09.29 WIB" in page.text


async def test_a_person_without_an_address_is_left_to_the_first_page(
    sqlite_office: PostOffice,
) -> None:
    rina = await sqlite_office.hire("rina", "author")
    await sqlite_office.hire("dewi", "approver", email="")
    await submit(sqlite_office, rina)
    await sqlite_office.work()
    assert [row.outcome for row in sqlite_office.rows()] == ["unreachable"]


async def test_a_chat_that_blocked_us_is_not_tried_again_and_mail_still_goes(
    sqlite_office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(sqlite_office)
    sqlite_office.bot.blocked.add(DEWI_CHAT)
    await submit(sqlite_office, rina)
    await sqlite_office.work()
    (row,) = sqlite_office.rows()
    assert (row.outcome, row.settled) == ("told", "email telegram")
    assert "telegram Refused 403" in row.problem
    assert str(DEWI_CHAT) not in row.problem


# --- failures and retries -------------------------------------------------------------------------------


async def test_a_failed_way_is_tried_again_later_and_longer_and_the_other_not_twice(
    office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(office)
    office.mail.faults = Faults(rate_5xx=1)
    await submit(office, rina)
    began, waits = office.site.clock().timestamp(), []
    for _try in range(4):
        assert await office.work() == 1
        (row,) = office.rows()
        waits.append(row.due_at - office.site.clock().timestamp())
        office.pass_time(seconds=waits[-1] - 1)
        assert await office.work() == 0, "not before its time"
        office.pass_time(seconds=1)
    assert waits == pytest.approx([10, 20, 40, 80])
    assert office.letters("dewi") == []
    office.mail.faults = Faults()
    assert await office.work() == 1
    assert len(office.letters("dewi")) == 1
    assert len(office.bot.inbox(DEWI_CHAT)) == 1
    (row,) = office.rows()
    assert (row.outcome, row.sent_at) == ("told", pytest.approx(began))


async def test_after_a_day_it_is_given_up(sqlite_office: PostOffice) -> None:
    rina = await sqlite_office.hire("rina", "author")
    await sqlite_office.hire("dewi", "approver")
    sqlite_office.mail.faults = Faults(rate_5xx=1)
    await submit(sqlite_office, rina)
    for _hour in range(26):
        await sqlite_office.work()
        sqlite_office.pass_time(hours=1)
    (row,) = sqlite_office.rows()
    assert (row.outcome, row.sent_at, row.tries) == ("given_up", None, 26)
    sqlite_office.mail.faults = Faults()
    assert await sqlite_office.work() == 0
    assert "contoh.example" not in row.problem


async def test_ended_nudges_are_forgotten_after_a_month_and_open_ones_are_not(
    sqlite_office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(sqlite_office)
    await submit(sqlite_office, rina)
    await sqlite_office.work()
    await submit(sqlite_office, rina, title="Baru")
    later = sqlite_office.site.clock().timestamp() + 1
    assert await sqlite_office.site.app.database.write(nudges.purge, later) == 1
    assert [row.outcome for row in sqlite_office.rows()] == [""]


async def test_two_workers_at_once_tell_nobody_twice(office: PostOffice) -> None:
    rina, _dewi = await hire_staff(office)
    for number in range(30):
        await submit(office, rina, title=f"Kabar {number}")
    while sum(
        await asyncio.gather(
            *(notifications.send_due(office.site.app, urgent=False) for _worker in range(4))
        )
    ):
        pass
    assert sorted(office.subjects("dewi")) == sorted(set(office.subjects("dewi")))
    ids = [message_id for _to, message_id in office.mail.accepted]
    assert len(ids) == len(set(ids)) == 30


async def test_a_worker_that_dies_after_claiming_leaves_it_to_the_next_after_a_minute(
    office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(office)
    await submit(office, rina)
    now = office.site.clock().timestamp()
    claimed, letters = await office.site.app.database.write(
        notifications.take, office.site.app, now, urgent=False
    )
    assert (claimed, len(letters)) == (1, 1)
    assert await office.work() == 0
    office.pass_time(seconds=nudges.CLAIM_SECONDS)
    assert await office.work() == 1
    assert len(office.letters("dewi")) == 1


async def test_a_bad_address_of_one_person_leaves_the_others_theirs(
    sqlite_office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(sqlite_office)
    await sqlite_office.hire("budi", "approver", email="bukan alamat\r\nBcc: x@contoh.example")
    await submit(sqlite_office, rina)
    assert await sqlite_office.work() == 2
    assert [to for to, _id in sqlite_office.mail.accepted] == ["dewi@contoh.example"]
    assert {row.outcome for row in sqlite_office.rows()} == {"told", "unreachable"}


async def test_the_emergency_lane_tells_of_emergencies_and_the_other_of_all_else(
    sqlite_office: PostOffice,
) -> None:
    rina, _dewi = await hire_staff(sqlite_office)
    await submit(sqlite_office, rina)
    await submit(sqlite_office, rina, EMERGENCY)
    assert await notifications.send_due(sqlite_office.site.app, urgent=True) == 1
    assert sqlite_office.subjects("dewi") == [
        f"[Darurat] Menunggu persetujuan Anda: {EMERGENCY['title']}"
    ]
    assert await notifications.send_due(sqlite_office.site.app, urgent=False) == 1


@pytest.mark.parametrize(("lane", "form"), [("emergency", EMERGENCY), ("routine", NOTICE)])
async def test_a_worker_tells_by_itself(sqlite_office: PostOffice, lane: str, form: Any) -> None:
    rina, _dewi = await hire_staff(sqlite_office)
    worker = LaneWorker(sqlite_office.site.app, lane)
    task = asyncio.create_task(worker.run())
    try:
        await submit(sqlite_office, rina, form)
        await until(lambda: sqlite_office.letters("dewi"), what="Dewi's letter")
    finally:
        worker.stop()
        await asyncio.wait_for(task, 15)


def test_every_reason_has_words() -> None:
    names = {
        path.name
        for path in (Path(notifications.__file__).parents[2] / "templates" / "nudge").iterdir()
    }
    reasons = {
        "review",
        "returned",
        "rejected",
        "missed",
        "lapsed",
        "late",
        "held_up",
        "resumed",
        "expired",
        "break_glass",
    }
    assert names == {
        f"{name}.id.txt"
        for name in (*reasons, "account", "codes_stopped", "_foot", "_mark", "_training")
    }
