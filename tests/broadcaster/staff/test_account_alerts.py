"""What other administrators read of acts on accounts, over a real mail server: who did what to
whom, and what to do.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broadcaster.domain.actor import Actor, NamedActor, StaffActor
from broadcaster.newsroom import drafts, release, review
from broadcaster.publishing.press import Press
from broadcaster.staff import account_alerts, administration, own_account
from broadcaster.staff.oidc_claims import Identity
from broadcaster.staff.provisioning import admit
from broadcaster.store import accounts, former_mails, nudges
from broadcaster.store.staff_tables import former_mail
from support.sending import table
from support.staffing import NOTICE, Browser, browser
from support.telling import PostOffice, post_office


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """On each database in turn."""
    async with post_office(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def town(sqlite_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """On SQLite alone, where the database does not matter."""
    async with post_office(sqlite_url, tmp_path) as opened:
        yield opened


def new(office: PostOffice, ani: Browser | None = None) -> Actor:
    """An administrator, or the command line, about to do something."""
    now = office.site.clock()
    return StaffActor(account=ani.account, now=now) if ani else NamedActor(name="cli", now=now)


async def test_another_administrator_reads_of_a_new_account_who_made_it_for_whom_and_where_to_stop_it(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    made = await ani.post(
        "/redaksi/pengguna/baru",
        {
            "nama": "budi",
            "lengkap": "Budi Santoso",
            "peran": "approver",
            "kabar": "budi@contoh.example",
        },
    )
    assert made.status == 200, made.text
    budi = await office.site.app.database.read(accounts.find, "budi")
    assert budi is not None
    await office.work()
    (letter,) = office.letters("joko")
    assert letter["subject"] == "Akun baru: Budi Santoso"
    assert "Ani membuat akun Budi Santoso (budi) pada 25 Nov 2026 07.43 WIB." in letter["text"]
    assert "Peran sekarang: Penyetuju." in letter["text"]
    assert f"{office.site.app.site.base_url}/redaksi/pengguna/{budi.id}" in letter["text"]
    assert office.letters("ani") == []
    assert office.letters("budi") == []
    assert joko.account.id != ani.account.id


async def test_whose_password_was_reset_reads_of_it_too_and_each_act_is_told_of(
    town: PostOffice,
) -> None:
    ani, _joko, dewi = (
        await town.hire("ani", "admin"),
        await town.hire("joko", "admin"),
        await town.hire("dewi", "approver"),
    )
    database, dewi_id = town.site.app.database, dewi.account.id
    await database.write(administration.reset_password, new(town, ani), dewi_id, hashed="x")
    await town.work()
    town.pass_time(seconds=1)
    await database.write(administration.reset_password, new(town), dewi_id, hashed="y")
    await town.work()
    town.pass_time(seconds=1)
    await database.write(administration.disable, new(town, ani), dewi_id)
    await town.work()
    assert town.subjects("joko") == [
        "Kata sandi diganti: Dewi",
        "Kata sandi diganti: Dewi",
        "Akun dinonaktifkan: Dewi",
    ]
    assert (
        "Perintah di server mengganti kata sandi akun Dewi (dewi)"
        in town.letters("joko")[1]["text"]
    )
    own = town.letters("dewi")
    assert "Ani mengganti kata sandi akun Anda (dewi)" in own[0]["text"]
    assert "Bila Anda tidak memintanya" in own[0]["text"]
    assert own[-1]["subject"] == "Akun dinonaktifkan: Dewi"


async def test_accounts_that_single_sign_on_makes_are_told_of_too(town: PostOffice) -> None:
    await town.hire("joko", "admin")
    identity = Identity(
        issuer="https://sso.example",
        subject="u-1",
        name="siti",
        full_name="Siti Aminah",
        email="",
        values=("penyetuju",),
    )
    now = town.site.clock()
    await town.site.app.database.write(
        admit, identity, {"penyetuju": "approver"}, now=now, place="", agent=""
    )
    await town.work()
    town.pass_time(minutes=1)
    await town.site.app.database.write(
        admit, identity, {"penyetuju": "admin"}, now=town.site.clock(), place="", agent=""
    )
    await town.work()
    first, second = town.letters("joko")
    assert first["subject"] == "Akun baru: Siti Aminah"
    assert "Akun Pemkot membuat akun Siti Aminah (siti)" in first["text"]
    assert second["subject"] == "Hak akun diubah: Siti Aminah"


async def test_the_people_of_what_lapsed_read_why_and_where_to_decide(office: PostOffice) -> None:
    rina, dewi, _eka = (
        await office.hire("rina", "author"),
        await office.hire("dewi", "approver"),
        await office.hire("eka", "approver"),
    )
    row = await office.act(rina, review.submit, (await office.act(rina, drafts.save, NOTICE)).id)
    await office.act(dewi, review.approve, row.id, seen=row.bound, version=row.version)
    await office.site.app.database.write(administration.disable, new(office), dewi.account.id)
    office.pass_time(seconds=40)
    await office.site.app.database.write(
        release.publish_held, Press.of(office.site.app), now=office.site.clock()
    )
    await office.work()
    for name in ("rina", "eka"):
        (letter,) = [one for one in office.letters(name) if "persetujuan lagi" in one["subject"]]
        assert (
            letter["subject"]
            == "Tidak jadi terbit, perlu persetujuan lagi: Air PDAM mati di Cibabat"
        )
        assert "Akun yang menyetujui ini sudah dinonaktifkan." in letter["text"]
        assert f"/redaksi/pengumuman/{row.id}/periksa" in letter["text"]
    page = (await rina.get(f"/redaksi/pengumuman/{row.id}/periksa")).text
    assert "Akun yang menyetujui ini sudah dinonaktifkan." in page


async def test_the_page_of_a_second_account_says_why_it_may_not_approve_and_until_when(
    town: PostOffice,
) -> None:
    joko = await town.hire("joko", "admin", "author")
    await joko.post(
        "/redaksi/pengguna/baru", {"nama": "palsu", "lengkap": "Orang Kedua", "peran": "approver"}
    )
    made = await town.site.app.database.read(accounts.find, "palsu")
    assert made is not None
    await town.site.app.database.write(accounts.set_password, made.id, "x")
    row = await town.act(joko, review.submit, (await town.act(joko, drafts.save, NOTICE)).id)
    second = await browser(town.site, made)
    refused = await second.post(
        f"/redaksi/pengumuman/{row.id}/setujui", {"dilihat": row.bound, "versi": row.version}
    )
    assert refused.status == 409
    assert "Joko, yang menyusun ini, baru saja mengatur akun Anda." in refused.text
    assert "tunggu sampai 26 Nov 2026 07.43 WIB" in refused.text


# --- nobody keeps it from the others --------------------------------------------------------------------


async def changed(ani: Browser, person: Browser, **values: str) -> None:
    """Ani changes somebody's particulars."""
    form = {
        "lengkap": person.account.full_name,
        "peran": person.account.roles[0],
        "kabar": person.account.email,
        **values,
    }
    answer = await ani.post(f"/redaksi/pengguna/{person.account.id}", form)
    assert answer.status == 303, answer.text


async def made(ani: Browser, name: str, full_name: str) -> None:
    """Ani makes an approver."""
    answer = await ani.post(
        "/redaksi/pengguna/baru", {"nama": name, "lengkap": full_name, "peran": "approver"}
    )
    assert answer.status == 200, answer.text


async def test_whose_address_somebody_changed_is_told_at_the_old_one_too_for_a_day(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    await changed(ani, joko, kabar="penyerang@contoh.example")
    office.pass_time(hours=23)
    ani = await browser(office.site, ani.account)
    await made(ani, "budi", "Budi Santoso")
    await office.work()
    assert sorted(office.subjects("joko")) == ["Akun baru: Budi Santoso", "Akun diubah: Joko"]
    assert sorted(office.subjects("penyerang")) == ["Akun baru: Budi Santoso", "Akun diubah: Joko"]
    letter = next(one for one in office.letters("joko") if one["subject"] == "Akun diubah: Joko")
    assert "Yang diubah: Email." in letter["text"]
    assert "dikirim juga ke alamat yang lama" in letter["text"]
    office.pass_time(hours=1, seconds=1)
    ani = await browser(office.site, ani.account)
    await made(ani, "candra", "Candra")
    await office.work()
    assert office.subjects("penyerang")[-1] == "Akun baru: Candra"
    assert "Akun baru: Candra" not in office.subjects("joko")


async def test_an_old_address_is_sealed_and_gone_once_nothing_is_sent_there(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    await changed(ani, joko, kabar="penyerang@contoh.example")
    database, now = office.site.app.database, office.site.clock().timestamp()
    (row,) = table(office.site.app, former_mail)
    assert b"joko" not in bytes(row.mail)
    await database.write(former_mails.purge, now + 2 * former_mails.KEEP_SECONDS - 1)
    assert table(office.site.app, former_mail)
    await database.write(former_mails.purge, now + 2 * former_mails.KEEP_SECONDS)
    assert table(office.site.app, former_mail) == []


async def test_a_persons_own_address_in_another_case_is_no_other_address(town: PostOffice) -> None:
    ani, joko = await town.hire("ani", "admin"), await town.hire("joko", "admin")
    owner, database = (
        StaffActor(account=joko.account, now=town.site.clock()),
        town.site.app.database,
    )
    await changed(ani, joko, kabar="Jojo@contoh.example")
    former = table(town.site.app, former_mail)
    assert (
        await database.write(
            own_account.change_mail, town.site.app.vault, owner, "jojo@contoh.example"
        )
        is False
    )
    await changed(ani, joko, kabar="JOJO@contoh.example")
    assert table(town.site.app, former_mail) == former


async def test_an_address_that_looks_the_same_masked_and_one_that_was_set_with_a_new_password_hide_nothing(
    town: PostOffice,
) -> None:
    ani, joko = await town.hire("ani", "admin"), await town.hire("joko", "admin")
    await changed(ani, joko, kabar="jojo@contoh.example")
    await town.site.app.database.write(
        administration.reset_password, new(town, ani), joko.account.id, hashed="x"
    )
    owner = StaffActor(account=joko.account, now=town.site.clock())
    await town.site.app.database.write(
        own_account.change_mail, town.site.app.vault, owner, "penyerang@contoh.example"
    )
    await made(ani, "budi", "Budi Santoso")
    await town.work()
    for name in ("joko", "jojo", "penyerang"):
        assert sorted(town.subjects(name)) == [
            "Akun baru: Budi Santoso",
            "Akun diubah: Joko",
            "Kata sandi diganti: Joko",
        ], name
    assert {row.outcome for row in town.rows()} == {"told"}


async def test_who_is_no_administrator_for_a_moment_is_told_all_the_same(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    await made(ani, "budi", "Budi Santoso")
    await changed(ani, joko, peran="author")
    await office.work()
    office.pass_time(seconds=1)
    await changed(ani, joko, peran="admin")
    await office.work()
    assert sorted(office.subjects("joko")) == [
        "Akun baru: Budi Santoso",
        "Akun diubah: Joko",
        "Akun diubah: Joko",
    ]
    assert {row.outcome for row in office.rows() if row.account == joko.account.id} == {"told"}


async def test_another_full_name_is_told_with_the_one_before(town: PostOffice) -> None:
    ani, _joko, dewi = (
        await town.hire("ani", "admin"),
        await town.hire("joko", "admin"),
        await town.hire("dewi", "approver"),
    )
    await changed(ani, dewi, lengkap="Budi Santoso")
    await town.work()
    for name in ("joko", "dewi"):
        (letter,) = town.letters(name)
        assert letter["subject"] == "Akun diubah: Budi Santoso"
        assert "Yang diubah: Nama (dahulu Dewi)." in letter["text"]


async def test_who_signs_in_by_the_city_under_a_name_that_is_taken_comes_in_and_administrators_read_of_it(
    town: PostOffice,
) -> None:
    await town.hire("joko", "admin")
    await town.hire("dewi", "approver", full_name="Dewi Lestari")
    identity = Identity(
        issuer="https://sso.example",
        subject="u-1",
        name="dewi",
        full_name="DEWI LESTAR1",
        email="",
        values=("penyetuju",),
    )
    admission = await town.site.app.database.write(
        admit, identity, {"penyetuju": "approver"}, now=town.site.clock(), place="", agent=""
    )
    assert admission.account is not None
    assert (admission.problem, admission.account.full_name) == ("", "DEWI LESTAR1")
    await town.work()
    (letter,) = town.letters("joko")
    assert "PERHATIAN: akun lain bernama sama: Dewi Lestari (dewi)." in letter["text"]


async def test_the_first_page_of_an_administrator_shows_what_was_done_to_accounts_for_a_day(
    town: PostOffice,
) -> None:
    ani, joko, rina = (
        await town.hire("ani", "admin"),
        await town.hire("joko", "admin"),
        await town.hire("rina", "author"),
    )
    await changed(ani, joko, kabar="penyerang@contoh.example")
    await made(ani, "budi", "Budi Santoso")
    page = (await joko.get("/redaksi/")).text
    assert "Perubahan akun 24 jam terakhir" in page
    shown = re.findall(
        r'<a href="/redaksi/pengguna/\d+">([^<]+)</a></h3>\s*<p class="meta"><span>([^<]+)</span><span>([^<]+)<',
        page,
    )
    assert shown == [("Budi Santoso", "Akun dibuat", "Ani"), ("Joko", "Akun diubah", "Ani")]
    assert "Perubahan akun" not in (await rina.get("/redaksi/")).text
    town.pass_time(hours=24, seconds=1)
    joko = await browser(town.site, joko.account)
    assert "Perubahan akun" not in (await joko.get("/redaksi/")).text


def test_every_reason_of_an_alert_is_the_act_by_which_the_audit_knows_it() -> None:
    assert {act.value: reason for act, reason in account_alerts.REASONS.items()} == {
        reason: reason for reason in nudges.ACCOUNT_REASONS
    }
