"""Sender faults: tells a sender's fault from the faults of single recipients, by how many of them got the
same reply. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from broadcaster.domain.retry_policy import ADDRESSES, SUSPECT_SECONDS, blames_channel
from channels.base.contract import Deferred, Failure, Halted

POLICY = "policy"
"""Kind of all refusals by policy (5.7.x): providers number the same refusal differently."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A reply that one address got: `domain` is a keyed hash, empty where the channel has none;
    `at` in epoch seconds.
    """

    address: int
    domain: str = ""
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The meaning of replies of one kind: `halt` the channel, leave `domains` alone for a while."""

    halt: bool = False
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Successes:
    """Times of the last arrival (epoch seconds, 0: not known): on the channel, at each domain."""

    channel: float = 0.0
    domains: Mapping[str, float] = field(default_factory=dict)


def is_suspect(outcome: Failure) -> TypeGuard[Halted | Deferred]:
    """Check whether a reply to one recipient may be about the sender, or about the recipient's whole
    domain.
    """
    match outcome:
        case Halted():
            return outcome.about != "sender"
        case Deferred(throttle=True, about="recipient" | "either"):
            return outcome.scope == "domain" or outcome.alarm
    return False


def is_ours(outcome: Failure) -> bool:
    """Check whether a failure came before any recipient was named, so that it holds for all."""
    return isinstance(outcome, Halted | Deferred) and outcome.about == "sender"


def kind_of(outcome: Halted | Deferred) -> str:
    """Return what counts as the same reply."""
    return (
        POLICY
        if isinstance(outcome, Deferred) and outcome.alarm and outcome.scope == "domain"
        else outcome.code
    )


def judge(seen: Iterable[Seen], successes: Successes, *, now: float, idle: bool) -> Verdict:
    """Weigh the replies of one kind. `idle`: nobody is left to try, and nobody was reached.

    Replies before the last success count for nothing: not against the channel, or not against that
    domain. Fewer than PLACES domains and SEVERAL addresses never halt, whatever they say of us:
    they wait, and nobody waits for them.
    """
    since = now - SUSPECT_SECONDS
    addresses, places, domains = (
        set[int](),
        defaultdict[str, set[int]](set),
        defaultdict[str, set[int]](set),
    )
    for reply in seen:
        if reply.at > max(since, successes.channel):
            addresses.add(reply.address)
            places[reply.domain or str(reply.address)].add(reply.address)
        if reply.domain and reply.at > max(since, successes.domains.get(reply.domain, 0.0)):
            domains[reply.domain].add(reply.address)
    held = frozenset(domain for domain, among in domains.items() if len(among) >= ADDRESSES)
    crowded = sum(len(among) >= ADDRESSES for among in places.values())
    halt = blames_channel(len(addresses), len(places), crowded, idle=idle)
    return Verdict(halt=halt, domains=held)
