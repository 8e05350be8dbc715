"""Marks of emphasis and links, and what stays as it was typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.marks import inline, is_linked, is_path, rooted, targets

TAGS = {
    "strong_open": "<b>",
    "strong_close": "</b>",
    "em_open": "<i>",
    "em_close": "</i>",
    "softbreak": "\n",
    "link_close": "</a>",
}


def tagged(text: str) -> str:
    """Return a paragraph with its marks as tags."""
    return "".join(
        f"<a {token.attrs['href']}>"
        if token.type == "link_open"
        else TAGS.get(token.type, token.content)
        for token in inline(text)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**a** __b__ *c* _d_", "<b>a</b> <b>b</b> <i>c</i> <i>d</i>"),
        ("***a***", "<i><b>a</b></i>"),
        ("**_a_** *__b__*", "<b><i>a</i></b> <i><b>b</b></i>"),
        ("**dua\nbaris**", "<b>dua\nbaris</b>"),
        ("(**a**), *b*. _c_!", "(<b>a</b>), <i>b</i>. <i>c</i>!"),
        ('"*a*" “_b_” ‘*c*’', '"<i>a</i>" “<i>b</i>” ‘<i>c</i>’'),
        ("⚠️*Penting* – *awas*", "⚠️<i>Penting</i> – <i>awas</i>"),
        ("**(a)** *“b”* **Rp5.000,-**", "<b>(a)</b> <i>“b”</i> <b>Rp5.000,-</b>"),
        ("**Lihat https://x.example/a_b**.", "<b>Lihat https://x.example/a_b</b>."),
        ("_dinas_sosial@x.example_", "<i>dinas_sosial@x.example</i>"),
        ("Telepon *112*", "Telepon <i>112</i>"),
        (
            "**08.00**-**14.00** *Senin*-*Rabu*",
            "<b>08.00</b>-<b>14.00</b> <i>Senin</i>-<i>Rabu</i>",
        ),
        (
            "**08.00**/**14.00** **08**.**30** *a*+*b*",
            "<b>08.00</b>/<b>14.00</b> <b>08</b>.<b>30</b> <i>a</i>+<i>b</i>",
        ),
        ("**Senin**/**Rabu**,**Jumat**", "<b>Senin</b>/<b>Rabu</b>,<b>Jumat</b>"),
        (
            "**RW 05**/(**RT 03**) ***a***/***b***",
            "<b>RW 05</b>/(<b>RT 03</b>) <i><b>a</b></i>/<i><b>b</b></i>",
        ),
        (
            "**a *b* c**-**d** *e*/*f _g_ h*",
            "<b>a <i>b</i> c</b>-<b>d</b> <i>e</i>/<i>f <i>g</i> h</i>",
        ),
        ("**Tekan *123*4#**", "<b>Tekan *123*4#</b>"),
    ],
)
def test_pairs_at_the_borders_of_words_are_marks(text: str, expected: str) -> None:
    assert tagged(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2*3*4 a_b_c x**y**z",
        "*123*4# *#06# **21*0812# *123*4*",
        "* a* *b * ** ** ****",
        "*a **b _c __d",
        "*a** **b",
        "*) syarat, harga 5.000*",
        "_jadwal_.pdf /_berkas_/x *.pdf **/*.py",
        "__init__.py dan __main__.py__",
        "*_* *,* **!**",
        "*c*x x*d *e*/f",
        "*a*/*b **c**.**d",
        "*e*/*f*g x**h**/**i**",
        "5.000*/*6.000* 2*3*/*4*5 *.py/*.txt",
        "*123*4#/*123*5# **#112#**/**#113#** a*b@x.example/*c*d",
        "\\*a\\* `*a*`x ~~a~~ &amp; <b>a</b>",
        "https://x.example/_a_/*b*/(_c_)",
        "https://x.example/[a](b)",
        "[a] [a]( [a](b c) [a]() [](",
        "[a](javascript:alert(1)) [a](DATA:x) [a](vbscript:x) [a](file:///x)",
        "<nama> <ftp://x.example> <a@> <nama@kantor> <a@.> <a@b.>",
    ],
)
def test_everything_else_stays_as_typed(text: str) -> None:
    assert tagged(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[**a** b](https://x.example/(c)_d)", "<a https://x.example/(c)_d><b>a</b> b</a>"),
        ("**[a](https://x.example)**", "<b><a https://x.example>a</a></b>"),
        ("[RT [03]](tel:112)", "<a tel:112>RT [03]</a>"),
        ("[a](<https://x.example/a b>)", "<a https://x.example/a%20b>a</a>"),
        ("[<https://x.example> [b](c)](https://y.example)", "<a https://y.example><https://x.example> [b](c)</a>"),
        ("<https://x.example/a_b>", "<a https://x.example/a_b>https://x.example/a_b</a>"),
        ("<a_b@x.example>", "<a mailto:a_b@x.example>a_b@x.example</a>"),
        ("[a](b.pdf) [a](//x.example) [a](#b) [a](/c)", "a (b.pdf) a (//x.example) a (#b) a (/c)"),
        ("[](https://x.example/_a_) ![ ](tel:112)", "<a https://x.example/_a_>https://x.example/_a_</a> !<a tel:112>tel:112</a>"),
        ("[\u2800](/_c_) [](//x.example/_a_)", "/_c_ //x.example/_a_"),
        ("[b.pdf](b.pdf) [a](ftp://x.example/_c_)", "b.pdf a (ftp://x.example/_c_)"),
    ],
)  # fmt: skip
def test_links_are_whole_or_show_their_target(text: str, expected: str) -> None:
    assert tagged(text) == expected


def test_paths_of_our_own_site_get_its_base_url_and_nothing_else_does() -> None:
    text = "[a](/p/1) [b](//x.example) [c](/\\x.example) [d](d.pdf) [e](</f g>) /h https://x.example/[i](/j)"
    assert rooted(text, "https://kota.example/") == (
        "[a](https://kota.example/p/1) [b](//x.example) [c](/\\x.example) [d](d.pdf) [e](https://kota.example/f%20g) /h "
        "https://x.example/[i](/j)"
    )


def test_targets_are_reported_as_typed() -> None:
    assert list(targets("[a](/p/1) *b* [c](<d e>) https://x.example/[f](g)")) == ["/p/1", "d e"]
    assert is_path("/p/1")
    assert not any(map(is_path, ("//x", "/\\x", "p", "#p", "")))
    assert all(map(is_linked, ("https://x", "MAILTO:x", "tel:1")))
    assert not any(map(is_linked, ("ftp://x", "x.pdf", "www.x.example", "/p", "#p")))


@given(st.text(st.sampled_from('ab1 *_.,()[]\n#<>:/@&~`\\"“”⚠–'), max_size=80))
def test_only_marks_and_brackets_ever_go(text: str) -> None:
    """Check that letters and figures keep their order, and that every tag is closed."""
    tokens = inline(text)
    assert sum(token.nesting for token in tokens) == 0
    output = "".join(token.content for token in tokens if token.type == "text")
    assert [character for character in output if character.isalnum()] == [
        character for character in text if character.isalnum()
    ]
