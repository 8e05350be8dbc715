"""Cached responses: tags, gzip, dates."""

import gzip
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import hypothesis
import pytest
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base.http_cache import (
    ENTRY_BYTES,
    BoundedCache,
    CachedResponse,
    prepare,
    serve,
)

TEXT = b"Air PDAM mati di Cibabat. " * 100
MOMENT = datetime(2026, 11, 25, 7, 43, 12, 345678, tzinfo=timezone(timedelta(hours=7)))


def build_request(method: str = "GET", **headers: str) -> Request:
    """Build a request with these headers."""
    raw = [
        (name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()
    ]
    return Request(
        {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": raw}
    )


def serve_cached(cached: CachedResponse, request: Request, now: datetime | None = None) -> Response:
    """Serve the cached response with a max-age of a minute."""
    return serve(request, cached, cache_control="public, max-age=60", now=now)


def test_the_tag_is_a_hash_of_the_bytes_alone() -> None:
    first, second = (
        prepare(TEXT, media_type="text/plain"),
        prepare(TEXT, media_type="text/html", updated=MOMENT),
    )
    assert first.tag == second.tag
    assert prepare(TEXT + b".", media_type="text/plain").tag != first.tag


def test_gzip_is_the_same_bytes_each_time() -> None:
    assert (
        prepare(TEXT, media_type="text/plain").packed
        == prepare(TEXT, media_type="text/plain").packed
    )


@pytest.mark.parametrize(
    ("media_type", "packs"),
    [
        ("text/html; charset=utf-8", True),
        ("application/rss+xml; charset=utf-8", True),
        ("application/feed+json", True),
        ("image/svg+xml", True),
        ("font/woff2", False),
        ("image/png", False),
    ],
)
def test_text_is_packed_and_what_is_packed_already_is_not(media_type: str, packs: bool) -> None:
    assert (prepare(TEXT, media_type=media_type).packed is not None) is packs


def test_a_few_bytes_are_not_worth_packing() -> None:
    assert prepare(b"ok", media_type="text/plain").packed is None


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.8", True),
        ("*", True),
        ("GZIP", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("x-gzip-not", False),
    ],
)
def test_only_who_takes_gzip_gets_it(accepted: str, packed: bool) -> None:
    response = serve_cached(
        prepare(TEXT, media_type="text/plain"), build_request(accept_encoding=accepted)
    )
    assert (response.headers.get("content-encoding") == "gzip") is packed
    assert (gzip.decompress(bytes(response.body)) if packed else response.body) == TEXT


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ('"{tag}"', 304),
        ('"{tag}-gzip"', 304),
        ('W/"{tag}"', 304),
        ('"a", "{tag}"', 304),
        ("*", 304),
        ('"a,b", W/"c", W/"{tag}-gzip"', 304),
        (' "{tag}" ', 304),
        ('"a"', 200),
        ('"*"', 200),
        ('"{tag}x"', 200),
        ("{tag}", 200),
        ("rusak", 200),
        ("", 200),
    ],
)
def test_a_known_tag_is_answered_without_a_body(known: str, status: int) -> None:
    cached = prepare(TEXT, media_type="text/plain")
    response = serve_cached(cached, build_request(if_none_match=known.format(tag=cached.tag)))
    assert response.status_code == status
    if status == 304:
        assert response.body == b""
        assert "content-type" not in response.headers


def test_tags_in_several_headers_are_one_list() -> None:
    cached = prepare(TEXT, media_type="text/plain")
    headers = [(b"if-none-match", b'"a"'), (b"if-none-match", f'"{cached.tag}"'.encode())]
    request = Request(
        {"type": "http", "method": "HEAD", "path": "/", "query_string": b"", "headers": headers}
    )
    assert serve_cached(cached, request).status_code == 304


LATER = MOMENT + timedelta(hours=1)


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Wed, 25 Nov 2026 00:44:13 GMT", 304),
        ("Wednesday, 25-Nov-26 00:44:13 GMT", 304),
        ("Wed Nov 25 00:44:13 2026", 304),
        ("Wed, 25 Nov 2026 07:44:13 +0700", 304),
        ("Wed, 25 Nov 2026 01:30:00 GMT", 304),
        ("Wed, 25 Nov 2026 00:44:12 GMT", 200),
        ("Wed, 25 Nov 2026 00:43:12 GMT", 200),
        ("Wed, 25 Nov 2026 00:43:11 GMT", 200),
        ("Wed, 25 Nov 2026 02:43:13 GMT", 200),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 200),
        ("2026-11-25T00:44:13Z", 200),
        ("1795567393", 200),
        ("rusak", 200),
        ("", 200),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 200),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 200),
    ],
)
def test_a_date_counts_from_a_minute_after_the_change_until_now(since: str, status: int) -> None:
    cached = prepare(TEXT, media_type="text/plain", updated=MOMENT)
    for method in ("GET", "HEAD"):
        assert (
            serve_cached(cached, build_request(method, if_modified_since=since), LATER).status_code
            == status
        )


def test_a_document_bears_a_date_only_once_no_other_state_can_bear_the_same() -> None:
    cached = prepare(TEXT, media_type="text/plain", updated=MOMENT)
    for seconds in (0, 1, 60):
        assert (
            "last-modified"
            not in serve_cached(
                cached, build_request(), MOMENT + timedelta(seconds=seconds)
            ).headers
        )
    settled = serve_cached(cached, build_request(), MOMENT + timedelta(seconds=61))
    assert settled.headers["last-modified"] == "Wed, 25 Nov 2026 00:44:13 GMT"


@hypothesis.given(
    st.lists(st.tuples(st.floats(0, 200), st.floats(0, 20)), min_size=1, max_size=6),
    st.floats(0, 300),
    st.floats(0, 300),
    st.integers(-30, 30),
)
def test_no_date_ever_hides_what_a_reader_has_not_seen(
    publications: list[tuple[float, float]], first: float, wait: float, skew: int
) -> None:
    # each publication is a time and the delay until it shows; a reader sends the date it was given,
    # or that of its own clock
    def state(at: float) -> CachedResponse:
        seen = [start for start, delay in publications if start + delay <= at]
        updated = MOMENT + timedelta(seconds=max(seen)) if seen else None
        return prepare(repr(sorted(seen)).encode(), media_type="text/plain", updated=updated)

    read_at, asked_at = MOMENT + timedelta(seconds=first), MOMENT + timedelta(seconds=first + wait)
    before, after = state(first), state(first + wait)
    clock = format_datetime((read_at + timedelta(seconds=skew)).astimezone(UTC), usegmt=True)
    since = serve_cached(before, build_request(), read_at).headers.get("last-modified", clock)
    answer = serve_cached(after, build_request(if_modified_since=since), asked_at)
    assert answer.status_code == 200 or before.body == after.body


@hypothesis.given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_header_of_a_stranger_breaks_an_answer(text: str) -> None:
    cached = prepare(TEXT, media_type="text/plain", updated=MOMENT)
    for name in (b"if-none-match", b"if-modified-since", b"accept-encoding"):
        headers = [(name, text.encode("latin-1"))]
        request = Request(
            {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
        )
        assert serve_cached(cached, request, LATER).status_code in {200, 304}


def test_an_error_page_is_never_answered_with_304() -> None:
    cached = prepare(TEXT, media_type="text/html")
    response = serve(build_request(if_none_match="*"), cached, cache_control="no-store", status=404)
    assert response.status_code == 404


def test_a_documents_own_headers_stand() -> None:
    cached = prepare(
        TEXT, media_type="text/plain", headers={"Cache-Control": "no-cache", "X-Own": "1"}
    )
    response = serve_cached(cached, build_request())
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-own"] == "1"


@hypothesis.given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60_000)), max_size=200))
def test_a_cache_never_holds_more_bytes_or_entries_than_it_may(puts: list[tuple[int, int]]) -> None:
    cache: BoundedCache[int, int] = BoundedCache(entries=10, bytes_=100_000)
    sizes: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, size, size)
        sizes[key] = size
        cached = {key: value for key in sizes if (value := cache.get(key)) is not None}
        assert len(cached) == len(cache) <= 10
        assert all(sizes[key] == value for key, value in cached.items())
        assert sum(cached.values()) == cache.used <= 100_000


def test_the_entries_asked_for_last_stay() -> None:
    cache: BoundedCache[str, str] = BoundedCache(entries=2, bytes_=100)
    cache.put("a", "a", 1)
    cache.put("b", "b", 1)
    assert cache.get("a") == "a"
    cache.put("c", "c", 1)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("a", None, "c")


def test_what_is_larger_than_the_cache_is_not_kept_nor_is_what_it_replaces() -> None:
    cache: BoundedCache[str, str] = BoundedCache(entries=2, bytes_=100)
    cache.put("a", "small", 1)
    cache.put("a", "large", 101)
    assert cache.get("a") is None
    assert cache.used == 0


def test_a_body_counts_with_its_gzip_and_what_goes_with_it() -> None:
    cached = prepare(TEXT, media_type="text/plain")
    assert cached.packed is not None
    assert cached.size == len(TEXT) + len(cached.packed) + ENTRY_BYTES
