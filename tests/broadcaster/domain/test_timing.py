"""Times of an announcement that cannot be meant, or rarely are."""

from datetime import datetime
from typing import Any

import pytest

from broadcaster.domain import timing
from broadcaster.domain.fields import Fields
from channels.base.moments import WIB
from support.desk import NOTICE

NOW = datetime(2026, 11, 25, 7, 43, tzinfo=WIB)


def refused_fields(
    *, alert: bool = False, since: datetime | None = None, **times: Any
) -> list[str]:
    """Return the fields that `problems` names."""
    fields = Fields.read({**NOTICE, "effective": None, "expires": None, **times})
    return [problem.field for problem in timing.problems(fields, NOW, alert=alert, since=since)]


@pytest.mark.parametrize(
    ("times", "fields"),
    [
        ({}, []),
        ({"publish_at": "2026-11-25 07:43"}, ["publish_at"]),
        ({"publish_at": "2026-11-25 07:44"}, []),
        ({"publish_at": "2028-11-25 08:00"}, ["publish_at"]),
        ({"expires": "2026-11-25 07:43"}, ["expires"]),
        ({"effective": "2026-11-26 08:00", "expires": "2026-11-26 08:00"}, ["expires"]),
        ({"publish_at": "2026-11-26 08:00", "expires": "2026-11-26 07:00"}, ["expires"]),
        ({"effective": "2026-11-26 08:00", "expires": "2026-11-26 09:00"}, []),
    ],
)
def test_a_schedule_and_an_end_lie_ahead(times: dict[str, str], fields: list[str]) -> None:
    assert refused_fields(**times) == fields


@pytest.mark.parametrize(
    ("times", "fields"),
    [
        ({"effective": "2026-10-20 08:00"}, ["effective"]),
        ({"effective": "2028-11-25 08:00"}, ["effective"]),
        ({"expires": "2028-11-25 08:00"}, ["expires"]),
        ({"effective": "2026-11-20 08:00", "expires": "2026-11-26 08:00"}, []),
    ],
)
def test_a_warning_with_a_slip_of_the_pen_is_refused(
    times: dict[str, str], fields: list[str]
) -> None:
    assert refused_fields(alert=True, **times) == fields
    assert refused_fields(alert=False, **times) == []


def test_a_warning_that_is_out_since_then_may_be_corrected() -> None:
    began = datetime(2026, 10, 20, 8, 0, tzinfo=WIB)
    assert refused_fields(alert=True, since=began, effective="2026-10-20 08:00") == []


@pytest.mark.parametrize(
    ("seen_at", "fields"),
    [
        ("2026-11-25", []),
        ("2026-11-26", ["seen_at"]),
        ("Facebook, 26-11-2026", ["seen_at"]),
        ("Facebook, 26 Nov 2026", ["seen_at"]),
        ("1 Desember 2026", ["seen_at"]),
        ("24 November 2026 dan 26/11/2026", ["seen_at"]),
        ("grup WhatsApp", []),
        ("31 Februari 2027", []),
    ],
)
def test_rumours_are_not_seen_tomorrow(seen_at: str, fields: list[str]) -> None:
    assert refused_fields(seen_at=seen_at) == fields
