"""Replies of providers as one process saw them: those between two successes, and the results of the
last calls.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from broadcaster.domain.retry_policy import (
    FAILURE_SAMPLE,
    breaks_channel,
    limits_channel,
    stops_edition,
)
from channels.base.contract import Rejected

_SUCCESS, _FAILED, _REFUSED = range(3)


@dataclass
class Replies:
    """Replies that one process remembers: by channel, by edition and channel, and by mail domain
    that refused a recipient.
    """

    _rejections: dict[tuple[int, str], dict[str, set[str]]] = field(default_factory=dict)
    _recent: defaultdict[str, deque[int]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=FAILURE_SAMPLE))
    )
    _limited: dict[str, set[int]] = field(default_factory=dict)
    _suspected: dict[str, bool] = field(default_factory=dict)
    _watched: dict[str, dict[str, str]] = field(default_factory=dict)
    _doubts: dict[tuple[int, str], str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """Channels that this process closed because of suspect replies."""
    arrived: dict[str, float] = field(default_factory=dict)
    """Time of the last success (epoch seconds), by channel."""

    # --- the edition ----------------------------------------------------------------------------

    def edition_is_rejected(
        self, edition: int, channel: str, outcome: Rejected, address: int
    ) -> bool:
        """Count a rejection; True once enough agree, with no success between, that the message is
        at fault.
        """
        by_code = self._rejections.setdefault((edition, channel), {})
        places = by_code.setdefault(outcome.code, set())
        places.add(outcome.domain or str(address))
        return stops_edition(len(places))

    def doubt(self, edition: int, channel: str, why: str) -> None:
        """Remember why an edition should stop once everybody has been tried."""
        self._doubts[edition, channel] = why

    def doubted(self, edition: int, channel: str) -> str:
        """Return why an edition should stop, now that everybody has been tried; empty if a message
        arrived since.
        """
        return self._doubts.pop((edition, channel), "")

    def reached(self, edition: int, channel: str) -> None:
        """Note a success: earlier rejections were the addresses' own fault."""
        run = (edition, channel)
        self._rejections.pop(run, None)
        self._doubts.pop(run, None)

    # --- the channel ----------------------------------------------------------------------------

    def call(self, channel: str, *, failed: bool) -> bool:
        """Note a call; True once more than half of the last fifty failed (failure breaker)."""
        recent = self._recent[channel]
        recent.append(_FAILED if failed else _SUCCESS)
        return failed and self._is_broken(recent)

    def refusal(self, channel: str) -> bool:
        """Note that one recipient was put off; True once the last fifty calls brought nothing else.

        Recipients fail by themselves: beside a single success they say nothing about the channel.
        """
        recent = self._recent[channel]
        recent.append(_REFUSED)
        return self._is_broken(recent)

    @staticmethod
    def _is_broken(recent: deque[int]) -> bool:
        if len(recent) < FAILURE_SAMPLE:
            return False
        broken = breaks_channel(recent.count(_FAILED), recent.count(_REFUSED))
        if broken:
            recent.clear()
        return broken

    def is_limited(self, channel: str, address: int) -> bool:
        """Count a "too fast"; True once several addresses got it with no success between."""
        addresses = self._limited.setdefault(channel, set())
        addresses.add(address)
        return limits_channel(len(addresses))

    def success(self, channel: str, domain_of: str, at: float) -> dict[str, float]:
        """Note a success; return those that the other workers must know of, because suspicions
        stand against them (domain or "" -> time).
        """
        self.arrived[channel] = at
        self._limited.pop(channel, None)
        successes: dict[str, float] = {}
        if self._suspected.pop(channel, False):
            successes[""] = at
        if domain_of and (watched := self._watched.get(channel)) and watched.pop(domain_of, None):
            successes[domain_of] = at
        return successes

    def suspect(self, channel: str, domain: str, name: str) -> None:
        """Note a suspect reply: `domain` is the keyed hash of the domain `name`, empty if there is
        none.
        """
        self._suspected[channel] = True
        if domain:
            self._watched.setdefault(channel, {})[domain] = name

    def is_suspected(self, channel: str) -> bool:
        """True if a suspect reply came since the last success."""
        return self._suspected.get(channel, False)

    def watches(self, channel: str) -> bool:
        """True if the domains of successes matter now."""
        return bool(self._watched.get(channel))

    def name_of(self, channel: str, domain: str) -> str:
        """Return the domain's name; empty if it is not watched."""
        return self._watched.get(channel, {}).get(domain, "")
