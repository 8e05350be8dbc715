"""Conversion between the composer's submitted form and the stored form; invalid input is kept."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData

from broadcaster.domain.fields import Moment
from broadcaster.web.base.form_values import text_of, texts_of
from channels.base.moments import WIB

LINES = (
    "title",
    "summary",
    "agency",
    "link",
    "image",
    "image_alt",
    "claim",
    "seen_at",
    "verdict",
    "hoax_type",
    "fact",
)
PROSE = ("body", "instruction")
CHOICES = ("level", "kind", "category")
TIMES = ("effective", "expires", "publish_at")
LISTS = ("areas", "channels")
TRANSLATED = ("title", "summary", "body", "instruction")
LANGUAGES = ("en", "su")
OVERRIDDEN = ("title", "summary", "body", "base")
_MOMENTS: TypeAdapter[datetime] = TypeAdapter(Moment)
_OVERRIDDEN = re.compile(r"ganti\.([a-z_]{1,30})\.(title|summary|body|base)")


def read(data: FormData) -> dict[str, Any]:
    """Read the submitted form under the names of `Fields`; empty values are left out."""
    form: dict[str, Any] = {
        name: text for name in (*LINES, *PROSE, *CHOICES, *TIMES) if (text := _text(data, name))
    }
    for name in LISTS:
        if values := texts_of(data, name):
            form[name] = values
    if evidence := _text(data, "evidence").split():
        form["evidence"] = evidence
    if overrides := _overrides(data):
        form["overrides"] = overrides
    translations = {lang: translation(data, lang) for lang in LANGUAGES}
    if given := {lang: words for lang, words in translations.items() if words}:
        form["translations"] = given
    return form


def field_values(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of every field on the page; times are "YYYY-MM-DDTHH:MM" in WIB."""
    values: dict[str, Any] = {
        name: str(form.get(name) or "") for name in (*LINES, *PROSE, *CHOICES)
    }
    values |= {name: _local(str(form.get(name) or "")) for name in TIMES}
    values |= {name: _words(form.get(name)) for name in LISTS}
    values["overrides"] = {
        channel: {name: str(texts.get(name) or "") for name in OVERRIDDEN}
        for channel, texts in (form.get("overrides") or {}).items()
    }
    values["evidence"] = "\n".join(_words(form.get("evidence")))
    translations = form.get("translations") or {}
    values["translations"] = {
        lang: {name: str((translations.get(lang) or {}).get(name) or "") for name in TRANSLATED}
        for lang in LANGUAGES
    }
    return values


def _text(data: FormData, name: str) -> str:
    return text_of(data, name).replace("\r\n", "\n").strip()


def translation(data: FormData, lang: str) -> dict[str, str]:
    """Read the translation into `lang`, from fields such as "en.title"."""
    return {name: text for name in TRANSLATED if (text := _text(data, f"{lang}.{name}"))}


def _overrides(data: FormData) -> dict[str, dict[str, str]]:
    """Read the texts of single channels, from fields such as "ganti.telegram.title".

    An emptied field falls back to the common text.
    """
    overrides: dict[str, dict[str, str]] = {}
    for key in data:
        match = _OVERRIDDEN.fullmatch(key)
        if match is not None:
            texts = overrides.setdefault(match[1], {})
            if text := _text(data, key):
                texts[match[2]] = text
    return overrides


def _words(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else [str(item) for item in value or ()]


def _local(text: str) -> str:
    """Convert a time to "2026-11-25T14:00" in WIB; text that is no time stays as it is."""
    try:
        return _MOMENTS.validate_python(text).astimezone(WIB).strftime("%Y-%m-%dT%H:%M")
    except ValidationError:
        return text
