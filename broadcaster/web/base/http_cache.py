"""HTTP caching in bounded memory: strong ETags (a separate one for gzip), Last-Modified, 304, HEAD
and compression.
"""

import gzip
import hashlib
import re
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

SMALLEST_PACKED = 512
"""Bytes below which gzip is not worth its header."""
ENTRY_BYTES = 1024
"""Overhead of a cache entry in bytes: key, tag, headers."""
SETTLED = timedelta(seconds=60)
"""Delay added to the date of a change: everything published before it is visible by then, however
delayed.
"""
PACKED_TYPES = ("text/", "application/json", "application/feed+json", "image/svg+xml")


_TAG = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class CachedResponse:
    """Body ready to be served many times; `packed` is its gzip, None where it saves nothing."""

    body: bytes
    packed: bytes | None
    tag: str
    media_type: str
    updated: datetime | None = None
    """Time since which it is unchanged, rounded up to a second plus `SETTLED`."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def dated(self, now: datetime) -> datetime | None:
        """Return Last-Modified, or None while another state could still carry the same date."""
        return self.updated if self.updated is not None and self.updated <= now else None

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        return len(self.body) + len(self.packed or b"") + ENTRY_BYTES


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """LRU cache bounded in entries and in bytes; an entry larger than the whole is not stored."""

    def __init__(self, *, entries: int, bytes_: int) -> None:
        self.entries = entries
        self.bytes_ = bytes_
        self.used = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the entry, or None if it was evicted."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Store an entry of `size` bytes, evicting the least recently used ones."""
        self.used -= self._entries.pop(key, (value, 0))[1]
        if size > self.bytes_:
            return
        self._entries[key] = (value, size)
        self.used += size
        while self.used > self.bytes_ or len(self._entries) > self.entries:
            self.used -= self._entries.popitem(last=False)[1][1]


def prepare(
    body: bytes,
    *,
    media_type: str,
    updated: datetime | None = None,
    headers: Mapping[str, str] | None = None,
) -> CachedResponse:
    """Compute tag and gzip once; equal bytes give equal tags in every process."""
    packed = None
    if len(body) >= SMALLEST_PACKED and _packable(media_type):
        packed = gzip.compress(body, compresslevel=6, mtime=0)
    return CachedResponse(
        body=body,
        packed=packed,
        tag=hashlib.blake2b(body, digest_size=16).hexdigest(),
        media_type=media_type,
        updated=updated and _settled(updated),
        headers=headers or {},
    )


def _settled(moment: datetime) -> datetime:
    """Round up to a second and add `SETTLED`.

    A date in whole seconds cannot tell apart changes within one second, nor those that became
    visible late.
    """
    return (
        moment.astimezone(UTC).replace(microsecond=0)
        + timedelta(seconds=1 if moment.microsecond else 0)
        + SETTLED
    )


def serve(
    request: Request,
    cached: CachedResponse,
    *,
    cache_control: str,
    vary: str = "Accept-Encoding",
    status: int = 200,
    now: datetime | None = None,
) -> Response:
    """Answer GET or HEAD: 304 if the client has it already, else the body, gzipped if accepted."""
    now = now or datetime.now(UTC)
    packed = cached.packed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
    headers = {
        **cached.headers,
        "ETag": f'"{cached.tag}-gzip"' if packed else f'"{cached.tag}"',
        "Vary": vary,
    }
    headers.setdefault("Cache-Control", cache_control)
    dated = cached.dated(now)
    if dated is not None:
        headers["Last-Modified"] = format_datetime(dated, usegmt=True)
    if status == 200 and _is_current(request, cached, now):
        return Response(status_code=304, headers=headers)
    body = cached.packed if packed and cached.packed is not None else cached.body
    if packed:
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(body))
    headers["Content-Type"] = cached.media_type
    return Response(b"" if request.method == "HEAD" else body, status_code=status, headers=headers)


def _packable(media_type: str) -> bool:
    kind = media_type.split(";", 1)[0].strip()
    return kind.startswith(PACKED_TYPES) or kind.endswith(("+xml", "/xml", "/javascript"))


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _is_current(request: Request, cached: CachedResponse, now: datetime) -> bool:
    # If-None-Match overrides If-Modified-Since (RFC 9110, 13.2.2); the tag of either coding
    # matches by weak comparison
    known = ", ".join(request.headers.getlist("if-none-match"))
    if "if-none-match" in request.headers:
        return known.strip() == "*" or cached.tag in {
            tag.removesuffix("-gzip") for tag in _TAG.findall(known)
        }
    since = _date(request.headers.get("if-modified-since", ""))
    dated = cached.dated(now)
    return since is not None and dated is not None and dated <= since <= now


def _date(text: str) -> datetime | None:
    """Parse an HTTP date in any of its three forms, all of them UTC; None if invalid."""
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
