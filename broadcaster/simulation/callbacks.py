"""Signed webhooks of a stand-in provider: delayed, batched, from a bounded queue, retried until
accepted.
"""

import asyncio
import hashlib
import heapq
import hmac
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import msgspec

BATCH = 250
QUEUE_LIMIT = 200_000
TICK = 0.05
TRIES = 6
"""Number of attempts; the last comes about 15 s after the first."""

WebhookItem = dict[str, Any]
Envelope = Callable[[Sequence[WebhookItem]], dict[str, Any]]


class Callbacks:
    """Queue of webhooks to `url`, signed with `secret`; `envelope` wraps the items of one POST.

    `posted` and `dropped` count items. Without a URL nothing is queued.
    """

    def __init__(
        self, *, url: str, secret: str, envelope: Envelope, limit: int = QUEUE_LIMIT
    ) -> None:
        self.url = url
        self.posted = 0
        self.dropped = 0
        self._secret = secret.encode()
        self._envelope = envelope
        self._limit = limit
        self._waiting: list[tuple[float, int, WebhookItem]] = []
        self._number = itertools.count()
        self._underway = 0

    def later(self, delay: float, item: WebhookItem) -> None:
        """Post `item` after `delay` seconds; drop it when the queue is full."""
        if not self.url:
            return
        if len(self._waiting) >= self._limit:
            self.dropped += 1
            return
        heapq.heappush(self._waiting, (time.monotonic() + delay, next(self._number), item))

    @property
    def waiting(self) -> int:
        """Number of items that are not posted yet."""
        return len(self._waiting) + self._underway

    async def run(self) -> None:
        """Post items as they fall due, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            while True:
                if batch := self._due():
                    self._underway = len(batch)
                    await self._post(session, batch)
                    self._underway = 0
                else:
                    await asyncio.sleep(TICK)

    def _due(self) -> list[WebhookItem]:
        now = time.monotonic()
        batch: list[WebhookItem] = []
        while self._waiting and self._waiting[0][0] <= now and len(batch) < BATCH:
            batch.append(heapq.heappop(self._waiting)[2])
        return batch

    async def _post(self, session: aiohttp.ClientSession, batch: Sequence[WebhookItem]) -> None:
        body = msgspec.json.encode(self._envelope(batch))
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(0.25 * 2**attempt)
            try:
                async with session.post(self.url, data=body, headers=headers) as response:
                    if response.status == 200:
                        self.posted += len(batch)
                        return
            except (aiohttp.ClientError, TimeoutError):
                continue
        self.dropped += len(batch)
