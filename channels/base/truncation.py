"""Truncation of text: by whole sentences, else by whole words, never within a word."""

import re
from collections.abc import Callable

ELLIPSIS = "…"


GAP = f" {ELLIPSIS}"
"""Follows a whole sentence after which text was omitted."""


Measure = Callable[[str], int]


# A full stop that ends a sentence (the next word is not lower-case), or a paragraph not followed by
# a list.
# Possessive, and from the first mark of a run only, so that matching stays linear.
_SENTENCE_END = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s++(?![a-zà-öø-ÿ])|\s*+$)"
    r"|(?<=[^\s:,;])(?=[ \t]*+\n[ \t]*+\n\s*+(?![-*+•]\s|\d{1,3}[.)]\s))"
)


_ABBREVIATION = re.compile(
    r"""(?:(?:^|[\s("'“‘/*_])(?:[A-Z]|(?:[A-Z]{1,4}\.)+[A-Z]{1,4}  # H., S.Sos., a.n.
    |Jl|Jln|Gg|Komp|Perum|Kp|Ds|Kel|Kec|Kab|Prov|Lt|Rd|Ave|No|Nr|Telp|Tel|Tlp|Fax|Hal|Hlm|Tgl|Pkl|Rp
    |Dr|Drs|Dra|Ir|Hj|KH|Prof|Jend|Kol|Ny|Tn|Sdr|Sdri|Bp|Bpk|Yth|Mr|Mrs|Ms|St|Sr|Jr|vs|approx
    |Jan|Feb|Mar|Apr|Jun|Jul|Agu|Ags|Agt|Aug|Sep|Sept|Okt|Oct|Nov|Des|Dec))\.$""",
    re.VERBOSE | re.IGNORECASE,
)


_DANGLING = " \t\n,;:–•([“‘\"'*_-"


_CLOSING = "\"'”’»)]*_"


_LIST_NUMBER = re.compile(r"(?:^|\s)(\d{1,3}|[a-z])[.)]$")


# Abbreviations that are meaningless without the following word.
_OPENER = re.compile(
    r"""(?:^|[\s("'“‘/*_])(?:(?:Jl|Jln|Gg|Komp|Perum|Kp|Ds|Kel|Kec|Kab|Prov|Lt|No|Nr|Telp|Tel|Tlp|Fax|Hal|Hlm|Tgl|Pkl)\.
    |(?:Rp|IDR|RT|RW|pukul|jam|tanggal|nomor|jalan|gang|kelurahan|kecamatan)\.?)$""",
    re.VERBOSE | re.IGNORECASE,
)


_LONGEST_OPENER = len("(kelurahan.")


def cut(text: str, limit: int, measure: Measure = len) -> str:
    """Return the longest beginning of `text` that measures <= `limit`, never cut mid-word.

    Whole sentences if they fill a third of the room or more, else whole words and an ellipsis; the
    ellipsis alone if not even one word fits.
    """
    text = text.strip()
    if measure(text) <= limit:
        return text
    fits = _longest_fit(text, limit, measure)
    end = _last_sentence_end(text, fits)
    if end * 3 >= fits > 0:
        return text[:end].rstrip()
    return _cut_words(text, limit, measure)


def shortened(text: str, limit: int, measure: Measure = len) -> str:
    """Cut text that is read without the rest next to it: whole sentences also end with an
    ellipsis.
    """
    text, short = text.strip(), cut(text, limit, measure)
    if short in {"", text} or short.endswith(ELLIPSIS):
        return short
    short = cut(text, limit - measure(GAP), measure)
    return short if not short or short.endswith(ELLIPSIS) else f"{short}{GAP}"


def _longest_fit(text: str, limit: int, measure: Measure) -> int:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle]) <= limit else (low, middle - 1)
    return low


def _last_sentence_end(text: str, fits: int) -> int:
    last = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        if end > fits:
            break
        head = text[max(0, end - 48) : end].rstrip(_CLOSING)
        if not _ABBREVIATION.search(head) and _number_of_item(head) is None:
            last = end
    return last


def _number_of_item(head: str) -> int | None:
    """Return the position of a list item's number at the end of a text; None if the number is part
    of a sentence.
    """
    match = _LIST_NUMBER.search(
        head, max(0, len(head) - len(" 999.\n"))
    )  # searching from the left would take seconds on a long list
    if match is None:
        return None
    before = head[: match.start(1)].rstrip()
    gap = head[len(before) : match.start(1)]
    if not before or "\n" in gap or before[-1] in "-–—•;":
        return match.start(1)
    if before[-1] == ":":
        return match.start(1) if match[1] in {"1", "a"} else None
    sentence = before.rstrip(_CLOSING)
    ended = sentence.endswith(tuple(".!?…")) and not _ABBREVIATION.search(
        sentence.rsplit(maxsplit=1)[-1]
    )
    return match.start(1) if ended else None


def _cut_words(text: str, limit: int, measure: Measure) -> str:
    room = limit - measure(ELLIPSIS)
    if room < 0:
        return ""
    fits = _longest_fit(text, room, measure)
    head = text[:fits]
    if fits < len(text) and not text[fits].isspace():
        spaces = [m.start() for m in re.finditer(r"\s", head)]
        head = head[: spaces[-1]] if spaces else ""
    return f"{_without_openers(head)}{ELLIPSIS}"


def _without_openers(head: str) -> str:
    """Remove dangling openers from the end: marks, "No.", "pukul", the number of a list item."""
    while True:
        shorter = head.rstrip(_DANGLING)
        if opener := _OPENER.search(shorter, max(0, len(shorter) - _LONGEST_OPENER)):
            shorter = shorter[: opener.start()].rstrip(_DANGLING)
        number = _number_of_item(shorter)
        shorter = shorter if number is None else shorter[:number].rstrip(_DANGLING)
        if shorter == head:
            return head
        head = shorter
