"""The browser of a staff request, for the sign-in throttle and the list of sessions."""

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
    """Identify the browser; it is a trusted one if `name` signed in there before."""
    mark = trusted_browsers.mark_of(request, spelled(name)) if name else ""
    return Browser(address=client_of(request), agent=agent_of(request), mark=mark)


def agent_of(request: Request) -> str:
    """Name the browser and its system, such as "Firefox, Linux"; "?" if both are unknown."""
    text = request.headers.get("user-agent", "")
    parts = (_first(BROWSERS, text), _first(SYSTEMS, text))
    return ", ".join(part for part in parts if part) or "?"


def _first(names: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for mark, name in names if mark in text), "")
