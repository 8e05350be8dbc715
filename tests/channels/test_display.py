"""Screens: an area's data, its order, the same bytes each time, and a page without inline code."""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
import segno

from channels import display
from channels.base.contract import Area, Document, Edition, Image, PageRequest, Wording
from support import samples

GOLDEN = Path(__file__).parent / "golden" / "display"
PAGE, DATA = display.DisplayChannel.paths
LATER = samples.NOW + timedelta(minutes=30)
KEYS = {
    "code", "number", "kind", "level", "change", "lang", "topic", "tag", "title", "summary", "agency", "areas",
    "effective", "expires", "url", "short", "qr",
}  # fmt: skip


def document_of(
    path: str,
    editions: Sequence[Edition] = (),
    *,
    now: datetime = LATER,
    area: Area = samples.CIBABAT,
    simulated: bool = False,
) -> Document:
    """Return the document of an area."""
    channel = display.open_channel(display.Settings(site=samples.site(simulated=simulated)))
    return channel.render_page(
        PageRequest(path=path, area=area, query={}, editions=editions, now=now)
    )


def data(
    *editions: Edition, now: datetime = LATER, area: Area = samples.CIBABAT, simulated: bool = False
) -> dict[str, Any]:
    """Return the payload as the screen reads it."""
    payload: dict[str, Any] = json.loads(
        document_of(DATA, editions, now=now, area=area, simulated=simulated).body
    )
    return payload


def codes(payload: dict[str, Any]) -> list[str]:
    """Return the codes of the items in their order."""
    return [item["code"] for item in payload["items"]]


# --- data -----------------------------------------------------------------------------------------


def test_the_payload_says_that_it_is_complete() -> None:
    payload = data(samples.notice(), samples.alert())
    assert payload["version"] == 1
    assert payload["count"] == len(payload["items"]) == 2
    assert payload["generated"] == "2026-11-25T00:43:00Z"
    assert payload["area"] == {
        "code": "32.77.03.1002",
        "name": "Kelurahan Cibabat",
        "slug": "cibabat",
    }
    assert all(set(item) == KEYS for item in payload["items"])


OWN = f"https://info.cimahi.example/media/{'a1' * 16}/web.jpg"


def test_a_picture_of_ours_travels_as_a_path_in_the_size_of_screens() -> None:
    [item] = data(samples.notice(image=Image(url=OWN, alt="Peta lokasi truk tangki")))["items"]
    assert set(item) == KEYS | {"picture"}
    assert item["picture"] == {
        "url": f"/media/{'a1' * 16}/layar.jpg",
        "alt": "Peta lokasi truk tangki",
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://lain.example/media/" + "a1" * 16 + "/web.jpg",
        "https://info.cimahi.example/g/1.jpg",
        OWN + "?x",
        OWN[:-1],
    ],
)
def test_any_other_picture_is_left_to_the_page(url: str) -> None:
    [item] = data(samples.notice(image=Image(url=url, alt="Peta")))["items"]
    assert set(item) == KEYS


def test_generated_is_the_latest_edition_and_not_the_time_of_asking() -> None:
    assert data(samples.notice(), samples.withdrawal())["generated"] == "2026-11-25T02:40:00Z"
    assert data()["generated"] == data(now=LATER + timedelta(days=3))["generated"]


def test_the_bytes_stay_the_same_between_two_changes() -> None:
    editions = [samples.notice(), samples.alert(), samples.clarification()]
    bodies = {
        document_of(DATA, order, now=samples.NOW + timedelta(minutes=m)).body
        for m in (0, 30, 136)
        for order in (editions, editions[::-1])
    }
    assert len(bodies) == 1
    assert document_of(DATA, editions, now=samples.FLOOD_ENDS).body not in bodies


def test_emergencies_lead_then_alerts_then_what_matters_then_the_newest() -> None:
    newer = samples.NOW + timedelta(minutes=5)
    editions = [
        samples.notice(code="A-INFO"),
        samples.notice(code="B-INFO-NEW", first_published_at=newer),
        samples.clarification(code="C-IMPORTANT"),
        samples.alert(code="D-ALERT-INFO", level="info"),
        samples.alert(code="E-ALERT-IMPORTANT", level="important"),
        samples.alert(code="F-EMERGENCY"),
        samples.alert(code="G-EMERGENCY-NEW", first_published_at=newer),
    ]
    assert codes(data(*editions)) == [
        "G-EMERGENCY-NEW",
        "F-EMERGENCY",
        "E-ALERT-IMPORTANT",
        "D-ALERT-INFO",
        "C-IMPORTANT",
        "B-INFO-NEW",
        "A-INFO",
    ]


def test_withdrawn_and_expired_announcements_are_left_out() -> None:
    assert codes(data(samples.withdrawal(), samples.alert(), now=samples.FLOOD_ENDS)) == []
    assert codes(data(samples.alert(), now=samples.FLOOD_ENDS - timedelta(seconds=1))) == [
        samples.ALERT_CODE
    ]


@pytest.mark.parametrize("level", ["emergency", "important"])
def test_an_alert_that_moved_elsewhere_is_shown_as_corrected_and_takes_nothing_over(
    level: Any,
) -> None:
    moved = samples.alert(
        level=level,
        change="correction",
        number=2,
        reason="Salah kelurahan.",
        areas=(samples.MELONG,),
    )
    [item] = data(moved)["items"]
    assert (item["level"], item["change"], item["areas"]) == ("info", "correction", ["Kel. Melong"])
    for area in (samples.MELONG, samples.CITY):
        [there] = data(moved, area=area)["items"]
        assert there["level"] == level
    within = msgspec.structs.replace(moved, areas=(samples.CIMAHI_UTARA,))
    assert data(within)["items"][0]["level"] == level


def test_a_future_alert_is_sent_ahead_so_that_the_screen_starts_it_by_itself() -> None:
    start = LATER + timedelta(minutes=10)
    document = document_of(DATA, [samples.alert(effective=start)])
    assert json.loads(document.body)["items"][0]["effective"] == "2026-11-25T01:23:00Z"
    assert document.fresh_until == start


def test_times_are_utc_and_an_open_end_is_null() -> None:
    items = {
        item["code"]: item for item in data(samples.notice(), samples.clarification())["items"]
    }
    assert items[samples.NOTICE_CODE]["effective"] == "2026-11-25T01:00:00Z"
    assert items[samples.NOTICE_CODE]["expires"] == "2026-11-25T07:00:00Z"
    assert items[samples.CLARIFICATION_CODE]["expires"] is None


@pytest.mark.parametrize(
    ("edition", "words"),
    [
        (samples.notice(), "Gangguan layanan"),
        (samples.alert(), "PERINGATAN DARURAT"),
        (samples.alert(level="important"), "Peringatan dini"),
        (samples.alert(level="info"), "Peringatan dini"),
        (samples.clarification(), "Klarifikasi hoaks"),
    ],
)
def test_the_label_names_the_kind_or_the_topic(edition: Edition, words: str) -> None:
    assert data(edition)["items"][0]["tag"] == words


def test_without_a_summary_the_screen_says_what_to_do_or_how_the_text_begins() -> None:
    bare = Wording(
        title="Judul",
        summary="",
        body="Kalimat **pertama** di sini. " + "Lalu satu kalimat lagi yang panjang. " * 9,
    )
    with_steps = Wording(
        title="Judul",
        summary="",
        body="Isi.",
        instruction="1. Pindah ke tempat tinggi.\n2. Matikan listrik.",
    )
    assert data(samples.notice(wordings={"id": bare}))["items"][0]["summary"].startswith(
        "Kalimat pertama di sini."
    )
    assert len(data(samples.notice(wordings={"id": bare}))["items"][0]["summary"]) <= 90
    assert (
        data(samples.alert(wordings={"id": with_steps}))["items"][0]["summary"]
        == "1) Pindah ke tempat tinggi. 2) Matikan listrik."
    )


def test_a_screen_does_not_say_its_title_twice() -> None:
    twice = Wording(
        title="Posyandu Melati libur",
        summary="Posyandu Melati libur.",
        body="Posyandu Melati libur.",
    )
    assert data(samples.notice(wordings={"id": twice}))["items"][0]["summary"] == ""


def test_hostile_texts_lose_controls_and_line_breaks_but_no_letters() -> None:
    wording = Wording(title="a\x00b\u202ec\nd <script>", summary="]]>\ud800& y", body="x")
    item = data(samples.notice(wordings={"id": wording}))["items"][0]
    assert item["title"] == "abc d <script>"
    assert item["summary"] == "]]>& y"


def test_a_simulation_is_marked_in_every_title() -> None:
    payload = data(samples.notice(), samples.alert(), simulated=True)
    assert all(item["title"].startswith("[SIMULASI] ") for item in payload["items"])


def test_a_payload_stays_small_enough_for_a_television_set() -> None:
    editions = [samples.notice(code=f"CMH-{number:04}-2M") for number in range(200)]
    body = document_of(DATA, editions).body
    assert json.loads(body)["count"] == display.MOST_ITEMS
    assert json.loads(body)["beyond"] == 200 - display.MOST_ITEMS
    assert len(body) < 100_000


def test_the_code_points_to_the_permalink_and_the_address_can_be_typed() -> None:
    item = data(samples.notice())["items"][0]
    assert item["url"] == "https://info.cimahi.example/p/CMH-7K4Q-2M"
    assert item["short"] == "info.cimahi.example/p/CMH-7K4Q-2M"


def painted(path: str, size: int) -> list[list[int]]:
    """Return the modules that an SVG path of horizontal runs paints, row by row."""
    grid = [[0] * size for _ in range(size)]
    for column, row, length, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path):
        assert length == back
        grid[int(row)][int(column) : int(column) + int(length)] = [1] * int(length)
    return grid


@pytest.mark.parametrize(
    "text", ["https://info.cimahi.example/p/CMH-7K4Q-2M", "http://127.0.0.1:8000/daftar", "x" * 400]
)
def test_the_path_paints_exactly_the_code(text: str) -> None:
    drawn = display.qr(text)
    code = segno.make(text, error="m", micro=False)
    assert painted(drawn["path"], drawn["size"]) == [list(row) for row in code.matrix]


@pytest.mark.parametrize("name", ["notice", "alert", "clarification", "correction"])
def test_the_words_on_the_screen_are_those_of_the_golden_file(name: str) -> None:
    item = {
        key: value
        for key, value in data(samples.editions()[name])["items"][0].items()
        if key != "qr"
    }
    golden = (GOLDEN / f"{name}.id.json").read_text(encoding="utf-8")
    assert json.dumps(item, ensure_ascii=False, indent=1) + "\n" == golden


def test_the_data_is_asked_again_each_time_and_says_when_it_last_changed() -> None:
    document = document_of(DATA, [samples.notice(), samples.alert()])
    assert (document.media_type, document.max_age) == ("application/json", 0)
    assert document.updated == samples.NOW
    assert document.fresh_until == samples.FLOOD_ENDS


# --- the page -------------------------------------------------------------------------------------


class Inspector(HTMLParser):
    """Parser that collects what a strict policy forbids, and the addresses a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag in {"style", "iframe", "object", "embed", "base"} else []
        self.loaded += [value for name, value in attrs if name in {"src", "href"} and value]
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, text: str) -> None:
        if self._in_script and text.strip():
            self.inline.append(text)


def test_the_page_has_nothing_inline_and_asks_no_other_host() -> None:
    inspector = Inspector()
    inspector.feed(document_of(PAGE).body.decode())
    assert inspector.inline == []
    assert sorted(inspector.loaded) == ["/static/layar.css", "/static/layar.js", "data:,"]


def test_the_page_is_the_same_whatever_is_published() -> None:
    assert (
        document_of(PAGE).body
        == document_of(PAGE, [samples.alert()], now=LATER + timedelta(days=1)).body
    )


def test_the_page_names_its_area_and_where_its_data_is() -> None:
    page = document_of(PAGE, area=samples.KELURAHAN_CIMAHI).body.decode()
    assert "<title>Layar Kelurahan Cimahi</title>" in page
    assert 'data-source="/layar/kelurahan-cimahi/data"' in page
    assert 'lang="id"' in page


def test_the_page_without_any_data_shows_the_emergency_number_and_where_to_subscribe() -> None:
    page = document_of(PAGE).body.decode()
    assert "Darurat: telepon 112" in page
    assert "info.cimahi.example" in page
    assert display.qr("https://info.cimahi.example/daftar")["path"] in page


def test_the_page_forbids_everything_but_our_own_files() -> None:
    headers = document_of(PAGE).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"
    assert document_of(PAGE).max_age == 0


def test_a_hostile_city_name_is_escaped() -> None:
    area = Area(code="32.77.03.1002", name='<script>"', slug="cibabat")
    assert "<script>&#34;" not in document_of(PAGE, area=area).body.decode()
    assert "&lt;script&gt;&#34;" in document_of(PAGE, area=area).body.decode()


def test_the_page_says_that_it_simulates() -> None:
    assert "[SIMULASI]" in document_of(PAGE, simulated=True).body.decode()
    assert "[SIMULASI]" not in document_of(PAGE).body.decode()
