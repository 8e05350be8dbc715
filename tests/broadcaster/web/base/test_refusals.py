"""Refusals: a line a minute, whatever strangers do."""

from structlog.testing import capture_logs

from broadcaster.web.base.refusals import RefusalCounters


def test_a_thousand_refusals_are_one_line_at_once_and_one_a_minute_later() -> None:
    now = 0.0
    refusals = RefusalCounters(lambda: now)
    with capture_logs() as lines:
        for _ in range(1_000):
            refusals.note("head_size")
        refusals.note("unsigned")
        now = 61.0
        refusals.report()
        now = 200.0
        refusals.report()
    assert [line["kinds"] for line in lines] == [
        {"head_size": 1},
        {"head_size": 999, "unsigned": 1},
    ]
    assert refusals.counts == {"head_size": 1_000, "unsigned": 1}
