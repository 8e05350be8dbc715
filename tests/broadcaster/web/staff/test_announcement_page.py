"""Reading and deciding over HTTP: each act says what it did, people have names, and every page
leads on.
"""

import re
from typing import Any

from broadcaster.newsroom import drafts, review
from support.acting import act
from support.browsing import Running
from support.staffing import NOTICE, Browser, signed_in


async def submit_notice(site: Running) -> tuple[Browser, Browser, Any, str]:
    """Submit a notice; return its writer, its approver, its row and its address."""
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    row = await act(rina, review.submit, (await act(rina, drafts.save, NOTICE)).id)
    return rina, dewi, row, f"/redaksi/pengumuman/{row.id}"


async def post_and_follow(person: Browser, path: str, **data: Any) -> str:
    """Send a form and return the page that follows."""
    answer = await person.post(path, data)
    assert answer.status == 303, answer.text
    page = await person.get(answer.headers["Location"])
    return (page if page.status == 200 else await person.get(page.headers["Location"])).text


async def test_an_author_sees_what_they_submitted_and_that_it_waits(site: Running) -> None:
    rina, dewi, row, address = await submit_notice(site)
    assert "Menunggu persetujuan orang lain." in (await rina.get(f"{address}/periksa")).text
    home = (await rina.get("/redaksi/")).text
    assert "Anda ajukan, menunggu persetujuan" in home
    assert row.code in home
    assert "Anda ajukan" not in (await dewi.get("/redaksi/")).text


async def test_a_return_and_a_call_back_say_so(site: Running) -> None:
    rina, dewi, row, address = await submit_notice(site)
    page = await post_and_follow(dewi, f"{address}/kembalikan", alasan="Tulis jamnya.")
    assert "Dikembalikan. Penyusun diberi tahu dan membaca alasan Anda." in page
    assert "<strong>Dikembalikan untuk diperbaiki:</strong> Tulis jamnya." in page
    resubmitted = await act(rina, review.submit, row.id)
    await act(dewi, review.approve, row.id, seen=resubmitted.bound, version=resubmitted.version)
    check_page = (await dewi.get(f"{address}/periksa")).text
    assert "Diajukan Rina," in check_page
    assert "Disetujui Dewi," in check_page
    page = await post_and_follow(dewi, f"{address}/batalkan")
    assert "Batal terbit. Tidak ada yang dikirim" in page
    assert 'id="putusan"' in page
    assert "Batal terbit." not in (await dewi.get(f"{address}/periksa")).text


async def test_what_was_rejected_says_why_and_can_be_duplicated_or_archived(site: Running) -> None:
    rina, dewi, _row, address = await submit_notice(site)
    page = await post_and_follow(dewi, f"{address}/tolak", alasan="Sudah terbit kemarin.")
    assert "Ditolak. Penyusun diberi tahu" in page
    assert "<strong>Ditolak:</strong> Sudah terbit kemarin." in page
    assert "/duplikat" not in page, "an approver writes nothing"
    writers_page = (await rina.get(address)).text
    assert "/duplikat" in writers_page
    page = await post_and_follow(dewi, f"{address}/arsipkan")
    assert "Diarsipkan. Pengumuman ini ada di tab Arsip." in page
    assert "/arsipkan" not in page


async def test_a_published_notice_names_people_and_leads_on(site: Running) -> None:
    announcement = await site.publish()
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    address = f"/redaksi/pengumuman/{announcement.id}"
    await rina.post(f"{address}/cabut", {"reason": "Batal."})
    page = (await rina.get(address)).text
    assert not re.search(r"staff:\w", page)
    assert "<span>Rina</span>" in page
    assert "Ada pencabutan yang menunggu persetujuan." in page
    assert "Batal." in page
    for ending in ("/duplikat", "/templat", "/ralat"):
        assert f'{address}{ending}"' in page
    assert "/arsipkan" not in page, "it is still out"
    assert f'{address}/ralat"' not in (await dewi.get(address)).text
    assert (await rina.post(f"{address}/duplikat")).headers["Location"].endswith("/tulis")


async def test_pages_that_lead_nowhere_do_not_ask_to_sign_in_who_is(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    for path, status in (("/redaksi/pengguna", 403), ("/redaksi/pengumuman/tidakada", 404)):
        page = await rina.get(path)
        assert page.status == status
        assert 'href="/redaksi/masuk"' not in page.text
        assert 'href="/redaksi/"' in page.text


async def test_the_newsroom_links_to_its_templates_and_pictures(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    home = (await rina.get("/redaksi/")).text
    assert 'href="/redaksi/templat"' in home
    assert 'href="/redaksi/gambar"' in home
    assert 'href="/redaksi/templat"' in (await rina.get("/redaksi/pengumuman")).text
    assert "Tulis pengumuman" not in (await dewi.get("/redaksi/pengumuman")).text
