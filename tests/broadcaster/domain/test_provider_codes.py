"""Codes in words: every code that a channel's tables know is explained, in both languages, and
never by another's words.
"""

import pytest

from broadcaster.domain.provider_codes import CODES, explained, explanations
from broadcaster.runtime.i18n import words
from channels.base.meta.graph_errors import ERRORS
from channels.base.smtp.replies import PERMANENT, TRANSIENT, Rule
from channels.base.telegram_bot.errors import DESCRIPTIONS

SEEN = {
    "400 thread not found": "topic_gone",
    "400 topic_closed": "topic_gone",
    "403 bot was blocked by the user": "blocked",
    "400 chat not found": "gone",
    "400 have no rights": "no_rights",
    "400 too long": "too_long",
    "400 wrong file identifier": "media",
    "401": "credentials",
    "429": "too_fast",
    "190": "credentials",
    "131026": "no_account",
    "131049": "person_full",
    "132001": "template",
    "131042": "account",
    "HTTP 503": "down",
    "550 5.1.1": "gone",
    "550": "mailbox",
    "550 5.5.0": "mailbox",
    "552 5.2.2": "mailbox_full",
    "554 5.7.1": "policy",
    "535 5.7.8": "credentials",
    "421 4.7.0": "domain_waits",
    "450 4.2.0": "later",
    "452 4.2.2": "mailbox_full",
    "unreachable": "no_connection",
    "TimeoutError": "no_answer",
    "tier": "day_full",
}


@pytest.mark.parametrize("code", SEEN)
def test_a_code_that_staff_see_has_its_own_words(code: str) -> None:
    assert explained(code) == SEEN[code]


def of_bots() -> list[str]:
    """What the table of descriptions makes codes of."""
    patterns = [
        pattern.replace("[a-z_]*", "x")
        for known, _failure in DESCRIPTIONS
        for pattern in known.split("|")
    ]
    return [f"400 {pattern}" for pattern in patterns]


def of_mail(rules: tuple[Rule, ...]) -> list[str]:
    """Codes of these rules."""
    first = "4" if rules is TRANSIENT else "5"
    enhanced = [
        f"{first}50 {first}.{each}{'1' if each.endswith('.') else ''}"
        for rule in rules
        for each in rule.enhanced
    ]
    return [*enhanced, *(str(code) for rule in rules for code in rule.codes if code >= 420)]


GRAPH = [str(code) for codes, _failure in ERRORS for code in codes]


@pytest.mark.parametrize(
    "codes",
    [of_bots(), GRAPH, of_mail(PERMANENT), of_mail(TRANSIENT)],
    ids=["bots", "graph", "5xx", "4xx"],
)
def test_every_code_that_a_table_of_ours_knows_has_words(codes: list[str]) -> None:
    assert len(codes) > 3
    assert [code for code in codes if not explained(code)] == []


@pytest.mark.parametrize("lang", ["id", "en"])
def test_every_explanation_is_in_the_catalogue(lang: str) -> None:
    for _pattern, key in CODES:
        assert words(lang)(f"staff.send.code.{key}")


def test_a_code_that_nobody_described_is_shown_alone() -> None:
    assert explanations(["999999", "400 thread not found", "400 topic_closed", "no code"]) == [
        "topic_gone"
    ]
