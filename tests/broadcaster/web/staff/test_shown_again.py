"""Forms sent with the token of an earlier session: nothing changes, and nothing typed is lost."""

from dataclasses import replace

import pytest

from broadcaster.store import announcements
from support.browsing import NOTICE, Running
from support.staffing import Browser, form_token, signed_in

TYPED = {
    "title": "Kalimat yang lama dipikirkan",
    "body": "Isi yang lama dipikirkan.",
    "areas": "cibabat",
}


async def form_of(site: Running, rina: Browser, kind: str) -> tuple[str, dict[str, str]]:
    """Return a form's path, and what else it sends."""
    if kind == "correction":
        return f"/redaksi/pengumuman/{(await site.publish(NOTICE)).id}/ralat", {
            "reason": "Jamnya salah."
        }
    if kind == "draft":
        answer = await rina.post("/redaksi/tulis", {"title": "Air", "aksi": "simpan"})
        return answer.headers["Location"].split("?")[0], {"versi": "1"}
    return (
        ("/redaksi/darurat", {"bahaya": "banjir"}) if kind == "warning" else ("/redaksi/tulis", {})
    )


@pytest.mark.parametrize("kind", ["new", "draft", "warning", "correction"])
async def test_who_signed_in_again_finds_everything_typed_and_can_send_it(
    site: Running, kind: str
) -> None:
    rina = await signed_in(site, "rina", "author")
    path, fields = await form_of(site, rina, kind)
    old = replace(rina, csrf="token-dari-sesi-lama")
    before = await site.app.database.read(
        lambda connection: connection.exec_driver_sql("SELECT * FROM announcement").all()
    )
    answer = await old.post(path, {**TYPED, **fields})
    assert answer.status == 403
    assert "Sesi Anda sempat berakhir" in answer.text
    assert all(text in answer.text for text in (TYPED["title"], TYPED["body"]))
    assert 'value="cibabat" checked' in answer.text
    assert form_token(answer.text) == rina.csrf
    after = await site.app.database.read(
        lambda connection: connection.exec_driver_sql("SELECT * FROM announcement").all()
    )
    assert after == before
    assert (await rina.post(path, {**TYPED, **fields})).status != 403


async def test_what_a_colleague_changed_meanwhile_is_not_written_over_unseen(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    path, _fields = await form_of(site, rina, "draft")
    await rina.post(path, {**TYPED, "title": "Dari tab lain", "versi": "1"})
    answer = await replace(rina, csrf="lama").post(path, {**TYPED, "versi": "1"})
    assert "sudah diubah di tempat lain" in answer.text
    assert "Tulisan Anda masih ada di halaman ini" in answer.text
    row = await site.app.database.read(announcements.find, path.split("/")[3])
    assert row is not None
    assert row.title == "Dari tab lain"


async def test_another_site_learns_nothing_by_it(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    forged = await rina.post("/redaksi/tulis", TYPED, Origin="https://jahat.example")
    assert forged.status == 403
    assert TYPED["title"] not in forged.text
