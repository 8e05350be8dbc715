"""Sender faults: distinguishes a fault of the sender from those of single recipients, by how
many of them got the same reply. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from broadcaster.domain.retry_policy import ADDRESSES, SUSPECT_SECONDS, blames_channel
from channels.base.contract import Deferred, Failure, Halted

POLICY = "policy"
"""Kind of all policy refusals (5.7.x), as providers number the same refusal differently."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuspectReply:
    """A reply for one address: `domain` is a keyed hash, empty for channels without domains;
    `at` in epoch seconds.
    """

    address: int
    domain: str = ""
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultVerdict:
    """Result for one kind of reply: `halt` the channel, hold back `domains` for a while."""

    halt: bool = False
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Successes:
    """Times of the last success (epoch seconds, 0: unknown): on the channel, and for each
    domain.
    """

    channel: float = 0.0
    domains: Mapping[str, float] = field(default_factory=dict)


def is_suspect(outcome: Failure) -> TypeGuard[Halted | Deferred]:
    """True if a reply to one recipient may concern the sender, or the recipient's whole domain."""
    match outcome:
        case Halted():
            return outcome.about != "sender"
        case Deferred(throttle=True, about="recipient" | "either"):
            return outcome.scope == "domain" or outcome.alarm
    return False


def is_ours(outcome: Failure) -> bool:
    """True if a failure came before any recipient was named, so that it applies to all."""
    return isinstance(outcome, Halted | Deferred) and outcome.about == "sender"


def kind_of(outcome: Halted | Deferred) -> str:
    """Group replies: two of the same kind count as the same reply."""
    return (
        POLICY
        if isinstance(outcome, Deferred) and outcome.alarm and outcome.scope == "domain"
        else outcome.code
    )


def assess(
    replies: Iterable[SuspectReply], successes: Successes, *, now: float, idle: bool
) -> FaultVerdict:
    """Decide what the replies of one kind mean.

    `idle`: no address is left to try, and none was reached.

    Replies before the last success do not count, for the channel and for that domain alike.
    Fewer than PLACES domains and SEVERAL addresses never halt the channel, whatever they say
    about us: their rows wait, without holding up others.
    """
    since = now - SUSPECT_SECONDS
    addresses, places, domains = (
        set[int](),
        defaultdict[str, set[int]](set),
        defaultdict[str, set[int]](set),
    )
    for reply in replies:
        if reply.at > max(since, successes.channel):
            addresses.add(reply.address)
            places[reply.domain or str(reply.address)].add(reply.address)
        if reply.domain and reply.at > max(since, successes.domains.get(reply.domain, 0.0)):
            domains[reply.domain].add(reply.address)
    held = frozenset(domain for domain, among in domains.items() if len(among) >= ADDRESSES)
    crowded = sum(len(among) >= ADDRESSES for among in places.values())
    halt = blames_channel(len(addresses), len(places), crowded, idle=idle)
    return FaultVerdict(halt=halt, domains=held)
