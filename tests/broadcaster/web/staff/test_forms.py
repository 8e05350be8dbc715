"""The newsroom's forms: sent by our own page alone, and carried out once however often; the head of
every page.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from broadcaster.newsroom import corrections, release
from broadcaster.publishing.press import Press
from broadcaster.store import announcements, audit
from broadcaster.store.sessions import HALF
from broadcaster.web.base import authorization
from broadcaster.web.base.authorization import Row
from support.browsing import Answer, Running
from support.staff_rows import (
    COMPOSED,
    ONE,
    URGENT,
    Stage,
    approved,
    changed,
    corrected,
    drafted,
    everything,
    filled,
    form_case_of,
    judging,
    proposed,
    row_name,
    sign_in_form,
    staff_rows,
    submitted,
)
from support.staffing import Browser, browser, hire, signed_in

POSTS = staff_rows("POST")
GETS = staff_rows("GET")
FRAMED = frozenset({ONE + "/surat/{channel}"})
"""Rows of whole documents that our own pages show in a frame."""
CACHEABLE: Mapping[str, str] = {}
"""Rows whose answer a browser may keep, with the reason."""
EVERY_ROLE: Any = ("author", "approver", "screens", "admin")


@pytest.fixture
def stage(own_stage: Stage) -> Stage:
    """Return a site where one person alone may publish an emergency."""
    return own_stage


# --- sent by our own page alone -------------------------------------------------------------------


class FormSender:
    """A browser at one form of the newsroom, or at one by which people sign in."""

    def __init__(self, site: Running, cookie: str, token: str) -> None:
        self.site, self.cookie, self.token = site, cookie, token

    async def send(
        self, path: str, form: Any, token: str | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send a form with this token in its hidden field, and these headers of the browser."""
        fields = aiohttp.FormData() if not isinstance(form, aiohttp.FormData) else form
        for name, value in form.items() if isinstance(form, Mapping) else ():
            fields.add_field(name, value)
        if token is not None:
            fields.add_field("csrf", token)
        return await self.site.ask(
            path, "POST", data=fields, headers={"Cookie": self.cookie, **headers}
        )


async def genuine_sender(stage: Stage, row: Row) -> FormSender:
    """Return a browser that may send the row's form."""
    if row.access == "public":
        cookie, token = await sign_in_form(stage.site)
        half = await browser(stage.site, stage.rina, HALF)
        return FormSender(stage.site, f"{cookie}; redaksi={half.cookie}", token)
    visitor = await browser(
        stage.site,
        stage.rina if form_case_of(row).own else await hire(stage.site.app, "rekan", *EVERY_ROLE),
    )
    return FormSender(stage.site, f"redaksi={visitor.cookie}", visitor.csrf)


def forgeries(
    site: Running, token: str, foreign_token: str
) -> Mapping[str, tuple[str | None, Mapping[str, str]]]:
    """Return what another site or session can send: the token, and the headers of the browser."""
    own_origin, foreign_origin = {"Origin": site.url}, "https://jahat.example"
    return {
        "no token": (None, own_origin),
        "an empty token": ("", own_origin),
        "another session's token": (foreign_token, own_origin),
        "another site": (token, {"Origin": foreign_origin}),
        "another site, our referer": (
            token,
            {"Origin": foreign_origin, "Referer": f"{site.url}/redaksi/"},
        ),
        "a name that begins like ours": (token, {"Origin": f"{site.url}.jahat.example"}),
        "another port": (token, {"Origin": re.sub(r":\d+$", ":1", site.url)}),
        "a hidden origin": (token, {"Origin": "null"}),
        "no origin, another site's referer": (token, {"Referer": f"{foreign_origin}/"}),
        "no origin, our referer": (token, {"Referer": f"{site.url}/redaksi/"}),
        "no origin, across sites": (token, {"Sec-Fetch-Site": "cross-site"}),
        "no origin, another name of the site": (token, {"Sec-Fetch-Site": "same-site"}),
        "no origin, typed": (token, {"Sec-Fetch-Site": "none"}),
        "a name of the attacker's that leads here": (
            token,
            {"Host": "jahat.example", "Origin": "http://jahat.example"},
        ),
        "a wrong header before the right field": (
            token,
            {**own_origin, "X-CSRF-Token": foreign_token},
        ),
    }


@pytest.mark.parametrize("row", POSTS, ids=row_name)
async def test_a_form_that_our_own_page_did_not_send_is_refused_and_changes_nothing(
    stage: Stage, row: Row
) -> None:
    case = form_case_of(row)
    path, values = await filled(stage, row, case.setup)
    visitor = await genuine_sender(stage, row)
    foreign_token = (await signed_in(stage.site, "orang-lain", *EVERY_ROLE)).csrf
    for name, (token, headers) in forgeries(stage.site, visitor.token, foreign_token).items():
        form = await case.form(stage, values)
        before = await everything(stage.site)
        answer = await visitor.send(path, form, token, headers)
        assert answer.status == 403, name
        assert changed(before, await everything(stage.site)) == set(), name
    in_query = await visitor.send(
        f"{path}?csrf={visitor.token}",
        await case.form(stage, values),
        None,
        {"Origin": stage.site.url},
    )
    assert in_query.status == 403, (
        "a token in an address would end in logs and in what is passed on"
    )
    genuine = await visitor.send(
        path, await case.form(stage, values), visitor.token, {"Origin": stage.site.url}
    )
    assert genuine.status != 403, "else the refusals above prove nothing"


LOGGED_DOWNLOADS = {
    "/redaksi/audit.csv",
    "/redaksi/audit.jsonl",
    "/redaksi/pengiriman/{id}/gagal.csv",
}
"""Downloads that leave a row in the audit log."""


async def test_no_page_changes_anything_by_being_opened(stage: Stage) -> None:
    visitor = await signed_in(stage.site, "rekan", *EVERY_ROLE)
    paths = [(await filled(stage, row))[0] for row in GETS if row.path not in LOGGED_DOWNLOADS]
    before = await everything(stage.site)
    for path in paths:
        for method in ("GET", "HEAD"):
            cookie = {"Cookie": f"redaksi={visitor.cookie}"}
            async with stage.site.session.request(
                method, stage.site.url + path, headers=cookie, allow_redirects=False
            ) as answer:
                assert answer.status < 500, path
        assert changed(before, await everything(stage.site)) == set(), path


# --- done once ------------------------------------------------------------------------------------


async def count_editions(stage: Stage, announcement: str) -> int:
    """Return the number of editions that were published."""
    newest = await stage.site.app.database.read(announcements.newest_edition, announcement)
    return newest.number if newest else 0


async def count_acts(stage: Stage, announcement: str, act: str) -> int:
    """Return how often an act is in the audit log."""
    return sum(
        entry.act == act for entry in await stage.site.app.database.read(audit.about, announcement)
    )


async def post_at_once(
    visitor: Browser, path: str, form: Mapping[str, Any], times: int = 4
) -> list[int]:
    """Send a form so many times at the same moment; return the statuses in order."""
    return sorted(
        answer.status
        for answer in await asyncio.gather(*(visitor.post(path, dict(form)) for _ in range(times)))
    )


async def end_hold(stage: Stage) -> None:
    """Let half a minute pass, and publish what is due."""
    stage.site.clock.now += timedelta(seconds=31)
    for publish_held in (release.publish_held, corrections.publish_held):
        await stage.site.app.database.write(
            publish_held, Press.of(stage.site.app), now=stage.site.clock()
        )


async def test_a_double_click_on_approve_approves_once_and_publishes_once(stage: Stage) -> None:
    announcement = await submitted(stage)
    dewi = await browser(stage.site, stage.dewi)
    form = await judging(stage, {"id": announcement})
    assert await post_at_once(dewi, f"/redaksi/pengumuman/{announcement}/setujui", form) == [
        303,
        409,
        409,
        409,
    ]
    await end_hold(stage)
    await end_hold(stage)
    assert (
        await count_acts(stage, announcement, "approve"),
        await count_editions(stage, announcement),
    ) == (
        1,
        1,
    )


async def test_two_people_who_approve_an_emergency_at_once_publish_it_once(stage: Stage) -> None:
    announcement = await submitted(stage, URGENT)
    dewi, bpbd = (
        await browser(stage.site, stage.dewi),
        await signed_in(stage.site, "bpbd", "approver"),
    )
    form, path = (
        await judging(stage, {"id": announcement}),
        f"/redaksi/pengumuman/{announcement}/setujui",
    )
    answers = await asyncio.gather(
        *(approver.post(path, dict(form)) for approver in (dewi, bpbd, dewi, bpbd))
    )
    assert sorted(answer.status for answer in answers) == [303, 409, 409, 409]
    assert (
        await count_acts(stage, announcement, "publish"),
        await count_editions(stage, announcement),
    ) == (
        1,
        1,
    )


async def test_publish_now_pressed_twice_while_the_clock_publishes_too(stage: Stage) -> None:
    announcement = await approved(stage)
    stage.site.clock.now += timedelta(seconds=31)
    dewi = await browser(stage.site, stage.dewi)
    by_hand = post_at_once(dewi, f"/redaksi/pengumuman/{announcement}/terbitkan", {}, 2)
    by_clock = stage.site.app.database.write(
        release.publish_held, Press.of(stage.site.app), now=stage.site.clock()
    )
    statuses, published = await asyncio.gather(by_hand, by_clock)
    assert statuses.count(303) + len(published) == 1
    assert (
        await count_acts(stage, announcement, "publish"),
        await count_editions(stage, announcement),
    ) == (
        1,
        1,
    )


async def test_a_proposal_approved_twice_is_one_edition(stage: Stage) -> None:
    announcement = await corrected(stage)
    dewi = await browser(stage.site, stage.dewi)
    form = await proposed(stage, {"id": announcement})
    assert await post_at_once(dewi, f"/redaksi/pengumuman/{announcement}/usulan/setujui", form) == [
        303,
        303,
        303,
        303,
    ]
    await end_hold(stage)
    await end_hold(stage)
    assert await count_editions(stage, announcement) == 2


async def test_an_old_tab_neither_saves_nor_submits_nor_approves(stage: Stage) -> None:
    announcement = await drafted(stage)
    rina, dewi = await browser(stage.site, stage.rina), await browser(stage.site, stage.dewi)
    base = f"/redaksi/pengumuman/{announcement}"
    assert (
        await rina.post(f"{base}/simpan", {**COMPOSED, "title": "Tab pertama", "versi": "1"})
    ).status == 200
    assert (
        await rina.post(f"{base}/simpan", {**COMPOSED, "title": "Tab kedua", "versi": "1"})
    ).status == 409
    assert (await rina.post(f"{base}/ajukan", {"versi": "1"})).status == 409
    assert (await rina.post(f"{base}/ajukan", {"versi": "2"})).status == 303
    approval = await judging(stage, {"id": announcement})
    assert (
        await rina.post(f"{base}/simpan", {**COMPOSED, "title": "Sesudah diajukan", "versi": "3"})
    ).status == 200
    assert (await dewi.post(f"{base}/setujui", dict(approval))).status == 409
    newer_version = {**await judging(stage, {"id": announcement}), "dilihat": approval["dilihat"]}
    assert (await dewi.post(f"{base}/setujui", newer_version)).status == 409, (
        "the version alone is not what was seen"
    )
    assert (await stage.row(announcement)).state == "review"
    assert (await stage.row(announcement)).title == "Sesudah diajukan"


# --- what every page says in its head -------------------------------------------------------------


STRICT = {
    "default-src": "'self'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "connect-src": "'self'",
    "form-action": "'self'", "object-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'",
}  # fmt: skip


def policy(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the Content-Security-Policy by directive."""
    parts = (part.strip().partition(" ") for part in headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def check_head(
    path: str, headers: Mapping[str, str], *, framed: bool = False, cacheable: bool = False
) -> None:
    """Check an answer's head against the rules of every page of the newsroom."""
    assert headers["X-Content-Type-Options"] == "nosniff", path
    assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}, path
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
    assert "camera=()" in headers["Permissions-Policy"], path
    assert "unsafe" not in headers["Content-Security-Policy"], path
    assert "Server" not in headers, path
    if not cacheable:
        assert headers["Cache-Control"] == "no-store", path
    directives = policy(headers)
    if framed:
        assert directives["frame-ancestors"] == "'self'", path
        assert directives["script-src"] == "'none'", path
        assert "allow-scripts" not in directives["sandbox"], path
        assert "allow-same-origin" not in directives["sandbox"], path
        assert re.fullmatch(r"('sha256-[A-Za-z0-9+/=]+' ?)+|'none'", directives["style-src"]), path
    else:
        assert directives == STRICT, path


def check_page(path: str, html: str) -> None:
    """Check that a page needs no exception from the policy, and loads nothing from elsewhere."""
    assert " style=" not in html, path
    assert "<style" not in html, path
    assert not re.search(r"<[^>]+\son\w+=", html), path
    assert not re.search(r"<script(?![^>]* src=\"/static/)", html), path
    sources = r"""<(?:link rel="(?:stylesheet|icon|preload)|script|img|source)[^>]+?(?:href|src)="([^"]+)"""
    assert all(address.startswith(("/", "data:image/")) for address in re.findall(sources, html)), (
        path
    )
    for form in re.findall(r'<form[^>]*method="post"[^>]*>.*?</form>', html, re.DOTALL):
        assert re.search(r'name="csrf" value="[\w-]{20,}"', form), f"{path}: a form without a token"


@pytest.mark.parametrize("row", GETS, ids=row_name)
async def test_a_page_is_kept_by_nobody_framed_by_nobody_and_loads_nothing_from_elsewhere(
    stage: Stage, row: Row
) -> None:
    path, _ = await filled(stage, row)
    visitor = (
        await browser(stage.site, stage.rina, HALF)
        if row.path == f"{authorization.SIGN_IN}/kode"
        else None
    )
    visitor = visitor or await signed_in(stage.site, "rekan", *EVERY_ROLE)
    cookie = {} if row.path == authorization.SIGN_IN else {"Cookie": f"redaksi={visitor.cookie}"}
    for headers in (
        cookie,
        {**cookie, "Accept-Language": "en", "HX-Request": "true"},
        {"Cookie": "redaksi=salah"},
    ):
        url = stage.site.url + path
        async with stage.site.session.get(url, headers=headers, allow_redirects=False) as answer:
            cacheable, ok = row.path in CACHEABLE, answer.status == 200
            check_head(
                path, answer.headers, framed=row.path in FRAMED and ok, cacheable=cacheable and ok
            )
            if answer.content_type == "text/html" and row.path not in FRAMED:
                page = await stage.site.ask(path, headers=headers)
                check_page(path, page.text)


async def test_errors_and_refusals_have_the_same_head(stage: Stage) -> None:
    screens = await signed_in(stage.site, "layar", "screens")
    rina = await browser(stage.site, stage.rina)
    for visitor, path, status in (
        (screens, "/redaksi/tulis", 403),
        (rina, "/redaksi/pengumuman/tidak-ada", 404),
        (rina, "/redaksi/tidak-ada", 404),
    ):
        answer = await visitor.get(path)
        assert answer.status == status
        check_head(path, answer.headers)
        check_page(path, answer.text)
    for path, form in (
        ("/redaksi/tulis", {}),
        (f"/redaksi/pengumuman/{await drafted(stage)}/setujui", {}),
    ):
        answer = await screens.post(path, form)
        assert answer.status == 403
        check_head(path, answer.headers)


async def test_a_letter_that_is_framed_runs_nothing(stage: Stage) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1))"
    announcement = await drafted(
        stage, {**COMPOSED, "areas": ["cibabat"], "body": hostile, "title": hostile[:60]}
    )
    rina = await browser(stage.site, stage.rina)
    page = await rina.get(f"/redaksi/pengumuman/{announcement}/surat/email")
    assert page.status == 200
    check_head("letter", page.headers, framed=True)
    assert "<script>alert" not in page.text
    assert "javascript:" not in page.text.replace("[x](javascript:alert(1))", "")
