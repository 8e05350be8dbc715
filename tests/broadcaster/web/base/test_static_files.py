"""Our own files: for ever under a hashed name, revalidated under the plain one, and no others."""

import re

import pytest

from broadcaster.web.base import static_files
from support.browsing import Running

FILES = sorted(
    path.relative_to(static_files.FOLDER).as_posix()
    for path in static_files.FOLDER.rglob("*")
    if path.is_file() and path.suffix in static_files.TYPES
)


SHEETS = sorted(
    path.name
    for path in static_files.FOLDER.glob("*.css")
    if "@font-face" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", SHEETS)
def test_our_font_replaces_no_characters(name: str) -> None:
    """Its contextual alternates would show "5xx" as "5×x"."""
    sheet = (static_files.FOLDER / name).read_text(encoding="utf-8")
    assert re.search(r"body \{[^}]*font-variant-ligatures: no-contextual", sheet)


@pytest.mark.parametrize("name", FILES)
async def test_each_file_is_served_under_both_names(site: Running, name: str) -> None:
    hashed = await site.ask(static_files.address(name))
    plain = await site.ask(f"/static/{name}")
    assert hashed.status == plain.status == 200
    assert hashed.raw == plain.raw
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Cache-Control"] == "no-cache"
    assert (
        await site.ask(f"/static/{name}", headers={"If-None-Match": plain.headers["ETag"]})
    ).status == 304


async def test_a_wrong_hash_is_not_found(site: Running) -> None:
    assert (await site.ask("/static/site.000000000000.css")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "vendor/vendor.toml",
        "../web/static.py",
        "..%2fweb%2fstatic.py",
        "%2e%2e/config.py",
        "",
        "site",
        "icons",
        "/etc/passwd",
        "x.css",
    ],
)
async def test_nothing_else_is_served(site: Running, path: str) -> None:
    assert (await site.ask(f"/static/{path}")).status == 404


async def test_style_sheets_name_other_files_by_their_hash(site: Running) -> None:
    style = (await site.ask(static_files.address("site.css"))).text
    addresses = re.findall(r'url\("([^"]+)"\)', style)
    assert any(address.endswith(".woff2") for address in addresses)
    for address in addresses:
        assert re.fullmatch(r"/static/.+\.[0-9a-f]{12}\.[a-z0-9]+", address)
        assert (await site.ask(address)).headers["Cache-Control"].endswith("immutable")


def test_a_file_that_is_not_there_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError, match="tidak-ada"):
        static_files.address("tidak-ada.css")


async def test_browsers_and_search_engines_find_what_they_ask_for_unasked(site: Running) -> None:
    assert (await site.ask("/favicon.ico")).headers["Content-Type"] == "image/svg+xml"
    robots = (await site.ask("/robots.txt")).text
    assert "Disallow: /berhenti/" in robots
    assert "Disallow: /p/" not in robots


def test_the_residents_styles_are_small_and_name_no_other_host() -> None:
    styles = [(static_files.FOLDER / name).read_text() for name in ("colours.css", "site.css")]
    assert sum(map(len, styles)) < 25_000
    assert not any(re.search(r"https?:|@import", style) for style in styles)


def test_colours_stand_in_one_file_only() -> None:
    style = (static_files.FOLDER / "site.css").read_text()
    paper = style.index("@layer paper {")
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", style[:paper])


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour by WCAG 2."""
    digits = colour.removeprefix("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


PAIRS = [
    ("ink", "surface ground link-tint north centre south"),
    ("muted", "surface ground past-tint"),
    ("past", "past-tint north centre south"),
    ("brand", "surface brand-tint"),
    ("link", "surface ground"),
    ("link-dark", "link-tint"),
    ("warn", "warn-tint"),
    ("warn-dark", "warn-tint"),
    ("bad", "bad-tint"),
    ("bad-dark", "bad-tint"),
    ("on-board", "board emergency brand brand-dark bad"),
    ("board-muted", "board"),
    ("on-tag", "tag tag-light"),
]


@pytest.mark.parametrize(("front", "grounds"), PAIRS)
def test_text_is_legible_on_every_ground_it_stands_on(front: str, grounds: str) -> None:
    colours = dict(
        re.findall(
            r"--([a-z-]+): (#[0-9a-f]{3,6});", (static_files.FOLDER / "colours.css").read_text()
        )
    )
    for ground in grounds.split():
        light, dark = sorted((luminance(colours[front]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, ground
