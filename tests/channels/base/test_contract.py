"""The contract of all channels: a module that lands in channels/ is tested here without being
named.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html import unescape
from types import ModuleType
from typing import Any

import lxml.etree
import msgspec
import pytest

from channels.base.contract import (
    Area,
    BadAddress,
    BadSignature,
    Edition,
    Outgoing,
    PageRequest,
    PullChannel,
    PushChannel,
    Wording,
)
from channels.base.rendering import TEMPLATES, utf16
from support import samples
from support.channel_samples import MODULES, address_for
from support.wording import words_of

LANGS = ["id", "en"]
HOSTILE = (
    "Air mati\x00\x07 \u202etxt.exe\u2066 ]]> <script>alert(1)</script> <b>tebal</b> &amp; \"kutip\" 'satu' "
    "{{ 7 * 7 }} {% raw %} %s {0} \U0001f30a\U0001f468\u200d\U0001f469\u200d\U0001f467 *_~` [x](javascript:alert(1)) \ud800\ufffe"
)
CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def open_channel(name: str, *, simulated: bool = False) -> Any:
    """Open the channel without any settings of its own."""
    module = MODULES[name]
    return module.open_channel(module.Settings.read({}, samples.site(simulated=simulated)))


def is_push(module: ModuleType) -> bool:
    """Return True if the module's channel sends messages, False if it is polled."""
    return hasattr(module.open_channel(module.Settings.read({}, samples.site())), "send")


PUSH = [name for name, module in MODULES.items() if is_push(module)]
PULL = [name for name in MODULES if name not in PUSH]


def outgoing(
    name: str, edition: Edition, lang: str, *, simulated: bool = False
) -> tuple[PushChannel, Outgoing]:
    """Return the channel and one message for a resident of Cibabat."""
    channel: PushChannel = open_channel(name, simulated=simulated)
    recipient = samples.recipient(address_for(MODULES[name].parse_address))
    return channel, channel.personalise(channel.render(edition, lang), recipient)


def preview(name: str, edition: Edition, lang: str, *, simulated: bool = False) -> dict[str, str]:
    """Return the parts that a resident of Cibabat sees."""
    channel, message = outgoing(name, edition, lang, simulated=simulated)
    return channel.preview(message)


def with_words(edition: Edition, text: str, *, title: str = "") -> Edition:
    """Return the edition with `text` for all that an editor types, in both languages."""
    words = Wording(title=title or text, summary=title or text, body=text, instruction=text)
    claim = edition.claim and msgspec.structs.replace(
        edition.claim, claim=text, fact=text, seen_at=text
    )
    return msgspec.structs.replace(
        edition, wordings=dict.fromkeys(("id", "en"), words), agency=title or text, claim=claim
    )


editions = pytest.mark.parametrize("edition", samples.editions().values(), ids=samples.editions())
langs = pytest.mark.parametrize("lang", LANGS)
push = pytest.mark.parametrize("name", PUSH)
pull = pytest.mark.parametrize("name", PULL)


# --- every channel --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_a_channel_is_named_after_its_module(name: str) -> None:
    module = MODULES[name]
    channel = open_channel(name)
    assert channel.name == name
    assert channel.label
    assert module.Settings.prefix in {"", f"{name.upper()}_"}


@pytest.mark.parametrize("name", MODULES)
def test_a_channel_has_its_templates_in_a_folder_of_its_name(name: str) -> None:
    if name in PUSH or name == "feed":
        names = {path.name.rsplit(".", 1)[0] for path in (TEMPLATES / name).iterdir()}
        assert names >= {
            f"{kind}.{lang}" for kind in ("notice", "alert", "clarification") for lang in LANGS
        }


@pytest.mark.parametrize("name", MODULES)
def test_missing_settings_are_named_as_variables(name: str) -> None:
    module = MODULES[name]
    missing = module.Settings.read({}, samples.site()).missing()
    assert all(variable.startswith(f"{name.upper()}_") for variable in missing)


# --- push channels --------------------------------------------------------------------------------


@push
def test_a_push_channel_states_its_limits(name: str) -> None:
    channel: PushChannel = open_channel(name)
    assert channel.limits.text > 0
    assert channel.rate >= 0
    assert channel.receipt_wait >= 0


@push
def test_a_good_address_is_unchanged_by_being_read_again(name: str) -> None:
    module = MODULES[name]
    address = address_for(module.parse_address)
    assert module.parse_address(address) == address


@push
@pytest.mark.parametrize(
    "text", ["", " ", "bukan alamat", "a@", "@b", "08", "x" * 300, "a\nb", "\x00", "1' OR '1'='1"]
)
def test_what_is_no_address_is_refused_with_a_reason(name: str, text: str) -> None:
    with pytest.raises(BadAddress) as refused:
        MODULES[name].parse_address(text)
    assert words_of(refused.value)


@push
@editions
@langs
def test_the_code_and_the_link_are_in_every_message(name: str, edition: Edition, lang: str) -> None:
    message_text = "\n".join(preview(name, edition, lang).values())
    assert edition.code in message_text
    assert samples.site().permalink(edition.code) in message_text


@push
@editions
@langs
def test_rendering_twice_gives_the_same_message(name: str, edition: Edition, lang: str) -> None:
    channel, first = outgoing(name, edition, lang)
    assert channel.preview(first) == channel.preview(first) == preview(name, edition, lang)


@push
@editions
def test_the_parts_of_a_preview_are_text(name: str, edition: Edition) -> None:
    parts = preview(name, edition, "id")
    assert parts["text"]
    assert all(isinstance(part, str) for part in parts.values())


@push
@editions
def test_a_language_without_templates_falls_back_to_indonesian(name: str, edition: Edition) -> None:
    assert preview(name, edition, "su")["text"] == preview(name, edition, "id")["text"]


@push
def test_the_title_leads_and_the_language_is_the_one_asked_for(name: str) -> None:
    for lang in LANGS:
        assert samples.notice().wording(lang).title in unescape(
            preview(name, samples.notice(), lang)["text"]
        )


@push
@langs
def test_corrections_and_withdrawals_say_that_they_are(name: str, lang: str) -> None:
    texts = [
        preview(name, edition, lang)["text"]
        for edition in (samples.notice(), samples.correction(), samples.withdrawal())
    ]
    assert len(set(texts)) == 3
    words = {"id": ("ralat", "dicabut"), "en": ("correct", "withdrawn")}[lang]
    assert words[0] in texts[1].lower()
    assert words[1] in texts[2].lower()


@push
@editions
@langs
def test_a_simulated_message_says_so_and_no_other_does(
    name: str, edition: Edition, lang: str
) -> None:
    assert "[SIMULASI]" in "\n".join(preview(name, edition, lang, simulated=True).values())
    assert "[SIMULASI]" not in "\n".join(preview(name, edition, lang).values())


MEASURES: dict[str, Callable[[str], int]] = {
    "code points": len,
    "utf-16 units": utf16,
    "bytes": lambda part: len(part.encode()),
}


def fits(channel: PushChannel, text: str) -> bool:
    """Return True if the visible part of `text` keeps the channel's limit (some platforms do not
    count markup).
    """
    measure = MEASURES[channel.limits.measure]
    visible = unescape(re.sub(r"<[^>]*>", "", text))
    return min(measure(text), measure(visible)) <= channel.limits.text


LONG = {
    "sentences": "Air berhenti mengalir di Jl. Amir Machmud No. 12 sampai pukul 14.00 WIB. " * 137,
    "one word": "a" * 10_000,
    "emoji": "\U0001f30a" * 10_000,
    "ampersands": "&<>" * 3_334,
    "lists": "- butir satu\n- butir dua\n\n" * 400,
    "bold": "**tebal** _miring_ " * 530,
    "brackets": "[" * 10_000,
    "paragraphs": "kata\n\n" * 1_700,
}


@push
@langs
@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("sample", ["notice", "alert", "clarification"])
def test_very_long_texts_are_cut_to_the_limit_and_keep_link_and_code(
    name: str, lang: str, text: str, sample: str
) -> None:
    edition = samples.editions()[sample]
    channel, message = outgoing(name, with_words(edition, text, title="Judul"), lang)
    parts = channel.preview(message)
    assert fits(channel, parts["text"])
    message_text = "\n".join(parts.values())
    assert edition.code in message_text
    assert samples.site().permalink(edition.code) in message_text


@push
@langs
@pytest.mark.parametrize("sample", samples.editions())
def test_hostile_text_stays_text(name: str, lang: str, sample: str) -> None:
    edition = with_words(samples.editions()[sample], HOSTILE)
    parts = preview(name, edition, lang)
    for part in parts.values():
        assert not CONTROLS.search(part)
        assert unicodedata.is_normalized("NFC", part)
        assert "javascript:alert" not in re.sub(r"\[x\]\(javascript:alert\(1\)\)", "", part)
    assert "{{ 7" in parts["text"]
    benign = preview(name, samples.editions()[sample], lang)
    for part in (parts[key] for key in parts if "</" in benign.get(key, "")):
        assert "<script" not in part


@push
def test_a_webhook_without_a_right_signature_is_refused(name: str) -> None:
    channel: PushChannel = open_channel(name)
    wrong = {
        "x-hub-signature-256": "sha256=" + "0" * 64,
        "x-telegram-bot-api-secret-token": "salah",
    }
    for headers in ({}, wrong, dict.fromkeys(wrong, "")):
        with pytest.raises(BadSignature):
            channel.parse_webhook(headers, b"{}")
    assert channel.challenge({}) is None


@push
def test_a_webhook_is_refused_from_its_head_alone_where_the_head_shows_that_no_provider_sent_it(
    name: str,
) -> None:
    channel: PushChannel = open_channel(name)
    for headers in ({}, {"x-hub-signature-256": "", "x-telegram-bot-api-secret-token": ""}):
        with pytest.raises(BadSignature):
            channel.precheck_webhook(headers)


@push
async def test_nothing_is_sent_once_writing_is_forbidden(name: str) -> None:
    channel, message = outgoing(name, samples.notice(), "id")
    results = [result async for result in channel.send([message] * 3, may_write=lambda: False)]
    await channel.aclose()
    assert results == []


@push
async def test_sending_nothing_needs_no_provider(name: str) -> None:
    channel: PushChannel = open_channel(name)
    assert [result async for result in channel.send([], may_write=lambda: True)] == []
    await channel.aclose()


@push
def test_nothing_personal_is_in_what_all_recipients_share(name: str) -> None:
    channel: PushChannel = open_channel(name)
    message = channel.render(samples.notice(), "id")
    recipient = samples.recipient(address_for(MODULES[name].parse_address))
    other = msgspec.structs.replace(
        recipient, token="q" * 32, address_key="z" * 16, delivery="e41.x.2.1", area=samples.MELONG
    )
    channel.personalise(message, recipient)
    assert channel.preview(channel.personalise(message, other)) == channel.preview(
        channel.personalise(channel.render(samples.notice(), "id"), other)
    )


# --- pull channels --------------------------------------------------------------------------------


def page_request(path: str, area: Area = samples.CIBABAT, *published: Edition) -> PageRequest:
    """Return a request for `area` at the samples' time, five minutes after publication."""
    return PageRequest(
        path=path, area=area, query={}, editions=published, now=samples.NOW + timedelta(minutes=5)
    )


def check_well_formed(body: bytes, media_type: str) -> None:
    """Assert that XML and JSON parse, and that the body is UTF-8 without control characters."""
    text = body.decode()
    assert not CONTROLS.search(text)
    if "json" in media_type:
        json.loads(text)
    elif "xml" in media_type:
        lxml.etree.fromstring(body)


def paths_of(name: str) -> tuple[str, ...]:
    """Return the channel's route patterns."""
    channel: PullChannel = open_channel(name)
    return channel.paths


PAGES = pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name in PULL for path in paths_of(name)]
)


@pull
def test_a_pull_channel_serves_areas(name: str) -> None:
    assert paths_of(name)
    assert all(path.startswith("/") and "{area}" in path for path in paths_of(name))


@PAGES
def test_a_page_is_pure(name: str, path: str) -> None:
    request = page_request(path, samples.CIBABAT, samples.alert(), samples.notice())
    assert open_channel(name).render_page(request) == open_channel(name).render_page(request)


@PAGES
@pytest.mark.parametrize(
    "area",
    [samples.CITY, samples.CIMAHI_UTARA, samples.CIBABAT, samples.KELURAHAN_CIMAHI],
    ids=lambda a: a.slug,
)
def test_a_page_without_editions_is_valid_and_names_its_area(
    name: str, path: str, area: Area
) -> None:
    document = open_channel(name).render_page(page_request(path, area))
    check_well_formed(document.body, document.media_type)
    assert area.full_name in unescape(document.body.decode())
    assert document.max_age >= 0


@pull
@pytest.mark.parametrize("sample", ["notice", "alert", "clarification", "correction"])
def test_the_pages_of_a_channel_hold_the_title_and_the_code_of_an_edition(
    name: str, sample: str
) -> None:
    edition = samples.editions()[sample]
    request = replace(page_request("", samples.CIBABAT, edition), now=edition.published_at)
    documents = [
        open_channel(name).render_page(replace(request, path=path)) for path in paths_of(name)
    ]
    for document in documents:
        check_well_formed(document.body, document.media_type)
    pages = [unescape(document.body.decode()) for document in documents]
    assert any(edition.wording("id").title in page and edition.code in page for page in pages)


@PAGES
def test_hostile_text_leaves_a_page_well_formed(name: str, path: str) -> None:
    hostile = [with_words(edition, HOSTILE) for edition in samples.editions().values()]
    document = open_channel(name).render_page(page_request(path, samples.CIBABAT, *hostile[:3]))
    check_well_formed(document.body, document.media_type)


@PAGES
def test_a_simulated_page_says_so_and_no_other_does(name: str, path: str) -> None:
    request = page_request(path, samples.CIBABAT, samples.notice())
    assert "[SIMULASI]" in open_channel(name, simulated=True).render_page(request).body.decode()
    assert "[SIMULASI]" not in open_channel(name).render_page(request).body.decode()


@PAGES
def test_a_page_knows_only_what_changes_it(name: str, path: str) -> None:
    channel = open_channel(name)
    assert dict(channel.known_query(path, {})) == {}
    for odd in ("x", "", "99", "en%00", "1." + "A" * 500, "語" * 100):
        query = dict.fromkeys(("x", "utm_source", "halaman", "bahasa", "bentuk", "sebelum"), odd)
        assert dict(channel.known_query(path, query)) == {}, odd
    for supported in (
        {"bahasa": "en"},
        {"bentuk": "layar"},
        {"bentuk": "concerto"},
        {"sebelum": "1.CMH-7K4Q-2M"},
    ):
        once = dict(channel.known_query(path, {**supported, "x": "1"}))
        assert dict(channel.known_query(path, once)) == once
        assert once.items() <= supported.items()
        request = page_request(path, samples.CIBABAT, samples.notice())
        unfiltered = channel.render_page(replace(request, query={**supported, "x": "1"}))
        assert channel.render_page(replace(request, query=once)) == unfiltered


def test_a_channel_may_say_in_its_own_words_why_a_text_is_no_address() -> None:
    refused = BadAddress("Alamat XMPP ditulis seperti nama@contoh.id.")
    assert words_of(refused) == "Alamat XMPP ditulis seperti nama@contoh.id."
