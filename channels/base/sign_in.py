"""Signing in at a provider: one try at a time until it took us, after a refusal one a pause:
servers ban whoever keeps trying.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from channels.base.contract import Deferred, Halted, Outcome

FIRST_PAUSE = 60.0
"""Seconds without another try after the first refusal; each further one doubles them."""
LONGEST_PAUSE = 600.0
PATIENCE = 1.0
"""Seconds after which the others go on beside one try that gets no answer."""


class SignIn:
    """Whether the provider takes our credentials, as one process knows it."""

    def __init__(self, clock: Callable[[], float], *, accepted: bool = False) -> None:
        """`clock` tells seconds that only rise; `accepted`: there are no credentials to refuse."""
        self._clock = clock
        self.accepted = accepted
        self._refusal = Halted()
        self._refusals = 0
        self._again_at = 0.0

    def took(self) -> None:
        """The provider let us in."""
        self.accepted, self._refusals, self._again_at = True, 0, 0.0

    def refused(self, refusal: Halted) -> None:
        """The provider did not; nobody tries again for a while."""
        pause = min(FIRST_PAUSE * 2**self._refusals, LONGEST_PAUSE)
        self.accepted, self._refusal, self._again_at = False, refusal, self._clock() + pause
        self._refusals = min(self._refusals + 1, 10)

    def pause(self) -> Deferred | None:
        """What a message gets until the next try is due; None when it may be made."""
        left = self._again_at - self._clock()
        if left <= 0:
            return None
        return Deferred(
            retry_after=left, throttle=True, code=self._refusal.code, detail=self._refusal.detail
        )


class Credential:
    """A token that goes with each request: while it is doubted requests go one by one, once it is
    refused one goes a pause.

    Whoever waited `patience` seconds behind an answer that does not come goes beside it. A refusal
    answers one message, and may be about it alone: whether it holds for all, `check` is asked, once
    a pause.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        codes: frozenset[str],
        check: Callable[[], Awaitable[bool]],
        patience: float = PATIENCE,
    ) -> None:
        """`codes`: what a refusal goes by; `check` tells whether the token is refused when it is
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
            return await self._judged(await send())
        async with self._one_by_one():
            if self._sign_in.pause() is not None and self._refusal is not None:
                return self._refusal
            return await self._judged(await send())

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

    async def _judged(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Halted) and outcome.code in self._codes:
            self._sign_in.accepted = False
            await self._look_into(outcome)
        elif not isinstance(outcome, Halted | Deferred):
            self._sign_in.took()
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
