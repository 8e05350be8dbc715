"""Signing in at a provider: one try at a time until it took us, after a refusal one a pause: servers ban whoever keeps trying."""

from collections.abc import Callable

from channels.base.contract import Deferred, Halted

FIRST_PAUSE = 60.0
"""Seconds without another try after the first refusal; each further one doubles them."""
LONGEST_PAUSE = 600.0


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
        return Deferred(retry_after=left, throttle=True, code=self._refusal.code, detail=self._refusal.detail)
