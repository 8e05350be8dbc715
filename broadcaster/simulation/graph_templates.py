"""Message content in the stand-in Graph API: approved templates, checks, and the text that a
recipient sees.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

PRODUCT = "whatsapp"
"""Value of `messaging_product` in the protocol."""
BODY_LIMIT = 1024
HEADER_LIMIT = 60
TEXT_LIMIT = 4096

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
_ILLEGAL = re.compile(r"[\n\t]| {5,}")


class ApiError(Exception):
    """Error response of the API, with HTTP status and Graph error code."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """Return the `error` object of the response."""
        return {
            "message": f"(#{self.code}) {self}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": PRODUCT, "details": str(self)},
            "fbtrace_id": "SIMULATED",
        }


Registry = dict[tuple[str, str], Mapping[str, Any]]
"""Approved templates by name and language, each as it was submitted."""


def registry(templates: Sequence[Mapping[str, Any]]) -> Registry:
    """Index templates by name and language."""
    return {(template["name"], template["language"]): template for template in templates}


def check_template(template: Mapping[str, Any]) -> None:
    """Raise ApiError unless the template may be approved: name, lifetime, lengths, samples, and no
    variable at either end of a text.
    """
    if not re.fullmatch(r"[a-z0-9_]{1,512}", template["name"]):
        raise ApiError(100, "Invalid parameter: name")
    if not 30 <= template.get("message_send_ttl_seconds", 43_200) <= 43_200:
        raise ApiError(100, "Invalid parameter: message_send_ttl_seconds")
    for component in template["components"]:
        kind, text = component["type"], component.get("text", "")
        if _utf16(text) > (BODY_LIMIT if kind == "BODY" else HEADER_LIMIT):
            raise ApiError(100, f"{kind} is too long")
        if text.startswith("{{") or text.endswith("}}"):
            raise ApiError(100, f"{kind} begins or ends with a variable")
        samples = component.get("example", {}).get(f"{kind.lower()}_text_named_params", [])
        if {s["param_name"] for s in samples if s["example"]} != set(_VARIABLE.findall(text)):
            raise ApiError(100, f"{kind}: a variable has no sample")


def received_parts(request: Mapping[str, Any], templates: Registry) -> dict[str, str]:
    """Return the parts of a message that its recipient sees, and each `parameter.<name>`.

    Raises ApiError where the real API would.
    """
    if request.get("type") == "template":
        return _template_parts(request["template"], templates)
    if request.get("type") == "interactive":
        return _interactive_parts(request["interactive"])
    body = str(request.get("text", {}).get("body", ""))
    if not 0 < _utf16(body) <= TEXT_LIMIT:
        raise ApiError(100, "text.body must be 1 to 4096 characters long")
    return {"text": body}


def _template_parts(message: Mapping[str, Any], templates: Registry) -> dict[str, str]:
    template = templates.get((message["name"], message["language"]["code"]))
    if template is None:
        raise ApiError(132001, "Template name does not exist in the translation", status=404)
    sent = list(message.get("components", []))
    parts: dict[str, str] = {}
    values: dict[str, str] = {}
    for component in template["components"]:
        kind = component["type"].lower()
        if kind == "buttons":
            parts["buttons"] = _buttons(
                component["buttons"], [c for c in sent if c["type"] == "button"]
            )
            continue
        own = _values(component["text"], next((c for c in sent if c["type"] == kind), {}))
        values |= own
        parts["text" if kind == "body" else kind] = _filled(component["text"], own)
    if _utf16(parts["text"]) > BODY_LIMIT or _utf16(parts.get("header", "")) > HEADER_LIMIT:
        raise ApiError(132005, "Translated text too long")
    return parts | {f"parameter.{name}": value for name, value in values.items()}


def _values(text: str, component: Mapping[str, Any]) -> dict[str, str]:
    names = _VARIABLE.findall(text)
    given = {p.get("parameter_name", ""): p["text"] for p in component.get("parameters", [])}
    if set(names) != set(given):
        raise ApiError(132000, "Number of parameters does not match the expected number of params")
    if any(not value or _ILLEGAL.search(value) for value in given.values()):
        raise ApiError(
            132018,
            "Param text cannot be empty or have new-line/tab characters "
            "or more than 4 consecutive spaces",
        )
    return given


def _buttons(buttons: Sequence[Mapping[str, Any]], sent: Sequence[Mapping[str, Any]]) -> str:
    by_index = {c["index"]: c["parameters"][0] for c in sent}
    lines = []
    for index, button in enumerate(buttons):
        given = by_index.get(str(index), {})
        if button["type"] == "URL":
            if not given.get("text"):
                raise ApiError(
                    131008, f"buttons: Button at index {index} of type Url requires a parameter"
                )
            lines.append(f"{button['text']}: {button['url'].replace('{{1}}', given['text'])}")
        else:
            lines.append(f"{button['text']}: {given.get('payload', '')}")
    return "\n".join(lines)


def _interactive_parts(interactive: Mapping[str, Any]) -> dict[str, str]:
    action = interactive["action"]
    choices = [b["reply"] for b in action.get("buttons", [])] or [
        r for s in action.get("sections", []) for r in s["rows"]
    ]
    if not 1 <= len(choices) <= (3 if interactive["type"] == "button" else 10):
        raise ApiError(131009, "Invalid number of choices")
    return {
        "text": interactive["body"]["text"],
        "buttons": "\n".join(f"{c['title']}: {c['id']}" for c in choices),
    }


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
