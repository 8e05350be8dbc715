"""Alerts to administrators about acts on accounts, over a real mail server: who did what to whom,
and the remedy.
"""

import re

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
from support.telling import PostOffice


def acting(office: PostOffice, administrator: Browser | None = None) -> Actor:
    """Return the actor of an act now: an administrator, or the command line."""
    now = office.site.clock()
    if administrator is None:
        return NamedActor(name="cli", now=now)
    return StaffActor(account=administrator.account, now=now)


async def test_another_administrator_reads_of_a_new_account_who_made_it_for_whom_and_where_to_stop_it(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    response = await ani.post(
        "/redaksi/pengguna/baru",
        {
            "nama": "budi",
            "lengkap": "Budi Santoso",
            "peran": "approver",
            "kabar": "budi@contoh.example",
        },
    )
    assert response.status == 200, response.text
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


async def test_whose_password_was_reset_is_alerted_too_and_each_act_has_its_alert(
    sqlite_office: PostOffice,
) -> None:
    ani, _joko, dewi = (
        await sqlite_office.hire("ani", "admin"),
        await sqlite_office.hire("joko", "admin"),
        await sqlite_office.hire("dewi", "approver"),
    )
    database, dewi_id = sqlite_office.site.app.database, dewi.account.id
    await database.write(
        administration.reset_password, acting(sqlite_office, ani), dewi_id, hashed="x"
    )
    await sqlite_office.work()
    sqlite_office.pass_time(seconds=1)
    await database.write(administration.reset_password, acting(sqlite_office), dewi_id, hashed="y")
    await sqlite_office.work()
    sqlite_office.pass_time(seconds=1)
    await database.write(administration.disable, acting(sqlite_office, ani), dewi_id)
    await sqlite_office.work()
    assert sqlite_office.subjects("joko") == [
        "Kata sandi diganti: Dewi",
        "Kata sandi diganti: Dewi",
        "Akun dinonaktifkan: Dewi",
    ]
    assert (
        "Perintah di server mengganti kata sandi akun Dewi (dewi)"
        in sqlite_office.letters("joko")[1]["text"]
    )
    own = sqlite_office.letters("dewi")
    assert "Ani mengganti kata sandi akun Anda (dewi)" in own[0]["text"]
    assert "Bila Anda tidak memintanya" in own[0]["text"]
    assert own[-1]["subject"] == "Akun dinonaktifkan: Dewi"


async def test_accounts_that_single_sign_on_makes_have_their_alerts_too(
    sqlite_office: PostOffice,
) -> None:
    await sqlite_office.hire("joko", "admin")
    identity = Identity(
        issuer="https://sso.example",
        subject="u-1",
        name="siti",
        full_name="Siti Aminah",
        email="",
        values=("penyetuju",),
    )
    now = sqlite_office.site.clock()
    await sqlite_office.site.app.database.write(
        admit, identity, {"penyetuju": "approver"}, now=now, place="", agent=""
    )
    await sqlite_office.work()
    sqlite_office.pass_time(minutes=1)
    await sqlite_office.site.app.database.write(
        admit, identity, {"penyetuju": "admin"}, now=sqlite_office.site.clock(), place="", agent=""
    )
    await sqlite_office.work()
    first, second = sqlite_office.letters("joko")
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
    await office.site.app.database.write(administration.disable, acting(office), dewi.account.id)
    office.pass_time(seconds=40)
    await office.site.app.database.write(
        release.publish_held, Press.of(office.site.app), now=office.site.clock()
    )
    await office.work()
    for name in ("rina", "eka"):
        (letter,) = [
            letter for letter in office.letters(name) if "persetujuan lagi" in letter["subject"]
        ]
        assert (
            letter["subject"]
            == "Tidak jadi terbit, perlu persetujuan lagi: Air PDAM mati di Cibabat"
        )
        assert "Akun yang menyetujui ini sudah dinonaktifkan." in letter["text"]
        assert f"/redaksi/pengumuman/{row.id}/periksa" in letter["text"]
    page = (await rina.get(f"/redaksi/pengumuman/{row.id}/periksa")).text
    assert "Akun yang menyetujui ini sudah dinonaktifkan." in page


async def test_the_page_of_a_second_account_says_why_it_may_not_approve_and_until_when(
    sqlite_office: PostOffice,
) -> None:
    joko = await sqlite_office.hire("joko", "admin", "author")
    await joko.post(
        "/redaksi/pengguna/baru", {"nama": "palsu", "lengkap": "Orang Kedua", "peran": "approver"}
    )
    second_account = await sqlite_office.site.app.database.read(accounts.find, "palsu")
    assert second_account is not None
    await sqlite_office.site.app.database.write(accounts.set_password, second_account.id, "x")
    row = await sqlite_office.act(
        joko, review.submit, (await sqlite_office.act(joko, drafts.save, NOTICE)).id
    )
    second = await browser(sqlite_office.site, second_account)
    response = await second.post(
        f"/redaksi/pengumuman/{row.id}/setujui", {"dilihat": row.bound, "versi": row.version}
    )
    assert response.status == 409
    assert "Joko, yang menyusun ini, baru saja mengatur akun Anda." in response.text
    assert "tunggu sampai 26 Nov 2026 07.43 WIB" in response.text


# --- nobody can hide an act from the others -------------------------------------------------------------


async def change(ani: Browser, person: Browser, **values: str) -> None:
    """Have ani change somebody's particulars."""
    form = {
        "lengkap": person.account.full_name,
        "peran": person.account.roles[0],
        "kabar": person.account.email,
        **values,
    }
    response = await ani.post(f"/redaksi/pengguna/{person.account.id}", form)
    assert response.status == 303, response.text


async def add_approver(ani: Browser, name: str, full_name: str) -> None:
    """Have ani add an approver."""
    response = await ani.post(
        "/redaksi/pengguna/baru", {"nama": name, "lengkap": full_name, "peran": "approver"}
    )
    assert response.status == 200, response.text


async def test_alerts_go_to_a_changed_address_and_for_a_day_to_the_old_one_too(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    await change(ani, joko, kabar="penyerang@contoh.example")
    office.pass_time(hours=23)
    ani = await browser(office.site, ani.account)
    await add_approver(ani, "budi", "Budi Santoso")
    await office.work()
    assert sorted(office.subjects("joko")) == ["Akun baru: Budi Santoso", "Akun diubah: Joko"]
    assert sorted(office.subjects("penyerang")) == ["Akun baru: Budi Santoso", "Akun diubah: Joko"]
    letter = next(
        letter for letter in office.letters("joko") if letter["subject"] == "Akun diubah: Joko"
    )
    assert "Yang diubah: Email." in letter["text"]
    assert "dikirim juga ke alamat yang lama" in letter["text"]
    office.pass_time(hours=1, seconds=1)
    ani = await browser(office.site, ani.account)
    await add_approver(ani, "candra", "Candra")
    await office.work()
    assert office.subjects("penyerang")[-1] == "Akun baru: Candra"
    assert "Akun baru: Candra" not in office.subjects("joko")


async def test_an_old_address_is_sealed_and_gone_once_nothing_is_sent_there(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    await change(ani, joko, kabar="penyerang@contoh.example")
    database, now = office.site.app.database, office.site.clock().timestamp()
    (row,) = table(office.site.app, former_mail)
    assert b"joko" not in bytes(row.mail)
    await database.write(former_mails.purge, now + 2 * former_mails.KEEP_SECONDS - 1)
    assert table(office.site.app, former_mail)
    await database.write(former_mails.purge, now + 2 * former_mails.KEEP_SECONDS)
    assert table(office.site.app, former_mail) == []


async def test_a_persons_own_address_in_another_case_is_no_other_address(
    sqlite_office: PostOffice,
) -> None:
    ani, joko = await sqlite_office.hire("ani", "admin"), await sqlite_office.hire("joko", "admin")
    owner, database = (
        StaffActor(account=joko.account, now=sqlite_office.site.clock()),
        sqlite_office.site.app.database,
    )
    await change(ani, joko, kabar="Jojo@contoh.example")
    former = table(sqlite_office.site.app, former_mail)
    assert (
        await database.write(
            own_account.change_mail, sqlite_office.site.app.vault, owner, "jojo@contoh.example"
        )
        is False
    )
    await change(ani, joko, kabar="JOJO@contoh.example")
    assert table(sqlite_office.site.app, former_mail) == former


async def test_an_address_that_looks_the_same_masked_and_one_that_was_set_with_a_new_password_hide_nothing(
    sqlite_office: PostOffice,
) -> None:
    ani, joko = await sqlite_office.hire("ani", "admin"), await sqlite_office.hire("joko", "admin")
    await change(ani, joko, kabar="jojo@contoh.example")
    await sqlite_office.site.app.database.write(
        administration.reset_password, acting(sqlite_office, ani), joko.account.id, hashed="x"
    )
    owner = StaffActor(account=joko.account, now=sqlite_office.site.clock())
    await sqlite_office.site.app.database.write(
        own_account.change_mail, sqlite_office.site.app.vault, owner, "penyerang@contoh.example"
    )
    await add_approver(ani, "budi", "Budi Santoso")
    await sqlite_office.work()
    for name in ("joko", "jojo", "penyerang"):
        assert sorted(sqlite_office.subjects(name)) == [
            "Akun baru: Budi Santoso",
            "Akun diubah: Joko",
            "Kata sandi diganti: Joko",
        ], name
    assert {row.outcome for row in sqlite_office.rows()} == {"told"}


async def test_who_is_no_administrator_for_a_moment_is_alerted_all_the_same(
    office: PostOffice,
) -> None:
    ani, joko = await office.hire("ani", "admin"), await office.hire("joko", "admin")
    await add_approver(ani, "budi", "Budi Santoso")
    await change(ani, joko, peran="author")
    await office.work()
    office.pass_time(seconds=1)
    await change(ani, joko, peran="admin")
    await office.work()
    assert sorted(office.subjects("joko")) == [
        "Akun baru: Budi Santoso",
        "Akun diubah: Joko",
        "Akun diubah: Joko",
    ]
    assert {row.outcome for row in office.rows() if row.account == joko.account.id} == {"told"}


async def test_an_alert_of_a_new_full_name_has_the_one_before(sqlite_office: PostOffice) -> None:
    ani, _joko, dewi = (
        await sqlite_office.hire("ani", "admin"),
        await sqlite_office.hire("joko", "admin"),
        await sqlite_office.hire("dewi", "approver"),
    )
    await change(ani, dewi, lengkap="Budi Santoso")
    await sqlite_office.work()
    for name in ("joko", "dewi"):
        (letter,) = sqlite_office.letters(name)
        assert letter["subject"] == "Akun diubah: Budi Santoso"
        assert "Yang diubah: Nama (dahulu Dewi)." in letter["text"]


async def test_who_signs_in_by_the_city_under_a_name_that_is_taken_comes_in_and_administrators_read_of_it(
    sqlite_office: PostOffice,
) -> None:
    await sqlite_office.hire("joko", "admin")
    await sqlite_office.hire("dewi", "approver", full_name="Dewi Lestari")
    identity = Identity(
        issuer="https://sso.example",
        subject="u-1",
        name="dewi",
        full_name="DEWI LESTAR1",
        email="",
        values=("penyetuju",),
    )
    admission = await sqlite_office.site.app.database.write(
        admit,
        identity,
        {"penyetuju": "approver"},
        now=sqlite_office.site.clock(),
        place="",
        agent="",
    )
    assert admission.account is not None
    assert (admission.problem, admission.account.full_name) == ("", "DEWI LESTAR1")
    await sqlite_office.work()
    (letter,) = sqlite_office.letters("joko")
    assert "PERHATIAN: akun lain bernama sama: Dewi Lestari (dewi)." in letter["text"]


async def test_the_first_page_of_an_administrator_shows_what_was_done_to_accounts_for_a_day(
    sqlite_office: PostOffice,
) -> None:
    ani, joko, rina = (
        await sqlite_office.hire("ani", "admin"),
        await sqlite_office.hire("joko", "admin"),
        await sqlite_office.hire("rina", "author"),
    )
    await change(ani, joko, kabar="penyerang@contoh.example")
    await add_approver(ani, "budi", "Budi Santoso")
    page = (await joko.get("/redaksi/")).text
    assert "Perubahan akun 24 jam terakhir" in page
    alerts = re.findall(
        r'<a href="/redaksi/pengguna/\d+">([^<]+)</a></h3>\s*<p class="meta"><span>([^<]+)</span><span>([^<]+)<',
        page,
    )
    assert alerts == [("Budi Santoso", "Akun dibuat", "Ani"), ("Joko", "Akun diubah", "Ani")]
    assert "Perubahan akun" not in (await rina.get("/redaksi/")).text
    sqlite_office.pass_time(hours=24, seconds=1)
    joko = await browser(sqlite_office.site, joko.account)
    assert "Perubahan akun" not in (await joko.get("/redaksi/")).text


def test_every_reason_of_an_alert_is_the_act_by_which_the_audit_knows_it() -> None:
    assert {act.value: reason for act, reason in account_alerts.REASONS.items()} == {
        reason: reason for reason in nudges.ACCOUNT_REASONS
    }
