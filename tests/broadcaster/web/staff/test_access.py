"""Who may use which page of the newsroom: every row of the route table, asked by everybody there
is.
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
from broadcaster.newsroom import corrections, release, review
from broadcaster.newsroom import drafts as newsroom
from broadcaster.newsroom.release import publish_held
from broadcaster.publishing.press import Press
from broadcaster.store import accounts, drafts
from broadcaster.store.sessions import HALF
from broadcaster.store.staff_tables import account as account_table
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
"""Which roles have which right, said a second time."""
READERS_MAY: Mapping[str, str] = {}
"""Forms for which it is enough that somebody may read, and why."""
PRIVATE: frozenset[str] = frozenset()
"""Pages that show what is one person's own: a colleague finds nothing there. All others every
colleague with the right reads: drafts too, since nobody can check, take over or schedule around
what they cannot see; addresses of residents are masked.
"""


def named(row: Row) -> str:
    return f"{'/'.join(row.methods)} {row.path}"


GUARDED = [row for row in STAFF if row.access.startswith("staff:")]
POSTS = [row for row in staff_rows("POST") if row in GUARDED]
FOREIGN = [
    row
    for row in POSTS
    if "{" in row.path and row.access != "staff:own" and not form_case_of(row).own
]


# --- what the table says ------------------------------------------------------------------------------


def test_every_page_of_the_newsroom_but_the_ways_in_names_a_right() -> None:
    for row in STAFF:
        assert row.path.startswith("/redaksi/"), row.path
        if not row.access.startswith("staff:"):
            assert row.access == "public", row.path
            assert row.path == SIGN_IN or row.path.startswith(f"{SIGN_IN}/"), row.path


def test_what_changes_something_needs_more_than_reading() -> None:
    assert {row.path for row in POSTS if row.access == "staff:read"} == set(READERS_MAY)


def test_nothing_is_said_of_forms_that_are_gone() -> None:
    assert set(FORM_CASES) <= {row.path for row in staff_rows("POST")}


# --- everybody asks for everything ----------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """One site for all who only ask."""
    folder = tmp_path_factory.mktemp("akses")
    (folder / "siaran.db").write_bytes(sqlite_template.read_bytes())
    async with running(
        f"sqlite:///{folder / 'siaran.db'}", folder, BROADCASTER_BREAK_GLASS="true"
    ) as site:
        yield await staged(site)


async def asks(
    who: Browser | None, site: Running, row: Row, path: str
) -> tuple[int, Mapping[str, str]]:
    """Status and headers of the answer; its body may have no end."""
    headers = (
        {"Cookie": f"redaksi={who.cookie}", "Origin": site.url, "X-CSRF-Token": who.csrf}
        if who
        else {"Origin": site.url}
    )
    method = row.methods[0]
    async with site.session.request(
        method, site.url + path, headers=headers, allow_redirects=False
    ) as answer:
        return answer.status, answer.headers


async def hired(
    stage: Stage, name: str, *roles: Any, way: str = "password", **values: Any
) -> Browser:
    """A browser with a session of its own, of somebody who stays."""
    found = await stage.site.app.database.read(accounts.find, name)
    return await browser(
        stage.site, found or await hire(stage.site.app, name, *roles, **values), way
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", GUARDED, ids=named)
async def test_a_role_opens_what_the_row_says_and_nothing_else(stage: Stage, row: Row) -> None:
    path, _ = await filled(stage, row)
    for role in ROLES:
        status, headers = await asks(await hired(stage, role, role), stage.site, row, path)
        if role not in MAY[row.access.removeprefix("staff:")]:
            assert status == 403, role
            continue
        assert status not in {401, 403}, role
        assert status < 500, role
        assert not headers.get("Location", "").startswith((f"{SIGN_IN}?ke=", CHOOSE_PASSWORD)), role
        if row.methods == ("GET",):
            assert status in {200, 303}, f"{role}: SETUPS must say something that is there"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", GUARDED, ids=named)
async def test_who_is_not_signed_in_is_asked_to_and_learns_nothing(stage: Stage, row: Row) -> None:
    site, (path, values) = stage.site, await filled(stage, row)
    half = await hired(stage, "setengah", *ROLES, way=HALF)
    gone = await dismissed(stage)
    strange = Browser(site=site, account=half.account, cookie="A" * 43, csrf="A" * 32)
    missing = path
    for value in values.values():
        missing = missing.replace(value, "0" * 32)
    for who in (None, half, gone, strange):
        for asked in (path, missing):
            status, headers = await asks(who, site, row, asked)
            assert status == (303 if row.methods == ("GET",) else 401), (
                "the same whether it exists or not"
            )
            if status == 303:
                assert headers["Location"].startswith(f"{SIGN_IN}?ke=%2Fredaksi%2F")
    quiet = await site.ask(path, row.methods[0], headers={"HX-Request": "true"})
    assert (quiet.status, quiet.headers["HX-Redirect"]) == (401, SIGN_IN), (
        "a page in the background goes there itself"
    )


async def dismissed(stage: Stage) -> Browser:
    """Somebody whose account is closed while a session of theirs is left: it opens nothing by
    itself either.
    """
    account = await hire(stage.site.app, f"bekas-{next(NUMBERS)}", *ROLES)
    gone = await browser(stage.site, account)
    closed = update(account_table).where(account_table.c.id == account.id).values(disabled_at=1.0)
    await stage.site.app.database.write(lambda connection: connection.execute(closed))
    return gone


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", GUARDED, ids=named)
async def test_who_must_choose_a_password_reaches_only_what_is_their_own(
    stage: Stage, row: Row
) -> None:
    path, _ = await filled(stage, row)
    who = await hired(stage, "baru", *ROLES, must_change=True)
    status, headers = await asks(who, stage.site, row, path)
    if row.access == "staff:own":
        assert status not in {401, 403}
        sent_on = headers.get("Location", "") == CHOOSE_PASSWORD
        assert not sent_on or row.methods == ("POST",) or row.path.startswith("/redaksi/akun"), (
            "first the password"
        )
        assert not sent_on or row.path != CHOOSE_PASSWORD or row.methods == ("POST",)
    else:
        assert (status, headers.get("Location")) == (303, CHOOSE_PASSWORD)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_page_asks_for_by_itself_never_brings_another_page_into_it(
    stage: Stage,
) -> None:
    who = await hired(stage, "baru", *ROLES, must_change=True)
    headers = {"HX-Request": "true", "Cookie": f"redaksi={who.cookie}"}
    answer = await stage.site.ask("/redaksi/alarm", headers=headers)
    assert (answer.status, answer.headers.get("HX-Redirect"), answer.headers.get("Location")) == (
        401,
        CHOOSE_PASSWORD,
        None,
    )
    page = await stage.site.ask(CHOOSE_PASSWORD, headers={"Cookie": f"redaksi={who.cookie}"})
    assert page.text.count("<header") == 1
    assert 'id="alarm"' not in page.text


# --- what belongs to others ---------------------------------------------------------------------------


@pytest.fixture
async def own_stage(sqlite_url: str, tmp_path: Any) -> AsyncIterator[Stage]:
    """A site of its own, where one person alone may publish an emergency."""
    async with running(sqlite_url, tmp_path, BROADCASTER_BREAK_GLASS="true") as site:
        yield await staged(site)


def role_for(row: Row) -> AccountRole:
    """The first role that has the row's right."""
    may = MAY[row.access.removeprefix("staff:")]
    return next(role for role in ROLES if role in may)


@pytest.mark.parametrize("bound", ELSEWHERE)
@pytest.mark.parametrize("row", FOREIGN, ids=named)
async def test_who_holds_for_another_agency_or_area_changes_nothing_here(
    own_stage: Stage, row: Row, bound: str
) -> None:
    case, site = form_case_of(row), own_stage.site
    path, values = await filled(own_stage, row, case.setup)
    form = await case.form(own_stage, values)
    other = await hired(own_stage, "orang-lain", role_for(row), **ELSEWHERE[bound])
    before = await everything(site)
    answer = await other.post(path, form)
    assert answer.status < 500
    if case.across:
        return
    assert changed(before, await everything(site)) == set(), answer.status
    assert answer.status in {403, 404, 409, 422}


@pytest.mark.parametrize("row", POSTS, ids=named)
async def test_who_holds_for_it_does_what_the_form_is_for(own_stage: Stage, row: Row) -> None:
    case, site = form_case_of(row), own_stage.site
    path, values = await filled(own_stage, row, case.setup)
    form = await case.form(own_stage, values)
    who = (
        await browser(site, own_stage.rina)
        if case.own
        else await hired(own_stage, "rekan", role_for(row))
    )
    before = await everything(site)
    answer = await who.post(path, form)
    assert answer.status in {200, 201, 303}, answer.text
    assert bool(changed(before, await everything(site))) == case.stores, (
        "else the refusals above prove nothing"
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "row", [row for row in staff_rows("GET") if row in GUARDED and "{" in row.path], ids=named
)
async def test_what_is_read_is_everybodys_and_what_is_private_nobodys(
    stage: Stage, row: Row
) -> None:
    path, _ = await filled(stage, row)
    for bound, limits in ELSEWHERE.items():
        reader = await hired(stage, f"pembaca-{bound}-{role_for(row)}", role_for(row), **limits)
        status, _headers = await asks(reader, stage.site, row, path)
        assert status == 404 if row.path in PRIVATE else status in {200, 303}


# --- ways around ----------------------------------------------------------------------------------------


async def bound_author(stage: Stage) -> Account:
    """Somebody who writes for another agency, and for one kelurahan of it."""
    return await hire(
        stage.site.app, "sari", "author", agencies=("Dinas Kesehatan",), areas=("32.77.01.1001",)
    )


OURS = {**FORM, "agency": "Dinas Kesehatan", "areas": ["melong"]}


async def test_what_is_published_for_others_does_not_become_ones_own_by_a_correction(
    own_stage: Stage,
) -> None:
    sari, theirs = await bound_author(own_stage), await published(own_stage)
    with pytest.raises(NotAllowed, match="not_yours"):
        await own_stage.do(
            sari, corrections.propose_correction, theirs, OURS, reason="Kami ambil alih."
        )
    assert await own_stage.site.app.database.read(drafts.proposed, theirs) is None


async def test_what_waits_or_is_approved_does_not_become_anothers_by_an_edit(
    own_stage: Stage,
) -> None:
    sari = await bound_author(own_stage)
    for reached in ("review", "approved"):
        row = await own_stage.do(sari, newsroom.save, OURS)
        await own_stage.do(sari, review.submit, row.id)
        row = await own_stage.row(row.id)
        if reached == "approved":
            await own_stage.do(
                own_stage.dewi, review.approve, row.id, seen=row.bound, version=row.version
            )
        for change in (
            {"agency": "Dinas Perhubungan"},
            {"areas": ["melong", "cibabat"]},
            {"areas": ["cimahi"]},
        ):
            with pytest.raises(NotAllowed, match="not_yours"):
                await own_stage.do(sari, newsroom.save, {**OURS, **change}, announcement_id=row.id)
        assert (await own_stage.row(row.id)).state == reached, "what was approved stays so"


async def test_a_draft_for_another_agency_may_be_begun_and_is_not_submitted(
    own_stage: Stage,
) -> None:
    sari = await bound_author(own_stage)
    row = await own_stage.do(sari, newsroom.save, {**OURS, "agency": "Dinas Perhubungan"})
    with pytest.raises(NotAllowed, match="not_yours"):
        await own_stage.do(sari, review.submit, row.id)


async def test_ones_own_draft_can_be_mended_after_a_wrong_choice(own_stage: Stage) -> None:
    sari = await bound_author(own_stage)
    row = await own_stage.do(sari, newsroom.save, OURS)
    await own_stage.do(sari, newsroom.save, {**OURS, "areas": ["cibabat"]}, announcement_id=row.id)
    await own_stage.do(sari, newsroom.save, OURS, announcement_id=row.id)
    await own_stage.do(sari, review.submit, row.id)
    assert (await own_stage.row(row.id)).state == "review"


async def test_a_channel_is_not_the_matter_of_one_agency(own_stage: Stage) -> None:
    sari = await browser(own_stage.site, await bound_author(own_stage))
    await halted(own_stage)
    assert "Buka kanal" not in (await sari.get("/redaksi/kanal")).text
    refused = await sari.post("/redaksi/kanal/email/lanjut")
    assert refused.status == 409
    assert "seluruh kota" in refused.text


async def test_an_exercise_is_never_published_by_any_way(own_stage: Stage) -> None:
    stage, both = own_stage, await hire(own_stage.site.app, "budi", "author", "approver")
    row = await stage.do(
        both, newsroom.save, {**FORM, "level": "emergency", "instruction": "Pindah."}, training=True
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
        stage.rina, newsroom.save, {**FORM, "title": "Judul lain"}, announcement_id=announcement
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
