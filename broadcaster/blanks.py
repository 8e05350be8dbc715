"""Blanks that nobody filled in: what a template leaves open, and the shapes in which people mark a gap. Pure.

A blank is one of these, in any text that residents may read:

- words in round brackets that only name what belongs there: "(hari, tanggal)", "(wilayah)", "(nama jalan)";
- words in round brackets that a stored template leaves open, whatever they are (`of_form`);
- "[nama]", "{{nama}}", "{nama}", "<nama>", "((nama))", and brackets around nothing: "( )", "[...]";
- a line to write on: "____"; a mask: "xx.xx";
- dots in the place of a word: "RW ..", "....", and "..." or "…" on its own in a title, after a word that asks for one
  ("di ...", "pukul …"), or after a label ("Tempat: ...").

Not a blank: "(lihat denah)", "(RT/RW)", "Tunggu kabar…", "[tautan](https://...)".
"""

import html
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from broadcaster.fields import Fields, Problem

SHOWN_AT_MOST = 5
"""Blanks of one field that a refusal names."""
NOT_PROSE = frozenset({"areas", "base", "category", "channels", "evidence", "image", "kind", "level", "link", "verdict"})
"""What of a form nobody reads as words."""
REMEDY = "Ganti dengan isinya. Bila memang begitu bunyinya, tulis tanpa tanda itu."

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
        *("kontak", "lokasi", "nama", "nomor", "penyebab", "petugas", "pukul", "tahun", "tanggal", "tautan", "telepon", "tempat"),
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
"""Words that name what belongs in a blank; brackets around nothing else are one."""
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
"""Words that may stand beside those."""
_ASKING = (
    "antara|at|bulan|dari|di|from|gang|gg|hari|hingga|hp|in|jalan|jam|jl|jln|kampung|ke|kec|kecamatan|kel|kelurahan|kontak|nama|no|"
    "nomor|oleh|on|pada|pukul|rp|rt|rw|s/d|sampai|tanggal|telepon|telp|tgl|until"
)
"""Words after which dots stand for something that is missing."""
_SHORT = "{1,60}"
"""How long the name of a blank may be: longer brackets hold sentences."""
_ELLIPSIS, _DOTS = "…", r"(?:\.{3}|…)"
_AFTER = r"""(?=[\s,;:!?)\]"'”’-]|$)"""

_LINK = re.compile(r"!?\[([^\[\]]*)\]\((?:[^()\s]|\([^()\s]*\))*\)")
_ROUND = re.compile(r"\(([^()]" + _SHORT + r")\)")
_PLAIN_SHAPES = (
    re.compile(r"\(\([^()]" + _SHORT + r"\)\)"),
    re.compile(r"\{{1,3} ?[^\W\d_][^{}]" + _SHORT + r"\}{1,3}"),
    re.compile(r"\[ ?[a-zà-öø-ÿ][^\[\]\d]" + _SHORT + r"\]"),
    re.compile(r"[(\[{<]\s*(?:_+|\.{2}|\.{4,})?\s*[)\]}>]"),
    re.compile(r"_{3,}|(?:_ ){2,}_"),
    re.compile(r"(?<![\w.:/-])x{2,}(?:[.:]x{2,})?(?![\w-]|\.\w)"),
    re.compile(r"\.{5,}|…{2,}|(?<![\w.])\.{4}(?![./\w])|(?<=\w)\.{4}(?!\.|[ \t]*$)", re.MULTILINE),
    re.compile(r"(?<![\w.…])\.\.(?![\w./…])"),
    re.compile(r"(?:^|(?<=\s))(?:\. ){2,}\.(?=\s|,|$)"),
    re.compile(rf"(?<!\w)(?:{_ASKING})\b\.?\s*(?<!\.)(?:\.{{2,4}}|…)(?![\w.…])", re.IGNORECASE),
    re.compile(rf"^[ \t•-]*[^\W\d_][\w /]{{0,30}}:\s*{_DOTS}[ \t]*$", re.MULTILINE),
    re.compile(rf"^\s*{_DOTS}\s*$"),
)
_OMISSION = re.compile(rf"[(\[{{]\s*{_DOTS}\s*[)\]}}]")
"""Brackets around three dots: a gap, but in what somebody else said it is only left out."""
_FREE_DOTS = re.compile(rf"""(?:^|(?<=[\s("'“‘])){_DOTS}{_AFTER}""")
_NAMED = re.compile(r"[\[<]([^\[\]<>]" + _SHORT + r")[\]>]")


def problems(fields: Fields, known: Collection[str] = ()) -> Iterator[Problem]:
    """Refuse each field that still holds a blank; `known` are those of templates (`of_form`)."""
    for name, text in _texts(fields):
        blanks = in_text(text, known, title=name.rpartition(".")[2] == "title", quoted=name == "claim")
        if blanks:
            yield refused(name, blanks)


def refused(field: str, blanks: Collection[str]) -> Problem:
    """Name the blanks that a field still holds."""
    listed = ", ".join(f'"{blank}"' for blank in list(blanks)[:SHOWN_AT_MOST])
    return Problem(field=field, reason=f"Masih ada isian kosong: {listed}.", remedy=REMEDY)


def in_text(text: str, known: Collection[str] = (), *, title: bool = False, quoted: bool = False) -> list[str]:
    """List the blanks of a text in reading order, each once; `quoted`: somebody else's words, who may have left some out."""
    read = _readable(text)
    matches = [match for shape in _PLAIN_SHAPES for match in shape.finditer(read)]
    matches += [match for match in _ROUND.finditer(read) if _only_names(match[1]) or _folded(match[1]) in known]
    matches += [match for match in _NAMED.finditer(read) if _only_names(match[1])]
    if not quoted:
        matches += _OMISSION.finditer(read)
    if title:
        matches += _FREE_DOTS.finditer(read)
    ordered = sorted(matches, key=lambda match: (match.start(), -match.end()))
    return list(dict.fromkeys(" ".join(match[0].split()) for match in _outermost(ordered)))


def of_form(form: Mapping[str, Any]) -> frozenset[str]:
    """Collect what a form leaves open in round brackets, as `known` takes it: words without a digit, and no abbreviation."""
    found = (match[1] for text in _prose(form) for match in _ROUND.finditer(_readable(text)))
    return frozenset(_folded(words) for words in found if _leaves_open(words))


def _leaves_open(words: str) -> bool:
    letters = [character for character in words if character.isalpha()]
    return bool(letters) and not words.isupper() and not any(character.isdigit() for character in words)


def _texts(fields: Fields) -> Iterator[tuple[str, str]]:
    """Every text that residents may read, by the name of its field."""
    for name in Fields.model_fields:
        value = getattr(fields, name)
        if name not in NOT_PROSE and isinstance(value, str):
            yield name, value
    for kind, sets in (("translations", fields.translations), ("overrides", fields.overrides)):
        for which, words in sets.items():
            for name in type(words).model_fields:
                value = getattr(words, name)
                if name not in NOT_PROSE and isinstance(value, str):
                    yield f"{kind}.{which}.{name}", value


def _prose(value: Any) -> Iterator[str]:
    """Every text of a form as it was typed."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in NOT_PROSE:
                yield from _prose(inner)


def _readable(text: str) -> str:
    """The text as it is read: without emphasis, addresses of links, escapes and invisible characters, in one width."""
    plain = _LINK.sub(r"\1", html.unescape(text))
    plain = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    wide = unicodedata.normalize("NFKC", plain.replace(_ELLIPSIS, "\0").replace("⋯", "\0")).replace("\0", _ELLIPSIS)
    return re.sub(r"\\(?=[^A-Za-z0-9\s])|\*", "", re.sub(r"(?<![\w_])___?(?=\w)([^_\n]+)(?<=\w)___?(?![\w_])", r"\1", wide))


def _folded(words: str) -> str:
    return " ".join(words.casefold().split())


def _only_names(words: str) -> bool:
    given = {word.strip(".:") for word in re.split(r"[\s,;/&+-]+", words.casefold())} - {""}
    return bool(given & _NAMES) and given <= _NAMES | _BESIDE


def _outermost(matches: list[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Matches in order, without those that lie within, or begin in, an earlier one."""
    end = -1
    for match in matches:
        if match.start() >= end:
            end = match.end()
            yield match
