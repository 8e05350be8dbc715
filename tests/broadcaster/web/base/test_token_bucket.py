"""Token buckets: bursts, refills, and a memory that does not grow."""

from dataclasses import dataclass

import pytest

from broadcaster.web.base.token_bucket import CLIENTS, Buckets


@dataclass
class Seconds:
    """A monotonic clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


@pytest.fixture
def clock() -> Seconds:
    """Return a clock that stands still."""
    return Seconds()


def test_a_burst_is_granted_and_then_refused(clock: Seconds) -> None:
    buckets = Buckets(burst=3, per_second=1, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]


def test_time_brings_tokens_back_up_to_the_burst(clock: Seconds) -> None:
    buckets = Buckets(burst=3, per_second=1, clock=clock)
    for _ in range(3):
        buckets.take("a")
    clock.now += 2
    assert [buckets.take("a") for _ in range(3)] == [True, True, False]
    clock.now += 1000
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]


def test_one_client_never_spends_anothers(clock: Seconds) -> None:
    buckets = Buckets(burst=1, per_second=1, clock=clock)
    assert buckets.take("a")
    assert buckets.take("b")
    assert not buckets.take("a")


def test_asking_takes_nothing(clock: Seconds) -> None:
    buckets = Buckets(burst=1, per_second=1, clock=clock)
    assert all(buckets.has("a") for _ in range(5))
    assert buckets.take("a")
    assert not buckets.has("a")


def test_the_wait_is_whole_seconds_until_the_next_token(clock: Seconds) -> None:
    buckets = Buckets(burst=1, per_second=0.5, clock=clock)
    buckets.take("a")
    assert buckets.wait("a") == 2
    clock.now += buckets.wait("a")
    assert buckets.take("a")


def test_strangers_do_not_fill_the_memory(clock: Seconds) -> None:
    buckets = Buckets(burst=1, per_second=1, clock=clock)
    for number in range(CLIENTS + 500):
        buckets.take(str(number))
    assert len(buckets._levels) == CLIENTS
    assert not buckets.has(str(CLIENTS + 499))
