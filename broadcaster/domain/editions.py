"""Editions: an announcement frozen for publication, with final texts, whole seconds and no defaults
left. Pure.
"""

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from broadcaster.domain.fields import Fields, Override, Translation
from broadcaster.domain.rules import CheckedAnnouncement
from channels.base.contract import (
    SUMMARY_LIMIT,
    TITLE_LIMIT,
    Area,
    Change,
    Claim,
    Edition,
    Image,
    Site,
    Wording,
)
from channels.base.marks import rooted
from channels.base.moments import moment_text
from channels.base.rendering import kind_text, plain
from channels.base.running_text import running
from channels.base.truncation import cut

Words = TypeVar("Words", Fields, Translation, Override)


def freeze(
    checked: CheckedAnnouncement,
    *,
    site: Site,
    announcement: str,
    code: str,
    at: datetime,
    number: int = 1,
    change: Change = "original",
    reason: str = "",
    first: datetime | None = None,
    urgent: bool = False,
) -> Edition:
    """Freeze the edition published `at`; `first` is the publication of the announcement's first
    edition, `urgent` is True for a correction of an emergency.
    """
    fields, published = with_addresses(checked.fields, site.base_url), whole_second(at)
    first = first or published
    return Edition(
        announcement=announcement,
        number=number,
        code=code,
        change=change,
        reason=reason,
        kind=checked.kind,
        level=fields.level,
        topic=checked.topic,
        agency=fields.agency or site.city,
        areas=tuple(Area(code=area.code, name=area.name, slug=area.slug) for area in checked.areas),
        wordings=_wordings(fields),
        overrides=_overrides(fields),
        first_published_at=first,
        published_at=published,
        effective=(fields.effective or first).astimezone(UTC),
        expires=fields.expires.astimezone(UTC) if fields.expires else None,
        link=fields.link,
        image=Image(url=fields.image, alt=fields.image_alt)
        if fields.image and fields.image_alt
        else None,
        claim=_claim(fields) if checked.kind == "clarification" else None,
        urgent=urgent,
    )


def withdrawal(previous: Edition, *, reason: str, at: datetime) -> Edition:
    """Build the edition that withdraws an announcement: it gives the reason and repeats none of the
    old text.
    """
    published = whole_second(at)
    return msgspec.structs.replace(
        previous,
        number=previous.number + 1,
        change="withdrawal",
        reason=reason,
        wordings={"id": _withdrawn_id(previous, reason), "en": _withdrawn_en(previous, reason)},
        overrides={},
        published_at=published,
        effective=published,
        expires=None,
        link=None,
        image=None,
        claim=None,
        urgent=previous.emergency,
    )


def whole_second(moment: datetime) -> datetime:
    """Convert a moment to UTC and drop its fraction of a second."""
    return moment.astimezone(UTC).replace(microsecond=0)


def with_addresses(fields: Fields, base_url: str) -> Fields:
    """Complete links to paths of our own site with its base URL, before a summary is cut from a
    body.
    """

    def complete(words: Words) -> Words:
        texts = {name: getattr(words, name, None) for name in ("body", "instruction")}
        return words.model_copy(
            update={name: rooted(text, base_url) for name, text in texts.items() if text}
        )

    translations = {lang: complete(words) for lang, words in fields.translations.items()}
    overrides = {channel: complete(words) for channel, words in fields.overrides.items()}
    return complete(fields).model_copy(
        update={"translations": translations, "overrides": overrides}
    )


def default_summary(body: str) -> str:
    """Cut the first sentences of a body to the length of a summary."""
    return cut(running(plain(body)), SUMMARY_LIMIT)


def _wordings(fields: Fields) -> dict[str, Wording]:
    return {
        "id": _wording(fields),
        **{lang: _wording(words) for lang, words in fields.translations.items()},
    }


def _wording(words: Fields | Translation) -> Wording:
    return Wording(
        title=words.title,
        summary=words.summary or default_summary(words.body),
        body=words.body,
        instruction=words.instruction or "",
    )


def _overrides(fields: Fields) -> dict[str, Wording]:
    """Overrides that differ from the announcement itself."""
    own = _wording(fields)
    adjusted = {
        channel: msgspec.structs.replace(
            own,
            title=words.title or own.title,
            body=words.body or own.body,
            summary=words.summary
            or (fields.summary or default_summary(words.body) if words.body else own.summary),
        )
        for channel, words in fields.overrides.items()
    }
    return {channel: words for channel, words in sorted(adjusted.items()) if words != own}


def _claim(fields: Fields) -> Claim:
    return Claim(
        claim=fields.claim or "",
        verdict=fields.verdict or "",
        fact=fields.fact or "",
        seen_at=fields.seen_at or "",
        hoax_type=fields.hoax_type or "",
        evidence=fields.evidence,
    )


# title and body are noun phrases: every channel marks them as withdrawn in its own way, some by
# striking them through


def _withdrawn_id(edition: Edition, reason: str) -> Wording:
    at = moment_text(edition.first_published_at)
    description = f"{kind_text(edition)} {at}"
    return Wording(
        title=_title(f"{edition.topic.label('id')}: {description}", description),
        summary=cut(reason, SUMMARY_LIMIT),
        body=f"Pengumuman dengan kode {edition.code}, terbit {at}.",
    )


def _withdrawn_en(edition: Edition, reason: str) -> Wording:
    at = moment_text(edition.first_published_at, "en")
    description = f"{kind_text(edition, 'en')} of {at}"
    return Wording(
        title=_title(f"{edition.topic.label('en')}: {description}", description),
        summary=cut(reason, SUMMARY_LIMIT),
        body=f"The announcement with the code {edition.code}, published {at}.",
    )


def _title(full: str, short: str) -> str:
    return full if len(full) <= TITLE_LIMIT else short[0].upper() + short[1:]
