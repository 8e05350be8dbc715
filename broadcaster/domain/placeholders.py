"""Placeholders left in a text: the gaps of a template, and the forms in which people mark a gap.
Pure.

A blank is one of these, in any text that residents may read:

- words in brackets that a stored template leaves open, whatever they are: "(NAMA PROGRAM)",
  "(hari 1)", "[A (B)]" (`of_form`);
- words in round brackets that only name what belongs there: "(hari, tanggal)", "(wilayah)",
  "(nama_jalan)";
- "[nama]", "[NAMA PROGRAM]", "{{nama}}", "{1}", "<nama>", "((nama))", "【nama】";
- brackets around nothing: "( )", "[...]", "(?)";
- a line to write on: "__"; a mask: "xx.xx", "08.xx", "20XX", "dd/mm/yyyy"; an empty date:
  "/ / 2026";
- a mask, a question mark or dots after a word that needs more: "Jl. XX", "hari ?", "RW ..",
  "di ...", "pukul …";
- dots in place of a word: "....", and "..." or "…" alone in a title, or after a label
  ("Tempat: ...").

Not a blank, unless a template has it: "(lihat denah)", "(RT 03/RW 05)", "Ring XX". Never: "Tunggu
kabar…", "[tautan](https://...)", "(022) 6654274".
"""

import html
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from broadcaster.domain.fields import Fields
from broadcaster.domain.refusal_codes import RuleCode
from broadcaster.domain.refusals import Problem

SHOWN_AT_MOST = 5
"""Most blanks of one field that a problem names."""
NOT_PROSE = frozenset(
    {
        "areas",
        "base",
        "category",
        "channels",
        "evidence",
        "image",
        "kind",
        "level",
        "link",
        "verdict",
    }
)
"""Form fields that are not prose."""

_NAMES = frozenset(
    {
        *(
            "acara",
            "alamat",
            "bulan",
            "hari",
            "jalan",
            "jam",
            "judul",
            "jumlah",
            "kecamatan",
            "kegiatan",
            "kelurahan",
            "keterangan",
        ),
        *(
            "kontak",
            "lokasi",
            "nama",
            "nomor",
            "penyebab",
            "petugas",
            "pukul",
            "tahun",
            "tanggal",
            "tautan",
            "telepon",
            "tempat",
        ),
        *("tgl", "waktu", "wilayah", "ngaran", "poe", "poé", "wewengkon"),
        *(
            "area",
            "date",
            "day",
            "hour",
            "link",
            "location",
            "month",
            "name",
            "number",
            "phone",
            "place",
            "street",
            "time",
            "year",
        ),
    }
)
"""Words that name the content of a blank; brackets around nothing else are a blank."""
_BESIDE = frozenset(
    {
        "akhir",
        "and",
        "atau",
        "awal",
        "dan",
        "end",
        "hp",
        "isi",
        "lengkap",
        "mulai",
        "of",
        "or",
        "rt",
        "rw",
        "selesai",
        "start",
        "wib",
    }
)
"""Words that may accompany those."""
_ASKING = (
    "antara|at|bulan|dari|di|from|gang|gg|hari|hingga|hp|in|jalan|jam|jl|jln|kampung|ke|kec|"
    "kecamatan|kel|kelurahan|kontak|nama|no|nomor|oleh|on|pada|pukul|rp|rt|rw|s/d|sampai|"
    "tanggal|telepon|telp|tgl|until"
)
"""Words after which dots stand for something missing."""
_SHORT = "{1,60}"
"""Length of the name of a blank (regular expression); longer brackets contain sentences."""
_ELLIPSIS, _DOTS = "…", r"(?:\.{3}|…)"
_AFTER = r"""(?=[\s,;:!?)\]"'”’-]|$)"""

_NO_GAP = frozenset({"wib", "wit", "wita"})
"""Abbreviations that no template leaves open: nothing could replace them."""
_PAIRS = {")": "(", "]": "[", "}": "{", ">": "<"}
_OTHER_BRACKETS = str.maketrans(
    "【】〔〕〖〗〘〙〚〛「」『』〈〉《》⟦⟧⟨⟩⟪⟫❲❳⦅⦆❨❩❪❫❬❭❮❯❰❱‹›«»❴❵",
    "[]" * 13 + "()" * 3 + "<>" * 5 + "{}",
)

_LINK = re.compile(r"!?\[([^\[\]]*)\]\(((?:\w+:|[/#]|[\w-]+\.\w)(?:[^()\s]|\([^()\s]*\))*)\)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:\S+|[^\s@]+@[^\s@]+\.[^\s@]+", re.IGNORECASE)
_AREA_CODE = re.compile(r"\(0\d{1,3}\)[ -]?\d")
_ROUND = re.compile(r"\(([^()]" + _SHORT + r")\)")
_BEFORE_MASK, _AFTER_MASK = r"(?<![\w.:/-])", r"(?![\w-]|\.\w)"
_PLACE, _BETWEEN = "(?:dd|mm|yyyy|yy|20yy|tttt|tt|bb|hh|jj|tgl|bln|thn)", r"(?:[.:]| ?[/-] ?)"
"""Letters that stand for the figures of a date or time."""
_MASKS = (
    re.compile(_BEFORE_MASK + r"(?:x{2,}|X{4,})(?:[.:]x{2,})?" + _AFTER_MASK),
    re.compile(
        _BEFORE_MASK + r"x{2,}[.:/-]x{2,}(?:[./-](?:(?:20)?x{2,}|\d{2,4}))?" + _AFTER_MASK,
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![\w.:/])(?:\d{1,2}[.:]x{2}|x{2}[.:](?:\d{2}|x{2}))(?!\w|[.:]\w)", re.IGNORECASE
    ),
    re.compile(r"(?<![\w-])20xx(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)rp\.?[ \t]*(?:x{2,}|x(?=\.))(?:\.[x0]{3})*(?!\w)", re.IGNORECASE),
    re.compile(
        rf"(?<!\w)(?:{_ASKING})(?<!\bke)\b\.?:?[ \t]*[(\[]?"
        r"(?:x{2,}(?:[.:]x{2,})?|0x+|_(?=[\W_]|$)_*)(?!\w)",
        re.IGNORECASE,
    ),
    re.compile(rf"{_BEFORE_MASK}{_PLACE}(?:{_BETWEEN}{_PLACE})+(?!\w)", re.IGNORECASE),
    re.compile(
        r"(?<![\w.:/-])(?:yyyy|tttt)(?!\w)"
        r"|(?<!\w)(?:tanggal|tgl|pukul|jam)\b\.?:?[ \t]+(?:dd|tt|hh|jj)(?!\w)",
        re.IGNORECASE,
    ),
)
"""Letters in place of figures or words. "XX" may also be a Roman numeral, except after a word
that needs a number.
"""
_DATES = (
    re.compile(
        r"(?:^|(?<=[\s(]))(?:\d{1,2}[ \t]*)?([/-])[ \t]*\1[ \t]*(?:20)?\d{2}(?![\w/])", re.MULTILINE
    ),
    re.compile(
        r"(?<!\w)(?:tanggal|tgl)\b\.?:?[ \t]+([/-])[ \t]*(?:\d{1,2}[ \t]*)?\1", re.IGNORECASE
    ),
    re.compile(r"(?<!\w)(?:pukul|jam)\b[ \t]*[.:-][ \t]+wib\b", re.IGNORECASE),
)
"""Dates and times without their figures; a day and a year may surround the gap."""
_PLAIN_SHAPES = (
    *_MASKS,
    *_DATES,
    re.compile(r"\(\([^()]" + _SHORT + r"\)\)"),
    re.compile(r"\{{1,3}[^{}]+\}{1,3}"),
    re.compile(r"\[ ?[a-zà-öø-ÿ][^\[\]\d]" + _SHORT + r"\]"),
    re.compile(
        r"[\[<]\s*(?:nama|nomor|jenis|jumlah|isi|tulis|sebutkan)\b[^\[\]<>]*[\]>]", re.IGNORECASE
    ),
    re.compile(r"[(\[{<]\s*(?:_+|\.{2}|\.{4,}|(?:\. ){3,}\.?)?\s*[)\]}>]"),
    re.compile(r"_{3,}|(?:_ )+_(?!\w)|(?<![\w/.:])__(?!\w)"),
    re.compile(r"\.{5,}|…{2,}|(?<![\w.])\.{4}(?![./\w])|(?<=\w)\.{4}(?!\.|[ \t]*$)", re.MULTILINE),
    re.compile(r"(?<![\w.…])\.\.(?![\w./…])"),
    re.compile(r"(?:^|(?<=\s))(?:\. ){2,}\.(?=\s|,|$)"),
    re.compile(
        rf"(?<!\w)(?:{_ASKING})\b\.?\s*(?<!\.)(?:\.{{2,4}}|…\.?|\.(?: \.)+)(?![\w.…])",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?<!\w)(?:{_ASKING})\b\.?:?[ \t]+(?:[-–—]+(?=[ \t]*(?:[,;.!]|$))|[□▢▯☐])",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(
        r"[□▢▯☐]{2,}|[\[{<]\s*[-–—]+\s*[\]}>]"
        r"|[(\[{<]\s*(?:[-–—]{2,}|[□▢▯☐]|tba|tbd|n/a)\s*[)\]}>]",
        re.IGNORECASE,
    ),
    re.compile(rf"^[ \t•-]*[^\W\d_][\w /]{{0,30}}:\s*{_DOTS}[ \t]*$", re.MULTILINE),
    re.compile(rf"^\s*{_DOTS}\s*$"),
)
_OPEN_IN_OUR_WORDS = (
    re.compile(rf"[(\[{{<]\s*(?:{_DOTS}|\. \. \.?|\?+)\s*[)\]}}>]"),
    re.compile(
        rf"(?<!\w)(?:{_ASKING})\b\.?:?[ \t]+\?+|(?<!\w)(?:(?:di|rp)\?|(?:jl|jln|no)\.\?)",
        re.IGNORECASE,
    ),
    re.compile(r"^[ \t•-]*(?:[^\W\d_][\w /]{0,30}:[ \t]*)?\?+[ \t]*$", re.MULTILINE),
)
"""Gaps, except in a quotation: there dots mark an omission, and question marks doubt."""
_IN_TITLES = (
    re.compile(rf"""(?:^|(?<=[\s("'“‘])){_DOTS}{_AFTER}"""),
    re.compile(rf"(?<!\w)(?:{_ASKING})\b\.?[ \t]*{_DOTS}", re.IGNORECASE),
    re.compile(r"-{3,}|[–—]{2,}|(?:^|(?<=\s))(?:[-–—] ){2,}[-–—](?!\S)|#{3,}"),
    re.compile(r"(?<!\w)(?:TBA|TBD)(?!\w)"),
)
"""Gaps in a title, which has no deliberate omissions, underlines or dividers."""
_OTHER_DOTS = re.compile("[·‧・･∙⋅•。｡]{3,}")
_NAMED = re.compile(r"[\[<]([^\[\]<>]" + _SHORT + r")[\]>]")


def problems(fields: Fields, known: Collection[str] = ()) -> Iterator[Problem]:
    """Report each field that still contains a blank; `known` are those of templates (`of_form`)."""
    for name, text in _texts(fields):
        blanks = in_text(
            text, known, title=name.rpartition(".")[2] == "title", quoted=name == "claim"
        )
        if blanks:
            yield refused(name, blanks)


def refused(field: str, blanks: Collection[str]) -> Problem:
    """Build the problem that names the blanks of a field."""
    quoted = [f'"{blank}"' for blank in list(blanks)[:SHOWN_AT_MOST]]
    return Problem(field=field, code=RuleCode.PLACEHOLDER, parameters={"blanks": quoted})


def in_text(
    text: str, known: Collection[str] = (), *, title: bool = False, quoted: bool = False
) -> list[str]:
    """List the blanks of a text in reading order, without duplicates; `quoted`: the text is a
    quotation, which may contain omissions.
    """
    read = _readable(text)
    shapes = _PLAIN_SHAPES if quoted else (*_PLAIN_SHAPES, *_OPEN_IN_OUR_WORDS)
    spans = [match.span() for shape in shapes for match in shape.finditer(read)]
    spans += [
        match.span()
        for shape in (_ROUND, _NAMED)
        for match in shape.finditer(read)
        if _only_names(match[1])
    ]
    if known:
        spans += [span for span in _bracketed(read) if _as_known(read[slice(*span)]) in known]
    if title:
        spans += [match.span() for shape in _IN_TITLES for match in shape.finditer(read)]
    return list(
        dict.fromkeys(" ".join(read[start:end].split()) for start, end in _outermost(spans))
    )


def of_form(form: Mapping[str, Any]) -> frozenset[str]:
    """Collect the bracketed gaps of a form, for use as `known`; nested brackets count too."""
    texts = [_readable(text) for text in _prose(form)]
    return frozenset(
        _as_known(text[start:end])
        for text in texts
        for start, end in _bracketed(text)
        if _leaves_open(text, start, end)
    )


def _bracketed(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each pair of brackets."""
    opened: dict[str, list[int]] = {opening: [] for opening in _PAIRS.values()}
    for position, character in enumerate(text):
        if character in opened:
            opened[character].append(position)
        elif (opening := _PAIRS.get(character)) and opened[opening]:
            yield opened[opening].pop(), position + 1


def _as_known(bracketed: str) -> str:
    """Normalise a blank for `known`: round brackets are dropped, others are kept."""
    opening, words, closing = bracketed[0], _folded(bracketed[1:-1]), bracketed[-1]
    return words if opening == "(" else f"{opening}{words}{closing}"


def _leaves_open(text: str, start: int, end: int) -> bool:
    """True if the brackets may hold a gap: not signs alone, an address, or the area code of a
    telephone number.
    """
    words = _folded(text[start + 1 : end - 1])
    if not words.strip(" +-") or words in _NO_GAP:
        return False
    return not (text[start] == "<" and _ADDRESS.fullmatch(words)) and not _AREA_CODE.match(
        text, start
    )


def _texts(fields: Fields) -> Iterator[tuple[str, str]]:
    """Yield every text that residents may read, with the name of its field."""
    for name in Fields.model_fields:
        value = getattr(fields, name)
        if name not in NOT_PROSE and isinstance(value, str):
            yield name, value
    for kind, sets in (("translations", fields.translations), ("overrides", fields.overrides)):
        for owner, words in sets.items():
            for name in type(words).model_fields:
                value = getattr(words, name)
                if name not in NOT_PROSE and isinstance(value, str):
                    yield f"{kind}.{owner}.{name}", value


def _prose(value: Any) -> Iterator[str]:
    """Yield every text of a form as typed."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in NOT_PROSE:
                yield from _prose(inner)


def _readable(text: str) -> str:
    """Reduce a text to its readable form: no emphasis, link addresses, escapes or invisible
    characters; a single character width.
    """
    plain = _LINK.sub(_link_as_read, html.unescape(text).translate(_OTHER_BRACKETS))
    plain = _OTHER_DOTS.sub(
        "...", "".join(character for character in plain if unicodedata.category(character) != "Cf")
    )
    wide = unicodedata.normalize("NFKC", plain.replace(_ELLIPSIS, "\0").replace("⋯", "\0")).replace(
        "\0", _ELLIPSIS
    )
    return re.sub(
        r"\\(?=[^A-Za-z0-9\s])|\*",
        "",
        re.sub(r"(?<![\w_])___?(?=\w)([^_\n]+)(?<=\w)___?(?![\w_])", r"\1", wide),
    )


def _link_as_read(link: re.Match[str]) -> str:
    """Keep the words of a link, and its address if that contains a placeholder, as no real
    address does.
    """
    return f"{link[1]} {link[2]}" if re.search(r"[{\[<]", link[2]) else link[1]


def _folded(words: str) -> str:
    return " ".join(words.casefold().split())


def _only_names(words: str) -> bool:
    """True if the words only name the content of a blank; one such word is enough if they are
    joined by "_".
    """
    given = {word.strip(".:") for word in re.split(r"[\s,;/&+_-]+", words.casefold())} - {""}
    if re.fullmatch(r"\s*(?=\w*_)[^\W\d]+\s*", words):
        return bool(given & _NAMES)
    return bool(given & _NAMES) and given <= _NAMES | _BESIDE


def _outermost(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans in reading order, without those that lie within an earlier one or begin in it."""
    reached = -1
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= reached:
            reached = end
            yield start, end
