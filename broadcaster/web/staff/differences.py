"""Differences between two versions, word by word in each field. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from broadcaster.domain.fields import Fields, Override, Translation
from broadcaster.runtime.i18n import words
from broadcaster.web.base.text_diff import compared
from channels.base.contract import Topic
from channels.base.moments import moment_text
from subscribers.areas import AreaTree

Piece = tuple[Literal["same", "gone", "new"], str]
_LINES = ("link", "image", "image_alt", "claim", "seen_at", "verdict", "hoax_type", "fact")
_WORDS = ("title", "summary", "body", "instruction")


@dataclass(frozen=True, kw_only=True)
class FieldDifference:
    """A field that differs; `name` is a field of `Fields`."""

    name: str
    pieces: Sequence[Piece]


def differences(
    before: Fields, after: Fields, *, tree: AreaTree, topics: Sequence[Topic]
) -> list[FieldDifference]:
    """List the fields that differ, in the order of the form and as people read them."""
    old, new = _texts(before, tree, topics), _texts(after, tree, topics)
    return [
        FieldDifference(name=name, pieces=pieces(old[name], new[name]))
        for name in old
        if old[name] != new[name]
    ]


def pieces(before: str, after: str) -> list[Piece]:
    """Merge two texts into pieces that are the same, gone or new.

    The time is bounded, so that no text blocks the site.
    """
    return [piece for piece in _pieces(before, after) if piece[1]]


def _pieces(before: str, after: str) -> Iterator[Piece]:
    for act, old, new in compared(before, after):
        if act == "equal":
            yield "same", new
        else:
            yield "gone", old
            yield "new", new


def _texts(fields: Fields, tree: AreaTree, topics: Sequence[Topic]) -> dict[str, str]:
    """Return the text of each field by name, as people read it."""
    t = words("id")
    areas = [tree.get(name) for name in fields.areas]
    topic = next(
        (topic.label("id") for topic in topics if topic.slug == fields.category), fields.category
    )
    times = {name: getattr(fields, name) for name in ("effective", "expires", "publish_at")}
    lines = {name: getattr(fields, name) or "" for name in _LINES}
    by_language = {
        t(f"staff.language.{lang}"): translation
        for lang, translation in fields.translations.items()
    }
    return {
        "level": t(f"staff.level.{fields.level}"),
        "title": fields.title,
        "summary": fields.summary or "",
        "body": fields.body,
        "instruction": fields.instruction or "",
        "areas": ", ".join(area.label for area in areas if area is not None),
        "category": topic,
        "agency": fields.agency or "",
        **{name: moment_text(moment) if moment else "" for name, moment in times.items()},
        "kind": t(f"staff.kind.{fields.kind}") if fields.kind else "",
        **lines,
        "evidence": "\n".join(fields.evidence),
        "channels": ", ".join(sorted(fields.channels)),
        "translations": _wordings(by_language),
        "overrides": _wordings(
            {channel.title(): override for channel, override in fields.overrides.items()}
        ),
    }


def _wordings(named: Mapping[str, Translation | Override]) -> str:
    """Join the texts of languages or channels, each below its name."""
    return "\n\n".join(
        "\n".join([f"{name}:", *(text for part in _WORDS if (text := getattr(texts, part, None)))])
        for name, texts in sorted(named.items())
    )
