"""The feeds of an area: stable entries, corrections, withdrawals, lossless pages, golden words."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import feedparser
import msgspec
import pytest
from lxml import etree

from channels.base.contract import Edition, Image, Wording
from channels.feed import FeedChannel, Settings
from support import samples
from support.feeds import AREAS, EDITIONS, FORMATS, LATER, items, many, read_entries, render_feed

GOLDEN = Path(__file__).parent / "golden" / "feed"


# --- entries -------------------------------------------------------------------------------------


def test_an_id_never_changes_and_is_the_same_in_every_area() -> None:
    wanted = "tag:info.cimahi.example,2026:p/CMH-7K4Q-2M"
    for edition in (samples.notice(), samples.correction(), samples.withdrawal()):
        assert {items([edition], area=area)[0]["id"] for area in AREAS} == {wanted}


def test_the_year_of_an_id_is_the_one_in_cimahi() -> None:
    new_year = datetime(2027, 1, 1, 0, 30, tzinfo=samples.WIB)
    assert items([samples.notice(first_published_at=new_year, expires=None)])[0]["id"].startswith(
        "tag:info.cimahi.example,2027:"
    )


def test_a_correction_keeps_its_birth_and_moves_its_update() -> None:
    item = items([samples.correction()])[0]
    assert item["title"] == "[RALAT] Air PDAM mati di Cibabat, Rabu 25 Nov 08.00-16.00"
    assert item["date_published"] == "2026-11-25T07:43:00+07:00"
    assert item["date_modified"] == "2026-11-25T09:10:00+07:00"
    assert item["_cimahi"]["status"] == "corrected"
    assert "Air kembali pukul 16.00, bukan 14.00." in item["content_html"]


def test_a_withdrawal_gives_its_reason_and_repeats_the_old_claim_nowhere() -> None:
    old = samples.notice(
        link="https://tirta.cimahi.example/", image=Image(url="/gambar/pipa.jpg", alt="Pipa")
    )
    edition = msgspec.structs.replace(
        old,
        number=2,
        change="withdrawal",
        reason="Pekerjaan pipa ditunda. Air tetap mengalir.",
        published_at=samples.WITHDRAWN,
    )
    item = items([edition])[0]
    assert item["title"].startswith("[DICABUT] ")
    assert item["summary"] == "Pekerjaan pipa ditunda. Air tetap mengalir."
    assert item["_cimahi"]["status"] == "withdrawn"
    assert "image" not in item
    for extension in FORMATS:
        body = render_feed(extension, [edition]).body.decode()
        assert "Truk tangki" not in body
        assert "tirta.cimahi.example" not in body
        assert "pipa.jpg" not in body


def test_a_withdrawn_hoax_answer_does_not_spread_the_hoax() -> None:
    edition = samples.clarification(
        change="withdrawal", reason="Kami keliru.", published_at=samples.WITHDRAWN
    )
    assert "bit.example" not in render_feed("atom", [edition]).body.decode()


def test_a_withdrawal_stays_thirty_days_and_an_expired_notice_not_a_second() -> None:
    end = samples.WITHDRAWN + timedelta(days=30)
    assert len(items([samples.withdrawal()], now=end - timedelta(seconds=1))) == 1
    assert items([samples.withdrawal()], now=end) == []
    assert items([samples.notice()], now=samples.WATER_BACK) == []


def test_a_feed_says_until_when_it_is_fresh_and_when_it_last_changed() -> None:
    document = render_feed("rss", [samples.notice(), samples.alert()])
    assert document.updated == samples.NOW
    assert document.fresh_until == samples.FLOOD_ENDS
    after = render_feed("rss", [samples.notice(), samples.alert()], now=samples.FLOOD_ENDS)
    assert after.updated == samples.FLOOD_ENDS
    assert render_feed("rss", []).updated is None


def test_a_picture_of_ours_says_how_large_it_is_and_what_it_shows() -> None:
    rss = render_feed("rss", [samples.picture()]).body
    [entry] = feedparser.parse(rss).entries
    assert (entry.enclosures[0].type, entry.enclosures[0].length) == ("image/jpeg", "183042")
    [content] = entry.media_content
    assert content == {
        "url": samples.PICTURE.url,
        "type": "image/jpeg",
        "medium": "image",
        "filesize": "183042",
        "width": "1600",
        "height": "1067",
    }
    assert samples.PICTURE.alt in rss.decode()
    assert (
        feedparser.parse(render_feed("atom", [samples.picture()]).body)
        .entries[0]
        .enclosures[0]
        .length
        == "183042"
    )
    [item] = json.loads(render_feed("json", [samples.picture()]).body)["items"]
    assert item["attachments"] == [
        {"url": samples.PICTURE.url, "mime_type": "image/jpeg", "size_in_bytes": 183042}
    ]


def test_a_feed_without_pictures_names_no_media() -> None:
    assert b"mrss" not in render_feed("rss", [samples.notice()]).body


def test_a_picture_is_an_enclosure_with_its_text_alternative() -> None:
    edition = samples.notice(image=Image(url="/gambar/pipa induk.jpg", alt='Pipa "induk"'))
    address = "https://info.cimahi.example/gambar/pipa%20induk.jpg"
    item = items([edition])[0]
    assert item["image"] == address
    assert item["attachments"] == [{"url": address, "mime_type": "image/jpeg"}]
    assert f'<img src="{address}" alt="Pipa &quot;induk&quot;">' in item["content_html"]
    assert (
        feedparser.parse(render_feed("rss", [edition]).body).entries[0].enclosures[0].type
        == "image/jpeg"
    )


def test_a_relative_link_in_the_text_becomes_absolute() -> None:
    wording = Wording(
        title="Judul", summary="Ringkasan", body="[jadwal](/jadwal) dan [nomor](tel:112)"
    )
    html = items([samples.notice(wordings={"id": wording})])[0]["content_html"]
    assert 'href="https://info.cimahi.example/jadwal"' in html
    assert 'href="tel:112"' in html


def test_an_address_that_is_none_is_left_out() -> None:
    edition = samples.notice(link="javascript:alert(1)", image=Image(url="http://[x", alt="x"))
    for extension in FORMATS:
        body = render_feed(extension, [edition]).body.decode()
        assert "javascript:" not in body
        assert "http://[x" not in body


def test_english_readers_get_english_where_there_is_any() -> None:
    only_indonesian = samples.notice(
        code="CMH-INDO-22", wordings={"id": samples.notice().wording("id")}
    )
    document = render_feed("json", [samples.correction(), only_indonesian], query={"bahasa": "en"})
    parsed = json.loads(document.body)
    assert parsed["language"] == "en"
    assert parsed["feed_url"] == "https://info.cimahi.example/feed/cibabat.json?bahasa=en"
    assert [(item["language"], item["title"]) for item in parsed["items"]] == [
        ("id", "Air PDAM mati di Cibabat, Rabu 25 Nov 08.00-14.00"),
        ("en", "[CORRECTION] No tap water in Cibabat, Wed 25 Nov 08.00-16.00"),
    ]


def test_a_simulation_is_marked_in_every_title() -> None:
    for extension in FORMATS:
        assert all(
            title.startswith("[SIMULASI] ")
            for _, title, _, _ in read_entries(
                extension, render_feed(extension, simulated=True).body
            )
        )


# --- pages ---------------------------------------------------------------------------------------


def next_url(extension: str, body: bytes) -> str:
    """Return the address of the next page, "" on the last one."""
    if extension == "json":
        return str(json.loads(body).get("next_url", ""))
    links = feedparser.parse(body).feed.links
    return next((link.href for link in links if link.rel == "next"), "")


def follow_pages(
    extension: str, editions: list[Edition], *, published_meanwhile: Iterator[Edition] | None = None
) -> list[str]:
    """Return the ids of all pages, while new announcements appear between two requests."""
    ids: list[str] = []
    query: dict[str, str] = {}
    while True:
        body = render_feed(extension, editions, query=query).body
        ids += [entry[0] for entry in read_entries(extension, body)]
        following = next_url(extension, body)
        if not following:
            return ids
        query = {name: values[0] for name, values in parse_qs(urlsplit(following).query).items()}
        if published_meanwhile:
            editions = [next(published_meanwhile), *editions]


@pytest.mark.parametrize("extension", ["atom", "json"])
def test_paging_while_publishing_loses_nothing_and_doubles_nothing(extension: str) -> None:
    editions = many(173)
    ordered = sorted(
        editions, key=lambda edition: (edition.first_published_at, edition.code), reverse=True
    )
    newer = (
        samples.notice(
            code=f"CMH-NEW{number}-2M",
            first_published_at=samples.NOW + timedelta(minutes=number),
            expires=None,
        )
        for number in range(1, 9)
    )
    ids = follow_pages(extension, editions, published_meanwhile=newer)
    assert ids == [f"tag:info.cimahi.example,2026:p/{edition.code}" for edition in ordered]
    assert len(set(ids)) == 173


def test_exactly_one_full_page_has_no_next() -> None:
    assert next_url("json", render_feed("json", many(50)).body) == ""
    assert next_url("json", render_feed("json", many(51)).body) != ""


def test_rss_is_one_page() -> None:
    document = render_feed("rss", many(120), query={"sebelum": "0.CMH"})
    assert len(read_entries("rss", document.body)) == 50
    assert b'rel="next"' not in document.body


@pytest.mark.parametrize(
    "cursor", ["", "x", ".", "1e5.CMH", "-", "9" * 40 + ".CMH", "\u0663.CMH", "<script>"]
)
def test_a_cursor_that_cannot_be_read_gives_the_first_page(cursor: str) -> None:
    first_page = items(many(60), query={"sebelum": cursor})
    assert first_page == items(many(60))


# --- signage -------------------------------------------------------------------------------------


def test_the_feed_for_signage_holds_what_is_valid_now_in_plain_words() -> None:
    editions = [
        *EDITIONS,
        samples.alert(code="CMH-SOON-22", effective=LATER + timedelta(minutes=5)),
    ]
    body = render_feed("rss", editions, query={"bentuk": "layar"}).body
    codes = [entry[0].rsplit("/", 1)[-1] for entry in read_entries("rss", body)]
    assert codes == ["CMH-7K4Q-2M", "CMH-ALRT-22", "CMH-CLAR-22"]
    assert b"content:encoded>" not in body


def test_concerto_knows_a_content_by_its_code() -> None:
    document = render_feed("json", query={"bentuk": "concerto"})
    contents = json.loads(document.body)
    assert document.media_type == "application/json"
    assert [content["name"] for content in contents] == [
        "CMH-7K4Q-2M",
        "CMH-ALRT-22",
        "CMH-CLAR-22",
    ]
    assert contents[1] == {
        "type": "RichText",
        "name": "CMH-ALRT-22",
        "text": "Banjir di Jl. Amir Machmud, pindah ke tempat tinggi\nPindah ke SDN Cibabat 1. Telepon 112 bila terjebak.\n"
        "info.cimahi.example/p/CMH-ALRT-22",
        "render_as": "plaintext",
        "duration": 19,
        "start_time": "2026-11-25T07:43:00+07:00",
        "end_time": "2026-11-25T10:00:00+07:00",
    }


# --- words ---------------------------------------------------------------------------------------


def sample_text(name: str, lang: str) -> str:
    """Return title, summary, text and HTML of a sample, one under the other."""
    entry = items([samples.editions()[name]], query={"bahasa": lang}, now=samples.NOW)[0]
    fields = {
        "title": entry["title"],
        "summary": entry["summary"],
        "text": entry["content_text"],
        "html": entry["content_html"],
    }
    return "\n\n".join(f"=== {part} ===\n{text}" for part, text in fields.items()) + "\n"


def indented(extension: str) -> str:
    """Return a whole feed, one element a line."""
    body = render_feed(extension).body
    if extension == "json":
        return body.decode() + "\n"
    root = etree.fromstring(body)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode") + "\n"


GOLDENS = {
    f"{name}.{lang}.txt": (sample_text, (name, lang))
    for name in samples.editions()
    for lang in ("id", "en")
} | {f"cibabat.{extension}": (indented, (extension,)) for extension in FORMATS}


@pytest.mark.parametrize("name", GOLDENS)
def test_the_words_are_those_of_the_golden_file(name: str) -> None:
    write, arguments = GOLDENS[name]
    assert write(*arguments) == (GOLDEN / name).read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(GOLDENS)


def write_goldens() -> None:
    """Write all golden files anew: `PYTHONPATH=tests:. python tests/channels/test_feed.py`, then
    read the difference.
    """
    for name, (write, arguments) in GOLDENS.items():
        (GOLDEN / name).write_text(write(*arguments), encoding="utf-8")


if __name__ == "__main__":
    write_goldens()


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("name", ["notice", "alert", "clarification", "correction"])
def test_every_kind_shows_what_to_do(name: str, lang: str) -> None:
    words = {
        language: Wording(title="Air mati", summary="", body="Isi.", instruction="Tekan *123*4#.")
        for language in ("id", "en")
    }
    edition = msgspec.structs.replace(samples.editions()[name], wordings=words)
    entry = FeedChannel(Settings(site=samples.site())).entry(edition, lang)
    assert "Tekan *123*4#." in entry.html
    assert "Tekan *123*4#." in entry.text
