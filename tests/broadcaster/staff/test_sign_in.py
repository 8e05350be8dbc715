"""Sign-in without a web server: every outcome of a password and of a code, with its sessions and
its rows in the audit log.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from structlog.testing import capture_logs

from broadcaster.domain import credentials
from broadcaster.runtime.password_hashing import (
    KNOWN_PLACES,
    RETRY_SECONDS,
    STRANGER_PLACES,
    Busy,
)
from broadcaster.staff import sign_in
from broadcaster.staff.second_factor import HALF_SECONDS, is_awaited
from broadcaster.staff.sign_in import Outcome
from broadcaster.staff.sign_in_throttle import asker_of
from broadcaster.store import accounts, sessions
from broadcaster.store.code_guard import COOLING_SECONDS, STOP_AFTER
from broadcaster.store.sessions import HALF
from broadcaster.store.sign_in_throttle import FREE_PAIR
from broadcaster.store.staff_tables import nudge, session
from support.sending import table
from support.signing_in import AT_HOME, RECOVERY, Program, opened
from support.staffing import PASSWORD, hire
from support.waiting import until


@pytest.fixture
async def program(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Program]:
    """A program on a fresh database."""
    async with opened(sqlite_url, tmp_path) as started:
        yield started


# --- the password -------------------------------------------------------------------------------------


async def test_the_right_password_opens_a_session_that_says_from_where(program: Program) -> None:
    await hire(program.app, "rina", "author")
    outcome = await program.enter(" RINA ")
    assert (outcome.half, outcome.problem, outcome.wait) == (False, "", 0)
    new_session = await program.session(outcome)
    assert (new_session.way, new_session.agent, new_session.place) == (
        "password",
        "Firefox, Linux",
        "203.0.113.9",
    )
    (entry,) = await program.audit()
    assert entry.act == "sign_in"
    assert entry.detail == {"from": "203.0.113.9", "agent": "Firefox, Linux", "way": "password"}


@pytest.mark.parametrize("name", ["nobody", "", "rina\x00", "r" * 500])
async def test_a_name_without_an_account_is_a_wrong_password_and_written_nowhere(
    program: Program, name: str
) -> None:
    with capture_logs() as lines:
        assert await program.enter(name) == Outcome(problem="signin.wrong")
    assert table(program.app, session) == []
    assert await program.acts(name) == []
    assert [line for line in lines if line["event"] == "sign_in_failed"] == [
        {"event": "sign_in_failed", "log_level": "warning", "known": False}
    ]


async def test_a_wrong_password_opens_nothing_and_is_audited(program: Program) -> None:
    await hire(program.app, "rina", "author")
    assert await program.enter(password="salah") == Outcome(problem="signin.wrong")
    assert table(program.app, session) == []
    (entry,) = await program.audit()
    assert (entry.act, entry.detail["from"]) == ("sign_in_failed", "203.0.113.9")


async def test_a_disabled_account_and_one_without_a_password_look_like_a_wrong_password(
    program: Program,
) -> None:
    rina = await hire(program.app, "rina", "author")
    await hire(program.app, "dewi", "admin")
    await program.app.database.write(accounts.disable, rina.id, program.clock().timestamp())
    assert await program.enter() == Outcome(problem="signin.wrong")
    siti = replace(rina, id=0, name="siti", local=False, issuer="https://i.example", subject="u")
    await program.app.database.write(lambda connection: accounts.add(connection, siti, at=0.0))
    assert await program.enter("siti", "") == Outcome(problem="signin.wrong")
    assert table(program.app, session) == []


async def test_after_the_free_tries_not_even_the_right_password_is_checked(
    program: Program,
) -> None:
    await hire(program.app, "rina", "author")
    for _ in range(FREE_PAIR):
        assert (await program.enter(password="salah")).problem == "signin.wrong"
    assert await program.enter() == Outcome(problem="signin.wait", wait=1)
    elsewhere = replace(program, browser=replace(AT_HOME, address="198.51.100.7"))
    assert (await elsewhere.enter()).cookie, "the owner waits for nobody's guesses"
    program.clock.now += timedelta(seconds=1)
    assert (await program.enter()).cookie
    assert (await program.enter(password="salah")).problem == "signin.wrong", "begun anew"


async def test_a_known_browser_is_counted_by_itself(program: Program) -> None:
    await hire(program.app, "rina", "author")
    for _ in range(FREE_PAIR + 1):
        await program.enter(password="salah")
    known = replace(AT_HOME, mark="a nonce of ours")
    assert (await replace(program, browser=known).enter()).cookie
    assert asker_of(program.app, known, "rina").name is None
    assert asker_of(program.app, known, " RINA ") == asker_of(program.app, known, "rina")
    assert asker_of(program.app, known, "dewi") != asker_of(program.app, known, "rina")


async def test_where_the_queue_before_argon2_is_full_a_stranger_gets_a_time_to_retry(
    program: Program,
) -> None:
    await hire(program.app, "rina", "author")
    async with program.hashing_held():
        others = [
            asyncio.create_task(program.app.hasher.run(list, rank=0))
            for _ in range(STRANGER_PLACES)
        ]
        await until(lambda: program.app.hasher.waiting == STRANGER_PLACES)
        assert await program.enter() == Outcome(problem="signin.busy", wait=RETRY_SECONDS)
    await asyncio.gather(*others)
    assert await program.acts() == [], "it was not checked: no failure"


async def test_a_hash_of_a_lower_cost_is_made_anew_and_a_duty_to_change_stays(
    program: Program,
) -> None:
    rina = await hire(program.app, "rina", "author")
    cheap_hash = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    await program.app.database.write(accounts.set_password, rina.id, cheap_hash, must_change=True)
    assert (await program.enter(password="salah")).problem == "signin.wrong"
    assert await program.stored(rina) == cheap_hash
    outcome = await program.enter()
    assert (await program.session(outcome)).account.must_change
    new_hash = await program.stored(rina)
    assert not credentials.needs_new_hash(new_hash)
    assert credentials.password_fits(new_hash, PASSWORD)
    assert (await program.enter()).cookie
    assert await program.stored(rina) == new_hash


@pytest.mark.parametrize("change", ["password", "disabled"])
async def test_who_is_shut_out_while_the_password_is_checked_stays_out(
    program: Program, change: str
) -> None:
    rina = await hire(program.app, "rina", "author")
    await hire(program.app, "dewi", "admin")
    async with program.hashing_held():
        entering = asyncio.create_task(program.enter())
        await until(lambda: program.app.hasher.waiting == 1)
        if change == "password":
            hashed = credentials.hash_password("kopi pagi di alun alun")
            await program.app.database.write(accounts.set_password, rina.id, hashed)
        else:
            await program.app.database.write(accounts.disable, rina.id, program.clock().timestamp())
    assert await entering == Outcome(problem="signin.wrong")
    assert table(program.app, session) == []


# --- the second factor --------------------------------------------------------------------------------


async def test_with_a_second_factor_the_password_opens_a_half_session_that_ends_soon(
    program: Program,
) -> None:
    await program.secured()
    half = await program.half()
    assert half.way == HALF
    assert await program.acts() == [], "nobody is in yet"
    assert is_awaited(half, half.started_at + HALF_SECONDS - 1)
    assert not is_awaited(half, half.started_at + HALF_SECONDS)
    assert not is_awaited(replace(half, way="password"), half.started_at)


async def test_a_right_code_opens_a_whole_session_in_the_place_of_the_half_one(
    program: Program,
) -> None:
    await program.secured()
    half = await program.half()
    outcome = await program.type_code(half, program.code())
    assert (outcome.half, outcome.problem) == (False, "")
    whole = await program.session(outcome)
    assert (whole.way, whole.id != half.id) == ("totp", True)
    assert len(table(program.app, session)) == 1
    (entry,) = await program.audit()
    assert (entry.act, entry.detail["way"]) == ("sign_in", "totp")


async def test_a_code_serves_once_and_so_does_a_recovery_code(program: Program) -> None:
    await program.secured()
    code = program.code()
    for code_or_recovery, way in ((code, "totp"), (RECOVERY.upper().replace("-", " "), "recovery")):
        whole = await program.session(
            await program.type_code(await program.half(), code_or_recovery)
        )
        assert whole.way == way
        again = await program.type_code(await program.half(), code_or_recovery)
        assert again == Outcome(problem="signin.code.wrong")


async def test_a_wrong_code_leaves_the_half_session_and_is_audited(program: Program) -> None:
    await program.secured()
    half = await program.half()
    assert await program.type_code(half, "000000") == Outcome(problem="signin.code.wrong")
    assert await program.acts() == ["sign_in_failed"]
    assert (await program.type_code(half, program.code())).cookie


async def test_codes_without_a_second_factor_open_nothing(program: Program) -> None:
    rina = await program.secured()
    half = await program.half()
    await program.app.database.write(accounts.set_totp, rina.id, None, [])
    assert (await program.type_code(half, program.code())).problem == "signin.code.wrong"
    assert (await program.type_code(half, RECOVERY)).problem == "signin.code.wrong"


async def test_a_secret_that_cannot_be_opened_leaves_the_recovery_codes(program: Program) -> None:
    rina = await program.secured()
    digest = program.app.vault.lookup("recovery", f"{rina.id}:{RECOVERY}")
    await program.app.database.write(accounts.set_totp, rina.id, b"\x01spoilt", [digest])
    half = await program.half()
    with capture_logs() as lines:
        assert (await program.type_code(half, program.code())).problem == "signin.code.wrong"
    assert "second_factor_not_opened" in [line["event"] for line in lines]
    assert (await program.session(await program.type_code(half, RECOVERY))).way == "recovery"


async def test_a_half_session_that_was_ended_meanwhile_is_never_made_whole(
    program: Program,
) -> None:
    rina = await program.secured()
    half = await program.half()
    await program.app.database.write(sessions.end_all, rina.id)
    assert await program.type_code(half, program.code()) == Outcome(problem="signin.code.wrong")
    assert table(program.app, session) == []


async def test_who_guesses_at_codes_waits_as_who_guesses_at_passwords(program: Program) -> None:
    await program.secured()
    half = await program.half()
    for _ in range(FREE_PAIR):
        assert (await program.type_code(half, "000000")).problem == "signin.code.wrong"
    before = await program.acts()
    assert await program.type_code(half, program.code()) == Outcome(problem="signin.wait", wait=1)
    assert await program.acts() == before, "it was not checked: no failure"


async def test_the_last_wrong_code_ends_half_sessions_and_alerts_the_owner(
    program: Program,
) -> None:
    await program.secured()
    half = await program.half()
    outcomes = []
    for number in range(STOP_AFTER):
        stranger = replace(program, browser=replace(AT_HOME, address=f"198.51.{number}.1"))
        outcomes.append(await stranger.type_code(half, "000000"))
    assert outcomes[:-1] == [Outcome(problem="signin.code.wrong")] * (STOP_AFTER - 1)
    assert outcomes[-1] == Outcome(problem="signin.code.stopped", wait=int(COOLING_SECONDS))
    assert table(program.app, session) == []
    assert "codes_stopped" in await program.acts()
    assert len(table(program.app, nudge)) == 1
    refused = await program.type_code(await program.half(), program.code())
    assert refused == Outcome(problem="signin.code.stopped", wait=int(COOLING_SECONDS))


# --- signed in ----------------------------------------------------------------------------------------


async def test_who_signs_out_ends_this_session_alone(program: Program) -> None:
    await hire(program.app, "rina", "author")
    here = await program.session(await program.enter())
    there = await program.session(await program.enter())
    await program.app.database.write(sign_in.sign_out, program.app, here, AT_HOME)
    rows: list[Any] = table(program.app, session)
    assert [row.id for row in rows] == [there.id]
    assert await program.acts() == ["sign_in", "sign_in", "sign_out"]


async def test_a_password_asked_for_again_is_counted_with_those_at_sign_in(
    program: Program,
) -> None:
    rina = await hire(program.app, "rina", "author")
    confirmed = await sign_in.confirm_password(program.app, AT_HOME, rina, PASSWORD)
    assert confirmed == Outcome(stored=await program.stored(rina))
    for number in range(FREE_PAIR):
        if number % 2:
            assert (await program.enter(password="salah")).problem == "signin.wrong"
            continue
        wrong = await sign_in.confirm_password(program.app, AT_HOME, rina, "salah")
        assert wrong == Outcome(problem="staff.account.password.wrong")
    assert (await sign_in.confirm_password(program.app, AT_HOME, rina, PASSWORD)).wait == 1
    assert sorted(await program.acts()) == ["password_failed"] * 3 + ["sign_in_failed"] * 2


async def test_a_password_asked_for_again_finds_the_queue_full_only_behind_others_who_are_in(
    program: Program,
) -> None:
    rina = await hire(program.app, "rina", "author")
    async with program.hashing_held():
        others = [asyncio.create_task(program.app.hasher.run(list)) for _ in range(KNOWN_PLACES)]
        await until(lambda: program.app.hasher.waiting == KNOWN_PLACES)
        with pytest.raises(Busy):
            await sign_in.confirm_password(program.app, AT_HOME, rina, PASSWORD)
    await asyncio.gather(*others)
