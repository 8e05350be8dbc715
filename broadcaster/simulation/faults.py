"""Faults that a stand-in provider injects on request, reproducible in any order of requests."""

import random
from dataclasses import dataclass, field, fields
from hashlib import blake2b


@dataclass(kw_only=True)
class Faults:
    """Fault rates: shares from 0 to 1 of all requests; `blocked` and `greylist` of all addresses.

    A `seed` fixes the series of draws, and whether an address is blocked or greylisted.
    """

    latency_ms: float = 0.0
    rate_429: float = 0.0
    rate_5xx: float = 0.0
    blocked: float = 0.0
    cut: float = 0.0
    greylist: float = 0.0
    seed: int = 112
    _random: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 # reason: repeatable faults, no secret

    def limited(self) -> bool:
        """True if this request is answered with "too many requests"."""
        return self._drawn(self.rate_429)

    def broken(self) -> bool:
        """True if this request is answered with a server error."""
        return self._drawn(self.rate_5xx)

    def cutting(self) -> bool:
        """True if this request is accepted but its connection dropped before the response."""
        return self._drawn(self.cut)

    def blocks(self, address: str) -> bool:
        """True if this address rejects every message."""
        return self._place(address, "blocked") < self.blocked

    def greylists(self, address: str) -> bool:
        """True if this address's server asks the sender to retry later."""
        return self._place(address, "greylist") < self.greylist

    def change(self, **values: float) -> None:
        """Set faults by name. Raises ValueError for an unknown name or a value out of range."""
        known = {each.name for each in fields(self)} - {"_random", "seed"}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown fault: {name}")
            if not 0 <= value <= (60_000 if name == "latency_ms" else 1):
                raise ValueError(f"{name} out of range: {value}")
        for name, value in values.items():
            setattr(self, name, float(value))

    def as_dict(self) -> dict[str, float]:
        """Return the faults by name, without the seed."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in {"_random", "seed"}
        }

    def _drawn(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _place(self, address: str, purpose: str) -> float:
        digest = blake2b(f"{self.seed}:{purpose}:{address}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64
