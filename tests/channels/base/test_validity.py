"""Validity of editions in feeds and on screens, to the second."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from channels.base import validity
from support import samples

SECOND = timedelta(seconds=1)
EXPIRES = samples.WATER_BACK


def test_the_last_valid_second_is_the_one_before_the_expiry() -> None:
    edition = samples.notice()
    assert validity.listed(edition, EXPIRES - SECOND)
    assert validity.on_screen(edition, EXPIRES - SECOND)
    assert not validity.listed(edition, EXPIRES)
    assert not validity.on_screen(edition, EXPIRES)


def test_without_an_expiry_it_stands_for_ever() -> None:
    edition = samples.clarification()
    later = samples.NOW + timedelta(days=4000)
    assert validity.listed(edition, later)
    assert validity.on_screen(edition, later)
    assert validity.next_change([edition], samples.NOW) is None


def test_a_withdrawal_stays_in_feeds_for_thirty_days_even_if_it_had_expired() -> None:
    edition = samples.withdrawal()
    end = edition.published_at + timedelta(days=30)
    assert validity.listed(edition, end - SECOND)
    assert not validity.listed(edition, end)
    assert validity.next_change([edition], edition.published_at) == end


def test_a_withdrawal_is_on_no_screen() -> None:
    assert not validity.on_screen(samples.withdrawal(), samples.WITHDRAWN)


def test_an_alert_is_in_the_feed_at_once_but_on_screens_only_when_it_takes_effect() -> None:
    start = samples.NOW + timedelta(hours=1)
    edition = samples.alert(effective=start)
    assert validity.listed(edition, samples.NOW)
    assert not validity.on_screen(edition, start - SECOND)
    assert validity.on_screen(edition, start)


def test_a_notice_is_on_screens_before_what_it_announces_begins() -> None:
    edition = samples.notice(effective=samples.NOW + timedelta(hours=1))
    assert validity.on_screen(edition, samples.NOW)


@pytest.mark.parametrize(
    ("now", "following"),
    [
        (samples.NOW - SECOND, samples.NOW),
        (samples.NOW, samples.FLOOD_ENDS),
        (samples.FLOOD_ENDS - SECOND, samples.FLOOD_ENDS),
        (samples.FLOOD_ENDS, samples.WATER_BACK),
        (samples.WATER_BACK, None),
    ],
)
def test_the_next_change_is_the_nearest_start_or_end(
    now: datetime, following: datetime | None
) -> None:
    editions = [samples.notice(), samples.alert(), samples.clarification()]
    assert validity.next_change(editions, now) == following


def test_the_last_change_never_runs_backwards() -> None:
    editions = [samples.notice(), samples.alert(), samples.withdrawal()]
    moments = [samples.NOW + timedelta(minutes=minute) for minute in range(0, 60 * 24 * 31, 97)]
    changes = [validity.last_change(editions, moment) for moment in moments]
    assert changes[0] == samples.NOW
    assert all(earlier <= later for earlier, later in pairwise(changes) if earlier and later)
    assert all(change <= moment for change, moment in zip(changes, moments, strict=True) if change)


def test_nothing_published_means_no_change() -> None:
    assert validity.last_change([], samples.NOW) is None
    assert validity.next_change([], samples.NOW) is None
