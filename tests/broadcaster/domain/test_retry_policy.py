"""The retry policy as a table: the decision for each outcome of a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.deliveries import FAILED, PENDING, SENT, SKIPPED, UNCONFIRMED, MarkedRow
from broadcaster.domain.retry_policy import (
    ADDRESSES,
    CLOSINGS,
    EMERGENCY_WAITS,
    FAILURE_SAMPLE,
    LIMITED,
    LONGEST_WAIT,
    OBJECT_STORE_WAITS,
    PATIENCE,
    PLACES,
    REASONS,
    REJECTIONS,
    ROUTINE_WAITS,
    UNCERTAIN_LIMIT,
    UNCERTAIN_LIMIT_EMERGENCY,
    UNCERTAIN_PAUSE,
    UNOPENED,
    Moment,
    abandoned_wait,
    blames_channel,
    bounded,
    breaks_channel,
    channel_rest,
    consequence,
    decide,
    doubts_key,
    limits_channel,
    object_store_wait,
    over,
    stops_edition,
    uncertain_limit,
    wait_before,
)
from channels.base.contract import (
    Deferred,
    Failure,
    Halted,
    Outcome,
    Receipt,
    Refused,
    Rejected,
    Skipped,
)
from channels.base.sending import SEVERAL

NOW = 1_000_000.0
TODAY = "2026-11-25"


def row(**changes: object) -> MarkedRow:
    """Return a row at its first attempt."""
    values: dict[str, object] = {
        "slot": 7,
        "address": 3,
        "area": "32.77.03.1002",
        "attempt": 1,
        "spent": 0,
        "uncertain": 0,
        "sealed": "",
        "language": "id",
        "consented_at": 0.0,
    }
    return MarkedRow(**{**values, **changes})  # type: ignore[arg-type]


def moment(**changes: object) -> Moment:
    """Return the moment of publication of routine news without expiry."""
    values = {
        "now": NOW,
        "published_at": NOW,
        "expires_at": None,
        "emergency": False,
        "receipt_wait": 0.0,
    }
    return Moment(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (Receipt(provider_id="wamid.1"), SENT, ""),
        (Refused(reason="address_dead", code="131026"), FAILED, "address_dead"),
        (Refused(reason="opted_out"), FAILED, "opted_out"),
        (Rejected(code="132000"), FAILED, "rejected"),
        (Skipped(code="131049"), SKIPPED, "skipped"),
        (Deferred(), PENDING, ""),
        (Deferred(uncertain=True), PENDING, ""),
        (Halted(code="190"), PENDING, ""),
    ],
)
def test_each_outcome_leads_to_its_state(outcome: Outcome, state: int, reason: str) -> None:
    decision = decide(row(), outcome, moment())
    assert (decision.state, decision.reason) == (state, reason)
    assert (decision.slot, decision.attempt) == (7, 1)


@pytest.mark.parametrize(("spent", "wait"), list(enumerate([60, 300, 900, 3600, 3600, 3600])))
def test_routine_waits_1_5_15_60_minutes_then_hourly(spent: int, wait: float) -> None:
    decision = decide(row(spent=spent), Deferred(), moment())
    assert decision.due_at == NOW + wait
    assert decision.spend


@pytest.mark.parametrize(("spent", "wait"), list(enumerate([5, 10, 20, 40, 60, 60, 60])))
def test_an_emergency_waits_5_10_20_40_seconds_then_every_minute(spent: int, wait: float) -> None:
    assert decide(row(spent=spent), Deferred(), moment(emergency=True)).due_at == NOW + wait


def test_a_throttle_never_spends_an_attempt() -> None:
    decision = decide(row(), Deferred(retry_after=33, throttle=True), moment())
    assert decision.due_at == NOW + 33
    assert not decision.spend


def test_the_wait_that_a_provider_asks_for_overrides_ours() -> None:
    assert decide(row(spent=3), Deferred(retry_after=6 * 3600), moment()).due_at == NOW + 6 * 3600


def test_a_zero_wait_is_granted_twice_per_delivery() -> None:
    waits = [
        decide(row(attempt=n), Deferred(retry_after=0, throttle=True), moment()).due_at - NOW
        for n in (1, 2, 3)
    ]
    assert waits == [0, 0, ROUTINE_WAITS[0]]


def test_without_expiry_retrying_ends_a_day_after_publication() -> None:
    late = moment(published_at=NOW - PATIENCE + 30)
    decision = decide(row(), Deferred(code="451"), late)
    assert (decision.state, decision.reason, decision.provider_code) == (FAILED, "too_late", "451")


def test_with_an_expiry_the_last_wait_ends_there_and_the_gate_closes_the_row() -> None:
    decision = decide(
        row(spent=4), Deferred(), moment(expires_at=NOW + 100, published_at=NOW - 10 * PATIENCE)
    )
    assert (decision.state, decision.due_at) == (PENDING, NOW + 100)


@pytest.mark.parametrize(("emergency", "limit"), [(False, 3), (True, 5)])
def test_after_the_last_uncertain_attempt_a_row_closes_as_unconfirmed(
    emergency: bool, limit: int
) -> None:
    states = [
        decide(row(uncertain=n), Deferred(uncertain=True), moment(emergency=emergency)).state
        for n in range(limit)
    ]
    assert states == [PENDING] * (limit - 1) + [UNCONFIRMED]


def test_an_uncertain_message_waits_for_a_late_receipt_but_an_emergency_does_not() -> None:
    uncertain = Deferred(uncertain=True)
    assert decide(row(), uncertain, moment(receipt_wait=30.0)).due_at == NOW + 30
    assert (
        decide(row(), uncertain, moment(receipt_wait=30.0, emergency=True)).due_at
        == NOW + UNCERTAIN_PAUSE
    )


def test_a_row_that_may_have_arrived_never_closes_as_failed_for_lateness() -> None:
    late = moment(published_at=NOW - PATIENCE)
    assert decide(row(uncertain=1), Deferred(), late).state == UNCONFIRMED


@given(st.integers(min_value=0, max_value=200), st.booleans())
def test_waits_never_shrink_and_never_end(attempt: int, emergency: bool) -> None:
    longest = (EMERGENCY_WAITS if emergency else ROUTINE_WAITS)[-1]
    assert (
        0
        < wait_before(attempt, emergency=emergency)
        <= wait_before(attempt + 1, emergency=emergency)
        <= longest
    )


def test_a_refusal_suppresses_and_falls_back() -> None:
    dead = consequence(row(), Refused(reason="address_dead"), TODAY)
    stopped = consequence(row(), Refused(reason="opted_out"), TODAY)
    assert dead is not None
    assert stopped is not None
    assert (dead.dead, dead.opted_out, dead.fall_back) == (True, False, True)
    assert (stopped.dead, stopped.opted_out, stopped.fall_back) == (False, True, True)


def test_a_skip_falls_back_and_leaves_the_address_alone() -> None:
    skipped = consequence(row(), Skipped(), TODAY)
    assert skipped is not None
    assert (skipped.fall_back, skipped.dead, skipped.opted_out) == (True, False, False)


def test_a_soft_bounce_is_a_strike_and_a_success_after_trouble_clears_strikes() -> None:
    strike = consequence(row(), Deferred(strikes=3), TODAY)
    success = consequence(row(spent=1), Receipt(), TODAY)
    assert strike is not None
    assert success is not None
    assert (strike.strike_limit, strike.day) == (3, TODAY)
    assert success.succeeded


@pytest.mark.parametrize("outcome", [Receipt(), Rejected(), Deferred(), Halted()])
def test_ordinary_outcomes_have_no_consequence_for_the_address(outcome: Outcome) -> None:
    assert consequence(row(), outcome, TODAY) is None


def test_a_moved_chat_is_noted() -> None:
    moved = consequence(row(), Deferred(retry_after=0, throttle=True, moved_to="-100123"), TODAY)
    assert moved is not None
    assert moved.moved_to == "-100123"


def test_every_reason_that_the_policy_gives_has_words() -> None:
    outcomes: list[Outcome] = [
        Refused(reason="address_dead"),
        Refused(reason="opted_out"),
        Rejected(),
        Skipped(),
        Deferred(),
        Deferred(uncertain=True),
    ]
    reasons = {
        decide(row(uncertain=4), outcome, moment(published_at=0)).reason for outcome in outcomes
    }
    assert reasons <= set(REASONS)
    assert "too_late" in reasons


@pytest.mark.parametrize("requested", [1e9, 10.0**300, float("inf")])
def test_whatever_a_provider_asks_for_an_announcement_is_tried_again(requested: float) -> None:
    outcome = bounded(Deferred(retry_after=requested, throttle=True))
    decision = decide(row(), outcome, moment())
    assert (decision.state, decision.due_at) == (PENDING, NOW + LONGEST_WAIT)


@pytest.mark.parametrize("requested", [-5.0, float("-inf"), float("nan")])
def test_an_invalid_wait_is_replaced_by_the_usual_one(requested: float) -> None:
    decision = decide(row(), bounded(Deferred(retry_after=requested)), moment())
    assert (decision.state, decision.due_at) == (PENDING, NOW + ROUTINE_WAITS[0])


@given(st.floats(min_value=0, max_value=LONGEST_WAIT))
def test_a_wait_that_can_be_kept_is_kept(requested: float) -> None:
    assert bounded(Deferred(retry_after=requested)) == Deferred(retry_after=requested)


@pytest.mark.parametrize(
    ("emergency", "limit"), [(False, UNCERTAIN_LIMIT), (True, UNCERTAIN_LIMIT_EMERGENCY)]
)
def test_a_row_closes_at_the_limit_that_a_dead_process_is_held_to_as_well(
    emergency: bool, limit: int
) -> None:
    assert uncertain_limit(emergency=emergency) == limit
    no_answer, now = Deferred(uncertain=True, code="timeout"), moment(emergency=emergency)
    states = [decide(row(uncertain=count), no_answer, now).state for count in range(limit)]
    assert states == [PENDING] * (limit - 1) + [UNCONFIRMED]


def test_only_everyday_news_waits_for_a_receipt_before_it_is_repeated() -> None:
    assert abandoned_wait(emergency=False, receipt_wait=30.0) == 30.0
    assert abandoned_wait(emergency=True, receipt_wait=30.0) == 0.0


@pytest.mark.parametrize(
    ("state", "expires_at", "reason"),
    [
        ("running", None, ""),
        ("preparing", NOW + 1, ""),
        ("paused", NOW - 1, "expired"),
        ("running", NOW, "expired"),
        ("stopped", NOW - 1, "stopped"),
        ("superseded", None, "superseded"),
        ("done", None, ""),
    ],
)
def test_a_run_is_over_once_stopped_superseded_or_expired(
    state: str, expires_at: float | None, reason: str
) -> None:
    assert over(state, expires_at, NOW) == reason
    assert not reason or (reason in CLOSINGS and reason in REASONS)


def test_an_edition_a_channel_and_the_key_are_doubted_from_their_limits_on() -> None:
    assert [stops_edition(REJECTIONS - 1), stops_edition(REJECTIONS)] == [False, True]
    assert [limits_channel(LIMITED - 1), limits_channel(LIMITED)] == [False, True]
    assert [doubts_key(UNOPENED - 1), doubts_key(UNOPENED)] == [False, True]


@pytest.mark.parametrize(
    ("failed", "refused", "broken"),
    [
        (FAILURE_SAMPLE // 2, 0, False),
        (FAILURE_SAMPLE // 2 + 1, 0, True),
        (0, FAILURE_SAMPLE - 1, False),
        (0, FAILURE_SAMPLE, True),
        (1, FAILURE_SAMPLE - 1, True),
    ],
)
def test_the_failure_breaker_opens_for_most_calls_failed_or_none_that_succeeded(
    failed: int, refused: int, broken: bool
) -> None:
    assert breaks_channel(failed, refused) == broken


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (Deferred(throttle=True, scope="channel", retry_after=30.0), 30.0),
        (Deferred(throttle=True, scope="channel"), 0.0),
        (Deferred(throttle=True, scope="domain", retry_after=30.0), 0.0),
        (Deferred(scope="channel", retry_after=30.0), 0.0),
        (Halted(), 0.0),
        (Rejected(), 0.0),
    ],
)
def test_a_channel_rests_only_where_a_throttle_names_it_and_its_time(
    outcome: Failure, seconds: float
) -> None:
    assert channel_rest(outcome) == seconds


@pytest.mark.parametrize(
    ("addresses", "places", "crowded", "idle", "halts"),
    [
        (SEVERAL, PLACES, 0, False, True),
        (SEVERAL - 1, PLACES, 0, False, False),
        (SEVERAL, PLACES - 1, 0, False, False),
        (PLACES * ADDRESSES, PLACES, PLACES, False, True),
        (SEVERAL, PLACES - 1, 0, True, True),
        (SEVERAL - 1, PLACES, 0, True, True),
        (SEVERAL - 1, PLACES - 1, 0, True, False),
    ],
)
def test_a_channel_is_blamed_by_several_addresses_and_places(
    addresses: int, places: int, crowded: int, idle: bool, halts: bool
) -> None:
    assert blames_channel(addresses, places, crowded, idle=idle) == halts


@pytest.mark.parametrize(
    ("attempt", "asked", "left", "wait"),
    [
        (1, None, 20.0, OBJECT_STORE_WAITS[0]),
        (2, None, 20.0, OBJECT_STORE_WAITS[1]),
        (3, None, 20.0, None),
        (1, 5.0, 20.0, 5.0),
        (1, 0.0, 20.0, OBJECT_STORE_WAITS[0]),
        (1, 20.0, 20.0, None),
        (1, None, OBJECT_STORE_WAITS[0], None),
    ],
)
def test_the_object_store_is_asked_again_a_few_times_within_its_patience(
    attempt: int, asked: float | None, left: float, wait: float | None
) -> None:
    assert object_store_wait(attempt, asked, left) == wait
