"""Agreement of rules and channels: every channel shows whatever the rules admit, so no announcement
reaches some residents and fails for others.
"""

import importlib
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import channels
from broadcaster.domain.editions import freeze, withdrawal
from broadcaster.domain.refusals import InvalidAnnouncement
from channels.base.contract import BadAddress, Edition, PageRequest
from support import desk, samples
from support.awkward import LINES, PROSE, squeezed

MODULES = [
    importlib.import_module(f"channels.{path.stem}")
    for path in sorted(Path(str(channels.__file__)).parent.glob("*.py"))
    if path.stem != "__init__"
]
OPEN = [
    (module, module.open_channel(module.Settings.read({}, desk.press().site))) for module in MODULES
]
ADDRESSES = ["siti@contoh.example", "123456789", "6281200000001"]
SIGNS = st.text(
    st.sampled_from(
        "ab1 *_~`-.,:;!?()[]<>#+|\\/&@\"'\n\t…•⚠️é\u0301\u200b\u200d\u2060\u3164\u00a0\u202e\x00\ud800🏽"
    ),
    max_size=60,
)
LINE = LINES.map(lambda text: text.typed) | SIGNS | st.text(max_size=60)
WORDS = PROSE.map(lambda text: text.typed) | SIGNS | st.text(max_size=300)
FORMS = st.fixed_dictionaries(
    {"title": LINE, "body": WORDS},
    optional={
        "summary": LINE,
        "agency": LINE,
        "instruction": WORDS,
        "claim": LINE,
        "fact": WORDS,
        "seen_at": LINE,
        "hoax_type": LINE,
    },
)


def editions(raw: dict[str, Any], reason: str) -> list[Edition]:
    """Return the editions of an announcement published, corrected and withdrawn; none when it is
    refused.
    """
    try:
        checked = desk.checked(raw)
    except InvalidAnnouncement:
        return []
    site, code = desk.press().site, samples.NOTICE_CODE
    first = freeze(checked, site=site, announcement="1", code=code, at=desk.NOW)
    corrected = freeze(
        checked,
        site=site,
        announcement="1",
        code=code,
        at=desk.later(minutes=5),
        number=2,
        change="correction",
        reason=reason,
    )
    return [first, corrected, withdrawal(corrected, reason=reason, at=desk.later(minutes=9))]


def readings(text: str) -> list[str]:
    """Return a part of a message as plain text and as read from HTML, without hair spaces."""
    visible = re.sub("[\u200a\u2060]", "", text)
    return [squeezed(visible), squeezed(unescape(re.sub(r"</?[a-z][^>]*>", "", visible)))]


def message_text(module: Any, channel: Any, edition: Edition, lang: str) -> str:
    """Return the text of one message."""
    for address in ADDRESSES:
        try:
            recipient = samples.recipient(module.parse_address(address))
        except BadAddress:
            continue
        return str(
            channel.preview(channel.personalise(channel.render(edition, lang), recipient))["text"]
        )
    raise LookupError("no sample address suits")


def check_shown(edition: Edition, lang: str) -> None:
    """Check that every channel shows the title and the code of an edition, and refuses nothing."""
    title = re.sub("[\u200a\u2060]", "", squeezed(edition.wording(lang).title))
    for module, channel in OPEN:
        if hasattr(channel, "send"):
            text = message_text(module, channel, edition, lang)
            assert edition.code in text
            assert any(title in reading for reading in readings(text)), module.__name__
            continue
        for path in channel.paths:
            request = PageRequest(
                path=path,
                area=samples.CIBABAT,
                query={},
                editions=[edition],
                now=edition.published_at,
            )
            document = channel.render_page(request)
            assert document.body
            if "json" in document.media_type and not (
                edition.change == "withdrawal" and path.endswith("/data")
            ):
                assert edition.code in json.dumps(json.loads(document.body))


@pytest.mark.parametrize(
    "sample",
    [desk.NOTICE, desk.EMERGENCY, desk.CLARIFICATION],
    ids=["notice", "emergency", "clarification"],
)
@settings(max_examples=40)
@given(form=FORMS, reason=LINE)
def test_what_the_rules_admit_every_channel_shows(
    sample: dict[str, Any], form: dict[str, Any], reason: str
) -> None:
    fields = {
        name: text
        for name, text in form.items()
        if name not in {"claim", "fact", "seen_at", "hoax_type"} or "claim" in sample
    }
    for edition in editions({**sample, **fields}, reason):
        for lang in ("id", "en"):
            check_shown(edition, lang)
