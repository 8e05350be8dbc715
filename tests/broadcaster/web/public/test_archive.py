"""The archive: what it lists, in which order, and how it is filtered."""

import html
import re
from datetime import timedelta

import pytest

from support.browsing import EMERGENCY, Running, hrefs


async def test_the_newest_announcement_stands_first(site: Running) -> None:
    await site.publish(title="Kabar pertama")
    site.clock.now += timedelta(minutes=5)
    await site.publish(title="Kabar kedua")
    page = (await site.ask("/")).text
    assert page.index("Kabar kedua") < page.index("Kabar pertama")
    assert "2 pengumuman untuk Kota Cimahi" in page


async def test_an_empty_archive_says_so(site: Running) -> None:
    page = (await site.ask("/")).text
    assert "Belum ada pengumuman yang cocok." in page
    assert "0 pengumuman untuk Kota Cimahi" in page


async def test_a_kelurahan_shows_its_own_news_and_that_of_the_city_but_not_its_neighbours(
    site: Running,
) -> None:
    await site.publish(title="Untuk Cibabat")
    await site.publish(title="Untuk Melong", areas=["melong"])
    await site.publish(title="Untuk semua", areas=["cimahi"])
    page = (await site.ask("/?wilayah=cibabat")).text
    assert "Untuk Cibabat" in page
    assert "Untuk semua" in page
    assert "Untuk Melong" not in page
    assert "2 pengumuman untuk Kel. Cibabat" in page


async def test_category_and_words_narrow_the_list(site: Running) -> None:
    await site.publish(title="Posyandu Melati", category="kesehatan")
    await site.publish(title="Posyandu ditutup", category="gangguan-layanan")
    await site.publish(title="Listrik padam", category="gangguan-layanan")
    page = (await site.ask("/?kategori=gangguan-layanan&kata=posyandu")).text
    assert "Posyandu ditutup" in page
    assert "Posyandu Melati" not in page
    assert "Listrik padam" not in page
    assert "1 pengumuman ditemukan untuk Kota Cimahi" in page


async def test_what_was_searched_stays_in_the_form(site: Running) -> None:
    page = (await site.ask("/?wilayah=melong&kategori=bansos&kata=beras%22%3E")).text
    assert '<option value="melong" selected>' in page
    assert '<option value="bansos" selected>' in page
    assert 'value="beras&#34;&gt;"' in page


async def test_an_unknown_area_is_no_page_of_ours(site: Running) -> None:
    assert (await site.ask("/?wilayah=lembang")).status == 404


@pytest.mark.parametrize(
    "query",
    ["kategori=tidak-ada", "sebelum=rusak", "sebelum=%00", "kata=" + "x" * 500, "halaman=2"],
)
async def test_an_odd_query_is_answered_with_a_page(site: Running, query: str) -> None:
    assert (await site.ask(f"/?{query}")).status == 200


async def test_twenty_stand_on_a_page_and_real_links_lead_to_all_others(site: Running) -> None:
    for number in range(45):
        site.clock.now += timedelta(minutes=1)
        await site.publish(title=f"Kabar nomor {number:02}")
    seen: list[str] = []
    path = "/"
    for _ in range(4):
        page = (await site.ask(path)).text
        codes = [href for href in hrefs(page) if href.startswith("/p/")]
        assert len(codes) <= 20
        seen += codes
        older = re.search(r'rel="next" href="([^"]+)"', page)
        if older is None:
            break
        path = html.unescape(older[1])
    assert len(seen) == len(set(seen)) == 45


async def test_the_feed_links_are_those_of_the_filter(site: Running) -> None:
    links = hrefs((await site.ask("/?wilayah=melong")).text)
    for path in ("/feed/melong.rss", "/feed/melong.atom", "/feed/melong.json", "/layar/melong"):
        assert path in links
        assert (await site.ask(path)).status == 200


async def test_an_emergency_in_force_stands_above_everything(site: Running) -> None:
    await site.publish(EMERGENCY)
    for number in range(25):
        site.clock.now += timedelta(minutes=1)
        await site.publish(title=f"Kabar nomor {number:02}")
    page = (await site.ask("/")).text
    assert page.index("Banjir di Jl. Amir Machmud") < page.index("<h1")
    assert "Banjir di Jl. Amir Machmud" not in (await site.ask("/?wilayah=melong")).text


async def test_an_ended_emergency_is_no_longer_above(site: Running) -> None:
    await site.publish(EMERGENCY)
    site.clock.now += timedelta(hours=3)
    page = (await site.ask("/")).text
    assert page.index("Banjir di Jl. Amir Machmud") > page.index("<h1")
    assert "Berakhir" in page


async def test_each_item_tells_its_standing(site: Running) -> None:
    first = await site.publish(title="Air mati")
    second = await site.publish(title="Jalan ditutup")
    site.clock.now += timedelta(minutes=10)
    await site.correct(
        first, "Air kembali pukul 16.00.", title="Air mati", expires="2026-11-25 16:00"
    )
    await site.withdraw(second, "Jalan tetap dibuka.")
    page = (await site.ask("/")).text
    assert "Diralat" in page
    assert "Dicabut" in page
    assert "Jalan tetap dibuka." in page


async def test_titles_are_shown_and_never_run(site: Running) -> None:
    await site.publish(
        title='<script>alert("x")</script>',
        summary="<img src=x onerror=alert(1)>",
        agency="<b>Dinas</b>",
    )
    page = (await site.ask("/")).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


async def test_only_what_still_holds_can_be_asked_for(site: Running) -> None:
    current = await site.publish(title="Masih berlaku sampai besok", expires="2026-11-26 12:00")
    await site.publish(title="Tanpa akhir", expires=None)
    await site.publish(title="Sudah lewat", expires="2026-11-25 09:00")
    withdrawn = await site.publish(title="Sudah dicabut")
    corrected = await site.publish(title="Sudah diralat", expires="2026-11-26 12:00")
    site.clock.now = site.clock.now.replace(hour=10)
    await site.withdraw(withdrawn, "Batal.")
    await site.correct(corrected, "Jamnya.", title="Sudah diralat", expires="2026-11-27 12:00")
    page = (await site.ask("/?wilayah=cibabat&berlaku=ya")).text
    titles = [
        title
        for title in (
            "Masih berlaku sampai besok",
            "Tanpa akhir",
            "Sudah lewat",
            "Sudah dicabut",
            "Sudah diralat",
        )
        if f">{title}</a>" in page
    ]
    assert titles == ["Masih berlaku sampai besok", "Tanpa akhir", "Sudah diralat"]
    assert "3 pengumuman masih berlaku untuk Kel. Cibabat" in page
    assert 'name="berlaku" value="ya"' in page, "another filter keeps this one"
    assert f'href="/p/{current.code}"' in page
    assert "5 pengumuman untuk" in (await site.ask("/?wilayah=cibabat&berlaku=tidak")).text


async def test_the_way_to_what_still_holds_keeps_the_other_filters(site: Running) -> None:
    links = [
        html.unescape(link)
        for link in hrefs((await site.ask("/?wilayah=melong&kata=air&sebelum=1.CMH-2222-22")).text)
    ]
    assert "/?wilayah=melong&kata=air&berlaku=ya" in links
    assert "/?wilayah=melong&kata=air" in links


async def test_a_danger_that_holds_bears_a_warning_mark_and_no_tick(site: Running) -> None:
    announcement = await site.publish(EMERGENCY)
    for path in ("/", f"/p/{announcement.code}"):
        page = (await site.ask(path)).text
        assert re.search(r'class="(state|standing) warning emergency"', page), path
        assert not re.search(r'class="(state|standing) valid"', page), path
    check_page = (await site.ask(f"/cek?kode={announcement.code}")).text
    assert re.search(r'class="standing valid"', check_page), "that it is genuine is another thing"
    await site.publish(EMERGENCY, kind="alert", level="important", title="Waspada hujan lebat")
    assert 'class="state warning"' in (await site.ask("/")).text


async def test_feeds_are_named_by_their_address_not_opened_by_a_button(site: Running) -> None:
    for path in ("/?wilayah=melong", "/daftar"):
        page = (await site.ask(path)).text
        assert re.search(
            r'<a href="/feed/melong\.rss" type="application/rss\+xml">\S+/feed/melong\.rss</a>',
            page,
        ), path
        assert re.search(r'data-copy="https?://[^"]+/feed/melong\.rss"', page), path
        assert "Layar kelurahan</a>" not in page, path
