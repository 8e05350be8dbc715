"""The pages of templates over HTTP: the list, keeping, using, renaming, deleting, and the shortcuts
on the first page.
"""

from typing import Any

import pytest

from broadcaster.newsroom import drafts, templates
from broadcaster.store import announcements
from broadcaster.store.templates import everything
from support.acting import act
from support.browsing import Running
from support.staffing import NOTICE, Browser, signed_in

LIST = "/redaksi/templat"


async def keep_template(rina: Browser, name: str = "Air PDAM mati", **changes: Any) -> int:
    """Keep an announcement as a template; return the template's id."""
    row = await act(rina, drafts.save, {**NOTICE, **changes})
    return int((await act(rina, templates.keep, row.id, name)).id)


async def test_an_announcement_is_kept_under_a_name_and_stands_in_the_list(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    assert "Belum ada templat" in (await rina.get(LIST)).text
    row = await act(
        rina, drafts.save, {**NOTICE, "title": "<b>Air</b> mati", "agency": "Perumda Tirta"}
    )
    answer = await rina.post(f"/redaksi/pengumuman/{row.id}/templat", {"nama": "Air & pipa"})
    assert (answer.status, answer.headers["Location"]) == (303, f"{LIST}?selesai=disimpan")
    page = (await rina.get(f"{LIST}?selesai=disimpan")).text
    for phrase in (
        "Templat disimpan.",
        "Air &amp; pipa",
        "&lt;b&gt;Air&lt;/b&gt; mati",
        "Perumda Tirta",
        "Kel. Cibabat",
    ):
        assert phrase in page


async def test_a_refused_name_is_kept_in_the_field_with_the_reason(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    template = await keep_template(rina)
    row = await act(rina, drafts.save, NOTICE)
    for path in (
        f"/redaksi/pengumuman/{row.id}/templat",
        f"{LIST}/{await keep_template(rina, 'Lain')}/ganti-nama",
    ):
        page = await rina.post(path, {"nama": "air pdam MATI"})
        assert page.status == 422
        assert "sudah dipakai templat lain" in page.text
        assert 'value="air pdam MATI"' in page.text
        assert 'aria-invalid="true"' in page.text
    assert (await rina.post(f"{LIST}/{template}/ganti-nama", {"nama": "Pipa"})).headers[
        "Location"
    ] == f"{LIST}?selesai=diganti"
    assert {saved.name for saved in await site.app.database.read(everything)} == {"Pipa", "Lain"}


async def test_a_template_leads_to_a_new_draft_in_the_composer(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    answer = await rina.post(f"{LIST}/{await keep_template(rina)}/pakai")
    identity = (
        answer.headers["Location"].removeprefix("/redaksi/pengumuman/").removesuffix("/tulis")
    )
    row = await site.app.database.read(announcements.find, identity)
    assert row is not None
    assert (row.state, row.title, row.fields.expires) == ("draft", NOTICE["title"], None)


async def test_a_deleted_template_is_gone_and_says_so(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    template = await keep_template(rina)
    assert (await rina.post(f"{LIST}/{template}/hapus")).headers[
        "Location"
    ] == f"{LIST}?selesai=dihapus"
    for deed in ("hapus", "pakai"):
        answer = await rina.post(f"{LIST}/{template}/{deed}")
        assert answer.status == 409
        assert "Templat ini sudah tidak ada." in answer.text
    assert (await rina.post(f"{LIST}/{template}/ganti-nama", {"nama": "x"})).status == 422


@pytest.mark.parametrize("name", ["abc", "-1", "1" * 16, "1;--"])
async def test_what_is_no_number_is_not_found(site: Running, name: str) -> None:
    rina = await signed_in(site, "rina", "author")
    assert (await rina.post(f"{LIST}/{name}/pakai")).status == 404


async def test_who_may_not_write_reads_the_list_without_its_buttons(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    template = await keep_template(rina)
    page = (await dewi.get(LIST)).text
    assert "Air PDAM mati" in page
    assert f"{LIST}/{template}" not in page
    for deed in ("pakai", "ganti-nama", "hapus"):
        assert (await dewi.post(f"{LIST}/{template}/{deed}", {"nama": "x"})).status == 403
    row = await act(rina, drafts.save, NOTICE)
    assert (await dewi.post(f"/redaksi/pengumuman/{row.id}/templat", {"nama": "x"})).status == 403
    assert "Semua templat" not in (await dewi.get("/redaksi/")).text


async def test_the_first_page_has_shortcuts_to_the_first_five(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    assert "Semua templat" in (await rina.get("/redaksi/")).text
    ids = [await keep_template(rina, f"Templat {number}") for number in range(6)]
    page = (await rina.get("/redaksi/")).text
    assert [f"{LIST}/{template_id}/pakai" in page for template_id in ids] == [True] * 5 + [False]


async def test_the_check_before_submitting_shows_what_a_template_leaves_open(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    draft = await act(rina, drafts.save, {**NOTICE, "title": "Rapat di (balai warga)"})
    await act(rina, templates.keep, draft.id, "Rapat")
    page = (await rina.get(f"/redaksi/pengumuman/{draft.id}/periksa")).text
    assert "Masih ada isian kosong: &#34;(balai warga)&#34;." in page
    refusal = await rina.post(f"/redaksi/pengumuman/{draft.id}/ajukan", {"versi": draft.version})
    assert refusal.status == 422
