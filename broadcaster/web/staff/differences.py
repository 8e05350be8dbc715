"""What a correction changes, word by word, field by field. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from broadcaster.fields import Fields, Override, Translation
from broadcaster.web.standing import compared
from broadcaster.wording import words
from channels.base.contract import Topic
from channels.base.rendering import moment_text
from subscribers.areas import AreaTree

Piece = tuple[Literal["same", "gone", "new"], str]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field that differs; `name` is a field of Fields."""

    name: str
    pieces: Sequence[Piece]


def differences(before: Fields, after: Fields, *, tree: AreaTree, topics: Sequence[Topic]) -> list[Difference]:
    """Every field that differs, as people read it, in the order of the form."""
    old, new = _texts(before, tree, topics), _texts(after, tree, topics)
    return [Difference(name=name, pieces=pieces(old[name], new[name])) for name in old if old[name] != new[name]]


def pieces(before: str, after: str) -> list[Piece]:
    """Two texts as one, with what is gone and what is new; in bounded time, so that no text holds the site up."""
    return [piece for piece in _pieces(before, after) if piece[1]]


def _pieces(before: str, after: str) -> Iterator[Piece]:
    for act, old, new in compared(before, after):
        if act == "equal":
            yield "same", new
        else:
            yield "gone", old
            yield "new", new


def _texts(fields: Fields, tree: AreaTree, topics: Sequence[Topic]) -> dict[str, str]:
    areas = [tree.get(name) for name in fields.areas]
    topic = next((topic.label("id") for topic in topics if topic.slug == fields.category), fields.category)
    return {
        "title": fields.title,
        "summary": fields.summary or "",
        "body": fields.body,
        "instruction": fields.instruction or "",
        "areas": ", ".join(area.label for area in areas if area is not None),
        "category": topic,
        "level": words("id")(f"staff.level.{fields.level}"),
        "kind": words("id")(f"staff.kind.{fields.kind}") if fields.kind else "",
        "agency": fields.agency or "",
        "channels": ", ".join(fields.channels),
        **{name: _moment(getattr(fields, name)) for name in ("effective", "expires", "publish_at")},
        **{name: getattr(fields, name) or "" for name in ("link", "image", "image_alt", *_CLAIMED)},
        "evidence": "\n".join(fields.evidence),
        "translations": _several(fields.translations),
        "overrides": _several(fields.overrides),
    }


_CLAIMED = ("claim", "seen_at", "verdict", "hoax_type", "fact")


def _moment(moment: datetime | None) -> str:
    return moment_text(moment) if moment else ""


def _several(sets: Mapping[Any, Translation | Override]) -> str:
    """Words of languages or of channels, each under its name."""
    names = ("title", "summary", "body", "instruction")
    lines = [
        line for key, own in sorted(sets.items()) for line in (key, *(getattr(own, name, None) for name in names)) if line
    ]  # fmt: skip
    return "\n".join(lines)
