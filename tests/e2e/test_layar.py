"""Kelurahan screen in a real browser: legible, never over the edge, right about time, calm when the
server is not.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from channels import display
from channels.base.contract import Edition, PageRequest, Wording
from support import samples, uploads
from support.screens import STATIC, Screen, Station, assert_inside, contrast, visible_text

LANDSCAPE = {"width": 1920, "height": 1080}
PORTRAIT = {"width": 1080, "height": 1920}
SMALL = {"width": 1280, "height": 720}

sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture
def station() -> Iterator[Station]:
    """Yield a fresh server."""
    server = Station()
    yield server
    server.close()


@pytest.fixture
def open_screen(sync_chromium: Any, station: Station) -> Iterator[Callable[..., Screen]]:
    """Yield a function that opens screens of any size and time zone; they are closed at the end."""
    contexts: list[Any] = []

    def open_one(size: dict[str, int] = LANDSCAPE, **options: Any) -> Screen:
        context = sync_chromium.new_context(viewport=size, **options)
        contexts.append(context)
        return Screen(context.new_page(), station)

    yield open_one
    for context in contexts:
        context.close()


def words(title: str, summary: str) -> dict[str, Wording]:
    """Return wordings of a title and a summary."""
    return {"id": Wording(title=title, summary=summary, body="Isi.", instruction="Ikuti petugas.")}


WIDE = words(("WWMWWMW " * 9)[:70], ("MWWMWWM " * 12)[:90])
UNBROKEN = words("W" * 70, "M" * 90)
LONGEST = words(
    "Pengambilan kartu sembako tahap kedua di aula Kelurahan Cibabat, Kamis",
    "Bawa KTP dan kartu keluarga asli. Antrean dibuka pukul 08.00 dan ditutup pukul 14.00 WIB.",
)

CONTENTS = {
    "notice": [samples.notice()],
    "longest": [samples.notice(wordings=LONGEST), samples.clarification()],
    "emergency": [samples.alert(), samples.notice()],
    "correction": [samples.correction()],
    "strip": [
        samples.alert(level="important", wordings=LONGEST),
        samples.alert(code="CMH-2222-2M", level="important"),
    ],
    "empty": [],
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(
    "size", [LANDSCAPE, PORTRAIT, SMALL], ids=["landscape", "portrait", "small"]
)
def test_every_text_is_large_enough_strong_enough_and_inside(
    station: Station, open_screen: Callable[..., Screen], content: str, size: dict[str, int]
) -> None:
    station.editions = CONTENTS[content]
    screen = open_screen(size)
    unit = min(size.values()) / 1080
    pieces = visible_text(screen)
    assert pieces
    for piece in pieces:
        assert piece["size"] >= (76 if piece["name"] == "headline" else 48) * unit - 0.01, piece
        assert contrast(piece["front"], piece["back"]) >= 7, piece
    assert_inside(screen)
    assert screen.complaints == []


@pytest.mark.parametrize(
    "wordings", [WIDE, UNBROKEN, LONGEST], ids=["wide words", "unbroken", "longest sentence"]
)
@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
@pytest.mark.parametrize("simulated", [False, True])
def test_the_longest_texts_are_shown_whole_if_need_be_on_two_pages(
    station: Station,
    open_screen: Callable[..., Screen],
    wordings: dict[str, Wording],
    size: dict[str, int],
    simulated: bool,
) -> None:
    station.site = samples.site(simulated=simulated)
    station.editions = [samples.notice(wordings=wordings)]
    screen = open_screen(size)
    texts: set[str] = set()
    for _ in range(5):
        assert_inside(screen)
        texts |= {piece["text"] for piece in visible_text(screen)}
        screen.pass_time(8)
    title = wordings["id"].title.strip()
    assert (f"[SIMULASI] {title}" if simulated else title) in texts
    assert wordings["id"].summary.strip() in texts


def test_ordinary_longest_sentences_need_no_second_page(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(wordings=LONGEST)]
    for size in (LANDSCAPE, PORTRAIT):
        screen = open_screen(size)
        assert screen.seen("headline") and screen.seen("lead") and "dense" not in screen.classes()


def test_a_short_headline_takes_the_largest_step(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(wordings=words("Posyandu", "Besok pukul 09.00."))]
    sizes = {piece["name"]: piece["size"] for piece in visible_text(open_screen())}
    assert (sizes["headline"], sizes["lead"]) == (136, 64)


def test_the_announcements_take_turns(station: Station, open_screen: Callable[..., Screen]) -> None:
    station.editions = [
        samples.notice(),
        samples.notice(code="CMH-2222-2M", wordings=words("Posyandu", "Besok.")),
    ]
    screen = open_screen()
    first, second = "Posyandu", samples.notice().wording("id").title
    assert screen.text("position") == "Pengumuman 1 dari 2"
    assert screen.watch("headline", 50) == [second, first, second]


@pytest.mark.parametrize(("published", "others"), [(7, 2), (9, 4), (25, 20)])
def test_a_screen_says_how_many_others_the_site_has(
    station: Station, open_screen: Callable[..., Screen], published: int, others: int
) -> None:
    station.editions = [samples.notice(code=f"CMH-00{number:02}-2M") for number in range(published)]
    screen = open_screen()
    assert screen.text("position") == "Pengumuman 1 dari 5"
    assert screen.text("rest") == f"{others} lainnya di info.cimahi.example"
    assert_inside(screen)


def test_a_sixth_emergency_is_not_passed_over_in_silence(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.alert(code=f"CMH-000{number}-2M") for number in range(6)]
    screen = open_screen()
    assert screen.text("position") == "Peringatan 1 dari 5"
    assert screen.text("rest") == "1 lainnya di info.cimahi.example"


def test_what_has_just_come_is_shown_at_the_next_step_and_marked(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    known = [
        samples.notice(code=f"CMH-000{number}-2M", wordings=words(f"Kabar {number}", "Besok."))
        for number in range(4)
    ]
    station.editions = known
    screen = open_screen()
    assert screen.text("headline") == "Kabar 3"
    assert not screen.seen("new")
    news = samples.notice(code="CMH-0000-2A", wordings=words("Kabar baru", "Hari ini."))
    station.editions = [*known, news]
    while station.answers.count(200) < 2:
        screen.pass_time(1)
    current = screen.text("headline")
    following = f"Kabar {int(current[-1]) - 1}"
    assert screen.watch("headline", 45)[:3] == [current, "Kabar baru", following]
    for _ in range(90):
        screen.pass_time(1)
        if screen.text("headline") == "Kabar baru":
            break
    assert screen.text("new") == "Baru"
    assert_inside(screen)
    screen.page.clock.fast_forward("00:11:00")
    screen.settle()
    for _ in range(90):
        screen.pass_time(1)
        if screen.text("headline") == "Kabar baru":
            break
    assert not screen.seen("new")


LEFT = [
    "headline",
    "tag",
    "lead",
    "where",
    "source",
    "issuer",
    "position",
    "rest",
    "code",
    "caption",
]


def test_what_was_withdrawn_is_nowhere_on_the_page(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions, station.pictures = [pictured()], {SHOWN: uploads.photo(1620, 1080)}
    screen = open_screen()
    screen.pass_time(25)
    assert screen.text("caption") == samples.notice().wording("id").title
    station.editions = []
    screen.pass_time(16)
    assert screen.seen("neutral")
    page = screen.page.content()
    assert samples.notice().wording("id").title not in page
    assert samples.NOTICE_CODE not in page
    assert screen.page.locator("#slide img").count() == 0
    assert [screen.page.locator(f"#{name}").text_content() for name in LEFT] == [""] * len(LEFT)


def test_after_six_hours_without_an_answer_nothing_of_the_old_is_left(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.alert(expires=None), samples.notice(expires=None)]
    screen = open_screen()
    screen.page.context.set_offline(True)
    screen.page.clock.fast_forward("06:00:01")
    screen.settle()
    screen.pass_time(5)
    assert screen.seen("neutral")
    assert samples.alert().wording("id").title not in screen.page.content()
    assert screen.complaints == [] or all(
        "ERR_INTERNET_DISCONNECTED" in complaint for complaint in screen.complaints
    )


# --- renewing the page ----------------------------------------------------------------------------

OTHER = (STATIC / "layar.js").read_bytes().replace(b"const VERSION = 1;", b"const VERSION = 2;")


def other_version(station: Station) -> tuple[int, bytes]:
    """Return the data as a newer server gives them."""
    channel = display.open_channel(display.Settings(site=station.site))
    request = PageRequest(
        path=channel.paths[1],
        area=station.area,
        query={},
        editions=station.editions,
        now=station.now,
    )
    return 200, channel.render_page(request).body.replace(b'"version":1', b'"version":2')


def skip(screen: Screen, hours: int) -> None:
    """Advance the clock by hours in which the server answers."""
    for _ in range(hours // 3):
        screen.page.clock.fast_forward("03:00:00")
        screen.station.now += timedelta(hours=3)
        screen.settle()
        screen.pass_time(20)


def test_a_screen_loads_its_page_anew_within_a_day_and_once(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(expires=None)]
    screen = open_screen()
    screen.page.evaluate("window.old = true")
    skip(screen, 15)
    assert screen.page.evaluate("window.old")
    assert station.pages == 1
    skip(screen, 9)
    assert not screen.page.evaluate("window.old")
    assert screen.text("headline") == samples.notice().wording("id").title
    assert station.pages == 3  # once in the frame, once for good
    screen.pass_time(60)
    assert station.pages == 3
    assert screen.page.locator("iframe").count() == 0
    assert screen.complaints == []


def test_a_screen_never_loads_its_page_anew_while_an_emergency_has_it(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.alert(expires=None), samples.notice(expires=None)]
    screen = open_screen()
    station.script, station.fault = OTHER, other_version(station)
    screen.pass_time(30)
    station.fault = None
    skip(screen, 30)
    assert "emergency" in screen.classes()
    assert station.pages == 1
    station.editions, station.script = [samples.notice(expires=None)], None
    screen.pass_time(60)
    assert screen.text("strip").startswith("Peringatan dibatalkan")
    assert station.pages == 1
    screen.pass_time(90)
    assert station.pages == 3


def test_data_of_another_version_load_the_new_page_within_minutes(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(expires=None)]
    screen = open_screen()
    station.script, station.fault = OTHER, other_version(station)
    screen.pass_time(50)
    assert station.pages == 1
    assert screen.text("headline") == samples.notice().wording("id").title
    screen.pass_time(600, step=5)
    assert station.pages == 3
    assert screen.text("headline") == samples.notice().wording("id").title
    screen.pass_time(30)
    assert not screen.seen("neutral")


@pytest.mark.parametrize("script", [b"syntax error(", b"", None], ids=["broken", "empty", "old"])
def test_a_new_page_that_does_not_work_never_takes_the_place_of_the_old_one(
    station: Station, open_screen: Callable[..., Screen], script: bytes | None
) -> None:
    station.editions = [samples.notice(expires=None)]
    screen = open_screen()
    screen.page.evaluate("window.old = true")
    station.script, station.fault = script, other_version(station)
    screen.pass_time(700, step=5)
    assert station.pages == 2  # tried in the frame, once
    assert screen.page.evaluate("window.old")
    assert screen.page.locator("iframe").count() == 0
    assert screen.text("headline") == samples.notice().wording("id").title
    screen.pass_time(1800, step=10)
    assert station.pages == 2


def test_an_offline_screen_keeps_its_page(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(expires=None)]
    screen = open_screen()
    skip(screen, 15)
    screen.page.evaluate("window.old = true")
    screen.page.context.set_offline(True)
    screen.page.clock.fast_forward("05:00:00")
    screen.pass_time(80)
    screen.page.clock.fast_forward("05:00:00")
    screen.pass_time(80)
    assert screen.page.evaluate("window.old")
    assert screen.seen("neutral")


def test_a_stranger_in_a_frame_cannot_make_a_screen_load_anew(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(expires=None)]
    screen = open_screen()
    screen.page.evaluate("window.old = true; window.postMessage('uji', '*')")
    screen.pass_time(5)
    assert screen.page.evaluate("window.old")


def test_an_emergency_takes_the_whole_screen_and_leaves_by_itself_offline(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [
        samples.notice(expires=None),
        samples.alert(expires=samples.NOW + timedelta(minutes=3)),
    ]
    screen = open_screen()
    assert "emergency" in screen.classes()
    assert screen.text("tag") == "PERINGATAN DARURAT"
    assert screen.text("source") == "Berlaku sampai 07.46 WIB"
    screen.page.context.set_offline(True)
    screen.pass_time(170)
    assert screen.text("headline") == samples.alert().wording("id").title
    screen.pass_time(15)
    assert "emergency" not in screen.classes()
    assert screen.text("headline") == samples.notice().wording("id").title
    assert (
        screen.text("strip") == f"Peringatan berakhir 07.46: {samples.alert().wording('id').title}"
    )
    assert_inside(screen)
    screen.pass_time(125)
    assert not screen.seen("strip")


def test_a_withdrawn_emergency_is_said_to_be_called_off_for_two_minutes(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.alert(), samples.notice(expires=None)]
    screen = open_screen()
    assert "emergency" in screen.classes()
    station.editions = [samples.withdrawn_alert(), samples.notice(expires=None)]
    screen.pass_time(16)
    assert "emergency" not in screen.classes()
    assert (
        screen.text("strip")
        == f"Peringatan dibatalkan 07.43: {samples.alert().wording('id').title}"
    )
    assert_inside(screen)
    screen.pass_time(125)
    assert not screen.seen("strip")
    assert samples.alert().wording("id").title not in screen.page.content()


CHANGED = {
    "number": 2,
    "reason": "Salah kelurahan.",
    "published_at": samples.NOW + timedelta(seconds=1),
}
NO_EMERGENCY_ANY_MORE = {
    "withdrawn": samples.alert(change="withdrawal", **CHANGED),
    "a notice now": samples.alert(change="correction", level="info", kind="notice", **CHANGED),
    "an early warning now": samples.alert(change="correction", level="important", **CHANGED),
    "elsewhere now": samples.alert(change="correction", areas=(samples.MELONG,), **CHANGED),
    "later now": samples.alert(
        change="correction", effective=samples.NOW + timedelta(hours=1), **CHANGED
    ),
}


@pytest.mark.parametrize("why", NO_EMERGENCY_ANY_MORE)
def test_a_screen_is_free_with_the_next_answer_once_the_emergency_is_over(
    station: Station, open_screen: Callable[..., Screen], why: str
) -> None:
    station.editions = [samples.notice(expires=None), samples.alert()]
    screen = open_screen()
    assert "emergency" in screen.classes()
    station.editions = [samples.notice(expires=None), NO_EMERGENCY_ANY_MORE[why]]
    screen.pass_time(16)
    assert "emergency" not in screen.classes()
    assert screen.text("tag") != "PERINGATAN DARURAT"
    assert_inside(screen)


def test_a_notice_that_becomes_an_emergency_takes_the_screen_with_the_next_answer(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(), samples.clarification()]
    screen = open_screen()
    assert "emergency" not in screen.classes()
    station.editions = [
        samples.clarification(),
        samples.alert(code=samples.NOTICE_CODE, change="correction", **CHANGED),
    ]
    screen.pass_time(16)
    assert "emergency" in screen.classes()
    assert screen.text("headline") == samples.alert().wording("id").title


def pictured(**changes: Any) -> Edition:
    """Return a notice with a picture of our own."""
    return samples.notice(image=samples.PICTURE, expires=None, **changes)


SHOWN = samples.PICTURE.url.removeprefix("https://info.cimahi.example").replace("web", "layar")


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT, SMALL])
def test_a_picture_follows_the_words_whole_and_leaves_again(
    station: Station, open_screen: Callable[..., Screen], size: dict[str, int]
) -> None:
    station.editions, station.pictures = [pictured()], {SHOWN: uploads.photo(1620, 1080)}
    screen = open_screen(size)
    assert screen.seen("headline")
    assert not screen.seen("picture")
    screen.pass_time(25)
    assert screen.seen("picture")
    assert not screen.seen("words")
    assert screen.seen("qr")
    image = screen.page.locator("#picture img")
    assert image.get_attribute("alt") == samples.PICTURE.alt
    inside, room = image.bounding_box(), screen.page.locator("#room").bounding_box()
    assert room["x"] <= inside["x"]
    assert inside["x"] + inside["width"] <= room["x"] + room["width"]
    assert inside["y"] + inside["height"] <= room["y"] + room["height"] + 1
    screen.page.context.set_offline(True)
    screen.pass_time(12)
    assert screen.seen("headline")
    screen.pass_time(25)
    assert screen.seen("picture")
    assert screen.hosts == {station.url.split("/")[2]}


def test_a_picture_that_is_not_there_leaves_the_words_and_is_tried_again(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [pictured()]
    screen = open_screen()
    screen.pass_time(40)
    assert screen.seen("headline")
    assert not screen.seen("picture")
    station.pictures = {SHOWN: uploads.photo(1620, 1080)}
    for _ in range(60):
        screen.pass_time(1)
        if screen.seen("picture"):
            break
    assert screen.seen("picture")


def test_the_words_of_an_emergency_never_leave_for_a_picture(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.alert(image=samples.PICTURE, expires=None)]
    station.pictures = {SHOWN: uploads.photo(1620, 1080)}
    screen = open_screen()
    for _ in range(60):
        screen.pass_time(1)
        assert screen.seen("headline")


def test_an_alert_begins_by_itself_offline(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.alert(effective=samples.NOW + timedelta(minutes=1))]
    screen = open_screen()
    assert screen.seen("neutral")
    screen.page.context.set_offline(True)
    screen.pass_time(62)
    assert "emergency" in screen.classes()


def test_an_important_alert_stays_on_top_of_the_others(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.alert(level="important"), samples.notice()]
    screen = open_screen()
    assert screen.text("tag") == "Peringatan dini"
    assert not screen.seen("strip")
    screen.pass_time(30)
    assert screen.text("tag") == "Gangguan layanan"
    assert screen.text("strip-title") == samples.alert().wording("id").title
    assert_inside(screen)


BROKEN_ANSWERS = {
    "server error": (500, b"<h1>Internal Server Error</h1>"),
    "empty body": (200, b""),
    "captive portal": (200, b"<html><title>Masuk WiFi</title></html>"),
    "half a payload": (200, b'{"version": 1, "generated": "2026-11-25T00:43:00Z", "items": ['),
    "no items": (200, b'{"version": 1, "generated": "2026-11-25T00:43:00Z"}'),
    "null": (200, b"null"),
    "another area": (
        200,
        b'{"version": 1, "generated": "2026-11-25T00:43:00Z", "area": {"slug": "melong"}, "count": 0, "items": []}',
    ),
    "another version": (
        200,
        b'{"version": 2, "generated": "2026-11-25T00:43:00Z", "area": {"slug": "cibabat"}, "count": 0, "items": []}',
    ),
    "a broken item": (
        200,
        b'{"version": 1, "generated": "2026-11-25T00:43:00Z", "area": {"slug": "cibabat"}, "count": 1, "items": [{"code": "X"}]}',
    ),
    "unknown page": (404, b"Not Found"),
    "not modified": (304, b""),
}


@pytest.mark.parametrize("answer", BROKEN_ANSWERS)
def test_a_broken_answer_keeps_the_last_good_content(
    station: Station, open_screen: Callable[..., Screen], answer: str
) -> None:
    station.editions = [samples.notice(expires=None)]
    screen = open_screen()
    station.fault = BROKEN_ANSWERS[answer]
    screen.pass_time(50)
    assert station.answers[-1] == BROKEN_ANSWERS[answer][0]
    assert screen.text("headline") == samples.notice().wording("id").title
    station.fault, station.editions = None, [samples.clarification()]
    screen.pass_time(32)
    assert screen.text("headline") == samples.clarification().wording("id").title


def test_only_a_complete_payload_without_items_clears_the_screen(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice()]
    screen = open_screen()
    station.editions = []
    screen.pass_time(32)
    assert screen.seen("neutral") and not screen.seen("slide")
    assert screen.text("quiet") == "Belum ada pengumuman baru."
    assert screen.text("address") == "info.cimahi.example/daftar"
    assert "112" in screen.page.locator(".call").inner_text()


def test_a_broken_first_answer_leaves_the_neutral_page(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.fault = (500, b"")
    screen = open_screen()
    assert screen.text("big-time") == "07.43"
    assert not screen.seen("quiet")
    assert screen.text("big-date") == "Rabu, 25 November 2026"
    station.fault, station.editions = None, [samples.notice()]
    screen.pass_time(32)
    assert screen.text("headline") == samples.notice().wording("id").title


def test_a_screen_cut_off_says_so_and_goes_neutral_after_six_hours(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(expires=None)]
    screen = open_screen()
    screen.page.context.set_offline(True)
    screen.pass_time(80)
    assert screen.text("address") == "Terputus sejak 07.43, menampilkan kabar terakhir"
    assert_inside(screen)
    screen.page.clock.fast_forward("06:00:00")
    screen.settle()
    assert screen.seen("neutral")
    screen.page.context.set_offline(False)
    station.now += timedelta(hours=6)
    screen.pass_time(32)
    assert screen.text("headline") == samples.notice().wording("id").title
    assert screen.text("address") == f"info.cimahi.example/p/{samples.NOTICE_CODE}"


def test_it_asks_every_ten_to_fifteen_seconds_and_is_told_that_nothing_changed(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(expires=None), samples.clarification()]
    screen = open_screen()
    screen.pass_time(120)
    assert station.answers[0] == 200
    assert set(station.answers[1:]) == {304}
    assert 7 <= len(station.answers) - 1 <= 12


def test_a_set_in_new_york_ten_minutes_fast_shows_wib(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice(expires=samples.NOW + timedelta(minutes=5))]
    station.now += timedelta(minutes=10)
    screen = open_screen(
        timezone_id="America/New_York"
    )  # its own clock was set while the station was ten minutes ahead
    station.now = samples.NOW
    screen.pass_time(32)
    assert screen.text("time") in {"07.43", "07.44"}
    assert screen.text("clock").split() == [screen.text("time"), "WIB"]
    assert screen.text("date") == "Rabu, 25 November 2026"
    assert screen.text("headline") == samples.notice().wording("id").title


def test_no_other_host_is_asked_and_the_console_stays_silent(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [
        samples.alert(level="important"),
        samples.correction(),
        samples.clarification(),
    ]
    screen = open_screen()
    screen.pass_time(90)
    assert screen.hosts == {station.url.removeprefix("http://")}
    assert screen.complaints == []


def test_hostile_texts_are_shown_as_text(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    hostile = "<img src=x onerror=alert(1)><script>window.hit=1</script>"
    station.editions = [samples.notice(wordings=words(hostile, hostile), agency=hostile)]
    screen = open_screen()
    assert screen.text("headline") == hostile
    assert screen.page.evaluate(
        "window.hit === undefined && document.querySelectorAll('img, #slide script').length === 0"
    )
    assert screen.complaints == []


def test_a_simulation_says_so_on_every_page(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.site = samples.site(simulated=True)
    screen = open_screen()
    assert "[SIMULASI]" in screen.page.locator("footer").inner_text()
    station.editions = [samples.notice()]
    screen.pass_time(32)
    assert screen.text("headline").startswith("[SIMULASI] ")
    assert "[SIMULASI]" in screen.page.locator("footer").inner_text()


def test_the_qr_code_on_the_screen_is_the_one_of_the_announcement(
    station: Station, open_screen: Callable[..., Screen]
) -> None:
    station.editions = [samples.notice()]
    screen = open_screen()
    drawn = screen.page.locator("#modules").get_attribute("d")
    assert drawn == display.qr(station.site.permalink(samples.NOTICE_CODE))["path"]
    box = screen.page.locator("#qr").bounding_box()
    assert box["width"] == box["height"] == 420
