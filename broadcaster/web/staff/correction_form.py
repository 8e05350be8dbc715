"""The correction form: values as published, as typed, and as proposed before."""

import hashlib
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request

from broadcaster.domain import channel_overrides
from broadcaster.domain.fields import Fields
from broadcaster.newsroom.forms import Form, form_text
from broadcaster.store.announcements import Announcement
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.form_values import text_of
from broadcaster.web.staff import compose_form
from channels.base.moments import WIB

TIMES = ("effective", "expires")


TYPED = (
    "title",
    "summary",
    "body",
    "instruction",
    "category",
    "agency",
    "link",
    "image",
    "image_alt",
    *TIMES,
)
"""Fields of one text each; areas are checkboxes."""


CLAIMED = ("claim", "seen_at", "verdict", "fact", "evidence")
"""Further fields of a clarification; no other kind of announcement has them."""


def corrected(row: Announcement, sent: FormData, request: Request) -> dict[str, Any]:
    """Apply the typed values to the published form; areas keep their published spelling."""
    tree = app_of(request).tree
    form = row.fields.model_dump(mode="json", exclude_defaults=True)
    form |= {name: text_of(sent, name) for name in TYPED}
    if row.fields.kind == "clarification":
        given = compose_form.read(sent)
        form |= {name: given.get(name, "") for name in CLAIMED if name in sent}
    checked = {value for value in sent.getlist("areas") if isinstance(value, str)}
    published = [
        name
        for name in row.fields.areas
        if (area := tree.get(name)) is not None and area.slug in checked
    ]
    known = {area.slug for area in (tree.get(name) for name in published) if area is not None}
    form["areas"] = [
        *published,
        *(area.slug for area in tree.all() if area.slug in checked - known),
    ]
    form["translations"] = _translations(sent) if sent.get("translations") else {}
    if any(form.get(name) != (getattr(row.fields, name) or "") for name in channel_overrides.WORDS):
        form.pop("overrides", None)  # they repeat the text that is being corrected
    return {name: value for name, value in form.items() if value not in ("", None, {})}


def fingerprint(form: Form, reason: str) -> str:
    """Hash the form and reason, to tell whether the differences shown are of this very form."""
    return hashlib.sha256(f"{form_text(form)}\0{reason}".encode()).hexdigest()


def typed_values(form: Form, sent: FormData) -> dict[str, Any]:
    """Return the typed values, for showing the form again."""
    typed = {name: text_of(sent, name) for name in TYPED}
    translated = compose_form.field_values({"translations": _translations(sent)})["translations"]
    return {
        **typed,
        **_claimed(form),
        "areas": form["areas"],
        "translations": bool(sent.get("translations")),
        "words": translated,
    }


def _translations(sent: FormData) -> dict[str, dict[str, str]]:
    """Read the translations; languages without text are left out."""
    written = {lang: compose_form.translation(sent, lang) for lang in compose_form.LANGUAGES}
    return {lang: words for lang, words in written.items() if words}


def _claimed(form: Form) -> dict[str, str]:
    """Return the fields of a clarification as the page shows them."""
    values = compose_form.field_values(form)
    return {name: values[name] for name in CLAIMED}


def published_values(fields: Fields) -> dict[str, Any]:
    """Return the published values, for showing the form for the first time."""
    values: dict[str, Any] = {name: getattr(fields, name) or "" for name in TYPED}
    times = {name: getattr(fields, name) for name in TIMES}
    values |= {
        name: at.astimezone(WIB).strftime("%Y-%m-%dT%H:%M") if at else ""
        for name, at in times.items()
    }
    stored = {
        lang: words.model_dump(exclude_none=True) for lang, words in fields.translations.items()
    }
    return {
        **values,
        **_claimed(fields.model_dump(mode="json", exclude_defaults=True)),
        "areas": list(fields.areas),
        "translations": False,
        "words": compose_form.field_values({"translations": stored})["translations"],
    }


def proposed_values(row: Announcement, form: Form) -> dict[str, Any]:
    """Return the values of an earlier proposal."""
    times = {name: compose_form.field_values(form)[name] for name in TIMES}
    texts = {name: str(form.get(name) or "") for name in TYPED}
    return {
        **published_values(row.fields),
        **texts,
        **times,
        **_claimed(form),
        "areas": list(form.get("areas") or ()),
        "translations": bool(form.get("translations")),
        "words": compose_form.field_values(form)["translations"],
    }
