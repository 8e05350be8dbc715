"""Addresses of forms, opened as pages: who lands on one, say after signing in again, is led to the
form's page.
"""

import pytest

from broadcaster.web.base.authorization import Row
from broadcaster.web.routes import STAFF
from support.browsing import Running
from support.staff_rows import staff_rows
from support.staffing import NOTICE, signed_in

PAGES = {row.path for row in staff_rows("GET")}
FORMS = [row for row in STAFF if row.path not in PAGES]
PARENTS = {
    "/redaksi/simpan": "/redaksi/",
    "/redaksi/keluar": "/redaksi/",
    "/redaksi/akun/telegram/lepas": "/redaksi/akun",
    "/redaksi/templat/{id}/hapus": "/redaksi/templat",
    "/redaksi/kanal/{name}/lanjut": "/redaksi/kanal",
    "/redaksi/pengumuman/{id}/setujui": "/redaksi/pengumuman/{id}",
    "/redaksi/pengumuman/{id}/usulan/setujui": "/redaksi/pengumuman/{id}",
}


@pytest.mark.parametrize("row", FORMS, ids=lambda row: row.path)
async def test_a_forms_address_leads_to_its_page(site: Running, row: Row) -> None:
    ani = await signed_in(site, "ani", "author", "approver", "admin")
    stranger = await site.ask(row.path.format(id="x1", name="x1"))
    assert stranger.headers["Location"].startswith("/redaksi/masuk?ke=")
    answer = await ani.get(row.path.format(id="x1", name="x1"))
    assert answer.status == 303
    parent = answer.headers["Location"]
    assert parent.startswith("/redaksi/")
    assert parent.replace("x1", "{id}") in PAGES | {parent}
    if row.path in PARENTS:
        assert parent == PARENTS[row.path].format(id="x1")


async def test_who_signs_in_again_at_a_refused_approval_finds_the_check(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    draft = await rina.post("/redaksi/tulis", {**NOTICE, "aksi": "periksa"})
    address = draft.headers["Location"]
    await rina.post(address.replace("periksa", "ajukan"), {"versi": "1"})
    redirect = await dewi.get(address.replace("periksa", "setujui"))
    assert redirect.status == 303
    assert (await dewi.get(redirect.headers["Location"])).headers["Location"] == address


async def test_what_is_named_in_an_address_is_named_again_and_nothing_else(site: Running) -> None:
    dewi = await signed_in(site, "dewi", "approver")
    answer = await dewi.get("/redaksi/pengumuman/..%2f..%2fx/setujui")
    assert answer.headers.get("Location", "") in ("", "/redaksi/pengumuman/..%2F..%2Fx")
