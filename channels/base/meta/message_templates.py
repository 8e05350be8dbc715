"""Templates that a provider approves in advance: their files, their variables, and valid values for
these.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import yaml

from channels.base.edition import Site
from channels.base.pairing import unpaired
from channels.base.rendering import TEMPLATES, clean, environment, utf16
from channels.base.running_text import joined
from channels.base.truncation import shortened

STOP = "STOP"
"""Payload of the unsubscribe button."""
EMPTY = "-"
"""Placeholder for an empty value, which no provider accepts."""
HEADER_LIMIT = 60
"""Limit of a filled header in UTF-16 units."""
LEAST = 120
"""UTF-16 units reserved for each flexible value, if it needs them, however long the preceding ones
are.
"""

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
_BOXED = re.compile(r"([*_~])\{\{(\w+)\}\}\1")
_AMOUNT = re.compile(r"- (?=\d)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """A template file: `document` as submitted for approval, Jinja sources of its variables, and
    which of them may be cut.
    """

    document: Mapping[str, Any]
    parameters: Mapping[str, str]
    flexible: tuple[str, ...]

    def component(self, kind: str) -> Mapping[str, Any]:
        """Return the component HEADER, BODY, FOOTER or BUTTONS; empty if the template has none."""
        return next((c for c in self.document["components"] if c["type"] == kind), {})

    def text(self, kind: str) -> str:
        """Return the text of a component, with {{variables}}."""
        return str(self.component(kind).get("text", ""))

    @property
    def buttons(self) -> list[Mapping[str, Any]]:
        """The buttons, in order."""
        return list(self.component("BUTTONS").get("buttons", []))


@functools.cache
def definition(file: str, name: str, site: Site) -> Definition:
    """Read a file below templates/ for a city, under the `name` it has at the provider."""
    raw = _content(file)
    facts = {"<base_url>": site.base_url.rstrip("/"), "<host>": site.host, "<city>": site.city}
    document = _replaced(raw["template"], {**facts, "<emergency_number>": site.emergency_number})
    return Definition(
        document={**document, "name": name},
        parameters=raw["parameters"],
        flexible=tuple(raw.get("flexible", ())),
    )


@functools.cache
def _content(file: str) -> Mapping[str, Any]:
    content: dict[str, Any] = yaml.safe_load((TEMPLATES / file).read_text(encoding="utf-8"))
    return content


def _replaced(value: Any, facts: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(inner, facts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, facts) for inner in value]
    if isinstance(value, str):
        for placeholder, fact in facts.items():
            value = value.replace(placeholder, fact)
    return value


def variables(text: str) -> list[str]:
    """Return the names of a template text's variables, in order."""
    return _VARIABLE.findall(text)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Replace the variables of a template text; raises KeyError for one without a value."""
    return _VARIABLE.sub(lambda variable: values[variable[1]], text)


def legal(text: str) -> str:
    """Return `text` as a valid parameter: one line, single spaces, nothing invisible, never
    empty.
    """
    return joined(clean(text)) or EMPTY


def fitted(text: str, limit: int, *, boxed: str = "") -> str:
    """Cut a valid parameter to `limit` UTF-16 units, with every character visible
    (`pairing.unpaired`).
    """
    room = limit
    while (
        room > 0
        and (over := utf16(value := unpaired(shortened(text, room, utf16), boxed=boxed)) - limit)
        > 0
    ):
        room -= over
    return value if room > 0 else ""


def values_for(
    template: Definition, context: Mapping[str, Any], *, limit: int, each: int
) -> dict[str, str]:
    """Return the valid value of each variable, cut so that the filled body has at most `limit`
    UTF-16 units.

    An inflexible value is cut at `each` units, or shorter only if nothing would be left for the
    flexible ones; these share the remaining room and are cut by sentence. The header's single
    variable is cut to fit there.
    """
    whole = {
        name: legal(_expression(source).render(context))
        for name, source in template.parameters.items()
    }
    boxes = {name: mark for mark, name in _BOXED.findall(template.text("BODY"))}
    while True:
        values = dict.fromkeys(whole, "")
        values |= {
            name: fitted(whole[name], each, boxed=boxes.get(name, ""))
            for name in whole
            if name not in template.flexible
        }
        room = limit - utf16(filled(template.text("BODY"), values))
        if room >= LEAST or each <= LEAST // 4:
            break
        each //= 2
    for position, name in enumerate(template.flexible, start=1):
        kept_back = sum(min(utf16(whole[later]), LEAST) for later in template.flexible[position:])
        values[name] = fitted(whole[name], room - kept_back, boxed=boxes.get(name, "")) or EMPTY
        room -= utf16(values[name])
    header = template.text("HEADER")
    for name in variables(header):
        values[name] = (
            fitted(values[name], HEADER_LIMIT - utf16(filled(header, {name: ""}))) or EMPTY
        )
    return values


@functools.cache
def _expression(source: str) -> jinja2.Template:
    return environment().from_string(source)


def components(template: Definition, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the `components` of a template message: only those with variables."""
    filled_in: list[dict[str, Any]] = []
    for kind in ("HEADER", "BODY"):
        if names := variables(template.text(kind)):
            named = [
                {"type": "text", "parameter_name": name, "text": values[name]} for name in names
            ]
            filled_in.append({"type": kind.lower(), "parameters": named})
    for index, button in enumerate(template.buttons):
        kind = str(button["type"]).lower()
        parameter = (
            {"type": "text", "text": values["kode"]}
            if kind == "url"
            else {"type": "payload", "payload": STOP}
        )
        filled_in.append(
            {"type": "button", "sub_type": kind, "index": str(index), "parameters": [parameter]}
        )
    return filled_in


def parts(template: Definition, values: Mapping[str, str]) -> dict[str, str]:
    """Return what the resident sees, by part, and each parameter as `parameter.<name>`."""
    targets = [
        filled(b["url"], {"1": values["kode"]}) if b["type"] == "URL" else STOP
        for b in template.buttons
    ]
    return {
        "header": filled(template.text("HEADER"), values),
        "text": filled(template.text("BODY"), values),
        "footer": template.text("FOOTER"),
        "buttons": "\n".join(
            f"{b['text']}: {target}" for b, target in zip(template.buttons, targets, strict=True)
        ),
        **{
            f"parameter.{name}": values[name]
            for kind in ("HEADER", "BODY")
            for name in variables(template.text(kind))
        },
    }
