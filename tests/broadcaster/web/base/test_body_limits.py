"""Shares of bodies in flight."""

import pytest
from starlette.exceptions import HTTPException

from broadcaster.web.base.body_limits import BodyShares, Share
from broadcaster.web.base.refusals import RefusalCounters
from support.peers import Droppable


def test_the_oldest_body_makes_room_for_another() -> None:
    refusals = RefusalCounters()
    share, first, second = Share(100, refusals), Droppable(), Droppable()
    share.add(first, 60)
    share.add(second, 60)
    assert (first.dropped, second.dropped, share.held) == (True, False, 60)
    assert refusals.counts == {"bodies": 1}


def test_the_oldest_body_takes_no_room_from_others() -> None:
    refusals = RefusalCounters()
    share, first, second = Share(100, refusals), Droppable(), Droppable()
    share.add(first, 60)
    share.add(second, 30)
    with pytest.raises(HTTPException) as error:
        share.add(first, 20)
    assert error.value.status_code == 503
    assert error.value.headers == {"Retry-After": "5"}
    assert (second.dropped, share.held) == (False, 30)
    assert refusals.counts == {"bodies_full": 1}


def test_what_is_released_is_free_again() -> None:
    share, first = Share(100, RefusalCounters()), Droppable()
    share.add(first, 60)
    share.release(first)
    share.release(first)
    assert share.held == 0


def test_strangers_providers_and_staff_have_shares_of_their_own() -> None:
    bodies = BodyShares(RefusalCounters())
    by_access = [
        "public",
        "signed token",
        "demo",
        "provider signature",
        "staff:write",
        "token:publish",
    ]
    shares = [
        next(name for name, share in bodies.shares.items() if share is bodies.of(access))
        for access in by_access
    ]
    assert shares == ["strangers", "strangers", "strangers", "providers", "staff", "staff"]
