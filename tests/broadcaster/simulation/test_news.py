"""The sample news: every piece passes the rules of announcements, whatever day the demo starts."""

from datetime import UTC, datetime, timedelta

import pytest

from broadcaster.domain.fields import Fields
from broadcaster.domain.rules import check
from broadcaster.runtime import settings
from broadcaster.simulation import news
from channels.base.contract import TITLE_LIMIT
from subscribers.areas import AreaTree

TREE = AreaTree.built_in()
DAYS = [
    datetime(2026, 11, 23, 14, 5, tzinfo=UTC),
    datetime(2027, 1, 1, 17, 30, tzinfo=UTC),
    datetime(2028, 2, 29, 0, 0, tzinfo=UTC),
]


@pytest.mark.parametrize("now", DAYS)
def test_every_piece_passes_the_rules_of_announcements(now: datetime) -> None:
    for item in (*news.history(now), *news.drafts(now)):
        checked = check(
            Fields.read(item.raw),
            tree=TREE,
            topics=settings.TOPICS,
            channels=(),
            now=item.published_at or now,
        )
        assert checked.areas


@pytest.mark.parametrize("now", DAYS)
def test_there_are_twelve_weeks_of_history_and_none_of_it_is_in_the_future(now: datetime) -> None:
    items = news.history(now)
    kinds = [item.raw.get("kind") for item in items]
    assert (len(items) - kinds.count("clarification"), kinds.count("clarification")) == (38, 5)
    times = [item.published_at for item in items if item.published_at]
    assert times == sorted(times)
    assert timedelta(weeks=11) < now - times[0] < timedelta(weeks=13)
    assert times[-1] < now


@pytest.mark.parametrize("now", DAYS)
def test_no_placeholder_is_left_and_the_dates_are_those_of_the_event(now: datetime) -> None:
    for item in (*news.history(now), *news.drafts(now)):
        words = [str(item.raw.get(name, "")) for name in ("title", "summary", "body")]
        words += [
            str(text)
            for translation in item.raw.get("translations", {}).values()
            for text in translation.values()
        ]
        assert not any("{" in text for text in words)
        assert len(words[0]) <= TITLE_LIMIT
    water = next(
        item for item in news.drafts(datetime(2026, 11, 23, 14, 5, tzinfo=UTC)) if item.key == "air"
    )
    assert water.raw["title"] == "Air PDAM mati di Cibabat, Selasa 24 Nov 08.00-14.00"
    assert (
        water.raw["translations"]["en"]["title"]
        == "No tap water in Cibabat, Tue 24 Nov 08.00-14.00"
    )
    assert water.raw["effective"].isoformat() == "2026-11-24T08:00:00+07:00"


def test_the_day_is_that_of_the_city_not_of_the_clock_in_utc() -> None:
    late = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
    water = next(item for item in news.drafts(late) if item.key == "air")
    assert "Rabu 25 Nov" in water.raw["title"]


def test_some_news_is_still_valid_for_cibabat_and_for_melong() -> None:
    now = DAYS[0]
    for slug in ("cibabat", "melong"):
        concerned = TREE.concerned([TREE[slug].code])
        valid = [
            item.raw["title"]
            for item in news.history(now)
            if (item.raw["expires"] is None or item.raw["expires"] > now)
            and any(TREE[area].code in concerned for area in item.raw["areas"])
        ]
        assert len(valid) >= 3


def test_the_drafts_hold_a_notice_an_emergency_and_an_answer_to_a_hoax() -> None:
    drafts = {item.key: item.raw for item in news.drafts(DAYS[0])}
    assert set(drafts) == {"air", "jalan", "hoaks", "banjir"}
    assert drafts["banjir"]["level"] == "emergency"
    assert drafts["banjir"]["expires"] == DAYS[0] + timedelta(hours=3)
    assert drafts["hoaks"]["kind"] == "clarification"


def test_paragraphs_are_unbroken_and_lists_keep_their_lines() -> None:
    water = next(item for item in news.drafts(DAYS[0]) if item.key == "air").raw["body"]
    assert "pukul 08.00 sampai 14.00 WIB." in water
    assert "\n\n- Kantor Kelurahan Cibabat\n- Lapangan RW 05" in water
