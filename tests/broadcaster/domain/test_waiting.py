"""The causes for which messages wait, in words."""

import pytest

from broadcaster.domain.waiting import Cause, ChannelWait, ClosedChannel
from support.wording import worded

UNTIL = 1_795_568_400.0
"""25 November 2026, 06.00 UTC, epoch seconds."""


@pytest.mark.parametrize(
    ("cause", "until", "reason"),
    [
        ("moved", None, "disalin"),
        ("halted", None, "sedang berhenti"),
        ("tier", UNTIL, "Batas orang per hari"),
        ("limited", UNTIL, "baru bisa menerima lagi"),
    ],
)
def test_a_channel_that_is_shut_says_why_and_what_to_do(
    cause: Cause, until: float | None, reason: str
) -> None:
    (problem,) = worded([ClosedChannel(label="WhatsApp", cause=cause, until=until).problem])
    assert reason in problem.reason
    assert problem.reason.endswith(".")
    assert problem.remedy.endswith(".")


def test_each_kind_of_waiting_has_a_remedy_of_its_own() -> None:
    kinds: list[tuple[Cause, float | None]] = [
        ("moved", None),
        ("halted", None),
        ("limited", UNTIL),
    ]
    problems = [
        ClosedChannel(label="Email", cause=cause, until=until).problem for cause, until in kinds
    ]
    assert len({problem.remedy for problem in worded(problems)}) == len(kinds)


def test_a_hold_as_the_api_gives_it() -> None:
    hold = ChannelWait(channel="email", cause="probing", count=3, why="421")
    assert hold.as_json() == {"channel": "email", "cause": "probing", "count": 3}
