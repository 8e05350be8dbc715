"""Previews of an announcement, complete or not, rendered by the same functions as the workers and
feeds use.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from broadcaster.app import App
from broadcaster.domain import editions, rules
from broadcaster.domain.fields import Fields, read_leniently
from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.store import media
from channels.base.contract import (
    Area,
    Edition,
    PageRequest,
    PullChannel,
    PushChannel,
    Recipient,
    Wording,
)
from channels.base.rendering import clean

T = TypeVar("T")

LETTER = 10_000
"""A channel whose limit exceeds this, in its own counting, carries letters."""
PLACEHOLDERS = {"title": "Judul pengumuman", "body": "Isi pengumuman."}
"""Stand-ins for words that are not written yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PushPreview:
    """A push channel's message: its parts as the recipient gets them, and the text's length in the
    platform's counting.
    """

    name: str
    label: str
    parts: Mapping[str, str]
    used: int
    limit: int
    open: bool
    adjusted: bool
    marks: str
    """Markup by which the text marks what is bold (see `contract.Limits`)."""

    @property
    def lengthy(self) -> bool:
        """True if this is a letter rather than a message on a phone."""
        return self.limit > LETTER

    @property
    def near(self) -> bool:
        """True from nine tenths of the limit on."""
        return self.used * 10 >= self.limit * 9


@dataclass(frozen=True, kw_only=True, slots=True)
class PullPreview:
    """The entry of a pull channel, as in its JSON document."""

    name: str
    label: str
    entry: Mapping[str, Any]
    adjusted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Previews:
    """Previews on all channels; push channels with the shortest messages first."""

    edition: Edition
    pushed: tuple[PushPreview, ...]
    pulled: tuple[PullPreview, ...]


_drawer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="preview")
"""Single-threaded executor beside the event loop: a text of nothing but brackets takes seconds, and
only its writer waits.
"""


async def beside(act: Callable[[], T]) -> T:
    """Run a function that reads a whole form beside the event loop, one at a time."""
    return await asyncio.get_running_loop().run_in_executor(_drawer, act)


def of_form(
    app: App, form: Mapping[str, Any], *, announcement: str, code: str, lang: str = "id"
) -> Previews:
    """Preview a form as it stands, complete or not; `announcement` and `code` are its id and code,
    or stand-ins.
    """
    return of_edition(app, draft_edition(app, form, announcement=announcement, code=code), lang)


def of_edition(app: App, edition: Edition, lang: str = "id") -> Previews:
    """Preview an edition on the channels that it uses."""
    pushed = sorted(
        (_pushed(app, channel, edition, lang) for channel in app.push.values()),
        key=lambda preview: preview.limit,
    )
    pulled = tuple(_pulled(channel, edition, lang) for channel in app.pull.values())
    return Previews(
        edition=edition,
        pushed=tuple(pushed),
        pulled=tuple(preview for preview in pulled if preview is not None),
    )


def draft_edition(app: App, form: Mapping[str, Any], *, announcement: str, code: str) -> Edition:
    """Return the edition that this form would become, with stand-ins for refused words."""
    fields, problems = read_leniently(form)
    fields = fields.model_copy(update=_typed(form, {problem.field for problem in problems}))
    edition = editions.freeze(
        _leniently(app, fields), site=app.site, announcement=announcement, code=code, at=app.clock()
    )
    # publishing adds the size of our own pictures, so the preview does too: one row by its key
    return app.database.read_now(media.measured, edition, app.site) if edition.image else edition


def _typed(form: Mapping[str, Any], broken: Collection[str]) -> dict[str, str]:
    """Return stand-ins for refused words: the words as typed, too long as they are, or else a
    placeholder.
    """
    typed = {
        name: clean(str(form.get(name) or "")).strip()
        for name in ("title", "summary", "body")
        if name in broken
    }
    lines = {
        name: text if name == "body" else " ".join(text.split()) for name, text in typed.items()
    }
    return {
        name: text or PLACEHOLDERS[name]
        for name, text in lines.items()
        if text or name in PLACEHOLDERS
    }


def _leniently(app: App, fields: Fields) -> CheckedAnnouncement:
    """Return the fields as they stand; for the whole city if no area is chosen yet."""
    known = rules.resolve_names(fields, tree=app.tree, topics=app.settings.topics)
    return known if known.areas else replace(known, areas=(app.tree.city,))


# --- one channel ----------------------------------------------------------------------------------


def sample_recipient(edition: Edition, address: str) -> Recipient:
    """Return a made-up recipient in the edition's first area."""
    return Recipient(
        delivery="0.0.1",
        attempt=1,
        address=address or "0",
        area=edition.areas[0],
        since=edition.published_at.date(),
        token="a" * 32,
        address_key="a" * 16,
    )


def message_parts(
    channel: PushChannel, edition: Edition, lang: str, recipient: Recipient
) -> Mapping[str, str]:
    """Return the message that one recipient sees, by part."""
    return channel.preview(
        channel.personalise(channel.render(edition.on(channel.name), lang), recipient)
    )


def document_parts(channel: PullChannel, edition: Edition, lang: str) -> Mapping[str, str]:
    """Return the documents that a pull channel serves for the edition's first area, by path;
    screens speak Indonesian alone.
    """
    area: Area = edition.areas[0]
    query = {} if lang == "id" else {"bahasa": lang}
    return {
        path.replace("{area}", area.slug): channel.render_page(
            PageRequest(
                path=path,
                area=area,
                query=query,
                editions=[edition.on(channel.name)],
                now=edition.published_at,
            )
        ).body.decode()
        for path in channel.paths
    }


def _pushed(app: App, channel: PushChannel, edition: Edition, lang: str) -> PushPreview:
    parts = message_parts(channel, edition, lang, sample_recipient(edition, ""))
    limits = channel.limits
    text = max((part for name, part in parts.items() if name != "html"), key=len, default="")
    return PushPreview(
        name=channel.name,
        label=channel.label,
        parts=parts,
        used=measured(text, limits.measure),
        limit=limits.text,
        open=app.loaded.is_open(channel.name),
        marks=limits.marks,
        adjusted=channel.name in edition.overrides,
    )


def _pulled(channel: PullChannel, edition: Edition, lang: str) -> PullPreview | None:
    """Return the first entry of the channel's JSON document, which says the same as its other
    documents.
    """
    for text in document_parts(channel, edition, lang).values():
        if text.startswith("{"):
            items = json.loads(text).get("items") or [{}]
            adjusted = channel.name in edition.overrides
            return PullPreview(
                name=channel.name, label=channel.label, entry=items[0], adjusted=adjusted
            )
    return None


_MARKS = {"title": "qjudulq", "summary": "qringkasanq", "body": "qisiq"}


def words_said(app: App, name: str, edition: Edition) -> frozenset[str]:
    """Return which of title, summary and body this channel uses for such an edition, found by
    rendering marker words.
    """
    trial = msgspec.structs.replace(edition, wordings={"id": Wording(**_MARKS)}, overrides={})
    if name in app.pull:
        parts = document_parts(app.pull[name], trial, "id")
    else:
        parts = message_parts(app.push[name], trial, "id", sample_recipient(trial, ""))
    return frozenset(
        name for name, mark in _MARKS.items() if any(mark in part for part in parts.values())
    )


def measured(text: str, measure: str) -> int:
    """Return the length of a text in a platform's own counting."""
    if measure == "utf-16 units":
        return len(text.encode("utf-16-le")) // 2
    return len(text.encode()) if measure == "bytes" else len(text)
