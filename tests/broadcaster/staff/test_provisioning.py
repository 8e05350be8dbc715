"""Provisioning by the city's sign-on, without a web server: accounts, roles and sessions."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from broadcaster.staff import provisioning
from broadcaster.staff.oidc_claims import Identity
from broadcaster.staff.provisioning import ProvisioningOutcome
from broadcaster.store import accounts, sessions
from broadcaster.store.sessions import Session
from broadcaster.store.staff_tables import session
from support.sending import table
from support.signing_in import AT_HOME, Program, opened
from support.staffing import hire

SITI = Identity(
    issuer="https://masuk.cimahi.example",
    subject="u-1",
    name="siti",
    full_name="Siti Aminah",
    email="siti@cimahi.example",
    values=("tulis",),
)
ROLES = "tulis=penyusun setuju=penyetuju kelola=pengelola"


@pytest.fixture
async def program(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Program]:
    """The program with the city's own words for roles."""
    async with opened(sqlite_url, tmp_path, OIDC_ROLES=ROLES) as started:
        yield started


async def enter(
    program: Program, *values: str, before: Session | None = None
) -> tuple[ProvisioningOutcome, str]:
    """Sign Siti in with these role values of the provider."""
    identity = replace(SITI, values=values)
    return await program.app.database.write(
        provisioning.enter, program.app, AT_HOME, identity, hint="sealed", before=before
    )


async def test_who_signs_in_for_the_first_time_gets_an_account_and_a_session(
    program: Program,
) -> None:
    admission, cookie = await enter(program, "tulis")
    assert admission.account is not None
    assert (admission.problem, admission.account.roles) == ("", ("author",))
    at = program.clock().timestamp()
    new_session = await program.app.database.read(sessions.find, cookie, at)
    assert new_session is not None
    assert (new_session.way, new_session.hint, new_session.place) == (
        "oidc",
        "sealed",
        AT_HOME.address,
    )
    added, entered = await program.audit("siti")
    assert (added.act, entered.act) == ("account_add", "sign_in")
    assert entered.detail == {"from": AT_HOME.address, "agent": AT_HOME.agent, "way": "oidc"}


async def test_the_session_that_the_browser_had_before_ends(program: Program) -> None:
    await program.secured()
    half = await program.half()
    await enter(program, "tulis", before=half)
    assert [row.way for row in table(program.app, session)] == ["oidc"]
    refused, cookie = await enter(program, "tamu", before=half)
    assert (refused.problem, cookie) == ("no_role", "")


async def test_who_has_no_role_gets_no_account(program: Program) -> None:
    assert await enter(program, "tamu") == (
        ProvisioningOutcome(account=None, problem="no_role"),
        "",
    )
    assert not await program.app.database.read(accounts.exists)


async def test_who_loses_every_role_loses_every_session(program: Program) -> None:
    await hire(program.app, "dewi", "admin")
    await enter(program, "tulis")
    admission, cookie = await enter(program)
    assert (admission.problem, cookie) == ("no_role", "")
    assert table(program.app, session) == []
    assert await program.acts("siti") == [
        "account_add",
        "sign_in",
        "account_roles",
        "sign_in_failed",
    ]


async def test_a_disabled_account_stays_out_with_its_roles_as_they_were(program: Program) -> None:
    await hire(program.app, "dewi", "admin")
    admission, _cookie = await enter(program, "tulis")
    assert admission.account is not None
    at = program.clock().timestamp()
    await program.app.database.write(accounts.disable, admission.account.id, at)
    refused, cookie = await enter(program, "kelola")
    assert (refused.problem, cookie) == ("disabled", "")
    assert refused.account is not None
    assert refused.account.roles == ("author",)
    assert (await program.audit("siti"))[-1].detail["why"] == "disabled"


async def test_the_last_pengelola_keeps_the_role(program: Program) -> None:
    await enter(program, "kelola")
    admission, cookie = await enter(program, "tulis")
    assert admission.kept_admin
    assert cookie
    assert admission.account is not None
    assert admission.account.roles == ("author", "admin")
    assert "last_admin_kept" in await program.acts("siti")
