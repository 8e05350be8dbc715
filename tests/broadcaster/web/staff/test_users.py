"""The people who work here, over HTTP: found, added, changed, disabled and enabled; what is
refused, and what the log says.
"""

import re
from dataclasses import replace

import pytest
from sqlalchemy import text

from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, AccountRole
from broadcaster.domain.actor import NamedActor, StaffActor
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.staff import administration
from broadcaster.staff.administration import NoAccount, Particulars
from broadcaster.store import accounts, audit, sessions
from broadcaster.store.accounts import LastAdmin
from broadcaster.store.audit import AuditEntry
from broadcaster.store.database import Database
from subscribers.vault import Vault
from support.browsing import Clock, Running
from support.staffing import Browser, browser, hire, person, signed_in

VAULT = Vault(b"a secret of sixteen bytes")
BUDI = {
    "nama": "Budi", "lengkap": "Budi  Santoso", "peran": ["author", "approver"], "opd": ["Kota Cimahi"],
    "opd_lain": "Dinas Kesehatan\r\n\r\nPerumda Tirta", "areas": ["cibabat", "cimahi-selatan", "melong"],
    "kabar": "budi@contoh.example",
}  # fmt: skip


async def sign_in_admin(site: Running) -> Browser:
    """Sign in Ani, who manages accounts."""
    return await signed_in(site, "ani", "admin")


async def find_account(site: Running, name: str) -> Account:
    """Return the account of this name as it now stands."""
    account = await site.app.database.read(accounts.find, name)
    assert account is not None
    return account


async def log_of(site: Running, name: str) -> list[AuditEntry]:
    """Return the log's entries about this person's account."""
    return await site.app.database.read(audit.about, f"staff:{name}")


def password_on(page: str) -> str:
    """Return the one-time password that a page shows."""
    match = re.search(r'class="once code">([^<]+)<', page)
    assert match
    return match[1]


# --- the list -------------------------------------------------------------------------------------


async def test_the_list_shows_everybody_and_finds_by_name_role_and_state(site: Running) -> None:
    ani = await sign_in_admin(site)
    await hire(site.app, "rina", "author", agencies=("Perumda Tirta",))
    former = await hire(site.app, "lama", "approver")
    await site.app.database.write(accounts.disable, former.id, 1.0)
    page = (await ani.get("/redaksi/pengguna")).text
    assert "3 pengguna" in page
    assert page.index(">Ani<") < page.index(">Rina<") < page.index(">Lama<"), (
        "who is shut out comes last"
    )
    for query, name in (
        ("kata=TIRTA", "Rina"),
        ("kata=rin", "Rina"),
        ("peran=admin", "Ani"),
        ("keadaan=nonaktif", "Lama"),
        ("peran=approver&keadaan=nonaktif&halaman=99", "Lama"),
    ):
        results = (await ani.get(f"/redaksi/pengguna?{query}")).text
        assert "1 pengguna" in results, query
        assert f">{name}</a>" in results, query
    assert "Tidak ada pengguna yang cocok" in (await ani.get("/redaksi/pengguna?kata=%3Cb%3E")).text


async def test_many_people_come_in_pages(site: Running) -> None:
    ani = await sign_in_admin(site)

    def fill(connection: object) -> None:
        for number in range(60):
            accounts.add(connection, person(f"orang{number:02}"), at=1.0)  # type: ignore[arg-type]

    await site.app.database.write(fill)
    first = (await ani.get("/redaksi/pengguna")).text
    assert first.count('<li class="line') == 50
    assert "halaman=2" in first
    second = (await ani.get("/redaksi/pengguna?halaman=2")).text
    assert second.count('<li class="line') == 11
    assert 'rel="prev" href="/redaksi/pengguna"' in second


# --- adding ---------------------------------------------------------------------------------------


async def test_a_new_person_has_a_password_shown_once_and_must_choose_their_own(
    site: Running,
) -> None:
    ani = await sign_in_admin(site)
    assert (await ani.get("/redaksi/pengguna/baru")).status == 200
    answer = await ani.post("/redaksi/pengguna/baru", BUDI)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    password = password_on(answer.text)
    budi = await find_account(site, "budi")
    assert (budi.full_name, budi.roles, budi.must_change) == (
        "Budi Santoso",
        ("author", "approver"),
        True,
    )
    assert budi.agencies == ("Dinas Kesehatan", "Kota Cimahi", "Perumda Tirta")
    assert budi.areas == ("32.77.01", "32.77.03.1002"), "Melong lies within Cimahi Selatan"
    assert credentials.password_fits(
        (await site.app.database.read(accounts.secrets_of, budi.id))[0], password
    )
    assert password not in (await ani.get(f"/redaksi/pengguna/{budi.id}")).text
    (entry,) = await log_of(site, "budi")
    assert (entry.act, entry.actor, entry.detail["from"]) == (
        "account_add",
        "staff:ani",
        "127.0.0.1",
    )
    assert entry.detail["after"]["roles"] == ["author", "approver"]
    assert "budi@" not in str(entry)
    assert password not in str(entry)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nama": "ani"}, "sudah ada"),
        ({"nama": "a b"}, "Nama pengguna berisi"),
        ({"lengkap": " "}, "nama lengkap"),
        ({"peran": []}, "paling sedikit satu peran"),
        ({"peran": ["raja"]}, "tidak dikenal"),
        ({"areas": ["bandung"]}, "tidak dikenal"),
        ({"kabar": "bukan"}, "Alamat email"),
        ({"opd_lain": "x" * 81}, "perangkat daerah"),
    ],
)
async def test_a_person_that_cannot_be_is_refused_and_nothing_typed_is_lost(
    site: Running, change: dict[str, object], reason: str
) -> None:
    ani = await sign_in_admin(site)
    refusal = await ani.post("/redaksi/pengguna/baru", {**BUDI, **change})
    assert refusal.status == 422
    assert reason in refusal.text
    if "opd_lain" not in change:
        assert "Dinas Kesehatan" in refusal.text
    if "areas" not in change:
        assert re.search(r'value="cibabat" checked', refusal.text)
    assert await site.app.database.read(accounts.find, "budi") is None


# --- changing -------------------------------------------------------------------------------------


async def test_a_change_holds_at_once_and_the_log_has_before_and_after(site: Running) -> None:
    ani, rina = await sign_in_admin(site), await signed_in(site, "rina", "author")
    page = await ani.get(f"/redaksi/pengguna/{rina.account.id}")
    assert re.search(r'name="peran" value="author" checked', page.text)
    form = {"lengkap": "Rina", "peran": ["author", "admin"], "areas": ["cibabat"]}
    answer = await ani.post(f"/redaksi/pengguna/{rina.account.id}", form)
    assert answer.headers["Location"] == f"/redaksi/pengguna/{rina.account.id}?selesai=simpan"
    assert "Perubahan tersimpan" in (await ani.get(answer.headers["Location"])).text
    assert (await rina.get("/redaksi/pengguna")).status == 200
    (entry,) = await log_of(site, "rina")
    assert entry.detail["before"] == {"roles": ["author"], "areas": []}
    assert entry.detail["after"] == {"roles": ["author", "admin"], "areas": ["32.77.03.1002"]}
    assert "own" not in entry.detail
    await ani.post(f"/redaksi/pengguna/{rina.account.id}", form)
    assert len(await log_of(site, "rina")) == 1, "no change, no row"
    assert "Kel. Cibabat" in (await ani.get("/redaksi/pengguna?kata=rina")).text


async def test_one_cannot_raise_oneself_in_silence(site: Running) -> None:
    ani = await sign_in_admin(site)
    await ani.post(
        f"/redaksi/pengguna/{ani.account.id}", {"lengkap": "Ani", "peran": ["admin", "approver"]}
    )
    (entry,) = await log_of(site, "ani")
    assert (entry.detail["own"], entry.detail["after"]["roles"]) == (True, ["approver", "admin"])
    page = (await ani.get("/redaksi/audit")).text
    assert "Perlu diperhatikan" in page


async def test_the_last_pengelola_stays(site: Running) -> None:
    ani = await sign_in_admin(site)
    refusal = await ani.post(
        f"/redaksi/pengguna/{ani.account.id}", {"lengkap": "Ani", "peran": ["author"]}
    )
    assert refusal.status == 422
    assert "pengelola terakhir" in refusal.text
    assert (await find_account(site, "ani")).roles == ("admin",)
    bea = await signed_in(site, "bea", "admin")
    assert (await ani.post(f"/redaksi/pengguna/{bea.account.id}/nonaktif")).status == 303
    assert (await bea.get("/redaksi/")).status == 303
    assert (
        await ani.post(
            f"/redaksi/pengguna/{ani.account.id}", {"lengkap": "Ani", "peran": ["author"]}
        )
    ).status == 422


# --- acts -----------------------------------------------------------------------------------------


async def test_who_is_shut_out_is_out_at_once_and_may_be_let_in_again(site: Running) -> None:
    ani, rina = await sign_in_admin(site), await signed_in(site, "rina", "author")
    address = f"/redaksi/pengguna/{rina.account.id}"
    answer = await ani.post(f"{address}/nonaktif")
    assert answer.headers["Location"] == f"{address}?selesai=nonaktif"
    assert (await rina.get("/redaksi/")).status == 303
    assert "Aktifkan lagi" in (await ani.get(address)).text
    await ani.post(f"{address}/aktif")
    assert (await find_account(site, "rina")).disabled_at is None
    assert (await rina.get("/redaksi/")).status == 303, "the old session does not come back"
    assert [(entry.act, entry.detail["after"]) for entry in await log_of(site, "rina")] == [
        ("account_disable", {"active": False}),
        ("account_enable", {"active": True}),
    ]


async def test_a_forgotten_password_is_replaced_by_one_shown_once(site: Running) -> None:
    ani, rina = await sign_in_admin(site), await signed_in(site, "rina", "author")
    answer = await ani.post(f"/redaksi/pengguna/{rina.account.id}/sandi")
    password = password_on(answer.text)
    assert credentials.password_fits(
        (await site.app.database.read(accounts.secrets_of, rina.account.id))[0], password
    )
    assert (await find_account(site, "rina")).must_change
    assert (await rina.get("/redaksi/")).status == 303
    new_browser = await browser(site, rina.account)
    assert (await new_browser.get("/redaksi/")).headers["Location"] == "/redaksi/akun/sandi"
    assert password not in str(await log_of(site, "rina"))


async def test_a_lost_phone(site: Running) -> None:
    ani, rina = await sign_in_admin(site), await signed_in(site, "rina", "author")
    address = f"/redaksi/pengguna/{rina.account.id}"
    assert "Hapus langkah kedua" not in (await ani.get(address)).text
    sealed = site.app.vault.seal("totp", "JBSWY3DPEHPK3PXP")
    await site.app.database.write(accounts.set_totp, rina.account.id, sealed, [b"x" * 16])
    assert "Hapus langkah kedua" in (await ani.get(address)).text
    assert (await ani.post(f"{address}/kode")).headers["Location"] == f"{address}?selesai=kode"
    assert not (await find_account(site, "rina")).secured
    assert await site.app.database.read(accounts.recovery_codes_left, rina.account.id) == 0
    assert (await rina.get("/redaksi/")).status == 303
    await ani.post(f"{address}/kode")
    assert [entry.act for entry in await log_of(site, "rina")] == ["second_factor_removed"]


async def test_somebody_is_signed_out_everywhere(site: Running) -> None:
    ani, rina = await sign_in_admin(site), await signed_in(site, "rina", "author")
    await browser(site, rina.account)
    await ani.post(f"/redaksi/pengguna/{rina.account.id}/sesi")
    assert (await rina.get("/redaksi/")).status == 303
    (entry,) = await log_of(site, "rina")
    assert entry.detail["sessions"] == 2
    assert await site.app.database.read(sessions.of, rina.account, site.clock().timestamp()) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [("sandi", "Akun saya"), ("kode", "Akun saya"), ("nonaktif", "akun Anda sendiri")],
)
async def test_no_way_round_ones_own_password(site: Running, path: str, reason: str) -> None:
    ani = await sign_in_admin(site)
    await signed_in(site, "bea", "admin")
    refusal = await ani.post(f"/redaksi/pengguna/{ani.account.id}/{path}")
    assert refusal.status == 409
    assert reason in refusal.text
    assert await log_of(site, "ani") == []
    assert (await ani.get("/redaksi/")).status == 200


PATHS = ("", "/baru", "/{id}")
ACTS = (
    "/baru",
    "/{id}",
    "/{id}/nonaktif",
    "/{id}/aktif",
    "/{id}/sandi",
    "/{id}/kode",
    "/{id}/sesi",
)


@pytest.mark.parametrize(
    "roles", [("author",), ("approver",), ("screens",), ("author", "approver", "screens")]
)
async def test_who_does_not_manage_neither_sees_nor_does_anything_here(
    site: Running, roles: tuple[AccountRole, ...]
) -> None:
    ani, rina = await sign_in_admin(site), await signed_in(site, "rina", *roles)
    for path in PATHS:
        assert (
            await rina.get(f"/redaksi/pengguna{path}".replace("{id}", str(ani.account.id)))
        ).status == 403
    for path in ACTS:
        address = f"/redaksi/pengguna{path}".replace("{id}", str(rina.account.id))
        assert (await rina.post(address, {**BUDI, "peran": ["admin"]})).status == 403
    for menu in ("/redaksi/pengguna", "/redaksi/audit"):
        assert f'href="{menu}"' not in (await rina.get("/redaksi/")).text
        assert f'href="{menu}"' in (await ani.get("/redaksi/")).text
    assert (await find_account(site, "rina")).roles == rina.account.roles
    entries = await site.app.database.read(
        lambda connection: connection.execute(text("SELECT count(*) FROM audit")).scalar()
    )
    assert entries == 0


@pytest.mark.parametrize("path", ACTS)
async def test_a_form_from_elsewhere_changes_nothing(site: Running, path: str) -> None:
    ani = await sign_in_admin(site)
    rina = await hire(site.app, "rina", "author")
    address = f"/redaksi/pengguna{path}".replace("{id}", str(rina.id))
    assert (await replace(ani, csrf="tebakan").post(address, BUDI)).status == 403
    assert (await ani.post(address, BUDI, Origin="https://jahat.example")).status == 403
    assert await find_account(site, "rina") == rina


async def test_nobody_is_given_the_full_name_of_another(site: Running) -> None:
    ani = await sign_in_admin(site)
    rina = await hire(site.app, "rina", "author")
    refusal = await ani.post("/redaksi/pengguna/baru", {**BUDI, "lengkap": "RlNA"})
    assert refusal.status == 422
    assert "terlalu mirip dengan, akun rina (Rina)" in refusal.text
    renaming = await ani.post(
        f"/redaksi/pengguna/{rina.id}", {"lengkap": "Anı", "peran": ["author"]}
    )
    assert renaming.status == 422
    assert "akun ani (Ani)" in renaming.text
    assert (await find_account(site, "rina")).full_name == "Rina"


@pytest.mark.parametrize("number", ["0", "99999", "9" * 15, "9" * 40, "x", "-1", "²", "1.0"])
async def test_nobody_by_that_number(site: Running, number: str) -> None:
    ani = await sign_in_admin(site)
    assert (await ani.get(f"/redaksi/pengguna/{number}")).status == 404
    assert (await ani.post(f"/redaksi/pengguna/{number}/sandi")).status == 404


# --- the rules themselves, on both databases ------------------------------------------------------


def test_the_rules_hold_without_any_page(database: Database) -> None:
    now = Clock()()
    particulars = Particulars(full_name="Ani", roles=("admin",))
    cli = NamedActor(name="cli", now=now)
    ani = database.write_now(administration.add_account, cli, "ani", particulars, hashed="x")
    rina = database.write_now(
        administration.add_account,
        cli,
        "rina",
        Particulars(full_name="Rina", roles=("author",)),
        hashed="x",
    )
    for act in (
        administration.disable,
        administration.enable,
        administration.remove_second_factor,
        administration.end_sessions,
    ):
        with pytest.raises(NotAllowed):
            database.write_now(act, StaffActor(account=rina, now=now), ani.id)
        with pytest.raises(NoAccount):
            database.write_now(act, cli, 999)
    with pytest.raises(NotAllowed):
        database.write_now(
            administration.reset_password, StaffActor(account=rina, now=now), ani.id, hashed="y"
        )
    for actor in (StaffActor(account=rina, now=now), NamedActor(name="token:situs", now=now)):
        with pytest.raises(NotAllowed):
            database.write_now(administration.add_account, actor, "x", particulars, hashed="x")
    with pytest.raises(NotAllowed):
        database.write_now(
            administration.change,
            StaffActor(account=rina, now=now),
            rina.id,
            particulars,
            vault=VAULT,
        )
    with pytest.raises(LastAdmin):
        database.write_now(administration.disable, cli, ani.id)
    with pytest.raises(LastAdmin):
        database.write_now(
            administration.change,
            cli,
            ani.id,
            Particulars(full_name="Ani", roles=("author",)),
            vault=VAULT,
        )
    assert database.read_now(audit.verify) == 2, "what was refused left no row"
