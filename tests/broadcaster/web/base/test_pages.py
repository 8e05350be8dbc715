"""Rules of all pages: language, caching, and one visitor's answers never kept for another."""

import re

import pytest

from broadcaster.web.base import pages
from support.browsing import Running

PAGES = ["/", "/daftar", "/cek", "/privasi", "/api/v1/"]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_are_indonesian_unless_english_is_chosen(site: Running, path: str) -> None:
    assert '<html lang="id">' in (await site.ask(path)).text
    english = await site.ask(f"{path}?bahasa=en")
    assert '<html lang="en">' in english.text
    assert english.cookies["bahasa"] == "en"
    assert '<html lang="en">' in (await site.ask(path, headers={"Cookie": "bahasa=en"})).text
    assert (
        '<html lang="id">'
        in (await site.ask(f"{path}?bahasa=id", headers={"Cookie": "bahasa=en"})).text
    )


@pytest.mark.parametrize("value", ["fr", "", "../en", "EN"])
async def test_an_unknown_language_is_indonesian_and_sets_no_cookie(
    site: Running, value: str
) -> None:
    answer = await site.ask(f"/?bahasa={value}", headers={"Cookie": f"bahasa={value}"})
    assert '<html lang="id">' in answer.text
    assert answer.cookies == {}


async def test_the_switch_keeps_page_and_filter(site: Running) -> None:
    page = (await site.ask("/?wilayah=melong&kata=posyandu")).text
    assert 'href="/?wilayah=melong&amp;kata=posyandu&amp;bahasa=en" hreflang="en" lang="en"' in page


async def test_public_pages_may_be_kept_for_half_a_minute_by_language(site: Running) -> None:
    answer = await site.ask("/")
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    assert answer.headers["Vary"] == "Accept-Encoding, Cookie"
    assert (await site.ask("/", headers={"If-None-Match": answer.headers["ETag"]})).status == 304
    assert (
        await site.ask(
            "/", headers={"If-None-Match": answer.headers["ETag"], "Cookie": "bahasa=en"}
        )
    ).status == 200


async def test_an_answer_that_sets_a_cookie_is_kept_by_nobody(site: Running) -> None:
    assert (await site.ask("/?bahasa=en")).headers["Cache-Control"] == "no-store"


async def test_a_page_is_the_same_until_something_changes(site: Running) -> None:
    tag = (await site.ask("/")).headers["ETag"]
    assert (await site.ask("/")).headers["ETag"] == tag
    await site.publish()
    assert (await site.ask("/")).headers["ETag"] != tag


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_a_title_one_heading_a_way_to_the_content_and_help_in_one_place(
    site: Running, path: str
) -> None:
    page = (await site.ask(path)).text
    assert re.search(r"<title>[^<]+ · Siaran Cimahi</title>", page)
    assert page.count("<h1") == 1
    assert '<a class="skip" href="#isi">' in page
    assert '<main id="isi"' in page
    assert "Darurat: telepon 112" in page


@pytest.mark.parametrize("path", PAGES)
async def test_pages_are_light(site: Running, path: str) -> None:
    answer = await site.ask(path, headers={"Accept-Encoding": "gzip"})
    assert len(answer.raw) < 12_000


async def test_the_current_page_is_marked_in_the_menu(site: Running) -> None:
    page = (await site.ask("/daftar")).text
    assert re.findall(r'<a href="([^"]+)" aria-current="page">', page) == ["/daftar"]


def test_the_environment_refuses_unknown_names_and_escapes_known_ones() -> None:
    template = pages.environment().from_string("{{ known }}")
    assert template.render(known="<b>") == "&lt;b&gt;"
    with pytest.raises(Exception, match="undefined"):
        template.render()
