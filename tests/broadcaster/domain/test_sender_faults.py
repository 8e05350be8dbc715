"""The verdict on sender faults as a table, by number and origin of replies and by successes."""

from collections.abc import Sequence

import pytest

from broadcaster.domain.sender_faults import (
    SUSPECT_SECONDS,
    FaultVerdict,
    Successes,
    SuspectReply,
    assess,
    is_suspect,
)
from channels.base.contract import SEVERAL, Deferred, Halted, Refused

NOW = 10_000.0
NOBODY = Successes()


def replies_from(count: int, domains: int, *, at: float = NOW - 10) -> list[SuspectReply]:
    """Return `count` replies dealt out to `domains` domains; 0 is a channel without domains."""
    return [
        SuspectReply(address=n, domain=f"d{n % domains}" if domains else "", at=at)
        for n in range(count)
    ]


def verdict(
    replies: Sequence[SuspectReply], successes: Successes = NOBODY, *, idle: bool = False
) -> FaultVerdict:
    """Return the verdict at NOW."""
    return assess(replies, successes, now=NOW, idle=idle)


@pytest.mark.parametrize(
    ("count", "domains", "halts", "held"),
    [
        (1, 1, False, 0),
        (2, 1, False, 0),
        (3, 1, False, 1),
        (200, 1, False, 1),
        (3, 3, False, 0),
        (8, 3, False, 2),
        (9, 3, True, 3),
        (SEVERAL - 1, 9, False, 0),
        (SEVERAL, SEVERAL, True, 0),
        (12, 12, True, 0),
        (SEVERAL - 1, 0, False, 0),
        (SEVERAL, 0, True, 0),
    ],
)
def test_while_others_are_left_to_try_several_must_agree(
    count: int, domains: int, halts: bool, held: int
) -> None:
    outcome = verdict(replies_from(count, domains))
    assert (outcome.halt, len(outcome.domains)) == (halts, held)


@pytest.mark.parametrize(
    ("count", "domains", "halts"),
    [
        (0, 1, False),
        (1, 1, False),
        (1, 0, False),
        (2, 2, False),
        (2, 0, False),
        (3, 3, True),
        (3, 0, True),
        (SEVERAL - 1, 1, False),
        (SEVERAL - 1, 2, False),
        (SEVERAL, 1, True),
        (SEVERAL, 2, True),
    ],
)
def test_where_nobody_else_is_left_three_domains_or_ten_addresses_are_enough(
    count: int, domains: int, halts: bool
) -> None:
    assert verdict(replies_from(count, domains), idle=True).halt == halts


def test_what_came_before_a_success_counts_for_nothing() -> None:
    assert not verdict(replies_from(12, 12), Successes(channel=NOW - 5), idle=True).halt


def test_a_success_at_a_domain_frees_that_domain_alone() -> None:
    assert verdict(replies_from(6, 2), Successes(domains={"d0": NOW - 5})).domains == {"d1"}


def test_a_success_elsewhere_keeps_no_domain_from_being_held() -> None:
    outcome = verdict(replies_from(3, 1), Successes(channel=NOW - 5))
    assert (outcome.halt, outcome.domains) == (False, {"d0"})


def test_old_replies_count_for_nothing() -> None:
    assert verdict(replies_from(12, 12, at=NOW - SUSPECT_SECONDS - 1), idle=True) == FaultVerdict()


def test_only_replies_to_single_recipients_are_suspect() -> None:
    assert is_suspect(Halted(about="either")) and is_suspect(Halted(about="recipient"))
    assert is_suspect(Deferred(throttle=True, scope="domain", about="recipient"))
    assert is_suspect(Deferred(throttle=True, alarm=True, about="either"))
    assert not is_suspect(Halted())
    assert not is_suspect(Deferred(throttle=True, scope="domain"))
    assert not is_suspect(Deferred(about="recipient"))
    assert not is_suspect(Refused(reason="address_dead"))
