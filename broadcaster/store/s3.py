"""An S3-compatible object store over HTTP, each request signed by Signature Version 4 (headers,
whole payload).

PUT and GET are repeated: an object never changes under its name. DELETE is not, because the same
picture may have been stored anew meanwhile. Credentials are static, from BROADCASTER_MEDIA_URL, so
none expires and there is nothing to read anew.

obstore 0.12 would save the 40 lines of signing and is about as quick (300 kB: put 2.6 to 6.0 ms,
get 0.6 to 4.4; here 5.0 to 6.6 and 2.6). It reads the environment, though, past the
settings: HTTP_PROXY diverts every request, even with a proxy and exclusions of our own,
AWS_SESSION_TOKEN is sent and signed, AWS_SKIP_SIGNATURE leaves out the signature. Its errors
contain the address, and the status in prose only.
"""

import asyncio
import hashlib
import hmac
import io
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

import structlog
import yarl

from broadcaster.domain.retry_policy import object_store_wait
from channels.base import http

log = structlog.get_logger(__name__)

SECONDS = 20.0
"""Seconds that a request may take with its repetitions: at most 1 MB in or out."""
PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses of a store that may answer otherwise when asked again."""
CONNECTIONS = 16
Method = Literal["PUT", "GET", "DELETE"]
SHAPE = "s3://KUNCI:RAHASIA@host/bucket?region=...&tls=true"


class StoreDown(Exception):
    """The object store failed; the message names the step and its answer, no secret or address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """A bucket and its credentials; addressed by path, which every server supports."""

    key: str
    secret: str = field(repr=False)
    host: str
    bucket: str
    region: str = "us-east-1"
    tls: bool = True

    @classmethod
    def of(cls, url: str) -> "Location":
        """Parse s3://key:secret@host/bucket?region=..&tls=..; key and secret percent-encoded.
        Raises ValueError.
        """
        parts, query = urlsplit(url), parse_qs(urlsplit(url).query)
        bucket, tls = parts.path.strip("/"), query.get("tls", ["true"])[0]
        sound = (
            parts.scheme == "s3"
            and parts.username
            and parts.password
            and parts.hostname
            and not set(query) - {"region", "tls"}
        )
        if (
            not sound
            or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,62}", bucket)
            or tls not in ("true", "false")
        ):
            raise ValueError(f"harus berbentuk {SHAPE}")
        return cls(
            key=unquote(parts.username or ""),
            secret=unquote(parts.password or ""),
            host=parts.netloc.rpartition("@")[2],
            bucket=bucket,
            region=query.get("region", ["us-east-1"])[0],
            tls=tls == "true",
        )


# --- signature ---


def signed(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    location: Location,
    at: datetime,
) -> dict[str, str]:
    """Return the headers to send: those given (lower-case names), with host, time, digest of the
    body and authorization.

    `path` is percent-encoded already and has no query. See AWS, "Signature Calculations for the
    Authorization Header".
    """
    stamp, digest = at.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(body).hexdigest()
    whole = {**headers, "host": location.host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(whole))
    lines = [f"{name}:{whole[name].strip()}\n" for name in sorted(whole)]
    request = "\n".join([method, path, "", "".join(lines), names, digest])
    scope = f"{stamp[:8]}/{location.region}/s3/aws4_request"
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()]
    )
    signature = _hmac(_signing_key(location, stamp[:8]), to_sign).hex()
    whole["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={location.key}/{scope},"
        f"SignedHeaders={names},Signature={signature}"
    )
    return whole


def _signing_key(location: Location, day: str) -> bytes:
    key = f"AWS4{location.secret}".encode()
    for part in (day, location.region, "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


# --- store ---


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """Answer to one attempt; `error` if there was none, `retry_after` in seconds."""

    status: int = 0
    body: bytes = b""
    retry_after: float | None = None
    error: Exception | None = None

    @property
    def passing(self) -> bool:
        """True if another attempt may succeed."""
        return self.error is not None or self.status in PASSING


class S3Depot:
    """Objects of a bucket, by name. Connections open with the first request.

    `clock` (seconds) bounds a request and its repetitions; `sleep` waits between them.
    """

    def __init__(
        self,
        location: Location,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._location, self._now = location, now
        self._clock, self._sleep = clock, sleep
        self._base = f"{'https' if location.tls else 'http'}://{location.host}"
        self._sessions = http.Sessions(connections=CONNECTIONS, total_seconds=SECONDS)

    async def put(self, name: str, body: bytes) -> None:
        """Store an object completely or not at all. Raises StoreDown."""
        status, _ = await self._ask("PUT", name, body)
        if status != 200:
            raise StoreDown(f"PUT {status}")

    async def get(self, name: str) -> bytes | None:
        """Return an object's bytes; None if it does not exist. Raises StoreDown."""
        status, body = await self._ask("GET", name)
        if status not in (200, 404):
            raise StoreDown(f"GET {status}")
        return body if status == 200 else None

    async def delete(self, name: str) -> None:
        """Delete an object; a missing one is no error. Raises StoreDown."""
        status, _ = await self._ask("DELETE", name)
        if status not in (200, 204, 404):
            raise StoreDown(f"DELETE {status}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._sessions.aclose()

    async def _ask(self, method: Method, name: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send the request, and unless it deletes repeat it while the policy allows. Raises
        StoreDown.
        """
        until, attempt = self._clock() + SECONDS, 1
        while True:
            answer = await self._attempt(method, name, body, until - self._clock())
            left = until - self._clock()
            repeatable = answer.passing and method != "DELETE"
            wait = object_store_wait(attempt, answer.retry_after, left) if repeatable else None
            if wait is not None:
                log.warning(
                    "object_store_asked_again",
                    method=method,
                    status=answer.status,
                    error=type(answer.error).__name__ if answer.error else "",
                    seconds=wait,
                )
                await self._sleep(wait)
                attempt += 1
            elif answer.error is not None:
                raise StoreDown(f"{method} {type(answer.error).__name__}") from answer.error
            else:
                return answer.status, answer.body

    async def _attempt(self, method: Method, name: str, body: bytes, seconds: float) -> _Answer:
        """Send the request once, signed at its own time."""
        path = quote(f"/{self._location.bucket}/{name}", safe="/-_.~")
        headers = signed(method, path, {}, body, location=self._location, at=self._now())
        url = yarl.URL(self._base + path, encoded=True)  # sent as it was signed
        sent = (
            io.BytesIO(body) if body else None
        )  # in pieces: a whole megabyte at once would block the event loop
        try:
            async with (
                asyncio.timeout(seconds),
                self._sessions.get().request(
                    method, url, data=sent, headers=headers, allow_redirects=False
                ) as answer,
            ):
                return _Answer(
                    status=answer.status,
                    body=await answer.read(),
                    retry_after=http.seconds(answer.headers.get("Retry-After")),
                )
        except http.REQUEST_ERRORS as error:
            return _Answer(error=error)
