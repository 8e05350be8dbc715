"""Literal words: residents see every number, address, code and link as typed, in every field, on
every channel.
"""

import html
import json
import re
from functools import cache, partial
from html.parser import HTMLParser
from typing import Any

import lxml.etree
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base.contract import Edition, Image, PageRequest, Wording
from support import samples
from support.awkward import LINES, PROSE, Text, squeezed
from support.channel_samples import MODULES, address_for

OPEN: dict[str, Any] = {
    name: module.open_channel(module.Settings.read({}, samples.site()))
    for name, module in MODULES.items()
}
BASE = samples.site().base_url
SAMPLES = ("notice", "alert", "clarification", "correction", "withdrawal", "picture")
MARKDOWN = ("body", "instruction")
FIELDS = ("title", "summary", *MARKDOWN, "reason", "claim", "fact", "seen_at", "agency", "alt")
PLAIN = Text("TANDA")


# --- reading -------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The visible words of an HTML text, and the targets of its links."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.words, self.numbers = "", [0]
        self.targets: list[str] = []
        self.feed(re.sub(r"<(style|title)>.*?</\1>", "", markup, flags=re.DOTALL))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.targets += [value or "" for name, value in attrs if name == "href"]
        self.words += attributes.get("alt") or ""
        if tag in {"p", "br", "li", "div", "td", "h1", "h2", "tr"}:
            self.words += "\n"
        if tag in {"ol", "ul"}:
            self.numbers.append(int(attributes.get("start") or 1) if tag == "ol" else 0)
        if tag == "li":
            self.words += f"{self.numbers[-1]}. " if self.numbers[-1] else "- "
            self.numbers[-1] += bool(self.numbers[-1])

    def handle_endtag(self, tag: str) -> None:
        if tag in {"ol", "ul"}:
            self.numbers.pop()

    def handle_data(self, data: str) -> None:
        self.words += data


class Reading(msgspec.Struct):
    """A message as one kind of reader sees it: its words and link targets."""

    words: str
    targets: str = ""


def as_page(markup: str) -> Reading:
    """Return HTML as it is seen."""
    page = Page(markup)
    return Reading(squeezed(page.words), "\n".join(page.targets))


_ADDRESS = re.compile(r"https?://\S+|www\.\S+|[A-Za-z0-9][\w.+-]*@\S+")


def as_phones(text: str) -> list[Reading]:
    """Return a chat text as apps show it: without the marks of pairs, by each app's rule for pairs."""
    variants = [text]
    for pattern in (
        r"(?<![^\W_])([*_~`])(?=\S)(?P<inner>[^\n]+?)(?<=\S)\1(?![^\W_])",
        r"(?<![^\W_])([*_~`])(?=\S)(?P<inner>(?:(?!\1)[^\n])+)(?<=\S)\1(?![^\W_])",
        r"(?:(?<=[\s>_*~(\"'])|^)([*_~`])(?=\S)(?P<inner>[^\n]*\S)\1(?=[^a-zA-Z0-9]|$)",
    ):
        addresses: list[str] = []
        unmarked = _ADDRESS.sub(partial(_set_aside, addresses), text)
        for _ in range(3):
            unmarked = re.sub(pattern, r"\g<inner>", unmarked, flags=re.MULTILINE)
        unquoted = re.sub("^> ", "", unmarked, flags=re.MULTILINE)
        rest = iter(addresses)
        variants.append(re.sub("QZQ", lambda _, rest=rest: next(rest), unquoted))
    return [Reading(squeezed(re.sub("[\u200a\u2060]", "", text))) for text in variants]


def _set_aside(addresses: list[str], address: re.Match[str]) -> str:
    """Note an address and return the mark that holds its place."""
    addresses.append(address[0])
    return "QZQ"


def strings(value: Any) -> list[str]:
    """Return every text of a JSON value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in strings(item)]


def readings(name: str, edition: Edition, lang: str) -> list[Reading]:
    """Return every way in which residents may read an edition on a channel; each must hold what was
    typed.
    """
    channel, module = OPEN[name], MODULES[name]
    if not hasattr(channel, "send"):
        return [
            reading
            for path in channel.paths
            if (reading := read_document(channel, path, edition, lang)) is not None
        ]
    recipient = samples.recipient(address_for(module.parse_address))
    parts = channel.preview(channel.personalise(channel.render(edition, lang), recipient))
    assert parts["text"]
    if name == "whatsapp":
        return as_phones(
            "\n".join(
                part for part_name, part in parts.items() if not part_name.startswith("parameter.")
            )
        )
    if name == "telegram":
        return [as_page(parts["text"].replace("\n", "<br>"))]
    return [
        Reading(squeezed(f"{parts['subject']} {parts['text']}"), parts["text"]),
        as_page(parts["html"]),
    ]


def read_document(channel: Any, path: str, edition: Edition, lang: str) -> Reading | None:
    """Return a pull channel's document as its readers see it; None if it holds no edition."""
    query = channel.known_query(path, {"bahasa": lang})
    document = channel.render_page(
        PageRequest(
            path=path, area=samples.CITY, query=query, editions=[edition], now=edition.published_at
        )
    )
    if "json" in document.media_type:
        texts = strings(json.loads(document.body))
    elif "xml" in document.media_type:
        texts = [
            node.text or ""
            for node in lxml.etree.fromstring(document.body).iter()
            if isinstance(node.tag, str)
        ]
        # readers resolve what RSS escapes twice
        texts += [html.unescape(text) for text in texts if "&#x" in text]
    else:
        return None
    pages = [as_page(text) for text in texts if text.startswith(("<p>", "<ol", "<ul"))]
    words = " ".join([*texts, *(page.words for page in pages)])
    return Reading(squeezed(words), "\n".join([words, *(page.targets for page in pages)]))


# --- writing -------------------------------------------------------------------------------------


def edition_with(sample: str, fields: dict[str, Text]) -> Edition:
    """Return a sample edition with these words in each of its fields, in both languages."""
    typed = {name: text.typed for name, text in fields.items()}
    edition = samples.editions()[sample]
    words = Wording(**{name: typed[name] for name in ("title", "summary", *MARKDOWN)})
    claim = edition.claim and msgspec.structs.replace(
        edition.claim, **{name: typed[name] for name in ("claim", "fact", "seen_at")}
    )
    image = edition.image and Image(url=edition.image.url, alt=typed["alt"])
    changes: dict[str, Any] = {
        "wordings": dict.fromkeys(("id", "en"), words),
        "agency": typed["agency"],
    }
    reason = typed["reason"] if edition.change != "original" else ""
    return msgspec.structs.replace(edition, claim=claim, image=image, reason=reason, **changes)


@cache
def visible_fields(name: str, sample: str, lang: str) -> dict[int, set[str]]:
    """Return the fields that each reading of a channel shows, found by a plain word in each field."""
    fields = {field: Text(f"{PLAIN.typed}{number}Z") for number, field in enumerate(FIELDS)}
    all_readings = readings(name, edition_with(sample, fields), lang)
    return {
        place: {field for field in FIELDS if fields[field].typed in reading.words}
        for place, reading in enumerate(all_readings)
    }


def expected_target(link: str) -> str:
    """Return a link's target as a resident needs it."""
    return f"{BASE}{link}" if link.startswith("/") and not link.startswith("//") else link


def check_all_visible(name: str, sample: str, lang: str, fields: dict[str, Text]) -> None:
    """Assert that all that is typed in a field which a channel shows is visible there."""
    fields_by_place = visible_fields(name, sample, lang)
    for place, reading in enumerate(readings(name, edition_with(sample, fields), lang)):
        for field in fields_by_place[place]:
            for fact in fields[field].facts:
                # where everything stands on one line, steps are numbered with a bracket
                step = re.sub(r"^(\d+)\. ", r"\1) ", fact)
                context = (name, sample, lang, field, place, fact)
                assert squeezed(fact) in reading.words or squeezed(step) in reading.words, context
            for link in fields[field].links:
                target = expected_target(link)
                bare = re.sub("^(mailto|tel):", "", target)
                assert (
                    target in reading.targets or target in reading.words or bare in reading.words
                ), (
                    name,
                    sample,
                    field,
                    place,
                    link,
                )


FIELD_TEXTS = st.fixed_dictionaries({name: PROSE if name in MARKDOWN else LINES for name in FIELDS})


@settings(max_examples=60)
@given(fields=FIELD_TEXTS, sample=st.sampled_from(SAMPLES), lang=st.sampled_from(["id", "en"]))
def test_every_fact_that_was_typed_is_seen_on_every_channel(
    fields: dict[str, Text], sample: str, lang: str
) -> None:
    for name in OPEN:
        check_all_visible(name, sample, lang, fields)


# --- text that resembles marks -----------------------------------------------------------------------

ROWS = {
    "codes": "Tekan *123*4#. https://contoh.example/_berkas_/x lalu 2*3*4",
    "pulsa": "Cek *808# lalu *123#, setinggi 2~3 m dan 4~5 m",
    "mail": "Ke dinas_sosial@contoh.example atau a_b@contoh.example",
    "files": "Unduh form_2_akhir.pdf, _jadwal_.pdf, C:\\*",
    "entities": "&copy; &amp; `x` \\*y\\* <nama>",
    "starts": "2026. Tahun baru",
    "phone": "+62 812-9000-0101 untuk warga",
    "plus": "+ 62 orang",
    "minus": "- 5 derajat",
    "quote": "> 38 derajat",
    "heading": "# 12 --- === | a | b |",
    "closing": "10) sepuluh",
    "footnote": "Beras Rp5.000* dan *gula",
    "bracket": "[1] dan [lihat 2] (3)",
}


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("name", OPEN)
def test_text_that_only_looks_like_a_mark_is_seen(
    name: str, text: str, sample: str, lang: str
) -> None:
    fields = {field: Text(f"{text} {field}", (f"{text} {field}",)) for field in FIELDS}
    check_all_visible(name, sample, lang, fields)


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        ("3. tiga\n4. empat\n5. lima", ("3. tiga", "4. empat", "5. lima")),
        ("1. satu\n3. tiga", ("1. satu", "3. tiga")),
        ("1. satu\n2. dua\n7. tujuh", ("1. satu", "2. dua", "7. tujuh")),
        ("1. satu\n1. satu lagi", ("1. satu", "1. satu lagi")),
        ("Mulai tahun\n2026. Lalu", ("2026. Lalu",)),
        ("007. Bond\n008. Lagi", ("007. Bond", "008. Lagi")),
        ("9) a\n10) b", ("9) a", "10) b")),
        ("Suhu:\n- 5 derajat", ("- 5 derajat",)),
    ],
)
@pytest.mark.parametrize("name", OPEN)
def test_numbers_at_the_beginning_of_lines_stay_what_they_are(
    name: str, body: str, facts: tuple[str, ...]
) -> None:
    fields = dict.fromkeys(FIELDS, Text("Air mati")) | {"body": Text(body, facts)}
    for sample in ("notice", "alert", "clarification"):
        check_all_visible(name, sample, "id", fields)


@pytest.mark.parametrize(
    "target",
    [
        "/media/denah.pdf", "/p/CMH-7K4Q-2M", "jadwal.pdf", "//contoh.example/a", "#lokasi", "contoh.example/a",
        "www.contoh.example", "ftp://contoh.example/a", "whatsapp://send?text=x", "tg://resolve?domain=x", "geo:-6.87,107.54", "https://contoh.example/a?b=1&c=2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", MARKDOWN)
@pytest.mark.parametrize("name", OPEN)
def test_a_link_is_whole_or_its_target_is_seen(name: str, field: str, target: str) -> None:
    fields = dict.fromkeys(FIELDS, Text("Air mati")) | {
        field: Text(f"Lihat [denah]({target}).", ("denah",), (target,))
    }
    for sample in ("notice", "alert"):
        check_all_visible(name, sample, "id", fields)
        for reading in readings(name, edition_with(sample, fields), "id"):
            hrefs = [line for line in reading.targets.splitlines() if " " not in line]
            assert all(re.match(r"https?://|mailto:|tel:|$", href) for href in hrefs)


@pytest.mark.parametrize("marks", [60, 99, 250])
def test_many_marks_cost_no_link(marks: int) -> None:
    """Telegram takes 100 entities; beyond them bold goes first."""
    bold = " ".join(f"**kata{number}**" for number in range(marks))
    for body in (
        f"{bold} [denah](https://contoh.example/a)",
        f"{bold}\n\n[denah](https://contoh.example/a)",
    ):
        fields = dict.fromkeys(FIELDS, Text("Air mati")) | {
            "body": Text(body, (f"kata{marks - 1}",), ("https://contoh.example/a",))
        }
        check_all_visible("telegram", "notice", "id", fields)
        [reading] = readings("telegram", edition_with("notice", fields), "id")
        assert "https://contoh.example/a" in reading.targets


def test_links_beyond_what_telegram_takes_show_their_address() -> None:
    links = tuple(f"https://contoh.example/{number}" for number in range(100))
    body = " ".join(f"[n{number}]({link})" for number, link in enumerate(links))
    fields = dict.fromkeys(FIELDS, Text("Air mati")) | {"body": Text(body, (), links)}
    check_all_visible("telegram", "notice", "id", fields)


def test_a_link_in_a_paragraph_that_is_cut_stays_a_link() -> None:
    body = "[denah](https://contoh.example/a) **tebal** " + "kata " * 2_000
    fields = dict.fromkeys(FIELDS, Text("Air mati")) | {
        "body": Text(body, ("denah tebal kata",), ("https://contoh.example/a",))
    }
    check_all_visible("telegram", "notice", "id", fields)


@settings(max_examples=30)
@given(
    paragraphs=st.lists(
        st.sampled_from(["Tekan {}.", "Telepon {}", "- {}", "Rp{} per orang!", "{}"]),
        min_size=1,
        max_size=400,
    ),
    steps=st.lists(st.sampled_from(["Tekan {}.", "Telepon {}", "{}"]), max_size=100),
    gap=st.sampled_from([" ", "\n", "\n\n"]),
    sample=st.sampled_from(["notice", "alert", "correction", "picture"]),
)
def test_every_number_is_seen_or_the_text_says_that_it_was_cut(
    paragraphs: list[str], steps: list[str], gap: str, sample: str
) -> None:
    body = gap.join(text.format(f"9{number:03}7") for number, text in enumerate(paragraphs))
    instruction = gap.join(text.format(f"8{number:03}7") for number, text in enumerate(steps))
    fields = dict.fromkeys(FIELDS, Text("Air mati")) | {
        "summary": Text(""),
        "body": Text(body),
        "instruction": Text(instruction),
    }
    for name in ("whatsapp", "telegram", "email", "feed"):
        for reading in readings(name, edition_with(sample, fields), "id"):
            missing = [
                number
                for number in re.findall(r"[89]\d{3}7", body + instruction)
                if number not in reading.words
            ]
            assert not missing or "…" in reading.words, (name, missing[:3])
