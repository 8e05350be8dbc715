"""Signing in at a provider, one attempt at a time; after a refusal, one per pause: servers ban
clients that keep trying.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from channels.base.outcomes import Deferred, Halted, Outcome

FIRST_PAUSE = 60.0
"""Seconds without a further attempt after the first refusal; doubled by each further refusal."""
LONGEST_PAUSE = 600.0
PATIENCE = 1.0
"""Seconds after which waiting requests proceed alongside an attempt that gets no answer."""


class SignIn:
    """The current state of our credentials at the provider, as known to this process."""

    def __init__(self, clock: Callable[[], float], *, accepted: bool = False) -> None:
        """`clock` returns monotonic seconds; `accepted` is True if there are no credentials to
        refuse.
        """
        self._clock = clock
        self.accepted = accepted
        self._refusal = Halted()
        self._refusals = 0
        self._again_at = 0.0

    def succeeded(self) -> None:
        """Record that the provider accepted us."""
        self.accepted, self._refusals, self._again_at = True, 0, 0.0

    def refused(self, refusal: Halted) -> None:
        """Record a refusal; no further attempt is made for a while."""
        pause = min(FIRST_PAUSE * 2**self._refusals, LONGEST_PAUSE)
        self.accepted, self._refusal, self._again_at = False, refusal, self._clock() + pause
        self._refusals = min(self._refusals + 1, 10)

    def pause(self) -> Deferred | None:
        """Return the outcome for messages until the next attempt is due; None if one may be made
        now.
        """
        left = self._again_at - self._clock()
        if left <= 0:
            return None
        return Deferred(
            retry_after=left, throttle=True, code=self._refusal.code, detail=self._refusal.detail
        )


class Credential:
    """A token sent with each request: while in doubt, requests go one at a time; once refused, one
    per pause.

    A request that waited `patience` seconds for another's answer proceeds. A refusal answers one
    message and may be about it alone: once per pause, `check` is asked whether the token itself is
    refused.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        codes: frozenset[str],
        check: Callable[[], Awaitable[bool]],
        patience: float = PATIENCE,
    ) -> None:
        """`codes` are the error codes of a refusal; `check` is True if the token is refused when
        used by itself.
        """
        self._clock, self._patience = clock, patience
        self._codes = codes
        self._check = check
        self._sign_in = SignIn(clock)
        self._cleared_until = 0.0
        self._refusal: Halted | None = None
        self._turn, self._checking = asyncio.Lock(), asyncio.Lock()

    async def guarded(self, send: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Send, unless the token was refused just now."""
        if self._sign_in.accepted:
            return await self._checked(await send())
        async with self._one_by_one():
            if self._sign_in.pause() is not None and self._refusal is not None:
                return self._refusal
            return await self._checked(await send())

    @asynccontextmanager
    async def _one_by_one(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._turn.release()

    async def _checked(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Halted) and outcome.code in self._codes:
            self._sign_in.accepted = False
            await self._look_into(outcome)
        elif not isinstance(outcome, Halted | Deferred):
            self._sign_in.succeeded()
        return outcome

    async def _look_into(self, refusal: Halted) -> None:
        async with self._checking:
            if self._sign_in.pause() is not None or self._clock() < self._cleared_until:
                return
            if await self._check():
                self._refusal = refusal
                self._sign_in.refused(refusal)
            else:
                self._cleared_until = self._clock() + FIRST_PAUSE
