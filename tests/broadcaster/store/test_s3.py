"""The object store: signatures as in the published examples, and its three operations against a
server that checks each signature.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from broadcaster.app import open_depot
from broadcaster.domain.retry_policy import OBJECT_STORE_WAITS
from broadcaster.simulation.serving import running
from broadcaster.store.blobs import FolderDepot, StoreDown
from broadcaster.store.s3 import Location, S3Depot, signed

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NAME = "0123456789abcdef0123456789abcdef/web.jpg"


# --- the signature: examples of "Signature Calculations for the Authorization Header", AWS ------------------

EXAMPLE = Location(
    key=KEY, secret=SECRET, host="examplebucket.s3.amazonaws.com", bucket="examplebucket"
)
MAY = datetime(2013, 5, 24, tzinfo=UTC)


def test_a_get_is_signed_as_in_the_published_example() -> None:
    headers = signed("GET", "/test.txt", {"range": "bytes=0-9"}, b"", location=EXAMPLE, at=MAY)
    assert headers["x-amz-date"] == "20130524T000000Z"
    assert headers["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_put_is_signed_as_in_the_published_example() -> None:
    extra = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    headers = signed(
        "PUT", "/test%24file.text", extra, b"Welcome to Amazon S3.", location=EXAMPLE, at=MAY
    )
    assert headers["authorization"].endswith(
        "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )


# --- the address ------------------------------------------------------------------------------------------------


def test_the_address_names_key_secret_place_and_region() -> None:
    location = Location.of(
        "s3://KUNCI:ra%2Fha%3Asia@minio.example:9000/gambar-kota?region=ap-southeast-3&tls=false"
    )
    assert location == Location(
        key="KUNCI",
        secret="ra/ha:sia",
        host="minio.example:9000",
        bucket="gambar-kota",
        region="ap-southeast-3",
        tls=False,
    )
    assert "ra/ha" not in repr(location)


@pytest.mark.parametrize(
    "url",
    [
        "https://k:s@host/bucket", "s3://host/bucket", "s3://k@host/bucket", "s3://k:s@host", "s3://k:s@host/a/b",
        "s3://k:s@host/bucket?tls=ya", "s3://k:s@host/bucket?wilayah=x", "s3://k:s@/bucket", "s3://k:s@host/..",
    ],
)  # fmt: skip
def test_any_other_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="harus berbentuk") as caught:
        Location.of(url)
    assert url not in str(caught.value)


# --- a server that knows the secret but shares none of our code -------------------------------------------


class Bucket:
    """Path-style S3 server: PUT, GET, DELETE. A wrong or late signature gets 403; while `failure`
    is set, every request gets that status; each of `troubles` answers one request (0: the
    connection breaks).
    """

    def __init__(self, *troubles: int, now: datetime = MAY, retry_after: str = "") -> None:
        self.objects: dict[str, bytes] = {}
        self.now, self.failure, self.requests = now, 0, 0
        self.troubles, self.retry_after = list(troubles), retry_after

    @property
    def app(self) -> web.Application:
        """Return the server."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/gambar-kota/{name:.+}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests += 1
        if self.failure:
            return web.Response(status=self.failure)
        if self.troubles:
            return self._trouble(request, self.troubles.pop(0))
        if not self._is_signed(request, body):
            return web.Response(status=403)
        name = request.match_info["name"]
        if request.method == "PUT":
            self.objects[name] = body
            return web.Response()
        if name not in self.objects:
            return web.Response(status=204 if request.method == "DELETE" else 404)
        if request.method == "DELETE":
            del self.objects[name]
            return web.Response(status=204)
        return web.Response(body=self.objects[name])

    def _trouble(self, request: web.Request, status: int) -> web.Response:
        if not status and request.transport is not None:
            request.transport.abort()
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.Response(status=status or 500, headers=headers)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
        stamp = request.headers.get("X-Amz-Date", "")
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        digest = hashlib.sha256(body).hexdigest()
        if scheme != "AWS4-HMAC-SHA256" or abs(at - self.now) > timedelta(minutes=15):
            return False
        if request.headers.get("X-Amz-Content-Sha256") != digest:
            return False
        names = fields["SignedHeaders"].split(";")
        assert {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names)
        lines = "".join(f"{name}:{request.headers[name]}\n" for name in names)
        canonical = f"{request.method}\n{request.raw_path}\n\n{lines}\n{';'.join(names)}\n{digest}"
        key = b"AWS4" + SECRET.encode()
        for part in (stamp[:8], "ap-southeast-3", "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        scope = f"{stamp[:8]}/ap-southeast-3/s3/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(
            key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}".encode(), "sha256"
        ).hex()
        return fields["Credential"] == f"{KEY}/{scope}" and hmac.compare_digest(
            fields["Signature"], signature
        )


LOCATION = Location(
    key=KEY, secret=SECRET, host="", bucket="gambar-kota", region="ap-southeast-3", tls=False
)


class Sleeper:
    """A clock that nothing but its own sleep moves; each wait is recorded."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def clock(self) -> float:
        """Seconds slept."""
        return sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        """Pass the time at once."""
        self.waits.append(seconds)


@asynccontextmanager
async def connected(
    bucket: Bucket, *, secret: str = SECRET, now: datetime = MAY, sleeper: Sleeper | None = None
) -> AsyncIterator[S3Depot]:
    """Yield a depot connected to that server."""
    sleeper = sleeper or Sleeper()
    async with running(bucket.app) as url:
        location = replace(LOCATION, secret=secret, host=url.removeprefix("http://"))
        depot = S3Depot(location, now=lambda: now, clock=sleeper.clock, sleep=sleeper.sleep)
        try:
            yield depot
        finally:
            await depot.aclose()


async def test_a_file_is_stored_read_and_deleted() -> None:
    bucket = Bucket()
    async with connected(bucket) as depot:
        assert await depot.get(NAME) is None
        await depot.put(NAME, b"gambar")
        assert bucket.objects == {NAME: b"gambar"}
        assert await depot.get(NAME) == b"gambar"
        await depot.put(NAME, bytes(3_000_000))
        assert await depot.get(NAME) == bytes(3_000_000)
        await depot.delete(NAME)
        await depot.delete(NAME)
        assert bucket.objects == {}


async def test_a_wrong_secret_or_clock_is_reported() -> None:
    async with connected(Bucket(), secret="salah") as depot:
        with pytest.raises(StoreDown, match="PUT 403"):
            await depot.put(NAME, b"gambar")
    async with connected(Bucket(), now=MAY + timedelta(hours=1)) as depot:
        with pytest.raises(StoreDown, match="GET 403"):
            await depot.get(NAME)


async def test_a_failing_or_unreachable_store_is_reported_without_its_address() -> None:
    bucket = Bucket()
    async with connected(bucket) as depot:
        bucket.failure = 503
        for act in (depot.put(NAME, b"x"), depot.get(NAME), depot.delete(NAME)):
            with pytest.raises(StoreDown, match="503"):
                await act
    location = Location(key=KEY, secret=SECRET, host="127.0.0.1:9", bucket="gambar-kota", tls=False)
    sleeper = Sleeper()
    away = S3Depot(location, clock=sleeper.clock, sleep=sleeper.sleep)
    with pytest.raises(StoreDown) as caught:
        await away.get(NAME)
    await away.aclose()
    assert "127.0.0.1" not in str(caught.value)
    assert sleeper.waits == [*OBJECT_STORE_WAITS]


# --- repetitions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [429, 500, 502, 503, 504])
async def test_a_passing_trouble_is_overcome_in_storing_and_reading(trouble: int) -> None:
    bucket, sleeper = Bucket(trouble, trouble), Sleeper()
    async with connected(bucket, sleeper=sleeper) as depot:
        await depot.put(NAME, b"gambar")
        assert bucket.objects == {NAME: b"gambar"}
        bucket.troubles = [trouble, trouble]
        assert await depot.get(NAME) == b"gambar"
    assert sleeper.waits == [*OBJECT_STORE_WAITS] * 2
    assert bucket.requests == 6


@pytest.mark.parametrize("trouble", [429, 503])
async def test_deleting_is_not_repeated_since_the_picture_may_have_come_back(trouble: int) -> None:
    bucket, sleeper = Bucket(trouble), Sleeper()
    async with connected(bucket, sleeper=sleeper) as depot:
        bucket.objects[NAME] = b"gambar"
        with pytest.raises(StoreDown, match=f"DELETE {trouble}"):
            await depot.delete(NAME)
    assert (bucket.requests, bucket.objects, sleeper.waits) == (1, {NAME: b"gambar"}, [])


async def test_repetitions_are_logged_without_the_name() -> None:
    with capture_logs() as logs:
        async with connected(Bucket(503, 0, 0)) as depot:
            await depot.put(NAME, b"gambar")
    assert [(line["event"], line["method"], line["status"], line["error"]) for line in logs] == [
        ("object_store_asked_again", "PUT", 503, ""),
        ("object_store_asked_again", "PUT", 0, "ServerDisconnectedError"),
    ]
    assert NAME not in str(logs)


async def test_a_broken_connection_is_overcome_in_storing_and_reading() -> None:
    breaks = [0, 0, 0]  # the HTTP client repeats once by itself
    bucket, sleeper = Bucket(*breaks), Sleeper()
    async with connected(bucket, sleeper=sleeper) as depot:
        await depot.put(NAME, b"gambar")
        assert bucket.objects == {NAME: b"gambar"}
        bucket.troubles = [*breaks]
        assert await depot.get(NAME) == b"gambar"
    assert sleeper.waits == [OBJECT_STORE_WAITS[0]] * 2
    assert bucket.requests == 8


async def test_a_request_is_repeated_twice_at_most() -> None:
    bucket = Bucket(503, 503, 503)
    async with connected(bucket) as depot:
        with pytest.raises(StoreDown, match="GET 503"):
            await depot.get(NAME)
        assert bucket.requests == 3
        assert await depot.get(NAME) is None


@pytest.mark.parametrize("status", [400, 403, 404, 409, 411, 501])
async def test_a_lasting_answer_is_not_asked_for_again(status: int) -> None:
    bucket, sleeper = Bucket(status), Sleeper()
    async with connected(bucket, sleeper=sleeper) as depot:
        with pytest.raises(StoreDown, match=f"PUT {status}"):
            await depot.put(NAME, b"x")
    assert (bucket.requests, sleeper.waits) == (1, [])


async def test_retry_after_is_obeyed_within_the_time_of_a_request() -> None:
    bucket, sleeper = Bucket(503, 429, retry_after="7"), Sleeper()
    async with connected(bucket, sleeper=sleeper) as depot:
        await depot.put(NAME, b"x")
        assert sleeper.waits == [7.0, 7.0]
        bucket.troubles, bucket.retry_after = [503], "20"
        with pytest.raises(StoreDown, match="GET 503"):
            await depot.get(NAME)
        bucket.troubles, bucket.retry_after = [503, 503], "12"
        with pytest.raises(StoreDown, match="GET 503"):  # another 12 s would reach 20
            await depot.get(NAME)
    assert sleeper.waits == [7.0, 7.0, 12.0]


async def test_each_attempt_is_signed_at_its_own_time() -> None:
    moments = iter((MAY - timedelta(hours=1), MAY))
    bucket = Bucket(503)
    async with running(bucket.app) as url:
        location = replace(LOCATION, host=url.removeprefix("http://"))
        sleeper = Sleeper()
        depot = S3Depot(
            location, now=lambda: next(moments), clock=sleeper.clock, sleep=sleeper.sleep
        )
        await depot.put(NAME, b"x")  # the first time would be refused as too old
        await depot.aclose()
    assert bucket.objects == {NAME: b"x"}


async def test_a_redirect_is_not_followed() -> None:
    bucket = Bucket()
    bucket.failure = 307
    async with connected(bucket) as depot:
        with pytest.raises(StoreDown, match="307"):
            await depot.put(NAME, b"x")


def test_the_setting_chooses_the_depot() -> None:
    from broadcaster.runtime import config

    assert isinstance(open_depot(config.read({}).settings), FolderDepot)
    url = f"s3://{KEY}:rahasia@127.0.0.1:9/gambar-kota"
    settings = config.read({"BROADCASTER_MEDIA_URL": url}).settings
    assert isinstance(open_depot(settings), S3Depot)
    assert "rahasia" not in repr(settings)
