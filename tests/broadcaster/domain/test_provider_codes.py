"""Provider codes in words: every code in a channel's tables is explained in both languages, never
by the words of another.
"""

import pytest

from broadcaster.domain.provider_codes import CODES, explained, explanations
from broadcaster.runtime.i18n import words
from channels.base.meta.graph_errors import ERRORS
from channels.base.smtp.replies import PERMANENT, TRANSIENT, Rule
from channels.base.telegram_bot.errors import DESCRIPTIONS

KEYS = {
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


@pytest.mark.parametrize("code", KEYS)
def test_a_code_that_staff_see_has_its_own_words(code: str) -> None:
    assert explained(code) == KEYS[code]


def telegram_codes() -> list[str]:
    """Return the codes of Telegram's table of descriptions."""
    patterns = [
        pattern.replace("[a-z_]*", "x")
        for alternatives, _failure in DESCRIPTIONS
        for pattern in alternatives.split("|")
    ]
    return [f"400 {pattern}" for pattern in patterns]


def smtp_codes(rules: tuple[Rule, ...]) -> list[str]:
    """Return the codes of a table of SMTP replies."""
    digit = "4" if rules is TRANSIENT else "5"
    enhanced = [
        f"{digit}50 {digit}.{pattern}{'1' if pattern.endswith('.') else ''}"
        for rule in rules
        for pattern in rule.enhanced
    ]
    return [*enhanced, *(str(code) for rule in rules for code in rule.codes if code >= 420)]


GRAPH_CODES = [str(code) for codes, _failure in ERRORS for code in codes]


@pytest.mark.parametrize(
    "codes",
    [telegram_codes(), GRAPH_CODES, smtp_codes(PERMANENT), smtp_codes(TRANSIENT)],
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
