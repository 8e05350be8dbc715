"""The browser that a request of staff comes from, as sign-in counts it and sessions list it."""

from starlette.requests import Request

from broadcaster.staff.sign_in_throttle import Browser, spelled
from broadcaster.web.base.authorization import client_of
from broadcaster.web.staff import trusted_browsers

BROWSERS = (
    ("Edg/", "Edge"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def browser_of(request: Request, name: str = "") -> Browser:
    """Return the browser that asks; it is a known one if `name` signed in there before."""
    mark = trusted_browsers.mark_of(request, spelled(name)) if name else ""
    return Browser(address=client_of(request), agent=agent_of(request), mark=mark)


def agent_of(request: Request) -> str:
    """Name browser and system in a few words, for the list of sessions."""
    text = request.headers.get("user-agent", "")
    parts = (_first(BROWSERS, text), _first(SYSTEMS, text))
    return ", ".join(part for part in parts if part) or "?"


def _first(names: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for mark, name in names if mark in text), "")
