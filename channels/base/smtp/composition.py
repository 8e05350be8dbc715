"""Composition of an edition as an email: subject, headers, text and HTML, with holes for what
differs per recipient.
"""

from datetime import date
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from html import escape
from typing import Any

import msgspec
from babel.dates import format_date

from channels.base import languages
from channels.base.edition import Area, Claim, Edition, Site
from channels.base.moments import span_text
from channels.base.pictures import sized
from channels.base.rendering import (
    area_names,
    fill,
    kind_text,
    plain,
    scrubbed,
    template_name,
    verdict_text,
    with_addresses,
)
from channels.base.running_text import repeats
from channels.base.smtp.mime import (
    Frame,
    alternative,
    hole,
    mailbox,
    part,
    phrase,
    quoted_value,
)
from channels.base.truncation import cut, shortened

PART_LIMIT = 100_000
"""Bytes of one part: mail programs clip longer ones, and the unsubscribe link is at the end."""


def compose(edition: Edition, lang: str, site: Site, sender: tuple[str, str]) -> Frame:
    """Build the whole message with holes for what differs per recipient; `sender`: name and
    address.
    """
    edition = with_addresses(scrubbed(edition), site.base_url)
    values = _values(edition, lang, site)
    pages = []
    for extension in ("txt", "html"):
        name = template_name("email", edition, lang, extension)
        pages.append(_fitted(name, {**values, "hole_area": hole(f"area_{extension}")}))
    spoken = ", ".join(languages.spoken(edition, lang))
    parts = [part("text/plain", spoken, pages[0]), part("text/html", spoken, pages[1])]
    boundary = blake2b(f"{edition.key} {lang}".encode(), digest_size=9).hexdigest()
    return Frame.of(
        alternative(_headers(edition, values["subject"], site, sender), parts, boundary)
    )


def _fitted(name: str, values: dict[str, Any]) -> str:
    room = len(values["body"])
    while True:
        page = fill(name, {**values, "body": shortened(values["body"], room)})
        size = len(page.encode())
        if size <= PART_LIMIT or room == 0:
            return page
        room = room * PART_LIMIT * 9 // (size * 10) if room > 50 else 0


def _values(edition: Edition, lang: str, site: Site) -> dict[str, Any]:
    words = edition.wording(lang)
    withdrawn, frame = edition.change == "withdrawal", languages.of_frame(lang)
    body = "" if withdrawn else words.body
    said_below = repeats(words.summary, (plain(body), plain(words.instruction)))
    title = cut(words.title, 250)
    return {
        "lang": frame,
        "of_words": languages.marked(languages.of_words(edition, lang), frame),
        "indonesian": languages.marked("id", frame),
        "what": kind_text(edition, frame),
        "subject": subject(edition, title, lang, simulated=site.simulated),
        "title": title,
        "lead": "" if withdrawn or said_below else cut(words.summary, 500),
        "body": body,
        "instruction": "" if withdrawn else cut(words.instruction, 5000),
        "claim": edition.claim and not withdrawn and _short(edition.claim),
        "hoax": edition.claim is None or edition.claim.verdict.casefold() == "hoaks",
        "verdict": verdict_text(edition.claim, lang) if edition.claim else "",
        "web": _is_web,
        "change": edition.change,
        "reason": cut(edition.reason, 500),
        "published": edition.published_at,
        "emergency": edition.emergency and not withdrawn,
        "topic": edition.topic.label(lang),
        "areas": area_names(edition),
        "when": span_text(edition.effective, edition.expires, lang)
        if edition.expires and not withdrawn
        else "",
        "agency": edition.agency,
        "code": edition.code,
        "link": edition.link if edition.link and _is_web(edition.link) else "",
        "image": edition.image if edition.image and _is_web(edition.image.url) else None,
        "image_url": sized(edition.image.url, site, "pesan") if edition.image else "",
        "permalink": site.permalink(edition.code),
        "check_url": f"{site.base_url.rstrip('/')}/cek?kode={edition.code}",
        "base_url": site.base_url,
        "host": site.host,
        "sender": site.sender,
        "emergency_number": site.emergency_number,
        "simulated": site.simulated,
        "hole_since": hole("since"),
        "stop_url": site.stop_url(hole("token_quoted")),
    }


def _short(claim: Claim) -> Claim:
    return msgspec.structs.replace(
        claim,
        claim=cut(claim.claim, 1000),
        fact=cut(claim.fact, 1000),
        seen_at=cut(claim.seen_at, 250),
    )


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


_PREFIXES = {
    "id": {"emergency": "[Darurat]", "correction": "[Ralat]", "withdrawal": "[Dicabut]"},
    "en": {"emergency": "[Emergency]", "correction": "[Correction]", "withdrawal": "[Withdrawn]"},
}


def subject(edition: Edition, title: str, lang: str, *, simulated: bool) -> str:
    """Build the subject: the title with the prefixes that it needs."""
    prefixes = _PREFIXES.get(lang, _PREFIXES["id"])
    marks = (edition.change,) if edition.change == "withdrawal" else (edition.level, edition.change)
    marked = [prefixes[mark] for mark in marks if mark in prefixes]
    return " ".join([*(["[SIMULASI]"] if simulated else []), *marked, title])


def _headers(
    edition: Edition, title: str, site: Site, sender: tuple[str, str]
) -> list[tuple[str, str]]:
    earlier = [
        _message_id(edition, number, hole("key"), site)
        for number in range(max(1, edition.number - 9), edition.number)
    ]
    return [
        ("From", mailbox(*sender)),
        ("To", hole("to")),
        ("Subject", phrase(title, "Subject")),
        ("Date", format_datetime(edition.published_at)),
        ("Message-ID", f"<{_message_id(edition, edition.number, hole('key'), site)}>"),
        *(
            [("References", "\r\n ".join(f"<{message_id}>" for message_id in earlier))]
            if earlier
            else []
        ),
        ("Auto-Submitted", "auto-generated"),
        ("List-Id", hole("list")),
        (
            "List-Unsubscribe",
            f"<{site.stop_url(hole('token'))}>",
        ),  # no mailto: the mailbox is not read
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]


def _message_id(edition: Edition, number: int, key: str, site: Site) -> str:
    return f"{edition.announcement}.{number}.{key}@{site.domain}"


def area_values(area: Area, domain: str) -> dict[str, bytes]:
    """Return the values for the holes of an area."""
    kind = {0: "kota", 1: "kota", 2: "kecamatan"}.get(area.code.count("."), "kelurahan")
    return {
        "area_txt": quoted_value(area.full_name),
        "area_html": quoted_value(escape(area.full_name)),
        "list": mailbox(area.full_name, f"{area.slug}.{kind}.{domain}", "List-Id").encode(),
    }


@lru_cache(maxsize=8192)
def day_value(day: date, lang: str) -> bytes:
    """Encode a date as the value of a hole."""
    return quoted_value(format_date(day, "d MMM y", locale="en" if lang == "en" else "id"))
