"""Faults of the stand-in providers: as frequent as set, and the same for the same seed."""

import pytest

from broadcaster.simulation.faults import Faults


def test_without_settings_nothing_goes_wrong() -> None:
    faults = Faults()
    assert not any(faults.limited() or faults.broken() or faults.cutting() for _ in range(1000))
    assert not any(faults.blocks(str(n)) or faults.greylists(str(n)) for n in range(1000))


def test_a_share_is_met_over_many_requests() -> None:
    faults = Faults(rate_429=0.2, rate_5xx=0.05, cut=0.5)
    counts = [
        sum(draw() for _ in range(10_000))
        for draw in (faults.limited, faults.broken, faults.cutting)
    ]
    assert 1_900 < counts[0] < 2_100
    assert 420 < counts[1] < 580
    assert 4_850 < counts[2] < 5_150


def test_a_full_share_strikes_every_request() -> None:
    faults = Faults(rate_429=1, blocked=1)
    assert all(faults.limited() for _ in range(100))
    assert all(faults.blocks(str(n)) for n in range(100))


def test_the_same_seed_draws_the_same_faults() -> None:
    first, second, other = (
        Faults(rate_5xx=0.3, seed=1),
        Faults(rate_5xx=0.3, seed=1),
        Faults(rate_5xx=0.3, seed=2),
    )
    series = [[faults.broken() for _ in range(200)] for faults in (first, second, other)]
    assert series[0] == series[1] != series[2]


def test_a_blocked_address_stays_blocked_whatever_else_is_asked() -> None:
    faults = Faults(blocked=0.02, rate_5xx=0.5)
    before = {n for n in range(10_000) if faults.blocks(f"62812{n:08}")}
    for _ in range(50):
        faults.broken()
    assert {n for n in range(10_000) if faults.blocks(f"62812{n:08}")} == before
    assert 150 < len(before) < 250


def test_raising_the_share_only_adds_blocked_addresses() -> None:
    few, many = Faults(blocked=0.02), Faults(blocked=0.1)
    addresses = [f"62812{n:08}" for n in range(3000)]
    blocked_by_few = {address for address in addresses if few.blocks(address)}
    assert blocked_by_few < {address for address in addresses if many.blocks(address)}


def test_blocked_and_greylisted_addresses_are_drawn_apart() -> None:
    faults = Faults(blocked=0.5, greylist=0.5)
    addresses = [f"62812{n:08}" for n in range(1000)]
    blocked = {address for address in addresses if faults.blocks(address)}
    assert blocked != {address for address in addresses if faults.greylists(address)}


def test_sliders_change_faults_and_show_them() -> None:
    faults = Faults()
    faults.change(latency_ms=250, rate_429=0.1)
    assert faults.as_dict() == {
        "latency_ms": 250.0,
        "rate_429": 0.1,
        "rate_5xx": 0.0,
        "blocked": 0.0,
        "cut": 0.0,
        "greylist": 0.0,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"rate_429": 1.5},
        {"rate_429": -0.1},
        {"latency_ms": 1e9},
        {"seed": 3},
        {"_random": 0},
        {"typo": 0.1},
    ],
)
def test_a_slider_out_of_range_or_unknown_changes_nothing(values: dict[str, float]) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match=r"out of range|unknown"):
        faults.change(blocked=0.5, **values)
    assert faults == Faults()
