"""Hyperlinks as browsers and messengers detect them: more than "https://", and more than urllib
parses. Pure.

Hosts are parsed as in the WHATWG URL standard (https://url.spec.whatwg.org/): any number of slashes
or backslashes may follow "https:", or none; the last "@" ends the user name; tabs and line breaks
are ignored; full-width letters and Unicode names become their ASCII form. Messengers also link bare
names below known top-level domains, and IPv4 addresses.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from urllib.parse import unquote

import idna
from publicsuffixlist import PublicSuffixList

from channels.base import rendering

SPECIAL = frozenset({"http", "https", "ftp", "ws", "wss"})
"""Schemes that are followed by a host, with or without slashes."""
APPS = frozenset({"tg", "whatsapp", "intent", "viber"})
"""Schemes that open an app on an account without naming a host."""
LINKED = SPECIAL | APPS | {"mailto"}
"""Schemes that make a link even without "//"."""
RESERVED = frozenset({"example", "test", "invalid", "localhost"})
"""Top-level domains of RFC 2606: demonstrations and manuals use them like .com."""

_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0]"
)
"""Invisible characters, which are removed from host names."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_WITH_SCHEME = re.compile(
    r"(?<![a-z0-9+.\-])([a-z][a-z0-9+.\-]{1,20}):([^\s<>\"“”]+)", re.IGNORECASE | re.ASCII
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\w.,@])(?<!Rp )(?:{_OCTET}\.){{3}}{_OCTET}(?![\w,]|\.\d)")
_LABEL = r"[^\s\x00-,./:-@\[-^`{-\x7f\u2010-\u2027\u2030-\u205e\u3000-\u303f«»·]"
"""A character of a host name: letters, digits and symbols (emoji are legal in names); no quotes,
dashes or bullets. A single character class: alternatives would backtrack through every combination.
"""
_DOMAIN = rf"(?:{_LABEL}{{1,63}}\.)+(?:xn--[a-zA-Z0-9\-]+|[^\W\d_]{{2,63}})"
_NAME = re.compile(rf"(?<!{_LABEL})(?<![.@])({_DOMAIN})(?![^\W_]|@|\.[^\W_])(/?)")
_AT = re.compile(rf"@({_DOMAIN})(?![^\W_]|\.[^\W_])(:\d|[/?#][^\s.,;:!?)])?")
"""The host behind an "@", and the start of a port, path or query."""
_USER = re.compile(r"[^\s@()<>\[\]\"'“‘*_]*\Z")
_USER_LENGTH = 100
"""Number of characters examined before an "@"."""
_MAILBOX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+\-]*")
_DEGREES = frozenset({
    "A.Ma", "A.Md", "M.Ag", "M.Farm", "M.Sc", "M.Si", "M.Sn", "M.St", "M.Th", "M.Tr",
    "S.Ag", "S.Farm", "S.Pt", "S.Si", "S.Sn",
    "S.St", "S.Th", "S.Tr",
})  # fmt: skip
"""Academic degrees that look like host names: .si, .farm and the others are top-level domains."""
_WWW = "www."
_AFTER = ".,;:!?'’)]}*_~"
"""Punctuation that may follow a link in a sentence."""


def host_of(link: str) -> str:
    """Return the host that a browser would contact, in ASCII.

    "tg:" or the like if the link names none; "" for a link within our site.
    """
    scheme, rest = _split(re.sub(r"[\t\r\n]", "", _folded(link)).strip())
    if scheme and scheme not in SPECIAL:
        return (
            _ascii(re.split(r"[/?#]", rest[2:], maxsplit=1)[0])
            if rest.startswith("//")
            else f"{scheme}:"
        )
    if not scheme and not re.match(r"[/\\]{2}", rest):
        return ""
    return _ascii(re.split(r"[/\\?#]", rest.lstrip("/\\"), maxsplit=1)[0])


def hosts_of(link: str) -> set[str]:
    """Return the host of a link; for "mailto:" those of every address in it, including copies."""
    scheme, rest = _split(re.sub(r"[\t\r\n]", "", _folded(link)).strip())
    if scheme != "mailto":
        return {host_of(link)} - {""}
    return {_ascii(domain) for domain in re.findall(r"@([^\s@,;?&<>]+)", unquote(rest))} or {
        "mailto:"
    }


def hosts_in(text: str) -> Iterator[str]:
    """Yield the host of everything in a plain text that a browser or messenger would link; a
    telephone link has none.

    A bare email address does not count as a link; "mailto:" does.
    """
    folded = _folded(text)
    bare, end = "", 0
    for match in _WITH_SCHEME.finditer(folded):
        scheme, rest = match[1].lower(), match[2].rstrip(_AFTER)
        if scheme in LINKED or rest.startswith("//"):
            yield from sorted(hosts_of(f"{scheme}:{rest}"))
            if "\\" in rest:
                yield host_of(
                    f"{scheme}:{rest.replace(chr(92), '')}"
                )  # not every messenger treats it as a slash
            bare, end = bare + folded[end : match.start()] + " ", match.end()
    bare += folded[end:]
    for match in _NAME.finditer(bare):
        if _is_linked(match[1], path=bool(match[2])):
            yield _ascii(match[1].lstrip("._-"))
    for match in _AT.finditer(bare):
        user = _USER.search(bare, max(0, match.start() - _USER_LENGTH), match.start())
        if match[2] or user is None or not _MAILBOX.fullmatch(user[0]):
            yield _ascii(match[1])  # not an email address: a user name, as in "https://user@host"
    yield from _IPV4.findall(bare)


def in_markdown(text: str) -> set[str]:
    """Return the hosts of a light Markdown text: of its links and of whatever a phone would
    link.
    """
    targets = {
        host
        for token in rendering.tokens(text)
        for child in token.children or ()
        if child.type == "link_open" and not str(child.attrs.get("href", "")).startswith("tel:")
        for host in hosts_of(str(child.attrs.get("href", "")))
    }
    return (targets | set(hosts_in(rendering.plain(text)))) - {""}


def within(host: str, hosts: Iterable[str]) -> bool:
    """True if a host equals one of these or is a subdomain of one."""
    named = [_ascii(name) for name in hosts]
    return any(host == name or host.endswith(f".{name}") for name in named)


def _is_linked(name: str, *, path: bool) -> bool:
    """True if messengers link this bare name.

    Always with a path or "www.", otherwise only below a known top-level domain.
    """
    if path or name.lower().startswith(_WWW):
        return True
    suffix = _ascii(name).rpartition(".")[2]
    return name not in _DEGREES and (
        suffix in RESERVED or _suffixes().publicsuffix(suffix) is not None
    )


def _split(link: str) -> tuple[str, str]:
    """Split a link into its scheme ("" if it has none) and the rest."""
    match = _SCHEME.match(link)
    return (match[1].lower(), match[2]) if match else ("", link)


def _folded(text: str) -> str:
    """Return the text with compatibility characters folded (full-width letters and stops) and
    invisible ones removed.
    """
    return (
        _IGNORED.sub("", unicodedata.normalize("NFKC", text)).replace("。", ".").replace("｡", ".")
    )


def _ascii(authority: str) -> str:
    """Return the host of an authority: no user, port or final dot, lower case, Unicode as
    "xn--...".
    """
    host = unquote(authority.rpartition("@")[2])
    host = host if host.startswith("[") else host.partition(":")[0]
    host = host.strip("[]").rstrip(".").lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host  # not a valid name, but still not one of the city's


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True, accept_unknown=False)
