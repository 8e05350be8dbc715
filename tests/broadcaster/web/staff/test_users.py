"""The people who work here, over HTTP: found, added, changed, shut out and let in; what is refused,
and what the log says.
"""

import re
from dataclasses import replace

import pytest
from sqlalchemy import text

from broadcaster.domain import accounts as rules
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account
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
from support.staffing import Browser, browser, hire, signed_in
from support.staffing import person as unstored

VAULT = Vault(b"a secret of sixteen bytes")
BUDI = {
    "nama": "Budi", "lengkap": "Budi  Santoso", "peran": ["author", "approver"], "opd": ["Kota Cimahi"],
    "opd_lain": "Dinas Kesehatan\r\n\r\nPerumda Tirta", "areas": ["cibabat", "cimahi-selatan", "melong"],
    "kabar": "budi@contoh.example",
}  # fmt: skip


async def admin(site: Running) -> Browser:
    """Ani, who manages."""
    return await signed_in(site, "ani", "admin")


async def one(site: Running, name: str) -> Account:
    """The account of this name as it now stands."""
    found = await site.app.database.read(accounts.find, name)
    assert found is not None
    return found


async def about(site: Running, name: str) -> list[AuditEntry]:
    """What the log says was done to this person's account."""
    return await site.app.database.read(audit.about, f"staff:{name}")


def password_on(page: str) -> str:
    """The one-time password that a page shows."""
    found = re.search(r'class="once code">([^<]+)<', page)
    assert found
    return found[1]


# --- the list -------------------------------------------------------------------------------------------


async def test_the_list_shows_everybody_and_finds_by_name_role_and_state(site: Running) -> None:
    ani = await admin(site)
    await hire(site.app, "rina", "author", agencies=("Perumda Tirta",))
    gone = await hire(site.app, "lama", "approver")
    await site.app.database.write(accounts.disable, gone.id, 1.0)
    page = (await ani.get("/redaksi/pengguna")).text
    assert "3 pengguna" in page
    assert page.index(">Ani<") < page.index(">Rina<") < page.index(">Lama<"), (
        "who is shut out comes last"
    )
    for query, shown in (
        ("kata=TIRTA", "Rina"),
        ("kata=rin", "Rina"),
        ("peran=admin", "Ani"),
        ("keadaan=nonaktif", "Lama"),
        ("peran=approver&keadaan=nonaktif&halaman=99", "Lama"),
    ):
        found = (await ani.get(f"/redaksi/pengguna?{query}")).text
        assert "1 pengguna" in found, query
        assert f">{shown}</a>" in found, query
    assert "Tidak ada pengguna yang cocok" in (await ani.get("/redaksi/pengguna?kata=%3Cb%3E")).text


async def test_many_people_come_in_pages(site: Running) -> None:
    ani = await admin(site)

    def fill(connection: object) -> None:
        for number in range(60):
            accounts.add(connection, unstored(f"orang{number:02}"), at=1.0)  # type: ignore[arg-type]

    await site.app.database.write(fill)
    first = (await ani.get("/redaksi/pengguna")).text
    assert first.count('<li class="line') == 50
    assert "halaman=2" in first
    second = (await ani.get("/redaksi/pengguna?halaman=2")).text
    assert second.count('<li class="line') == 11
    assert 'rel="prev" href="/redaksi/pengguna"' in second


# --- adding ---------------------------------------------------------------------------------------------


async def test_a_new_person_has_a_password_shown_once_and_must_choose_their_own(
    site: Running,
) -> None:
    ani = await admin(site)
    assert (await ani.get("/redaksi/pengguna/baru")).status == 200
    done = await ani.post("/redaksi/pengguna/baru", BUDI)
    assert done.status == 200
    assert done.headers["Cache-Control"] == "no-store"
    password = password_on(done.text)
    budi = await one(site, "budi")
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
    (entry,) = await about(site, "budi")
    assert (entry.act, entry.actor, entry.detail["from"]) == (
        "account_add",
        "staff:ani",
        "127.0.0.1",
    )
    assert entry.detail["after"]["roles"] == ["author", "approver"]
    assert "budi@" not in str(entry)
    assert password not in str(entry)


@pytest.mark.parametrize(
    ("change", "said"),
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
    site: Running, change: dict[str, object], said: str
) -> None:
    ani = await admin(site)
    refused = await ani.post("/redaksi/pengguna/baru", {**BUDI, **change})
    assert refused.status == 422
    assert said in refused.text
    if "opd_lain" not in change:
        assert "Dinas Kesehatan" in refused.text
    if "areas" not in change:
        assert re.search(r'value="cibabat" checked', refused.text)
    assert await site.app.database.read(accounts.find, "budi") is None


# --- changing -------------------------------------------------------------------------------------------


async def test_a_change_holds_at_once_and_the_log_has_before_and_after(site: Running) -> None:
    ani, rina = await admin(site), await signed_in(site, "rina", "author")
    page = await ani.get(f"/redaksi/pengguna/{rina.account.id}")
    assert re.search(r'name="peran" value="author" checked', page.text)
    form = {"lengkap": "Rina", "peran": ["author", "admin"], "areas": ["cibabat"]}
    done = await ani.post(f"/redaksi/pengguna/{rina.account.id}", form)
    assert done.headers["Location"] == f"/redaksi/pengguna/{rina.account.id}?selesai=simpan"
    assert "Perubahan tersimpan" in (await ani.get(done.headers["Location"])).text
    assert (await rina.get("/redaksi/pengguna")).status == 200
    (entry,) = await about(site, "rina")
    assert entry.detail["before"] == {"roles": ["author"], "areas": []}
    assert entry.detail["after"] == {"roles": ["author", "admin"], "areas": ["32.77.03.1002"]}
    assert "own" not in entry.detail
    await ani.post(f"/redaksi/pengguna/{rina.account.id}", form)
    assert len(await about(site, "rina")) == 1, "no change, no row"
    assert "Kel. Cibabat" in (await ani.get("/redaksi/pengguna?kata=rina")).text


async def test_one_cannot_raise_oneself_in_silence(site: Running) -> None:
    ani = await admin(site)
    await ani.post(
        f"/redaksi/pengguna/{ani.account.id}", {"lengkap": "Ani", "peran": ["admin", "approver"]}
    )
    (entry,) = await about(site, "ani")
    assert (entry.detail["own"], entry.detail["after"]["roles"]) == (True, ["approver", "admin"])
    page = (await ani.get("/redaksi/audit")).text
    assert "Perlu diperhatikan" in page


async def test_the_last_pengelola_stays(site: Running) -> None:
    ani = await admin(site)
    refused = await ani.post(
        f"/redaksi/pengguna/{ani.account.id}", {"lengkap": "Ani", "peran": ["author"]}
    )
    assert refused.status == 422
    assert "pengelola terakhir" in refused.text
    assert (await one(site, "ani")).roles == ("admin",)
    bea = await signed_in(site, "bea", "admin")
    assert (await ani.post(f"/redaksi/pengguna/{bea.account.id}/nonaktif")).status == 303
    assert (await bea.get("/redaksi/")).status == 303
    assert (
        await ani.post(
            f"/redaksi/pengguna/{ani.account.id}", {"lengkap": "Ani", "peran": ["author"]}
        )
    ).status == 422


# --- acts -----------------------------------------------------------------------------------------------


async def test_who_is_shut_out_is_out_at_once_and_may_be_let_in_again(site: Running) -> None:
    ani, rina = await admin(site), await signed_in(site, "rina", "author")
    where = f"/redaksi/pengguna/{rina.account.id}"
    done = await ani.post(f"{where}/nonaktif")
    assert done.headers["Location"] == f"{where}?selesai=nonaktif"
    assert (await rina.get("/redaksi/")).status == 303
    assert "Aktifkan lagi" in (await ani.get(where)).text
    await ani.post(f"{where}/aktif")
    assert (await one(site, "rina")).disabled_at is None
    assert (await rina.get("/redaksi/")).status == 303, "the old session does not come back"
    assert [(entry.act, entry.detail["after"]) for entry in await about(site, "rina")] == [
        ("account_disable", {"active": False}),
        ("account_enable", {"active": True}),
    ]


async def test_a_forgotten_password_is_replaced_by_one_shown_once(site: Running) -> None:
    ani, rina = await admin(site), await signed_in(site, "rina", "author")
    done = await ani.post(f"/redaksi/pengguna/{rina.account.id}/sandi")
    password = password_on(done.text)
    assert credentials.password_fits(
        (await site.app.database.read(accounts.secrets_of, rina.account.id))[0], password
    )
    assert (await one(site, "rina")).must_change
    assert (await rina.get("/redaksi/")).status == 303
    again = await browser(site, rina.account)
    assert (await again.get("/redaksi/")).headers["Location"] == "/redaksi/akun/sandi"
    assert password not in str(await about(site, "rina"))


async def test_a_lost_phone(site: Running) -> None:
    ani, rina = await admin(site), await signed_in(site, "rina", "author")
    where = f"/redaksi/pengguna/{rina.account.id}"
    assert "Hapus langkah kedua" not in (await ani.get(where)).text
    sealed = site.app.vault.seal("totp", "JBSWY3DPEHPK3PXP")
    await site.app.database.write(accounts.set_totp, rina.account.id, sealed, [b"x" * 16])
    assert "Hapus langkah kedua" in (await ani.get(where)).text
    assert (await ani.post(f"{where}/kode")).headers["Location"] == f"{where}?selesai=kode"
    assert not (await one(site, "rina")).secured
    assert await site.app.database.read(accounts.recovery_codes_left, rina.account.id) == 0
    assert (await rina.get("/redaksi/")).status == 303
    await ani.post(f"{where}/kode")
    assert [entry.act for entry in await about(site, "rina")] == ["second_factor_removed"]


async def test_somebody_is_signed_out_everywhere(site: Running) -> None:
    ani, rina = await admin(site), await signed_in(site, "rina", "author")
    await browser(site, rina.account)
    await ani.post(f"/redaksi/pengguna/{rina.account.id}/sesi")
    assert (await rina.get("/redaksi/")).status == 303
    (entry,) = await about(site, "rina")
    assert entry.detail["sessions"] == 2
    assert await site.app.database.read(sessions.of, rina.account, site.clock().timestamp()) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [("sandi", "Akun saya"), ("kode", "Akun saya"), ("nonaktif", "akun Anda sendiri")],
)
async def test_no_way_round_ones_own_password(site: Running, path: str, said: str) -> None:
    ani = await admin(site)
    await signed_in(site, "bea", "admin")
    refused = await ani.post(f"/redaksi/pengguna/{ani.account.id}/{path}")
    assert refused.status == 409
    assert said in refused.text
    assert await about(site, "ani") == []
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
    site: Running, roles: tuple[rules.AccountRole, ...]
) -> None:
    ani, rina = await admin(site), await signed_in(site, "rina", *roles)
    for path in PATHS:
        assert (
            await rina.get(f"/redaksi/pengguna{path}".replace("{id}", str(ani.account.id)))
        ).status == 403
    for path in ACTS:
        there = f"/redaksi/pengguna{path}".replace("{id}", str(rina.account.id))
        assert (await rina.post(there, {**BUDI, "peran": ["admin"]})).status == 403
    for menu in ("/redaksi/pengguna", "/redaksi/audit"):
        assert f'href="{menu}"' not in (await rina.get("/redaksi/")).text
        assert f'href="{menu}"' in (await ani.get("/redaksi/")).text
    assert (await one(site, "rina")).roles == rina.account.roles
    rows = await site.app.database.read(
        lambda connection: connection.execute(text("SELECT count(*) FROM audit")).scalar()
    )
    assert rows == 0


@pytest.mark.parametrize("path", ACTS)
async def test_a_form_from_elsewhere_changes_nothing(site: Running, path: str) -> None:
    ani = await admin(site)
    rina = await hire(site.app, "rina", "author")
    there = f"/redaksi/pengguna{path}".replace("{id}", str(rina.id))
    assert (await replace(ani, csrf="tebakan").post(there, BUDI)).status == 403
    assert (await ani.post(there, BUDI, Origin="https://jahat.example")).status == 403
    assert await one(site, "rina") == rina


async def test_nobody_is_given_the_full_name_of_another(site: Running) -> None:
    ani = await admin(site)
    rina = await hire(site.app, "rina", "author")
    refused = await ani.post("/redaksi/pengguna/baru", {**BUDI, "lengkap": "RlNA"})
    assert refused.status == 422
    assert "terlalu mirip dengan, akun rina (Rina)" in refused.text
    renamed = await ani.post(
        f"/redaksi/pengguna/{rina.id}", {"lengkap": "Anı", "peran": ["author"]}
    )
    assert renamed.status == 422
    assert "akun ani (Ani)" in renamed.text
    assert (await one(site, "rina")).full_name == "Rina"


@pytest.mark.parametrize("who", ["0", "99999", "9" * 15, "9" * 40, "x", "-1", "²", "1.0"])
async def test_nobody_by_that_number(site: Running, who: str) -> None:
    ani = await admin(site)
    assert (await ani.get(f"/redaksi/pengguna/{who}")).status == 404
    assert (await ani.post(f"/redaksi/pengguna/{who}/sandi")).status == 404


# --- the rules themselves, on both databases ------------------------------------------------------------


def test_the_rules_hold_without_any_page(database: Database) -> None:
    now = Clock()()
    particulars = Particulars(full_name="Ani", roles=("admin",))
    shell = NamedActor(name="cli", now=now)
    ani = database.write_now(administration.add_account, shell, "ani", particulars, hashed="x")
    rina = database.write_now(
        administration.add_account,
        shell,
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
            database.write_now(act, shell, 999)
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
        database.write_now(administration.disable, shell, ani.id)
    with pytest.raises(LastAdmin):
        database.write_now(
            administration.change,
            shell,
            ani.id,
            Particulars(full_name="Ani", roles=("author",)),
            vault=VAULT,
        )
    assert database.read_now(audit.verify) == 2, "what was refused left no row"
