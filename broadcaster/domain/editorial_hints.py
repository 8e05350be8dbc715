"""Editorial hints: doubtful points of an announcement before it is published; none of them refuses
it. Pure.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import phonenumbers

from broadcaster.domain import timing
from broadcaster.domain.fields import Fields, excerpt
from broadcaster.domain.refusal_codes import AdviceCode
from broadcaster.domain.refusals import Problem
from broadcaster.domain.waiting import ClosedChannel
from channels.base import marks
from channels.base.moments import WIB, clock
from channels.base.rendering import plain

QUIET_FROM, QUIET_UNTIL = 21, 5
"""Hours (WIB) between which most residents sleep."""
SAME_TITLE = timedelta(hours=24)
"""Period within which a second announcement with the same title is probably a duplicate."""
_SHOUTED_LETTERS = 12
"""Letters from which a title in capitals counts as shouting; shorter ones are acronyms."""
_RELATIVE = re.compile(
    r"\b(besok|lusa|hari ini|nanti malam|tadi pagi|kemarin|minggu depan)\b", re.IGNORECASE
)
_DATE = re.compile(
    r"\b\d{1,2}(?:[/-]\d{1,2}\b|[ -](?:jan|feb|mar|apr|mei|jun|jul|agu|ags|sep|okt|nov|des))",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class HintContext:
    """Facts that the hints compare with: `same_title` is True if the title was published lately,
    `phones` are the city's own numbers (E.164 or short; empty: numbers are not checked), `shut` the
    channels that would delay the announcement.
    """

    same_title: bool = False
    phones: Collection[str] = ()
    shut: Collection[ClosedChannel] = ()


def advise(fields: Fields, *, now: datetime, known: HintContext) -> list[Problem]:
    """List everything worth a second look."""
    rules = (waits, _night, _doubtful_times, _repeated, _undated, _shouted, _links, _phones)
    return [problem for rule in rules for problem in rule(fields, now, known)]


def _texts(fields: Fields) -> str:
    parts = (
        fields.title,
        fields.summary or "",
        plain(fields.body),
        plain(fields.instruction or ""),
    )
    return "\n".join(part for part in parts if part)


def waits(fields: Fields, now: datetime, known: HintContext) -> Iterator[Problem]:
    """Report each channel that would delay the announcement: until when, and the remedy."""
    going = (fields.publish_at or now).timestamp()
    for channel in sorted(known.shut, key=lambda channel: channel.label):
        if channel.until is None or channel.until > going:
            yield channel.problem


def _night(fields: Fields, now: datetime, _known: HintContext) -> Iterator[Problem]:
    going = (fields.publish_at or now).astimezone(WIB)
    if fields.level != "emergency" and not QUIET_UNTIL <= going.hour < QUIET_FROM:
        time = {"time": clock(going)}
        yield Problem(field="publish_at", code=AdviceCode.NIGHT, parameters=time)


def _doubtful_times(fields: Fields, now: datetime, _known: HintContext) -> Iterator[Problem]:
    yield from timing.doubtful(fields, now)


def _repeated(_fields: Fields, _now: datetime, known: HintContext) -> Iterator[Problem]:
    if known.same_title:
        yield Problem(field="title", code=AdviceCode.SAME_TITLE)


def _undated(fields: Fields, _now: datetime, _known: HintContext) -> Iterator[Problem]:
    text = _texts(fields)
    if (word := _RELATIVE.search(text)) and not _DATE.search(text):
        yield Problem(field="body", code=AdviceCode.UNDATED, parameters={"word": word[0]})


def _shouted(fields: Fields, _now: datetime, _known: HintContext) -> Iterator[Problem]:
    letters = [character for character in fields.title if character.isalpha()]
    if len(letters) >= _SHOUTED_LETTERS and all(character.isupper() for character in letters):
        yield Problem(field="title", code=AdviceCode.SHOUTED)


def _links(fields: Fields, _now: datetime, _known: HintContext) -> Iterator[Problem]:
    for field, text in _prose(fields):
        for target in dict.fromkeys(marks.targets(text)):
            parameters = {"target": excerpt(target)}
            if marks.is_path(target):
                yield Problem(field=field, code=AdviceCode.LINK_COMPLETED, parameters=parameters)
            elif not marks.is_linked(target):
                yield Problem(field=field, code=AdviceCode.LINK_DEAD, parameters=parameters)


def _prose(fields: Fields) -> Iterator[tuple[str, str]]:
    """Yield every text that may contain links, with the name of its field."""
    yield "body", fields.body
    yield "instruction", fields.instruction or ""
    for lang, translation in fields.translations.items():
        yield f"translations.{lang}.body", translation.body
        yield f"translations.{lang}.instruction", translation.instruction or ""
    for channel, override in fields.overrides.items():
        yield f"overrides.{channel}.body", override.body or ""


def _phones(fields: Fields, _now: datetime, known: HintContext) -> Iterator[Problem]:
    if not known.phones:
        return
    official = {_spelled(number) for number in known.phones}
    for match in phonenumbers.PhoneNumberMatcher(_texts(fields), "ID"):
        if _digits(match.number) not in official:
            number = {"number": match.raw_string}
            yield Problem(field="body", code=AdviceCode.PHONE_UNKNOWN, parameters=number)


def _spelled(text: str) -> str:
    try:
        return _digits(phonenumbers.parse(text, "ID"))
    except phonenumbers.NumberParseException:
        return text


def _digits(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
