"""Access to every page of the newsroom: each row of the route table, requested by people of every
role.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from broadcaster.domain.accounts import Account, AccountRole
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom import corrections, drafts, release, review
from broadcaster.newsroom.release import publish_held
from broadcaster.publishing.press import Press
from broadcaster.store import accounts, staff_tables
from broadcaster.store.drafts import proposed
from broadcaster.store.sessions import HALF
from broadcaster.web.base.authorization import CHOOSE_PASSWORD, Row
from broadcaster.web.routes import STAFF
from support.browsing import Running, running
from support.staff_rows import (
    ELSEWHERE,
    FORM,
    FORM_CASES,
    Stage,
    approved,
    changed,
    everything,
    filled,
    form_case_of,
    halted,
    published,
    row_name,
    staff_rows,
    staged,
)
from support.staffing import Browser, browser, hire

SIGN_IN = "/redaksi/masuk"
NUMBERS = count(1)
ROLES: tuple[AccountRole, ...] = ("author", "approver", "screens", "admin")
MAY: Mapping[str, frozenset[str]] = {
    "own": frozenset(ROLES),
    "read": frozenset(ROLES),
    "write": frozenset({"author"}),
    "approve": frozenset({"approver"}),
    "steer": frozenset({"author", "approver", "admin"}),
    "screens": frozenset({"screens", "admin"}),
    "manage": frozenset({"admin"}),
}
"""The roles that have each right, stated independently of the code."""
READERS_MAY: Mapping[str, str] = {}
"""Forms open to whoever may read, with the reason."""
PRIVATE: frozenset[str] = frozenset()
"""Pages of what is one person's own, where a colleague finds nothing. Every colleague with the
right reads all others: drafts too, since nobody can check, take over or schedule around what they
cannot see. Addresses of residents are masked.
"""


GUARDED = [row for row in STAFF if row.access.startswith("staff:")]
POSTS = [row for row in staff_rows("POST") if row in GUARDED]
FOREIGN = [
    row
    for row in POSTS
    if "{" in row.path and row.access != "staff:own" and not form_case_of(row).own
]


# --- the route table ------------------------------------------------------------------------------


def test_every_page_of_the_newsroom_but_sign_in_names_a_right() -> None:
    for row in STAFF:
        assert row.path.startswith("/redaksi/"), row.path
        if not row.access.startswith("staff:"):
            assert row.access == "public", row.path
            assert row.path == SIGN_IN or row.path.startswith(f"{SIGN_IN}/"), row.path


def test_what_changes_something_needs_more_than_reading() -> None:
    assert {row.path for row in POSTS if row.access == "staff:read"} == set(READERS_MAY)


def test_no_case_is_listed_for_a_form_that_is_gone() -> None:
    assert set(FORM_CASES) <= {row.path for row in staff_rows("POST")}


# --- requests of every role -----------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """Serve one site for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("akses")
    (folder / "siaran.db").write_bytes(sqlite_template.read_bytes())
    async with running(
        f"sqlite:///{folder / 'siaran.db'}", folder, BROADCASTER_BREAK_GLASS="true"
    ) as site:
        yield await staged(site)


async def request_as(
    visitor: Browser | None, site: Running, row: Row, path: str
) -> tuple[int, Mapping[str, str]]:
    """Return status and headers of the answer to a visitor; its body may have no end."""
    headers = (
        {"Cookie": f"redaksi={visitor.cookie}", "Origin": site.url, "X-CSRF-Token": visitor.csrf}
        if visitor
        else {"Origin": site.url}
    )
    method = row.methods[0]
    async with site.session.request(
        method, site.url + path, headers=headers, allow_redirects=False
    ) as answer:
        return answer.status, answer.headers


async def sign_in_as(
    stage: Stage, name: str, *roles: Any, way: str = "password", **values: Any
) -> Browser:
    """Sign in the person of this name, and hire them before if nobody has it."""
    account = await stage.site.app.database.read(accounts.find, name)
    return await browser(
        stage.site, account or await hire(stage.site.app, name, *roles, **values), way
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", GUARDED, ids=row_name)
async def test_a_role_opens_what_the_row_says_and_nothing_else(stage: Stage, row: Row) -> None:
    path, _ = await filled(stage, row)
    for role in ROLES:
        status, headers = await request_as(
            await sign_in_as(stage, role, role), stage.site, row, path
        )
        if role not in MAY[row.access.removeprefix("staff:")]:
            assert status == 403, role
            continue
        assert status not in {401, 403}, role
        assert status < 500, role
        assert not headers.get("Location", "").startswith((f"{SIGN_IN}?ke=", CHOOSE_PASSWORD)), role
        if row.methods == ("GET",):
            assert status in {200, 303}, f"{role}: SETUPS must say something that is there"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", GUARDED, ids=row_name)
async def test_who_is_not_signed_in_is_asked_to_and_learns_nothing(stage: Stage, row: Row) -> None:
    site, (path, values) = stage.site, await filled(stage, row)
    half = await sign_in_as(stage, "setengah", *ROLES, way=HALF)
    former = await dismissed_browser(stage)
    unknown = Browser(site=site, account=half.account, cookie="A" * 43, csrf="A" * 32)
    missing = path
    for value in values.values():
        missing = missing.replace(value, "0" * 32)
    for visitor in (None, half, former, unknown):
        for address in (path, missing):
            status, headers = await request_as(visitor, site, row, address)
            assert status == (303 if row.methods == ("GET",) else 401), (
                "the same whether it exists or not"
            )
            if status == 303:
                assert headers["Location"].startswith(f"{SIGN_IN}?ke=%2Fredaksi%2F")
    background = await site.ask(path, row.methods[0], headers={"HX-Request": "true"})
    assert (background.status, background.headers["HX-Redirect"]) == (401, SIGN_IN), (
        "a page in the background goes there itself"
    )


async def dismissed_browser(stage: Stage) -> Browser:
    """Return a browser whose session has outlived its account, and so opens nothing."""
    account = await hire(stage.site.app, f"bekas-{next(NUMBERS)}", *ROLES)
    former = await browser(stage.site, account)
    statement = (
        update(staff_tables.account)
        .where(staff_tables.account.c.id == account.id)
        .values(disabled_at=1.0)
    )
    await stage.site.app.database.write(lambda connection: connection.execute(statement))
    return former


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", GUARDED, ids=row_name)
async def test_who_must_choose_a_password_reaches_only_what_is_their_own(
    stage: Stage, row: Row
) -> None:
    path, _ = await filled(stage, row)
    visitor = await sign_in_as(stage, "baru", *ROLES, must_change=True)
    status, headers = await request_as(visitor, stage.site, row, path)
    if row.access == "staff:own":
        assert status not in {401, 403}
        redirected = headers.get("Location", "") == CHOOSE_PASSWORD
        assert not redirected or row.methods == ("POST",) or row.path.startswith("/redaksi/akun"), (
            "first the password"
        )
        assert not redirected or row.path != CHOOSE_PASSWORD or row.methods == ("POST",)
    else:
        assert (status, headers.get("Location")) == (303, CHOOSE_PASSWORD)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_page_asks_for_by_itself_never_brings_another_page_into_it(
    stage: Stage,
) -> None:
    visitor = await sign_in_as(stage, "baru", *ROLES, must_change=True)
    headers = {"HX-Request": "true", "Cookie": f"redaksi={visitor.cookie}"}
    answer = await stage.site.ask("/redaksi/alarm", headers=headers)
    assert (answer.status, answer.headers.get("HX-Redirect"), answer.headers.get("Location")) == (
        401,
        CHOOSE_PASSWORD,
        None,
    )
    page = await stage.site.ask(CHOOSE_PASSWORD, headers={"Cookie": f"redaksi={visitor.cookie}"})
    assert page.text.count("<header") == 1
    assert 'id="alarm"' not in page.text


# --- what belongs to others -----------------------------------------------------------------------


def role_for(row: Row) -> AccountRole:
    """Return the first role that has the row's right."""
    roles = MAY[row.access.removeprefix("staff:")]
    return next(role for role in ROLES if role in roles)


@pytest.mark.parametrize("bound", ELSEWHERE)
@pytest.mark.parametrize("row", FOREIGN, ids=row_name)
async def test_who_holds_for_another_agency_or_area_changes_nothing_here(
    own_stage: Stage, row: Row, bound: str
) -> None:
    case, site = form_case_of(row), own_stage.site
    path, values = await filled(own_stage, row, case.setup)
    form = await case.form(own_stage, values)
    other = await sign_in_as(own_stage, "orang-lain", role_for(row), **ELSEWHERE[bound])
    before = await everything(site)
    answer = await other.post(path, form)
    assert answer.status < 500
    if case.across:
        return
    assert changed(before, await everything(site)) == set(), answer.status
    assert answer.status in {403, 404, 409, 422}


@pytest.mark.parametrize("row", POSTS, ids=row_name)
async def test_who_holds_for_it_does_what_the_form_is_for(own_stage: Stage, row: Row) -> None:
    case, site = form_case_of(row), own_stage.site
    path, values = await filled(own_stage, row, case.setup)
    form = await case.form(own_stage, values)
    visitor = (
        await browser(site, own_stage.rina)
        if case.own
        else await sign_in_as(own_stage, "rekan", role_for(row))
    )
    before = await everything(site)
    answer = await visitor.post(path, form)
    assert answer.status in {200, 201, 303}, answer.text
    assert bool(changed(before, await everything(site))) == case.stores, (
        "else the refusals above prove nothing"
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "row", [row for row in staff_rows("GET") if row in GUARDED and "{" in row.path], ids=row_name
)
async def test_what_is_read_is_everybodys_and_what_is_private_nobodys(
    stage: Stage, row: Row
) -> None:
    path, _ = await filled(stage, row)
    for bound, limits in ELSEWHERE.items():
        reader = await sign_in_as(
            stage, f"pembaca-{bound}-{role_for(row)}", role_for(row), **limits
        )
        status, _headers = await request_as(reader, stage.site, row, path)
        assert status == 404 if row.path in PRIVATE else status in {200, 303}


# --- ways around the rules ------------------------------------------------------------------------


async def bound_author(stage: Stage) -> Account:
    """Hire a writer for one kelurahan of another agency."""
    return await hire(
        stage.site.app, "sari", "author", agencies=("Dinas Kesehatan",), areas=("32.77.01.1001",)
    )


OURS = {**FORM, "agency": "Dinas Kesehatan", "areas": ["melong"]}


async def test_what_is_published_for_others_does_not_become_ones_own_by_a_correction(
    own_stage: Stage,
) -> None:
    sari, announcement = await bound_author(own_stage), await published(own_stage)
    with pytest.raises(NotAllowed, match="not_yours"):
        await own_stage.do(
            sari, corrections.propose_correction, announcement, OURS, reason="Kami ambil alih."
        )
    assert await own_stage.site.app.database.read(proposed, announcement) is None


async def test_what_waits_or_is_approved_does_not_become_anothers_by_an_edit(
    own_stage: Stage,
) -> None:
    sari = await bound_author(own_stage)
    for state in ("review", "approved"):
        row = await own_stage.do(sari, drafts.save, OURS)
        await own_stage.do(sari, review.submit, row.id)
        row = await own_stage.row(row.id)
        if state == "approved":
            await own_stage.do(
                own_stage.dewi, review.approve, row.id, seen=row.bound, version=row.version
            )
        for change in (
            {"agency": "Dinas Perhubungan"},
            {"areas": ["melong", "cibabat"]},
            {"areas": ["cimahi"]},
        ):
            with pytest.raises(NotAllowed, match="not_yours"):
                await own_stage.do(sari, drafts.save, {**OURS, **change}, announcement_id=row.id)
        assert (await own_stage.row(row.id)).state == state, "what was approved stays so"


async def test_a_draft_for_another_agency_may_be_begun_and_is_not_submitted(
    own_stage: Stage,
) -> None:
    sari = await bound_author(own_stage)
    row = await own_stage.do(sari, drafts.save, {**OURS, "agency": "Dinas Perhubungan"})
    with pytest.raises(NotAllowed, match="not_yours"):
        await own_stage.do(sari, review.submit, row.id)


async def test_ones_own_draft_can_be_corrected_after_a_wrong_choice(own_stage: Stage) -> None:
    sari = await bound_author(own_stage)
    row = await own_stage.do(sari, drafts.save, OURS)
    await own_stage.do(sari, drafts.save, {**OURS, "areas": ["cibabat"]}, announcement_id=row.id)
    await own_stage.do(sari, drafts.save, OURS, announcement_id=row.id)
    await own_stage.do(sari, review.submit, row.id)
    assert (await own_stage.row(row.id)).state == "review"


async def test_a_channel_is_not_the_matter_of_one_agency(own_stage: Stage) -> None:
    sari = await browser(own_stage.site, await bound_author(own_stage))
    await halted(own_stage)
    assert "Buka kanal" not in (await sari.get("/redaksi/kanal")).text
    answer = await sari.post("/redaksi/kanal/email/lanjut")
    assert answer.status == 409
    assert "seluruh kota" in answer.text


async def test_an_exercise_is_never_published_by_any_way(own_stage: Stage) -> None:
    stage, both = own_stage, await hire(own_stage.site.app, "budi", "author", "approver")
    row = await stage.do(
        both, drafts.save, {**FORM, "level": "emergency", "instruction": "Pindah."}, training=True
    )
    with pytest.raises(NotAllowed, match="drill"):
        await stage.do(both, release.break_glass, row.id, reason="Coba.", allowed=True)
    await stage.do(both, review.submit, row.id)
    with pytest.raises(NotAllowed):
        await stage.do(stage.dewi, release.publish_approved, row.id)
    with pytest.raises(NotAllowed, match="drill"):
        await stage.do(both, release.break_glass, row.id, reason="Coba.", allowed=True)
    assert (await stage.row(row.id)).published_at is None


async def test_an_edit_just_before_the_clock_publishes_stops_it(own_stage: Stage) -> None:
    stage = own_stage
    announcement = await approved(stage)
    stage.site.clock.now += timedelta(seconds=31)
    await stage.do(
        stage.rina, drafts.save, {**FORM, "title": "Judul lain"}, announcement_id=announcement
    )
    press = Press.of(stage.site.app)
    assert await stage.site.app.database.write(publish_held, press, now=stage.site.clock()) == []
    row = await stage.row(announcement)
    assert (row.state, row.release_at, row.approved_by, row.published_at) == (
        "review",
        None,
        "",
        None,
    )
