"""Explanations of providers' codes, for staff. Pure."""

import re
from collections.abc import Iterable
from functools import cache

CODES: tuple[tuple[str, str], ...] = (
    # our own: reasons for a row that waits before any attempt
    ("tier", "day_full"),
    ("spacing", "too_close"),
    ("domain_held|421.*|4[0-9][0-9] 4\\.7\\..*", "domain_waits"),
    # bots: status and the provider's description
    ("40[03] .*(thread|topic).*", "topic_gone"),
    ("40[03] .*(rights|forbidden|restricted|admin_required|paid|payment).*", "no_rights"),
    ("40[03] .*(blocked by the user|user_is_blocked|bot was kicked).*", "blocked"),
    ("40[03] .*(too long|too_long).*", "too_long"),
    ("40[03] .*(identifier|url content|web page|webpage|file|photo|image|media).*", "media"),
    ("40[03] .*(parse entities|entities|button|markup|empty).*", "format"),
    (
        "40[03] .*(not found|deactivated|deleted|invalid|private|initiate|to bots|not a member).*",
        "gone",
    ),
    (
        "(HTTP )?40[14]|0|3|10|190|2[0-9][0-9]|131005|530.*|53[45].*"
        "|5[0-9][0-9] 5\\.7\\.([89]|2[0-7])",
        "credentials",
    ),
    ("409", "two_readers"),
    ("(HTTP )?413|5[0-9][0-9] 5\\.(2\\.3|3\\.4)|5\\.3\\.4", "too_long"),
    ("(HTTP )?429|4|80007|130429|131056", "too_fast"),
    # Meta
    ("131026|131021", "no_account"),
    ("131050", "opted_out"),
    ("131049|130472", "person_full"),
    ("131062|131047|130497|131030", "not_allowed"),
    ("131048|131064|133016", "reputation"),
    ("33|368|131031|131037|131042|131044|131045|1330[01][0-9]", "account"),
    ("131052|131053", "media"),
    ("100|131008|131009|131051", "format"),
    ("1320[0-9][0-9]|131063", "template"),
    ("131057", "maintenance"),
    ("1|2|131000|131016|135000|137000", "down"),
    # mail: reply and enhanced code, most specific first
    ("[45][0-9][0-9] [45]\\.2\\.2|552", "mailbox_full"),
    ("5[0-9][0-9] 5\\.(1\\.(1|2|3|6|10)|2\\.1)|unsafe", "gone"),
    ("5[0-9][0-9] 5\\.1\\.[78]", "sender"),
    ("5[0-9][0-9] 5\\.7\\..*", "policy"),
    ("5[0-9][0-9] 5\\.6\\..*|5\\.6\\.[07]", "format"),
    ("5[0-9][0-9] 5\\.4\\..*", "unreachable"),
    ("55[013]( 5\\..*)?", "mailbox"),
    ("50[0-9]( .*)?|HTTP 5[0-9][0-9]", "down"),
    ("4[2-9][0-9]( 4\\..*)?", "later"),
    ("5[0-9][0-9]( 5\\..*)?", "refused"),
    # the connection
    ("certificate", "certificate"),
    ("unreachable|unusable|Client[A-Za-z]*Error|Connection[A-Za-z]*Error", "no_connection"),
    (
        "disconnected|foreign answer|[A-Za-z]*Timeout[A-Za-z]*|[A-Za-z]*Disconnected[A-Za-z]*",
        "no_answer",
    ),
)
"""Pairs of a pattern for the whole code and a catalogue key below "staff.send.code."; the first
match wins.
"""


@cache
def _known() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile CODES on first use: most commands explain no code."""
    return tuple((re.compile(pattern, re.IGNORECASE), key) for pattern, key in CODES)


def explained(code: str) -> str:
    """Find the catalogue key that explains a code; "" if there is none."""
    return next((key for pattern, key in _known() if pattern.fullmatch(code)), "") if code else ""


def explanations(codes: Iterable[str]) -> list[str]:
    """Find the keys for several codes, in order and without duplicates."""
    return [key for key in dict.fromkeys(map(explained, codes)) if key]
