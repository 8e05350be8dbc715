"""Rendering of an edition's wording: Markdown, plain text, cutting by sentence, Jinja templates."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from channels.base import legibility
from channels.base.edition import Claim, Edition, Wording
from channels.base.markdown import parse
from channels.base.marks import rooted
from channels.base.moments import clock, day, locale, moment_text, span_text
from channels.base.running_text import running

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"

# C0/C1 controls except tab and newline, lone surrogates, non-characters, byte order marks, bidi
# marks, overrides and isolates
_HOSTILE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_MULTILINE = {"body", "instruction"}


def clean(text: str) -> str:
    """Normalise to NFC without controls, lone surrogates, bidi marks, invisible characters and
    stacked combining marks; any line end becomes a newline.
    """
    text = legibility.visible(_HOSTILE.sub("", _LINE_END.sub("\n", text)))
    return legibility.capped(_HOSTILE.sub("", unicodedata.normalize("NFC", text)))


def one_line(text: str) -> str:
    """Clean the text and collapse line breaks, tabs and runs of spaces."""
    return " ".join(clean(text).split())


def scrubbed(edition: Edition) -> Edition:
    """Return the edition with every text cleaned, and on one line unless it is Markdown."""

    def scrub(value: Any, name: str) -> Any:
        if isinstance(value, str):
            return clean(value).strip() if name in _MULTILINE else one_line(value)
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.replace(
                value,
                **{field: scrub(getattr(value, field), field) for field in value.__struct_fields__},
            )
        if isinstance(value, tuple):
            return tuple(scrub(item, name) for item in value)
        if isinstance(value, dict):
            return {key: scrub(item, name) for key, item in value.items()}
        return value

    cleaned: Edition = scrub(edition, "")
    return cleaned


def utf16(text: str) -> int:
    """Return the length in UTF-16 code units, as WhatsApp and Telegram count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "breaks": True})


def tokens(markdown: str) -> list[Token]:
    """Parse light Markdown (paragraph, list and inline tokens only)."""
    return parse(clean(markdown))


def with_addresses(edition: Edition, base_url: str) -> Edition:
    """Return the edition with links to paths on our own site made absolute."""

    def complete(wording: Wording) -> Wording:
        body, instruction = rooted(wording.body, base_url), rooted(wording.instruction, base_url)
        return msgspec.structs.replace(wording, body=body, instruction=instruction)

    wordings = {lang: complete(wording) for lang, wording in edition.wordings.items()}
    overrides = {channel: complete(wording) for channel, wording in edition.overrides.items()}
    return msgspec.structs.replace(edition, wordings=wordings, overrides=overrides)


_TAGS = {"p", "br", "strong", "em", "a", "ul", "ol", "li", "blockquote"}


@lru_cache(maxsize=512)
def html(markdown: str) -> str:
    """Render light Markdown as safe HTML (nh3 allow-list; links get rel=noopener)."""
    return nh3.clean(
        clean(_markdown().renderer.render(tokens(markdown), _markdown().options, {})).strip(),
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener nofollow",
    )


@lru_cache(maxsize=512)
def plain(markdown: str) -> str:
    """Render light Markdown as plain text: paragraphs separated by an empty line, list items with
    "- " or "1. ", links as "text (url)".
    """
    lines: list[str] = []
    lists: list[int | None] = []
    prefix = ""
    for token in tokens(markdown):
        if token.type == "bullet_list_open":
            lists.append(None)
        elif token.type == "ordered_list_open":
            lists.append(int(token.attrs.get("start", 1)))
        elif token.type.endswith("_list_close"):
            lists.pop()
            if not lists:
                lines.append("")
        elif token.type == "list_item_open":
            number = lists[-1]
            prefix = "  " * (len(lists) - 1) + ("- " if number is None else f"{number}. ")
            if number is not None:
                lists[-1] = number + 1
        elif token.type == "inline":
            lines.append(prefix + _inline_text(token))
            prefix = ""
        elif token.type == "paragraph_close" and not lists:
            lines.append("")
    return re.sub(r"\n{3,}", "\n\n", clean("\n".join(lines))).strip()


def _inline_text(token: Token) -> str:
    parts: list[str] = []
    href = ""
    label_from = 0
    for child in token.children or []:
        if child.type == "link_open":
            href, label_from = str(child.attrs.get("href", "")), len(parts)
        elif child.type == "link_close":
            if href and "".join(parts[label_from:]) not in {
                href,
                href.removeprefix("mailto:"),
                href.removeprefix("tel:"),
            }:
                parts.append(f" ({href})")
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        else:
            parts.append(child.content)
    return "".join(parts)


_ENGLISH_VERDICTS = {
    "hoaks": "Hoax",
    "menyesatkan": "Misleading",
    "konten lama": "Old content",
    "benar": "True",
    "satire/parodi": "satire or parody",
    "konten yang menyesatkan": "misleading content",
    "konten tiruan": "imposter content",
    "konten palsu": "fabricated content",
    "koneksi yang salah": "false connection",
    "konteks yang salah": "false context",
    "konten yang dimanipulasi": "manipulated content",
    "peniruan": "impersonation",
}


def verdict_text(claim: Claim, lang: str = "id") -> str:
    """Format a verdict as "Hoaks (konten palsu)" or "Hoax (fabricated content)"; the city's own
    verdicts are left unchanged.
    """
    words = [claim.verdict, claim.hoax_type]
    if lang == "en":
        words = [_ENGLISH_VERDICTS.get(word.casefold(), word) for word in words]
    return f"{words[0]} ({words[1]})" if words[1] else words[0]


_KINDS = {
    "id": {
        "notice": "pengumuman",
        "alert": "peringatan",
        "clarification": "klarifikasi",
        "emergency": "peringatan darurat",
    },
    "en": {
        "notice": "notice",
        "alert": "warning",
        "clarification": "clarification",
        "emergency": "emergency warning",
    },
}


def kind_text(edition: Edition, lang: str = "id") -> str:
    """Name the edition in a sentence: "pengumuman", "peringatan darurat", "emergency warning"."""
    return _KINDS[locale(lang)]["emergency" if edition.emergency else edition.kind]


def area_names(edition: Edition) -> str:
    """List the areas: "Kel. Cibabat, Kel. Pasirkaliki" or "Kota Cimahi"."""
    return ", ".join(area.label for area in edition.areas)


@cache
def environment() -> jinja2.Environment:
    """Return the Jinja environment of all message templates: an unknown name is an error; .html and
    .xml are escaped.
    """
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(("html", "xml"), default_for_string=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    env.filters |= {
        "plain": plain,
        "md": _markup,
        "moment": moment_text,
        "clock": clock,
        "day": day,
    }
    env.filters["running"] = lambda markdown: running(plain(markdown))
    env.globals |= {"span": span_text, "kind_text": kind_text}
    return env


def _markup(markdown: str) -> Markup:
    return Markup(html(markdown))  # noqa: S704 # reason: html() lets only its allow-list through


def template_name(channel: str, edition: Edition, lang: str, extension: str) -> str:
    """Return `<channel>/<kind>.<lang>.<ext>`; Indonesian if the channel has no such language."""
    name = f"{channel}/{edition.kind}.{lang}.{extension}"
    if (TEMPLATES / name).exists():
        return name
    return f"{channel}/{edition.kind}.id.{extension}"


def fill(name: str, values: Mapping[str, Any]) -> str:
    """Render a message template; raises jinja2.UndefinedError for an unknown name."""
    return environment().get_template(name).render(values).strip()
