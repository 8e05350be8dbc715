"""Channel overrides in a form: started from the main text, removed, and reviewed when it changes.
Pure.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

WORDS = ("title", "summary", "body")
"""Fields that an override may adjust."""

Form = Mapping[str, Any]


def adjust(form: Form, channel: str) -> dict[str, Any]:
    """Add an override for the channel, initially a copy of the main text."""
    own = {name: form[name] for name in WORDS if form.get(name)}
    return _with(form, channel, {**own, **_of(form).get(channel, {}), "base": digest(form)})


def make_automatic(form: Form, channel: str) -> dict[str, Any]:
    """Remove the override of the channel."""
    return _with(form, channel, None)


def agree(form: Form, channel: str) -> dict[str, Any]:
    """Mark the channel's override as reviewed against the current main text."""
    own = _of(form).get(channel)
    return dict(form) if own is None else _with(form, channel, {**own, "base": digest(form)})


def outdated(form: Form) -> frozenset[str]:
    """Find channels whose override was adjusted from a main text that has changed since."""
    now = digest(form)
    return frozenset(channel for channel, own in _of(form).items() if own.get("base", now) != now)


def digest(form: Form) -> str:
    """Digest of the main text: 16 hex digits of SHA-256."""
    words = [str(form.get(name) or "") for name in WORDS]
    return hashlib.sha256(msgspec.json.encode(words)).hexdigest()[:16]


def _of(form: Form) -> Mapping[str, Mapping[str, Any]]:
    return form.get("overrides") or {}


def _with(form: Form, channel: str, own: Mapping[str, Any] | None) -> dict[str, Any]:
    others = {name: words for name, words in _of(form).items() if name != channel}
    overrides = others if own is None else {**others, channel: dict(own)}
    rest = {name: value for name, value in form.items() if name != "overrides"}
    return {**rest, "overrides": overrides} if overrides else rest
