"""Awkward text as clerks write it: numbers, money, codes, addresses and file names among stray
punctuation.

A text is a list of pieces and gaps; `facts` are what a reader must still find in it, character by
character.
"""

import re
from dataclasses import dataclass

from hypothesis import strategies as st

WORDS = st.sampled_from(
    [
        "Air",
        "mati",
        "warga",
        "pukul",
        "Jl.",
        "Telepon",
        "di",
        "dan",
        "(lihat",
        "sini)",
        '"Posko"',
        "Rp",
        "⚠️",
    ]
)
DIGITS = "0123456789"
AWKWARD = st.sampled_from(
    [
        "*123*4#", "#808*1#", "*808#", "*#06#", "**21*08120000#", "2*3*4", "2~3", "~5", "10~", "+62 812-9000-0101",
        "0812-9000-0102", "(022) 6654274", "Rp1.250.000,-", "Rp5.000*", "08.00-14.00", "3277012345678901", "D 1234 ABC",
        "25/11/2026", "-5°C", "No.12_A", "A_1_B", "jadwal_final_v2.pdf", "_jadwal_.pdf", "C:\\*", "\\*bintang\\*", "`kode_1`",
        "&amp;", "&copy;1", "<nama>", "[ayat 3]", "x**y", "3277****", "*.pdf", "50%", "~/a_b", "__init__.py", "R&D", "1)", "10)",
        "2026.", "12.", "#5", ">38", "a|b", "dinas_sosial@contoh.example", "_a_@contoh.example", "a.b+c*d@contoh.example",
        "https://contoh.example/_berkas_/x", "https://contoh.example/a*b*c?x=1&y_z=2#b_c", "https://contoh.example/(a)_(b)",
        "https://contoh.example/~ani/*/x", "https://contoh.example/[a](b)", "www.contoh.example/_x_/y", "contoh.example/a_b_",
    ]
)  # fmt: skip
NUMBERS = st.from_regex(
    r"[1-9][0-9]{0,3}(?:[.,:/-][0-9]{1,3}){0,3}",
    fullmatch=True,
    alphabet=st.sampled_from(DIGITS + ".,:/-"),
)
CODES = st.from_regex(
    r"[*#][0-9]{2,3}(?:[*][0-9]{1,4}){0,3}#",
    fullmatch=True,
    alphabet=st.sampled_from(DIGITS + "*#"),
)
NAMES = st.from_regex(
    r"[a-z]{1,4}(?:[_~.*-][a-z0-9]{1,4}){1,3}",
    fullmatch=True,
    alphabet=st.sampled_from("abz019_~.*-"),
)
WEB = st.from_regex(
    r"https://contoh\.example/[a-z0-9_*~()&?#=.-]{0,12}[a-z0-9]",
    fullmatch=True,
    alphabet=st.sampled_from("hpst:/.contoexamlabz019_*~()&?#=-"),
)
FACTS = AWKWARD | NUMBERS | CODES | NAMES | WEB
TARGETS = st.sampled_from(
    [
        "https://contoh.example/a_(b)?c=1&d=*e*", "mailto:dinas_sosial@contoh.example", "tel:+6281290000101",
        "/media/denah_1.pdf",
        "jadwal_2_.pdf", "//contoh.example/_a_", "#lokasi_1", "www.contoh.example/x_", "contoh.example/a*b*",
        "ftp://contoh.example/a_b_c", "whatsapp://send?text=a_b", "sms:+6281290000101",
    ]
)  # fmt: skip
STRAY = st.sampled_from(
    [
        "*",
        "_",
        "**",
        "__",
        "~",
        "`",
        "***",
        "-",
        ">",
        "#",
        "+",
        "|",
        "\\",
        "<",
        "&",
        "[",
        "](",
        "1.",
        "•",
    ]
)
WRAPS = st.sampled_from(["", "", "", "*", "_", "**", "__", "***"])


@dataclass(frozen=True)
class Text:
    """Text as typed, and what must be found in it."""

    typed: str
    facts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def _wrapped(wrap: str, words: str) -> Text:
    return Text(f"{wrap}{words}{wrap}", (words,))


def _linked(label: str, target: str) -> Text:
    return Text(f"[{label}]({target})", (label,), (target,))


_PLAIN_PIECES = st.builds(Text, WORDS) | st.builds(Text, STRAY) | st.builds(_wrapped, WRAPS, FACTS)
_PIECES = _PLAIN_PIECES | st.builds(
    _linked, st.sampled_from(["denah", "RT 03", "*123#", "a_b_c.pdf"]), TARGETS
)


def _joined(pieces: list[Text], gaps: list[str]) -> Text:
    typed = "".join(piece.typed + gap for piece, gap in zip(pieces, [*gaps[1:], ""], strict=True))
    return Text(
        typed,
        tuple(fact for piece in pieces for fact in piece.facts),
        tuple(link for piece in pieces for link in piece.links),
    )


@st.composite
def texts(draw: st.DrawFn, *, pieces: st.SearchStrategy[Text], gaps: list[str], limit: int) -> Text:
    """Return a text of some of these pieces, with a word that everybody can read, of at most
    `limit` characters.
    """
    chosen = draw(st.lists(pieces, min_size=1, max_size=6))
    chosen.insert(draw(st.integers(0, len(chosen))), Text("Pengumuman"))
    while sum(len(piece.typed) + 2 for piece in chosen) > limit:
        chosen = chosen[:-1] if chosen[-1].typed != "Pengumuman" else chosen[1:]
    return _joined(chosen, [draw(st.sampled_from(gaps)) for _ in chosen])


LINES = texts(pieces=_PLAIN_PIECES, gaps=[" "], limit=68)
"""A title, a summary, a reason, a claim: one line, no Markdown."""
PROSE = texts(pieces=_PIECES, gaps=[" ", " ", "\n", "\n\n", "\n- "], limit=130)
"""A body or an instruction: light Markdown."""


def squeezed(text: str) -> str:
    """Return a text as it is read: any run of spaces is one."""
    return re.sub(r"\s+", " ", text)
