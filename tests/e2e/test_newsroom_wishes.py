"""Newsroom in small windows, with wider spacing, without motion, on paper: in a real browser."""

import re
from typing import Any

import pytest

from support.newsroom_city import (
    DESK,
    PHONE,
    City,
    PageUser,
    author,
    browsing,
    in_review,
)
from support.waiting import until
from support.world import states

pytestmark = pytest.mark.asyncio(loop_scope="session")


ZOOMED = {"width": 320, "height": 256}
"""Window of 1280 x 1024 at 400 per cent."""
COVERED = """() => {
  const box = document.activeElement.getBoundingClientRect();
  if (!box.width || !box.height) return "";
  const [x, y] = [box.left + box.width / 2, Math.min(box.top + box.height / 2, box.top + 20)];
  const top = document.elementFromPoint(Math.min(Math.max(x, 0), innerWidth - 1), Math.min(Math.max(y, 0), innerHeight - 1));
  const seen = top && (document.activeElement.contains(top) || top.contains(document.activeElement) || top.closest("label"));
  const inside = box.bottom > 0 && box.top < innerHeight;
  if (seen && inside) return "";
  return document.activeElement.outerHTML.slice(0, 120) + " below " + (top ? top.outerHTML.slice(0, 80) : "");
}"""


SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
BAR = """() => {
  const bar = document.querySelector(".sticky");
  return getComputedStyle(bar).position === "sticky" ? bar.offsetHeight / innerHeight : 0;
}"""
"""Share of the window that the bar covers permanently."""


@pytest.mark.parametrize(
    "size", [DESK, PHONE, ZOOMED], ids=["desk", "phone", "zoomed to 400 per cent"]
)
async def test_what_has_the_focus_is_never_under_the_bar_at_the_foot(
    city: City, chromium: Any, size: dict[str, int]
) -> None:
    async with browsing(chromium, viewport=size, reduced_motion="reduce") as opening:
        rina = await author(city, await opening())
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.evaluate(
            "() => document.querySelectorAll('details').forEach((fold) => { fold.open = true; })"
        )
        stops, hidden = 0, []
        for _step in range(150):
            await rina.page.keyboard.press("Tab")
            if await rina.page.evaluate("() => document.activeElement === document.body"):
                break
            stops += 1
            if over := await rina.page.evaluate(COVERED):
                hidden.append(over)
        assert stops > 60
        assert hidden == []
        assert await rina.page.evaluate(SIDEWAYS) <= 0
        bar = await rina.page.evaluate(BAR)
        assert bar <= 0.35, "there is room left to write in"


SPACED = """() => {
  for (const one of document.querySelectorAll("body *")) {
    one.style.lineHeight = "1.5"; one.style.letterSpacing = "0.12em"; one.style.wordSpacing = "0.16em";
    if (one.tagName === "P") one.style.marginBottom = "2em";
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const cut = [...document.querySelectorAll("main :is(a, button, h1, h2, h3, p, label, legend, summary, dd, dt)")].filter(
    (one) => one.offsetParent && getComputedStyle(one).overflow === "hidden"
      && one.scrollWidth > one.clientWidth + 1 && !one.closest(".hide, .unseen"));
  return [wide, cut.map((one) => one.outerHTML.slice(0, 100))];
}"""
"""WCAG 1.4.12: the spacing that readers may set."""
MOVING = """() => [...document.querySelectorAll("*")].filter((one) => {
  const style = getComputedStyle(one);
  return style.transitionDuration.split(", ").some((time) => time !== "0s") || style.animationName !== "none";
}).map((one) => one.outerHTML.slice(0, 100))"""


async def test_pages_allow_wider_spacing_and_stand_still_for_those_who_ask(
    city: City, chromium: Any
) -> None:
    async with browsing(
        chromium, viewport={"width": 375, "height": 800}, reduced_motion="reduce"
    ) as opening:
        dewi, announcement = await in_review(city, opening, urgent=True)
        await dewi.tick('input[name="dibaca"]')
        await dewi.press('form[action$="/setujui"] button')
        rina = PageUser(page=await opening())
        await rina.sign_in(city.url, "rina")
        for path in (
            "",
            "tulis",
            "pengumuman",
            "darurat?bahaya=banjir",
            f"pengumuman/{announcement}",
            f"pengiriman/{announcement}",
        ):
            await rina.page.goto(f"{city.url}/redaksi/{path}")
            assert await rina.page.evaluate(MOVING) == [], path
            assert await rina.page.evaluate(SPACED) == [0, []], path


async def test_the_receipt_is_one_sheet_of_paper(city: City, chromium: Any) -> None:
    async with browsing(chromium, viewport=DESK) as opening:
        dewi, announcement = await in_review(city, opening, urgent=True)
        await dewi.tick('input[name="dibaca"]')
        await dewi.press('form[action$="/setujui"] button')
        await until(
            lambda: states(city.app).get("sent", 0) + states(city.app).get("delivered", 0) == 3,
            seconds=30,
        )
        await dewi.page.goto(f"{city.url}/redaksi/pengiriman/{announcement}?cetak=1")
        await dewi.page.emulate_media(media="print")
        for selector in ("header.top", ".noprint", "#sesi", "#alarm .alarm"):
            for element in await dewi.page.query_selector_all(selector):
                assert not await element.is_visible(), selector
        sheet = await dewi.page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", sheet)) == 1
