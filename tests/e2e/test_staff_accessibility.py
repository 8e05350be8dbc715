"""All pages of the newsroom in a real browser, from the route table: axe-core finds nothing,
nothing is cut off, nothing leaks.

A new row is opened as soon as it is in the table (tests/support/staff_rows.py creates the objects
in its path). Further states of a page are in LOOKS below, and what is refused in REFUSED.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from broadcaster.domain.accounts import Account
from broadcaster.newsroom import corrections, drafts, release, review
from broadcaster.store import accounts
from broadcaster.store.sessions import HALF
from broadcaster.web.base.authorization import SIGN_IN, Row
from support import page_complaints
from support.browsing import running
from support.staff_rows import (
    COMPOSED,
    FORM,
    ONE,
    SENT,
    URGENT,
    Setup,
    Stage,
    approved,
    approved_correction,
    colleague,
    corrected,
    drafted,
    failed,
    filled,
    halted,
    holding,
    other_session,
    paused,
    published,
    scheduled,
    secured,
    sending,
    shut_out,
    signed_in_elsewhere,
    staff_rows,
    staged,
    submitted,
    template,
    urgent,
    versioned,
)
from support.staffing import Browser, browser, hire

AXE = (Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE, NARROW = (
    {"width": 1440, "height": 900},
    {"width": 375, "height": 800},
    {"width": 320, "height": 640},
)
COMPOSER_BYTES = 80 * 1000
"""Most compressed bytes of a first visit to the composer."""
EVERY_ROLE: Any = ("author", "approver", "screens", "admin")

pytestmark = pytest.mark.asyncio(loop_scope="session")


# --- states of pages ------------------------------------------------------------------------------------


async def returned(stage: Stage) -> str:
    """Submit an announcement and send it back."""
    announcement = await submitted(stage)
    await stage.do(
        stage.dewi, review.send_back, announcement, "Jam berapa selesai? Tulis juga jalan lain."
    )
    return announcement


async def rejected(stage: Stage) -> str:
    """Submit an announcement and reject it for good."""
    announcement = await submitted(stage)
    await stage.do(stage.dewi, review.reject, announcement, "Bukan urusan kota.")
    return announcement


async def alarming(stage: Stage) -> str:
    """Submit an emergency."""
    return await submitted(stage, URGENT)


async def rehearsed(stage: Stage) -> str:
    """Submit an exercise."""
    row = await stage.do(stage.rina, drafts.save, FORM, training=True)
    await stage.do(stage.rina, review.submit, row.id)
    return str(row.id)


async def doomed(stage: Stage) -> str:
    """Publish an announcement and propose its withdrawal as rina."""
    announcement = await published(stage)
    await stage.do(
        stage.rina, corrections.propose_withdrawal, announcement, reason="Pekerjaan dibatalkan."
    )
    return announcement


async def withdrawn(stage: Stage) -> str:
    """Publish an announcement and withdraw it."""
    stored = await stage.site.publish({**FORM, "expires": "2026-11-25 14:00"})
    await stage.site.withdraw(stored, "Pekerjaan dibatalkan.")
    return stored.id


async def empty_draft(stage: Stage) -> str:
    """Save a draft in which nearly nothing is right."""
    wrong = {
        "title": "K" * 80,
        "body": "",
        "areas": ["atlantis"],
        "expires": "2020-01-01T00:00",
        "link": "bukan alamat",
    }
    return await drafted(stage, wrong)


async def a_full_desk(stage: Stage) -> str:
    """Create something of everything."""
    for scene in (
        returned,
        alarming,
        approved,
        scheduled,
        corrected,
        doomed,
        rehearsed,
        failed,
        paused,
        sending,
        withdrawn,
    ):
        await scene(stage)
    return await drafted(stage)


async def with_a_factor(stage: Stage) -> str:
    """Give the colleague a second factor."""
    rekan = await stage.site.app.database.read(accounts.find, "rekan")
    assert rekan is not None
    sealed = stage.site.app.vault.seal("totp", "JBSWY3DPEHPK3PXP")
    await stage.site.app.database.write(accounts.set_totp, rekan.id, sealed, [b"x" * 16])
    return str(rekan.id)


async def troubled(stage: Stage) -> str:
    """Halt a channel that holds something back."""
    await holding(stage)
    return await halted(stage)


@dataclass(frozen=True, kw_only=True)
class Look:
    """State of a page: its setup, its query, and whether rina opens it, whose it is."""

    scene: Setup | None = None
    query: str = ""
    own: bool = False


async def broken_glass(stage: Stage) -> str:
    """Publish an emergency as one person alone: red in the audit log."""
    announcement = await urgent(stage)
    await stage.do(
        stage.rina, release.break_glass, announcement, reason="Sendirian di kantor.", allowed=True
    )
    return announcement


LOOKS: Mapping[str, Sequence[Look]] = {
    "/redaksi/": (Look(scene=a_full_desk), Look(own=True)),
    "/redaksi/pengumuman": tuple(
        Look(query=f"?tab={tab}{more}", scene=a_full_desk if tab == "draf" and not more else None)
        for tab, more in (
            ("draf", ""),
            ("menunggu", ""),
            ("terbit", "&kata=jalan&saya=1"),
            ("arsip", "&kata=tidakada"),
        )
    ),
    "/redaksi/tulis": (Look(), Look(query="?latihan=1")),
    ONE: (Look(scene=published), Look(scene=rejected), Look(scene=withdrawn)),
    ONE + "/tulis": (
        Look(scene=versioned, query="?tersimpan=1"),
        Look(scene=returned),
        Look(scene=approved),
    ),
    ONE + "/periksa": tuple(
        Look(scene=scene, own=own, query="?selesai=dikembalikan" if scene is returned else "")
        for scene, own in (
            (empty_draft, True),
            (versioned, False),
            (alarming, False),
            (alarming, True),
            (approved, False),
            (scheduled, False),
            (returned, False),
            (rehearsed, True),
            (published, False),
        )
    ),
    ONE + "/ralat": (
        Look(scene=published),
        Look(scene=corrected),
        Look(scene=corrected, own=True),
        Look(scene=approved_correction),
    ),
    ONE + "/cabut": (Look(scene=published), Look(scene=doomed), Look(scene=doomed, own=True)),
    ONE + "/riwayat": (Look(scene=versioned), Look(scene=approved)),
    "/redaksi/darurat": (
        Look(),
        *(Look(query=f"?bahaya={hazard}") for hazard in ("banjir", "lain")),
    ),
    "/redaksi/templat": (Look(), Look(scene=template), Look(scene=template, own=True)),
    "/redaksi/akun": (Look(), Look(scene=other_session, own=True)),
    "/redaksi/akun/kode": (Look(), Look(scene=with_a_factor)),
    "/redaksi/pengguna": (Look(scene=shut_out),),
    "/redaksi/pengguna/{id}": (
        Look(scene=colleague),
        Look(scene=shut_out),
        Look(scene=secured),
        Look(scene=signed_in_elsewhere),
    ),
    "/redaksi/audit": (
        Look(),
        Look(scene=broken_glass),
        Look(query="?siapa=rina"),
        Look(query="?kata=tidakada"),
    ),
    "/redaksi/pengiriman": (Look(scene=a_full_desk),),
    SENT: (
        Look(scene=sending),
        Look(scene=paused),
        Look(scene=failed),
        Look(scene=failed, query="?cetak=1"),
    ),
    "/redaksi/kanal": (Look(), Look(scene=troubled)),
}
"""States in which pages are opened; any other row once, in its first state."""
LETTER = ONE + "/surat/{channel}"
SSO = "/redaksi/masuk/sso"
NO_PAGES = frozenset(
    {
        SENT + "/aliran",
        SENT + "/gagal.csv",
        "/redaksi/audit.csv",
        "/redaksi/audit.jsonl",
        "/redaksi/alarm",
        LETTER,
    }
    | {SSO, SSO + "/kembali", SSO + "/keluar", SSO + "/tetap"}
)
"""Rows whose response is no page of its own: a stream, files, a piece of every page, a mail that is
framed and runs no script, and the steps of single sign-on, which lead elsewhere.
"""
REFUSED: Mapping[str, tuple[Setup | None, Mapping[str, str]]] = {
    SIGN_IN: (None, {"nama": "rina", "sandi": "salah sekali"}),
    "/redaksi/masuk/kode": (None, {"kode": "000000"}),
    "/redaksi/tulis": (None, {**COMPOSED, "body": "y" * 70_000}),
    ONE + "/tulis": (drafted, {**COMPOSED, "title": "Judul lain", "versi": "99"}),
    ONE + "/ajukan": (empty_draft, {"versi": "1"}),
    ONE + "/setujui": (submitted, {"versi": "1", "dilihat": "x"}),
    ONE + "/kembalikan": (submitted, {"alasan": ""}),
    ONE + "/tolak": (submitted, {"alasan": "x" * 400}),
    "/redaksi/darurat": (None, {"bahaya": "banjir", "title": "K" * 80, "instruction": ""}),
    "/redaksi/akun/kabar": (None, {"kabar": "bukan alamat"}),
    "/redaksi/akun/sandi": (None, {"lama": "salah", "baru": "pendek", "ulang": "lain"}),
    "/redaksi/akun/kode": (None, {"kode": "000000", "sandi": "salah"}),
    "/redaksi/pengguna/baru": (None, {"nama": "!", "lengkap": ""}),
    "/redaksi/pengguna/{id}": (colleague, {"lengkap": ""}),
    ONE + "/templat": (drafted, {"nama": ""}),
    "/redaksi/templat/{id}/ganti-nama": (template, {"nama": ""}),
    ONE + "/ralat": (published, {**COMPOSED, "title": "K" * 80, "areas": "melong", "reason": ""}),
    ONE + "/cabut": (published, {"reason": ""}),
    ONE + "/usulan/tolak": (corrected, {"reason": ""}),
    ONE + "/usulan/setujui": (corrected, {"seen": "x"}),
}
"""Forms that are refused; any other row is sent an empty one."""


# --- the browser ----------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Room:
    """Site, a Chromium, and pages by the person who opens them."""

    stage: Stage
    chromium: Any
    pages: dict[str, Any] = field(default_factory=dict)
    people: dict[str, Browser] = field(default_factory=dict)

    async def page(self, who: str) -> Any:
        """Return the page of "rekan" (every role), "rina", "setengah" (lacks the second factor) or
        "" (nobody).
        """
        if who == "setengah" and who in self.pages:
            await self.pages.pop(who).context.close()  # its time is over soon
        if who not in self.pages:
            context = await self.chromium.new_context(viewport=WIDE, reduced_motion="reduce")
            await context.add_init_script(AXE)
            if who:
                site = self.stage.site
                account = self.stage.rina if who != "rekan" else await self.colleague()
                self.people[who] = await browser(
                    site, account, HALF if who == "setengah" else "password"
                )
                await context.add_cookies(
                    [{"name": "redaksi", "value": self.people[who].cookie, "url": site.url}]
                )
            page = await context.new_page()
            page.set_default_timeout(20_000)
            page.complaints, page.hosts = [], set()
            page_complaints.gather(page, page.complaints, staff=True)
            page.on(
                "request",
                lambda request: page.hosts.add(re.sub(r"^\w+://([^/:]+).*", r"\1", request.url)),
            )
            self.pages[who] = page
        return self.pages[who]

    async def colleague(self) -> Account:
        """Return the account with every role."""
        account = await self.stage.site.app.database.read(accounts.find, "rekan")
        return account or await hire(self.stage.site.app, "rekan", *EVERY_ROLE)

    async def open(self, path: str, who: str = "rekan") -> Any:
        """Open a page by its address."""
        page = await self.page(who)
        page.complaints.clear()
        response = await page.goto(self.stage.site.url + path)
        assert response.status < 400, f"{path}: {response.status}"
        return page

    async def send(self, path: str, form: Mapping[str, str], who: str) -> tuple[Any, int]:
        """Send a form as a page of ours does; returns the page that follows, and its status."""
        page = await self.page(who)
        token = (
            self.people[who].csrf
            if who in ("rekan", "rina")
            else await _token(page, self.stage.site.url, path)
        )
        await page.goto(f"{self.stage.site.url}/privasi")  # a page that goes nowhere by itself
        page.complaints.clear()
        async with page.expect_event(
            "response", lambda response: response.request.method == "POST"
        ) as response_info:
            await page.evaluate(SEND, [path, {**form, "csrf": token}])
        status = (await response_info.value).status
        await page.wait_for_url(lambda url: not url.endswith("/privasi"))
        page.complaints[:] = [
            complaint for complaint in page.complaints if f"status of {status}" not in complaint
        ]
        return page, status


SEND = """([path, fields]) => {
  const form = document.createElement("form");
  form.method = "post"; form.action = path;
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("textarea");
    field.name = name; field.value = value; form.append(field);
  }
  document.body.append(form);
  HTMLFormElement.prototype.submit.call(form);
}"""
RUN_AXE = """async (tags) => {
  const found = await axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations"], iframes: false});
  const said = (node) => `${node.target.join(" ")} ${node.failureSummary.replace(/\\s+/g, " ")}`;
  return found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${said(node)}`));
}"""
"""Script that runs axe; documents in frames are checked by themselves: a screen, a letter."""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def _token(page: Any, url: str, path: str) -> str:
    await page.goto(url + path)
    return str(await page.locator('form[method="post"] input[name="csrf"]').first.input_value())


async def faults(page: Any, tags: Sequence[str] = TAGS) -> list[str]:
    """Return what is wrong with the open page: at both widths what axe finds, and what is cut off
    on the narrowest.
    """
    problems = []
    for size in (WIDE, PHONE):
        await page.set_viewport_size(size)
        problems += [
            f"{size['width']} {violation}"
            for violation in await asyncio.wait_for(page.evaluate(RUN_AXE, tags), 30)
        ]
    await page.set_viewport_size(NARROW)
    if (over := await page.evaluate(SIDEWAYS)) > 0:
        problems.append(f"320 scrolls sideways by {over}")
    problems += [f"console: {complaint}" for complaint in page.complaints]
    problems += [f"asks {host}" for host in page.hosts - {"127.0.0.1"}]
    page.complaints.clear()
    return problems


@asynccontextmanager
async def room(chromium: Any, sqlite_template: Path, folder: Path) -> AsyncIterator[Room]:
    """Serve a site of its own with a browser."""
    (folder / "siaran.db").write_bytes(sqlite_template.read_bytes())
    settings = {"BROADCASTER_SIMULATED": "true", "BROADCASTER_BREAK_GLASS": "true"}
    async with running(f"sqlite:///{folder / 'siaran.db'}", folder, **settings) as site:
        newsroom = Room(stage=await staged(site), chromium=chromium)
        yield newsroom
        for page in newsroom.pages.values():
            await page.context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def full(
    chromium: Any, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Room]:
    """Yield a newsroom at work."""
    async with room(chromium, sqlite_template, tmp_path_factory.mktemp("penuh")) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare(
    chromium: Any, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Room]:
    """Yield a newsroom on its first morning."""
    async with room(chromium, sqlite_template, tmp_path_factory.mktemp("kosong")) as started:
        yield started


def named(row: Row) -> str:
    return f"{'/'.join(row.methods)} {row.path}"


def onlooker(row: Row, *, own: bool = False) -> str:
    """Return the person who opens a row."""
    if row.access != "public":
        return "rina" if own else "rekan"
    return "setengah" if row.path == "/redaksi/masuk/kode" else ""


PAGES = [row for row in staff_rows("GET") if row.path not in NO_PAGES]


# --- the tests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in PAGES if "{" not in row.path], ids=named)
async def test_a_page_of_an_empty_newsroom(bare: Room, row: Row) -> None:
    page = await bare.open(row.path, onlooker(row))
    assert await faults(page) == []


@pytest.mark.parametrize("row", PAGES, ids=named)
async def test_a_page_in_each_of_its_states(full: Room, row: Row) -> None:
    problems: dict[str, list[str]] = {}
    for look in LOOKS.get(row.path, (Look(),)):
        if look.scene is not None and "{" not in row.path:
            await look.scene(full.stage)
        path, _ = await filled(full.stage, row, look.scene if "{" in row.path else None)
        page = await full.open(path + look.query, onlooker(row, own=look.own))
        state = (
            f"{look.scene.__name__ if look.scene else ''}{look.query}{' own' if look.own else ''}"
        )
        if page_problems := await faults(page):
            problems[state] = page_problems
    assert problems == {}


@pytest.mark.parametrize("row", staff_rows("POST"), ids=named)
async def test_a_page_that_refuses_a_form(full: Room, row: Row) -> None:
    scene, form = REFUSED.get(row.path, (None, {}))
    path, _ = await filled(full.stage, row, scene)
    page, status = await full.send(path, form, onlooker(row))
    if status >= 400 and await page.locator("main").count():
        assert await faults(page) == []
    assert status >= 400 or row.path not in REFUSED
    if row.path == "/redaksi/keluar":
        del full.pages["rekan"], full.people["rekan"]


@pytest.mark.parametrize(
    "path", ["/redaksi/pengumuman/tidak-ada", "/redaksi/tidak-ada", "/redaksi/tulis"]
)
async def test_a_page_that_says_no(full: Room, path: str) -> None:
    stage = full.stage
    if "layar" not in full.people:
        full.people["layar"] = await browser(
            stage.site, await hire(stage.site.app, f"layar{len(path)}", "screens")
        )
    context = await full.chromium.new_context(viewport=WIDE)
    await context.add_init_script(AXE)
    await context.add_cookies(
        [{"name": "redaksi", "value": full.people["layar"].cookie, "url": stage.site.url}]
    )
    page = await context.new_page()
    page.complaints, page.hosts = [], set()
    response = await page.goto(stage.site.url + path)
    assert response.status in {403, 404}
    assert await faults(page) == []
    await context.close()


async def test_the_letter_that_is_framed_can_be_read_by_everybody(full: Room) -> None:
    await full.page("rekan")
    announcement = await drafted(full.stage, URGENT)
    letter = await full.people["rekan"].get(f"/redaksi/pengumuman/{announcement}/surat/email")
    assert letter.status == 200
    context = await full.chromium.new_context(viewport=WIDE)
    await context.add_init_script(AXE)
    page = await context.new_page()
    page.complaints, page.hosts = [], set()
    await page.set_content(letter.text)
    assert await faults(page, [tag for tag in TAGS if tag != "best-practice"]) == []
    await context.close()


async def test_the_pages_of_residents_too(full: Room) -> None:
    site = full.stage.site
    stored = await site.publish()
    token = site.app.vault.token(await site.subscriber("lain@contoh.example"))
    problems = {}
    for path in (
        "/",
        "/?wilayah=melong&kata=x",
        f"/p/{stored.code}",
        "/daftar",
        "/cek",
        f"/cek?kode={stored.code}",
        "/cek?kode=x",
        f"/berhenti/{token}",
        "/privasi",
        "/layar/cibabat",
        "/simulasi",
    ):
        if page_problems := await faults(await full.open(path, "")):
            problems[path] = page_problems
    assert problems == {}


async def test_the_first_visit_to_the_composer_costs_at_most_80_kilobytes(full: Room) -> None:
    announcement = await drafted(full.stage)
    await full.page("rekan")
    context = await full.chromium.new_context(viewport=WIDE)
    await context.add_cookies(
        [{"name": "redaksi", "value": full.people["rekan"].cookie, "url": full.stage.site.url}]
    )
    page = await context.new_page()
    await page.goto(f"{full.stage.site.url}/redaksi/pengumuman/{announcement}/tulis")
    await page.wait_for_function("document.fonts.status === 'loaded'")
    sizes = "performance.getEntries().filter(e => 'transferSize' in e).map(e => [e.name, e.transferSize])"
    costs = await page.evaluate(sizes)
    assert any("woff2" in name for name, _ in costs)
    assert sum(size for _, size in costs) <= COMPOSER_BYTES, costs
    await context.close()
