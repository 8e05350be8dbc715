"""Bytes that may be kept, in bounded memory: strong ETags (one for gzip of its own), Last-Modified, 304, HEAD and compression."""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

SMALLEST_PACKED = 512
"""Bytes below which gzip is not worth its header."""
ENTRY_BYTES = 1024
"""What an entry of a cache costs beside its bytes: key, tag, headers."""
PACKED_TYPES = ("text/", "application/json", "application/feed+json", "image/svg+xml")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A body ready to be served any number of times; `packed` is its gzip, where that is worth while."""

    body: bytes
    packed: bytes | None
    tag: str
    media_type: str
    updated: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that it holds in memory."""
        return len(self.body) + len(self.packed or b"") + ENTRY_BYTES


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """The entries used last, bounded in number and in bytes; one that is larger than the whole is not kept."""

    def __init__(self, *, entries: int, bytes_: int) -> None:
        self.entries = entries
        self.bytes_ = bytes_
        self.used = 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """The entry, if it is still there."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep an entry of `size` bytes, in the place of an earlier one; those used longest ago make room."""
        self.used -= self._kept.pop(key, (value, 0))[1]
        if size > self.bytes_:
            return
        self._kept[key] = (value, size)
        self.used += size
        while self.used > self.bytes_ or len(self._kept) > self.entries:
            self.used -= self._kept.popitem(last=False)[1][1]


def keep(body: bytes, *, media_type: str, updated: datetime | None = None, headers: Mapping[str, str] | None = None) -> Kept:
    """Compute tag and gzip once; the same bytes give the same tag in every process."""
    packed = None
    if len(body) >= SMALLEST_PACKED and _packable(media_type):
        packed = gzip.compress(body, compresslevel=6, mtime=0)
    return Kept(
        body=body,
        packed=packed,
        tag=hashlib.blake2b(body, digest_size=16).hexdigest(),
        media_type=media_type,
        updated=updated and updated.astimezone(UTC).replace(microsecond=0),
        headers=headers or {},
    )


def serve(request: Request, kept: Kept, *, cache_control: str, vary: str = "Accept-Encoding", status: int = 200) -> Response:
    """The answer to GET or HEAD: 304 without a body where the reader has it already, else the bytes, packed where they may be."""
    packed = kept.packed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
    headers = {
        **kept.headers,
        "ETag": f'"{kept.tag}-gzip"' if packed else f'"{kept.tag}"',
        "Vary": vary,
    }
    headers.setdefault("Cache-Control", cache_control)
    if kept.updated is not None:
        headers["Last-Modified"] = format_datetime(kept.updated, usegmt=True)
    if status == 200 and _has_it(request, kept):
        return Response(status_code=304, headers=headers)
    body = kept.packed if packed and kept.packed is not None else kept.body
    if packed:
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(body))
    headers["Content-Type"] = kept.media_type
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


def _has_it(request: Request, kept: Kept) -> bool:
    # If-None-Match wins over If-Modified-Since (RFC 9110, 13.2.2); the tag of either coding matches
    known = request.headers.get("if-none-match")
    if known is not None:
        tags = {tag.strip().removeprefix("W/").strip('"').removesuffix("-gzip") for tag in known.split(",")}
        return "*" in tags or kept.tag in tags
    since = request.headers.get("if-modified-since")
    if since is None or kept.updated is None:
        return False
    try:
        return kept.updated <= parsedate_to_datetime(since).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
