"""The list of kelurahan: each with its feeds, all of which answer, and no promise of closed
channels.
"""

from pathlib import Path

from support.browsing import EMERGENCY, Running, hrefs, running


async def test_every_kelurahan_and_the_city_has_links_that_work(site: Running) -> None:
    page = (await site.ask("/daftar")).text
    links = {href for href in hrefs(page) if href.startswith(("/feed/", "/layar/"))}
    areas = [*site.app.tree.kelurahan, site.app.tree.city]
    assert links == {
        path.replace("{area}", area.slug)
        for area in areas
        for path in ("/feed/{area}.rss", "/feed/{area}.atom", "/feed/{area}.json", "/layar/{area}")
    }
    for link in sorted(links):
        assert (await site.ask(link)).status == 200, link


async def test_kelurahan_cimahi_is_never_called_just_cimahi(site: Running) -> None:
    page = (await site.ask("/daftar")).text
    assert "Kelurahan Cimahi" in page
    assert "Kel. Cimahi" in page
    assert ">Cimahi<" not in page


async def test_the_numbers_count_what_is_in_force_there(site: Running) -> None:
    await site.publish()
    await site.publish(EMERGENCY, areas=["cimahi-utara"])
    ended = await site.publish(areas=["cimahi"])
    await site.withdraw(ended, "Salah tanggal.")
    page = (await site.ask("/daftar")).text
    assert '<a class="small" href="/?wilayah=cibabat">2 pengumuman berlaku</a>' in page
    assert '<a class="small" href="/?wilayah=melong">0 pengumuman berlaku</a>' in page
    assert '<a class="small" href="/?wilayah=cipageran">1 pengumuman berlaku</a>' in page


async def test_messages_are_promised_only_by_the_channels_that_are_open(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(sqlite_url, tmp_path, BROADCASTER_CHANNELS="email feed") as site:
        page = (await site.ask("/daftar")).text
        assert "WhatsApp" not in page
        assert "didaftarkan oleh petugas kelurahan" in page


async def test_each_tile_leads_to_its_kelurahan_in_the_list(site: Running) -> None:
    page = (await site.ask("/daftar")).text
    for area in site.app.tree.kelurahan:
        assert f'href="#{area.slug}"' in page
        assert f'id="{area.slug}"' in page


async def test_the_feeds_of_each_kelurahan_are_folded_away(site: Running) -> None:
    page = (await site.ask("/daftar")).text
    for area in site.app.tree.kelurahan:
        details = page[page.index(f"<summary>{area.full_name}</summary>") :].partition(
            "</details>"
        )[0]
        assert f'id="{area.slug}"' in details
        assert f"/feed/{area.slug}.rss" in details
    assert "<details open" not in page
