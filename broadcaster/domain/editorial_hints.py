"""What a careful colleague would point out before an announcement goes out; nothing here refuses
anything. Pure.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import phonenumbers

from broadcaster.domain import timing
from broadcaster.domain.fields import Fields, Problem, shown
from broadcaster.domain.waiting import Shut
from channels.base import marks
from channels.base.moments import WIB, clock
from channels.base.rendering import plain

QUIET_FROM, QUIET_UNTIL = 21, 5
"""Hours of WIB in which most residents sleep."""
SAME_TITLE = timedelta(hours=24)
"""Within this time a second announcement with the same title is probably the same one."""
_SHOUTED_LETTERS = 12
"""A title with at least so many letters, all of them capitals, shouts; shorter ones are names."""
_RELATIVE = re.compile(
    r"\b(besok|lusa|hari ini|nanti malam|tadi pagi|kemarin|minggu depan)\b", re.IGNORECASE
)
_DATE = re.compile(
    r"\b\d{1,2}(?:[/-]\d{1,2}\b|[ -](?:jan|feb|mar|apr|mei|jun|jul|agu|ags|sep|okt|nov|des))",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the advice is held against: whether the same title went out lately, and the city's own
    telephone numbers (E.164 or short; none: numbers are not looked at), and the channels that
    would let it wait.
    """

    same_title: bool = False
    phones: Collection[str] = ()
    shut: Collection[Shut] = ()


def advise(fields: Fields, *, now: datetime, known: Known) -> list[Problem]:
    """Everything worth a second look, in Indonesian; each with what to do."""
    rules = (waits, _night, _doubtful_times, _repeated, _undated, _shouted, _links, _phones)
    return [found for rule in rules for found in rule(fields, now, known)]


def _texts(fields: Fields) -> str:
    parts = (
        fields.title,
        fields.summary or "",
        plain(fields.body),
        plain(fields.instruction or ""),
    )
    return "\n".join(part for part in parts if part)


def waits(fields: Fields, now: datetime, known: Known) -> Iterator[Problem]:
    """Each channel that would let it wait: until when, and what to do meanwhile."""
    going = (fields.publish_at or now).timestamp()
    for channel in sorted(known.shut, key=lambda channel: channel.label):
        if channel.until is None or channel.until > going:
            yield Problem(field="channels", reason=channel.reason, remedy=channel.remedy)


def _night(fields: Fields, now: datetime, _known: Known) -> Iterator[Problem]:
    going = (fields.publish_at or now).astimezone(WIB)
    if fields.level != "emergency" and not QUIET_UNTIL <= going.hour < QUIET_FROM:
        reason = f"Terbit pukul {clock(going)}, saat banyak warga tidur."
        yield Problem(
            field="publish_at", reason=reason, remedy="Bila tidak mendesak, jadwalkan untuk pagi."
        )


def _doubtful_times(fields: Fields, now: datetime, _known: Known) -> Iterator[Problem]:
    yield from timing.doubtful(fields, now)


def _repeated(_fields: Fields, _now: datetime, known: Known) -> Iterator[Problem]:
    if known.same_title:
        remedy = "Bila isinya berubah, buat ralat dari pengumuman itu."
        yield Problem(
            field="title",
            reason="Judul yang sama sudah terbit dalam 24 jam terakhir.",
            remedy=remedy,
        )


def _undated(fields: Fields, _now: datetime, _known: Known) -> Iterator[Problem]:
    text = _texts(fields)
    if (found := _RELATIVE.search(text)) and not _DATE.search(text):
        remedy = "Tulis tanggalnya: pesan bisa dibaca esok hari."
        yield Problem(field="body", reason=f'Ada kata "{found[0]}" tanpa tanggal.', remedy=remedy)


def _shouted(fields: Fields, _now: datetime, _known: Known) -> Iterator[Problem]:
    letters = [character for character in fields.title if character.isalpha()]
    if len(letters) >= _SHOUTED_LETTERS and all(character.isupper() for character in letters):
        yield Problem(
            field="title",
            reason="Judul memakai huruf besar semua.",
            remedy="Tulis seperti kalimat biasa.",
        )


def _links(fields: Fields, _now: datetime, _known: Known) -> Iterator[Problem]:
    for field, text in _prose(fields):
        for target in dict.fromkeys(marks.targets(text)):
            if marks.is_path(target):
                remedy = "Periksa di pratinjau apakah alamatnya benar."
                yield Problem(
                    field=field,
                    reason=f'Tautan "{shown(target)}" dilengkapi dengan alamat situs ini.',
                    remedy=remedy,
                )
            elif not marks.is_linked(target):
                remedy = "Tulis alamat lengkap, misalnya https://cimahikota.go.id/jadwal.pdf."
                yield Problem(
                    field=field,
                    reason=f'Tautan "{shown(target)}" tidak dapat diketuk warga.',
                    remedy=remedy,
                )


def _prose(fields: Fields) -> Iterator[tuple[str, str]]:
    """Every text in which links may stand, by the name of its field."""
    yield "body", fields.body
    yield "instruction", fields.instruction or ""
    for lang, translation in fields.translations.items():
        yield f"translations.{lang}.body", translation.body
        yield f"translations.{lang}.instruction", translation.instruction or ""
    for channel, override in fields.overrides.items():
        yield f"overrides.{channel}.body", override.body or ""


def _phones(fields: Fields, _now: datetime, known: Known) -> Iterator[Problem]:
    if not known.phones:
        return
    official = {_spelled(number) for number in known.phones}
    for match in phonenumbers.PhoneNumberMatcher(_texts(fields), "ID"):
        if _digits(match.number) not in official:
            remedy = "Periksa nomornya, atau minta pengelola menambahkannya."
            yield Problem(
                field="body",
                reason=f"Nomor {match.raw_string} tidak ada di daftar nomor resmi.",
                remedy=remedy,
            )


def _spelled(text: str) -> str:
    try:
        return _digits(phonenumbers.parse(text, "ID"))
    except phonenumbers.NumberParseException:
        return text


def _digits(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
