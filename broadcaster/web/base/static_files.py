"""Static files (styles, scripts, pictures, font): immutable under a name with their hash,
revalidated under their plain name.
"""

import re
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base.http_cache import CachedResponse, prepare, serve

FOLDER = Path(__file__).resolve().parents[2] / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"

_HASHED = re.compile(r"^(?P<stem>.+)\.(?P<hash>[0-9a-f]{12})(?P<suffix>\.[a-z0-9]+)$")
_CSS_URL = re.compile(rb"""url\(["']?(?!data:|https?:|/)([^"')]+)["']?\)""")


async def show(request: Request) -> Response:
    """Serve a file under its plain or hashed name; 404 otherwise."""
    path = request.path_params["path"]
    if path in _names():
        return serve(request, _load(path), cache_control=REVALIDATED)
    hashed = _HASHED.match(path)
    name = hashed["stem"] + hashed["suffix"] if hashed else ""
    if hashed is None or name not in _names() or hashed["hash"] != _hash(name):
        raise HTTPException(404)
    return serve(request, _load(name), cache_control=IMMUTABLE)


async def favicon(request: Request) -> Response:
    """Serve the icon that browsers request by default."""
    return serve(request, _load("favicon.svg"), cache_control="public, max-age=86400")


async def robots(request: Request) -> Response:
    """Serve robots.txt, which excludes personal links and interfaces from search engines."""
    paths = ("/api/", "/atur/", "/berhenti/", "/layar/", "/redaksi/", "/simulasi", "/webhook/")
    text = "User-agent: *\n" + "".join(f"Disallow: {path}\n" for path in paths)
    return serve(
        request,
        prepare(text.encode(), media_type=TYPES[".txt"]),
        cache_control="public, max-age=86400",
    )


@cache
def address(name: str) -> str:
    """Return the address of a file with its hash; raises KeyError if there is no such file."""
    if name not in _names():
        raise KeyError(f"no file static/{name}")
    stem, dot, suffix = name.rpartition(".")
    return f"/static/{stem}.{_hash(name)}{dot}{suffix}"


@cache
def _names() -> frozenset[str]:
    return frozenset(
        str(path.relative_to(FOLDER).as_posix())
        for path in FOLDER.rglob("*")
        if path.suffix in TYPES and path.is_file()
    )


@cache
def _load(name: str) -> CachedResponse:
    body = (FOLDER / name).read_bytes()
    if name.endswith(".css"):
        body = _CSS_URL.sub(lambda match: _linked(name, match[1].decode()), body)
    return prepare(body, media_type=TYPES[Path(name).suffix])


def _linked(style: str, target: str) -> bytes:
    """Rewrite a URL in a style sheet to the hashed address, so that the file is fetched once."""
    name = (Path(style).parent / target).as_posix()
    return f'url("{address(name)}")'.encode()


def _hash(name: str) -> str:
    return _load(name).tag[:12]
