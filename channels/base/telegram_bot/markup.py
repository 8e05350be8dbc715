"""Light Markdown as Telegram HTML: splits it into blocks, fits them into the limit, and drops
entities beyond Telegram's maximum.
"""

import itertools
import re
from collections.abc import (
    Iterable,
    Iterator,
    Sequence,
)
from html import escape, unescape

from markdown_it.token import Token
from markupsafe import Markup

from channels.base.rendering import clean, tokens, utf16
from channels.base.truncation import ELLIPSIS, shortened

TEXT_LIMIT = 4096  # UTF-16 units of the parsed text: the strictest reading of the limit
ENTITY_LIMIT = 100
_GAP = f"\n\n{ELLIPSIS}"
"""Follows the last block that fits."""

_TAGS = {
    "strong_open": "<b>",
    "strong_close": "</b>",
    "em_open": "<i>",
    "em_close": "</i>",
    "softbreak": "\n",
    "hardbreak": "\n",
}
_OPENING = re.compile("<[a-z]")
_STYLE = re.compile("</?[bi]>")
_LINK = re.compile('<a href="([^"]*)">([^<]*)</a>')
_PIECE = re.compile("<[^>]*>|[^<]+")


def blocks(markdown: str) -> list[tuple[str, str]]:
    """Return paragraphs and list items of light Markdown, each as its lead ("\\n\\n", "\\n- ") and
    balanced HTML.
    """
    out: list[tuple[str, str]] = []
    lists: list[Iterator[str]] = []
    gap = mark = ""
    for token in tokens(markdown):
        if token.type in {"bullet_list_open", "ordered_list_open"}:
            numbers = (
                f"{number}. " for number in itertools.count(int(token.attrs.get("start", 1)))
            )
            lists.append(numbers if token.type[0] == "o" else itertools.repeat("- "))
        elif token.type.endswith("_list_close"):
            lists.pop()
            gap, mark = "\n" if lists else "\n\n", ""
        elif token.type == "list_item_open":
            mark = "  " * (len(lists) - 1) + next(lists[-1])
        elif token.type == "inline":
            out.append(((gap if out else "") + mark, _inline(token.children or [])))
            gap, mark = "\n" if lists else "\n\n", ""
    return out


def _inline(children: Iterable[Token]) -> str:
    out: list[str] = []
    address = ""
    for child in children:
        if child.type == "link_open":
            href = str(child.attrs.get("href", ""))
            out.append(f'<a href="{escape(href)}">')
            # Telegram knows web links only: of others it shows the label alone
            address = (
                ""
                if href.startswith(("http://", "https://"))
                else clean(unescape(re.sub("^(tel|mailto):", "", href)))
            )
        elif child.type == "link_close":
            out.append(
                "</a>"
                if address in {"", unescape(out[-1])}
                else f"</a> ({escape(address, quote=False)})"
            )
        else:
            out.append(_TAGS.get(child.type) or escape(clean(child.content), quote=False))
    return "".join(out)


def parsed(html: str) -> str:
    """Return the text that Telegram shows for our HTML."""
    return unescape(re.sub(r"<[^>]*>", "", html))


def flow(markdown: str, beside: str, share: float = 1.0) -> Markup:
    """Render the blocks that fit into `share` of the room left by `beside`; the next is cut with an
    ellipsis.

    If there are too many entities, bold and italic are dropped first; links that are still too many
    become text.
    """
    room = int((TEXT_LIMIT - utf16(parsed(beside))) * share)
    tags = int((ENTITY_LIMIT - len(_OPENING.findall(beside))) * share)
    parts = blocks(markdown)
    out, whole = _filled(parts, room, tags)
    if not whole:
        out, _ = _filled(parts, room - utf16(_GAP), tags)
        out += (
            ""
            if out.endswith(ELLIPSIS) or room < utf16(_GAP)
            else _GAP.strip()
            if not out
            else _GAP
        )
    return Markup(out)  # noqa: S704 # reason: each block is escaped


def _filled(parts: Sequence[tuple[str, str]], room: int, tags: int) -> tuple[str, bool]:
    """Return HTML of the blocks that fit, the next one shortened, and True if all fit."""
    links = sum(html.count("<a ") for _, html in parts)
    out = ""
    for lead, html in parts:
        links -= html.count("<a ")
        styled = _within(html, tags, kept_back=links)
        text = parsed(styled)
        if utf16(lead + text) > room:
            head = shortened(text, room - utf16(lead), utf16)
            return (
                out if head in {"", ELLIPSIS} else out + lead + _clipped(styled, head, text)
            ), False
        out += lead + styled
        room -= utf16(lead + text)
        tags -= len(_OPENING.findall(styled))
    return out, True


def _within(html: str, tags: int, *, kept_back: int) -> str:
    """Limit the entities of a block: all, links only, or none; `kept_back` are reserved for links
    of later blocks.
    """
    if len(_OPENING.findall(html)) <= tags - kept_back:
        return html
    bare = _STYLE.sub("", html)
    return bare if bare.count("<a ") <= tags else _LINK.sub(_as_text, bare)


def _as_text(link: re.Match[str]) -> str:
    target, label = unescape(link[1]), unescape(link[2])
    replacement = (
        label
        if label == target or not target.startswith(("http://", "https://"))
        else f"{label} ({target})"
    )
    return escape(replacement, quote=False)


def _clipped(html: str, head: str, text: str) -> str:
    """Return the start of a block that shows `head`, a start of its `text` with or without an
    ellipsis; links remain links.
    """
    beginning = head if text.startswith(head) else head.removesuffix(ELLIPSIS).rstrip()
    if not text.startswith(beginning):
        return escape(head, quote=False)
    out, left, inside = "", len(beginning), list[str]()
    for piece in _PIECE.findall(html):
        if not left:
            break
        if piece.startswith("<"):
            inside = (
                inside[:-1]
                if piece.startswith("</")
                else [*inside, piece[1:].split(" ")[0].rstrip(">")]
            )
            out += piece
        else:
            words = unescape(piece)[:left]
            out, left = out + escape(words, quote=False), left - len(words)
    return out + "".join(f"</{tag}>" for tag in reversed(inside)) + head[len(beginning) :]


def pieces(text: str) -> list[str]:
    """Split text into parts of <= 4096 UTF-16 units, between paragraphs, else words; never inside a
    surrogate pair.
    """
    size = TEXT_LIMIT if utf16(text) == len(text) else TEXT_LIMIT // 2
    parts = re.findall(
        rf".{{1,{size}}}(?=\n\n|\Z)|.{{1,{size}}}(?=\s|\Z)|.{{1,{size}}}", text, re.DOTALL
    )
    return [piece.strip() for piece in parts if piece.strip()]
