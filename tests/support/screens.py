"""Kelurahan screen in Chromium for tests: its server, its clock, and what can be seen on it."""

import hashlib
import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from channels import display
from channels.base.contract import Area, Edition, PageRequest, Site
from support import page_complaints, samples

sync_api = pytest.importorskip("playwright.sync_api")

STATIC = Path(__file__).resolve().parents[2] / "broadcaster" / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2"}


class Station:
    """Small server of the screen channel and its static files, whose clock and faults the test
    sets.
    """

    def __init__(self) -> None:
        self.editions: list[Edition] = []
        self.area: Area = samples.CIBABAT
        self.site: Site = samples.site()
        self.now: datetime = samples.NOW
        self.fault: tuple[int, bytes] | None = None
        self.answers: list[int] = []
        self.pictures: dict[str, bytes] = {}
        self.script: bytes | None = None
        self.pages = 0
        station = self

        class Handler(BaseHTTPRequestHandler):
            """Handler that answers for the station; the Date header is the station's time."""

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(int(station.now.timestamp()))

            def do_GET(self) -> None:
                station.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Serve a static file, the page or the data."""
        if handler.path.startswith("/static/"):
            file = STATIC / handler.path.removeprefix("/static/")
            body = (
                self.script
                if self.script is not None and file.name == "layar.js"
                else file.read_bytes()
            )
            self._send(
                handler,
                200,
                body,
                {"Content-Type": TYPES[file.suffix], "Cache-Control": "no-store"},
            )
            return
        if handler.path.startswith("/media/"):
            picture = self.pictures.get(handler.path)
            picture_headers = {"Content-Type": "image/jpeg", "Cache-Control": "no-store"}
            self._send(handler, 200 if picture else 404, picture or b"", picture_headers)
            return
        data = handler.path.endswith("/data")
        self.pages += not data
        if data and self.fault:
            self.answers.append(self.fault[0])
            self._send(handler, self.fault[0], self.fault[1], {"Content-Type": "text/html"})
            return
        channel = display.open_channel(display.Settings(site=self.site))
        path = channel.paths[1 if data else 0]
        document = channel.render_page(
            PageRequest(path=path, area=self.area, query={}, editions=self.editions, now=self.now)
        )
        etag = f'"{hashlib.sha256(document.body).hexdigest()[:16]}"'
        headers = {
            **document.headers,
            "Content-Type": document.media_type,
            "ETag": etag,
            "Cache-Control": "no-cache",
        }
        same = handler.headers.get("If-None-Match") == etag
        if data:
            self.answers.append(304 if same else 200)
        self._send(handler, 304 if same else 200, b"" if same else document.body, headers)

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


RELOADS = 50
"""Tries to reach the page while it navigates: each may fall into the same navigation."""


class Screen:
    """Page on the station whose clock the test moves; it records console messages and requested
    hosts.
    """

    def __init__(self, page: Any, station: Station) -> None:
        self.page = page
        self.station = station
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page_complaints.gather(page, self.complaints)
        self._under_way: set[Any] = set()
        page.on("request", self._begun)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.clock.install(time=station.now)
        page.goto(f"{station.url}/layar/{station.area.slug}")
        page.evaluate("document.fonts.load('800 76px \"Plus Jakarta Sans\"').then(() => true)")
        page.wait_for_function(
            "document.querySelector('#words').offsetHeight > 0 || !document.querySelector('#neutral').hidden"
        )
        self.settle()

    def _begun(self, request: Any) -> None:
        self.hosts.add(request.url.split("/")[2])
        self._under_way.add(request)

    def _ended(self, request: Any) -> None:
        self._under_way.discard(request)

    def settle(self) -> None:
        """Wait until requests and what follows from them have finished, while the screen's clock
        stands still.
        """
        self._breathe()
        while self._under_way:
            self.page.wait_for_timeout(2)
        self._breathe()

    def _breathe(self) -> None:
        """Let the page run what is due; a page that reloads itself, perhaps twice, is waited for."""
        for _ in range(RELOADS):
            try:
                self.page.evaluate("1")
            except sync_api.Error as error:
                if "navigation" not in str(error):
                    raise
                self.page.wait_for_timeout(2)
                self.page.wait_for_load_state()
            else:
                return
        raise AssertionError("the page never stops reloading")

    def pass_time(self, seconds: int, *, step: int = 1) -> None:
        """Advance the screen's and the server's clocks."""
        for _ in range(0, seconds, step):
            self.station.now += timedelta(seconds=step)
            self.page.clock.run_for(step * 1000)
            self.settle()

    def watch(self, name: str, seconds: int) -> list[str]:
        """Return the successive texts of an element over some seconds, each change once."""
        texts = [self.text(name)]
        for _ in range(seconds):
            self.pass_time(1)
            if self.seen(name) and self.text(name) != texts[-1]:
                texts.append(self.text(name))
        return texts

    def text(self, name: str) -> str:
        """Return the text of an element."""
        return str(self.page.locator(f"#{name}").inner_text())

    def seen(self, name: str) -> bool:
        """True if an element is visible."""
        return bool(self.page.locator(f"#{name}").is_visible())

    def classes(self) -> str:
        """Return the classes of the body."""
        return str(self.page.evaluate("document.body.className"))


VISIBLE_TEXT = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || !parent.getClientRects().length || parent.closest("script")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const colour = (element) => {
      for (let e = element; e; e = e.parentElement) {
        const back = getComputedStyle(e).backgroundColor;
        if (back !== "rgba(0, 0, 0, 0)") return back;
      }
    };
    found.push({
      text: node.textContent.trim(), size: parseFloat(getComputedStyle(parent).fontSize), name: parent.id,
      left: box.left, right: box.right, top: box.top, bottom: box.bottom, inside: Boolean(parent.closest("#room")),
      front: getComputedStyle(parent).color, back: colour(parent),
    });
  }
  return found;
}"""


def visible_text(screen: Screen) -> list[dict[str, Any]]:
    """Return every piece of text on the screen with its size, box and colours."""
    return list(screen.page.evaluate(VISIBLE_TEXT))


def assert_inside(screen: Screen) -> None:
    """Check that nothing leaves the screen or the room of the words, and nothing lies under the
    code card or the bars.
    """
    size = screen.page.viewport_size
    room = screen.page.locator("#room").bounding_box()
    for piece in visible_text(screen):
        assert piece["left"] >= 0 and piece["right"] <= size["width"] + 0.5, piece
        assert piece["top"] >= 0 and piece["bottom"] <= size["height"] + 0.5, piece
        if piece["inside"] and room:
            assert piece["right"] <= room["x"] + room["width"] + 0.5, piece
            assert piece["bottom"] <= room["y"] + room["height"] + 8, (
                piece
            )  # a line box is taller than its letters
    main, card = (
        screen.page.locator("main").bounding_box(),
        screen.page.locator("#slide .card").bounding_box(),
    )
    if card:
        assert card["y"] >= main["y"] and card["y"] + card["height"] <= main["y"] + main["height"]


def luminance(colour: str) -> float:
    """Return the relative luminance of `rgb(r, g, b)` (WCAG 2)."""
    channels = [
        int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")
    ]
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
