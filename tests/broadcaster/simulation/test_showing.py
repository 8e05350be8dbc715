"""Bubbles of the simulated phones: each messenger's own markup, and no markup that a message
smuggles in.
"""

import pytest

from broadcaster.simulation.showing import (
    Button,
    bubbles,
    buttons,
    chat_markup,
    phone_markup,
    picture_path,
)


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("*Air mati* besok", "<strong>Air mati</strong> besok"),
        ("_pelan_ dan ~batal~", "<em>pelan</em> dan <s>batal</s>"),
        ("5 * 3 * 2 dan snake_case_name", "5 * 3 * 2 dan snake_case_name"),
        ("*dua\nbaris*", "*dua\nbaris*"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("_a_@contoh.example *b*", "_a_@contoh.example <strong>b</strong>"),
        (
            "*Lihat https://contoh.example/_a_/*b*/c*",
            '<strong>Lihat <a href="https://contoh.example/_a_/*b*/c" target="_blank" rel="noopener noreferrer">'
            "https://contoh.example/_a_/*b*/c</a></strong>",
        ),
        (
            "Lihat https://info.cimahi.example/p/X.",
            'Lihat <a href="https://info.cimahi.example/p/X" target="_blank" rel="noopener noreferrer">'
            "https://info.cimahi.example/p/X</a>.",
        ),
    ],
)
def test_a_phone_shows_bold_italic_struck_and_links(text: str, markup: str) -> None:
    assert phone_markup(text) == markup


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        'https://x.example/"onmouseover=1',
    ],
)
def test_nothing_in_a_phones_text_becomes_an_element_or_attribute(attack: str) -> None:
    markup = phone_markup(attack)
    assert "<script" not in markup
    assert "<img" not in markup
    assert '"onmouseover' not in markup


def test_a_chat_shows_its_own_html_and_drops_all_else() -> None:
    assert (
        chat_markup("<b>Banjir</b>\n<i>x</i> <s>lama</s>") == "<b>Banjir</b>\n<i>x</i> <s>lama</s>"
    )
    markup = chat_markup(
        '<a href="javascript:alert(1)" onclick="x()">a</a><script>y</script><style>z</style><img src=x>'
    )
    assert "javascript" not in markup
    assert "onclick" not in markup
    assert "<script" not in markup
    assert "<img" not in markup
    assert 'target="_blank" href="https://x.example"' in chat_markup(
        '<a href="https://x.example">x</a>'
    )


def test_buttons_open_an_address_or_send_their_payload() -> None:
    assert buttons("whatsapp", "Rincian: https://x.example/p/1\nBerhenti: STOP") == [
        Button(label="Rincian", url="https://x.example/p/1"),
        Button(label="Berhenti", payload="STOP"),
    ]
    assert buttons("telegram", "[Rincian] https://x.example/p/1\n[Ya] yes") == [
        Button(label="Rincian", url="https://x.example/p/1"),
        Button(label="Ya", payload="yes"),
    ]
    assert buttons("whatsapp", "") == []


def test_a_button_never_opens_a_script() -> None:
    assert buttons("telegram", "[x] javascript:alert(1)") == [
        Button(label="x", payload="javascript:alert(1)")
    ]


def test_a_message_becomes_a_bubble_with_all_its_parts() -> None:
    parts = {
        "header": "Gangguan",
        "text": "*Air*",
        "footer": "Balas BERHENTI",
        "buttons": "Berhenti: STOP",
    }
    (bubble,) = bubbles(
        "whatsapp", [{"id": "m1", "mine": False, "at": "2026-11-23T14:05:00+00:00", "parts": parts}]
    )
    assert (bubble.header, bubble.text, bubble.footer) == (
        "Gangguan",
        "<strong>Air</strong>",
        "Balas BERHENTI",
    )
    assert bubble.at is not None
    assert bubble.at.hour == 14
    (silent,) = bubbles(
        "telegram",
        [{"id": "m1", "mine": False, "edited": True, "parts": {"text": "x", "silent": "ya"}}],
    )
    assert (silent.edited, silent.silent, silent.at) == (True, True, None)


def test_what_the_owner_wrote_is_plain_text_in_every_messenger() -> None:
    (own,) = bubbles("telegram", [{"id": "m1", "mine": True, "parts": {"text": "<b>BERHENTI</b>"}}])
    assert own.text == "&lt;b&gt;BERHENTI&lt;/b&gt;"


def test_only_pictures_of_our_own_site_are_shown_and_by_their_path() -> None:
    own = f"/media/{'a1' * 16}/pesan.jpg"
    assert picture_path(f"http://127.0.0.1:8000{own}") == own
    for url in (
        "",
        "https://lain.example/x.jpg",
        f"http://127.0.0.1:8000{own}?x",
        "javascript:alert(1)",
    ):
        assert picture_path(url) == ""
