"""Sign-in without a web server: every outcome of a password and of a code, and what is left of it
in sessions and audit.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from structlog.testing import capture_logs

from broadcaster.app import App, open_app
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account
from broadcaster.runtime import config
from broadcaster.runtime.password_hashing import (
    KNOWN_PLACES,
    RETRY_SECONDS,
    STRANGER_PLACES,
    Busy,
)
from broadcaster.staff import second_factor, sign_in
from broadcaster.staff.second_factor import HALF_SECONDS, is_awaited
from broadcaster.staff.sign_in import Outcome
from broadcaster.staff.sign_in_throttle import Browser, asker_of
from broadcaster.store import accounts, audit, sessions
from broadcaster.store.audit import Entry
from broadcaster.store.code_guard import COOLING_SECONDS, STOP_AFTER
from broadcaster.store.sessions import HALF, Session
from broadcaster.store.sign_in_throttle import FREE_PAIR
from broadcaster.store.staff_tables import nudge, session
from support.browsing import CREDENTIALS, Clock
from support.sending import table
from support.staffing import PASSWORD, hire
from support.waiting import until

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
RECOVERY = "abcde-fghjk"
AT_HOME = Browser(address="203.0.113.9", agent="Firefox, Linux")


@dataclass(kw_only=True)
class Door:
    """The program without a web server, and what can be seen of it after a try."""

    app: App
    clock: Clock
    browser: Browser = field(default=AT_HOME)

    async def enter(self, name: str = "rina", password: str = PASSWORD) -> Outcome:
        """Give name and password."""
        return await sign_in.enter_password(self.app, self.browser, name, password)

    async def type_code(self, half: Session, code: str) -> Outcome:
        """Give the second factor."""
        return await second_factor.enter_code(self.app, self.browser, half, code)

    async def half(self) -> Session:
        """Give the right password of somebody with a second factor."""
        outcome = await self.enter()
        assert outcome.half
        return await self.session(outcome)

    async def session(self, outcome: Outcome) -> Session:
        """The session that was opened."""
        at = self.clock().timestamp()
        opened = await self.app.database.read(sessions.find, outcome.cookie, at)
        assert opened is not None
        return opened

    async def audit(self, name: str = "rina") -> list[Entry]:
        """What the audit says of a person, the oldest first."""
        return await self.app.database.read(audit.about, f"staff:{name}")

    async def acts(self, name: str = "rina") -> list[str]:
        """The acts alone."""
        return [entry.act for entry in await self.audit(name)]

    async def stored(self, account: Account) -> str:
        """The hash of a password."""
        return (await self.app.database.read(accounts.secrets_of, account.id))[0]

    async def secured(self) -> Account:
        """Rina, who has a second factor."""
        rina = await hire(self.app, "rina", "author", email="rina@contoh.example")
        sealed = self.app.vault.seal("totp", SECRET)
        digest = self.app.vault.lookup("recovery", f"{rina.id}:{RECOVERY}")
        await self.app.database.write(accounts.set_totp, rina.id, sealed, [digest])
        return rina

    def code(self) -> str:
        """What the phone shows now."""
        return pyotp.TOTP(SECRET).at(int(self.clock().timestamp()))

    @asynccontextmanager
    async def hashing_held(self) -> AsyncIterator[None]:
        """The program while one password takes as long as the block."""
        free = threading.Event()
        held = asyncio.create_task(self.app.hasher.run(free.wait))
        await asyncio.sleep(0)
        try:
            yield
        finally:
            free.set()
            await held


@pytest.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    """The program on a fresh database."""
    environ = {
        **CREDENTIALS,
        "BROADCASTER_DATA_DIR": str(tmp_path),
        "BROADCASTER_DATABASE_URL": sqlite_url,
        "BROADCASTER_BASE_URL": "https://info.cimahi.example",
        "BROADCASTER_DOMAIN": "info.cimahi.example",
    }
    clock = Clock()
    async with open_app(config.read(environ), clock=clock) as app:
        yield Door(app=app, clock=clock)


# --- the password -------------------------------------------------------------------------------------


async def test_the_right_password_opens_a_session_that_says_from_where(door: Door) -> None:
    await hire(door.app, "rina", "author")
    outcome = await door.enter(" RINA ")
    assert (outcome.half, outcome.problem, outcome.wait) == (False, "", 0)
    opened = await door.session(outcome)
    assert (opened.way, opened.agent, opened.place) == ("password", "Firefox, Linux", "203.0.113.9")
    (entry,) = await door.audit()
    assert entry.act == "sign_in"
    assert entry.detail == {"from": "203.0.113.9", "agent": "Firefox, Linux", "way": "password"}


@pytest.mark.parametrize("name", ["nobody", "", "rina\x00", "r" * 500])
async def test_a_name_without_an_account_is_a_wrong_password_and_written_nowhere(
    door: Door, name: str
) -> None:
    with capture_logs() as lines:
        assert await door.enter(name) == Outcome(problem="signin.wrong")
    assert table(door.app, session) == []
    assert await door.acts(name) == []
    assert [line for line in lines if line["event"] == "sign_in_failed"] == [
        {"event": "sign_in_failed", "log_level": "warning", "known": False}
    ]


async def test_a_wrong_password_opens_nothing_and_is_audited(door: Door) -> None:
    await hire(door.app, "rina", "author")
    assert await door.enter(password="salah") == Outcome(problem="signin.wrong")
    assert table(door.app, session) == []
    (entry,) = await door.audit()
    assert (entry.act, entry.detail["from"]) == ("sign_in_failed", "203.0.113.9")


async def test_a_disabled_account_and_one_without_a_password_look_like_a_wrong_password(
    door: Door,
) -> None:
    rina = await hire(door.app, "rina", "author")
    await hire(door.app, "dewi", "admin")
    await door.app.database.write(accounts.disable, rina.id, door.clock().timestamp())
    assert await door.enter() == Outcome(problem="signin.wrong")
    siti = replace(rina, id=0, name="siti", local=False, issuer="https://i.example", subject="u")
    await door.app.database.write(lambda connection: accounts.add(connection, siti, at=0.0))
    assert await door.enter("siti", "") == Outcome(problem="signin.wrong")
    assert table(door.app, session) == []


async def test_after_the_free_tries_not_even_the_right_password_is_checked(door: Door) -> None:
    await hire(door.app, "rina", "author")
    for _ in range(FREE_PAIR):
        assert (await door.enter(password="salah")).problem == "signin.wrong"
    assert await door.enter() == Outcome(problem="signin.wait", wait=1)
    elsewhere = replace(door, browser=replace(AT_HOME, address="198.51.100.7"))
    assert (await elsewhere.enter()).cookie, "the owner waits for nobody's guesses"
    door.clock.now += timedelta(seconds=1)
    assert (await door.enter()).cookie
    assert (await door.enter(password="salah")).problem == "signin.wrong", "begun anew"


async def test_a_known_browser_is_counted_by_itself(door: Door) -> None:
    await hire(door.app, "rina", "author")
    for _ in range(FREE_PAIR + 1):
        await door.enter(password="salah")
    known = replace(AT_HOME, mark="a nonce of ours")
    assert (await replace(door, browser=known).enter()).cookie
    assert asker_of(door.app, known, "rina").name is None
    assert asker_of(door.app, known, " RINA ") == asker_of(door.app, known, "rina")
    assert asker_of(door.app, known, "dewi") != asker_of(door.app, known, "rina")


async def test_where_the_queue_before_argon2_is_full_a_stranger_hears_when_to_come_again(
    door: Door,
) -> None:
    await hire(door.app, "rina", "author")
    async with door.hashing_held():
        others = [
            asyncio.create_task(door.app.hasher.run(list, rank=0)) for _ in range(STRANGER_PLACES)
        ]
        await until(lambda: door.app.hasher.waiting == STRANGER_PLACES)
        assert await door.enter() == Outcome(problem="signin.busy", wait=RETRY_SECONDS)
    await asyncio.gather(*others)
    assert await door.acts() == [], "nobody looked at it: no failure"


async def test_a_hash_of_a_lower_cost_is_made_anew_and_a_duty_to_change_stays(door: Door) -> None:
    rina = await hire(door.app, "rina", "author")
    cheap = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    await door.app.database.write(accounts.set_password, rina.id, cheap, must_change=True)
    assert (await door.enter(password="salah")).problem == "signin.wrong"
    assert await door.stored(rina) == cheap
    outcome = await door.enter()
    assert (await door.session(outcome)).account.must_change
    renewed = await door.stored(rina)
    assert not credentials.needs_new_hash(renewed)
    assert credentials.password_fits(renewed, PASSWORD)
    assert (await door.enter()).cookie
    assert await door.stored(rina) == renewed


@pytest.mark.parametrize("change", ["password", "disabled"])
async def test_who_is_shut_out_while_the_password_is_checked_stays_out(
    door: Door, change: str
) -> None:
    rina = await hire(door.app, "rina", "author")
    await hire(door.app, "dewi", "admin")
    async with door.hashing_held():
        entering = asyncio.create_task(door.enter())
        await until(lambda: door.app.hasher.waiting == 1)
        if change == "password":
            hashed = credentials.hash_password("kopi pagi di alun alun")
            await door.app.database.write(accounts.set_password, rina.id, hashed)
        else:
            await door.app.database.write(accounts.disable, rina.id, door.clock().timestamp())
    assert await entering == Outcome(problem="signin.wrong")
    assert table(door.app, session) == []


# --- the second factor --------------------------------------------------------------------------------


async def test_with_a_second_factor_the_password_opens_a_half_session_that_ends_soon(
    door: Door,
) -> None:
    await door.secured()
    half = await door.half()
    assert half.way == HALF
    assert await door.acts() == [], "nobody is in yet"
    assert is_awaited(half, half.started_at + HALF_SECONDS - 1)
    assert not is_awaited(half, half.started_at + HALF_SECONDS)
    assert not is_awaited(replace(half, way="password"), half.started_at)


async def test_a_right_code_opens_a_whole_session_in_the_place_of_the_half_one(door: Door) -> None:
    await door.secured()
    half = await door.half()
    outcome = await door.type_code(half, door.code())
    assert (outcome.half, outcome.problem) == (False, "")
    opened = await door.session(outcome)
    assert (opened.way, opened.id != half.id) == ("totp", True)
    assert len(table(door.app, session)) == 1
    (entry,) = await door.audit()
    assert (entry.act, entry.detail["way"]) == ("sign_in", "totp")


async def test_a_code_serves_once_and_so_does_a_recovery_code(door: Door) -> None:
    await door.secured()
    code = door.code()
    for right, way in ((code, "totp"), (RECOVERY.upper().replace("-", " "), "recovery")):
        opened = await door.session(await door.type_code(await door.half(), right))
        assert opened.way == way
        again = await door.type_code(await door.half(), right)
        assert again == Outcome(problem="signin.code.wrong")


async def test_a_wrong_code_leaves_the_half_session_and_is_audited(door: Door) -> None:
    await door.secured()
    half = await door.half()
    assert await door.type_code(half, "000000") == Outcome(problem="signin.code.wrong")
    assert await door.acts() == ["sign_in_failed"]
    assert (await door.type_code(half, door.code())).cookie


async def test_codes_without_a_second_factor_open_nothing(door: Door) -> None:
    rina = await door.secured()
    half = await door.half()
    await door.app.database.write(accounts.set_totp, rina.id, None, [])
    assert (await door.type_code(half, door.code())).problem == "signin.code.wrong"
    assert (await door.type_code(half, RECOVERY)).problem == "signin.code.wrong"


async def test_a_secret_that_cannot_be_opened_leaves_the_recovery_codes(door: Door) -> None:
    rina = await door.secured()
    digest = door.app.vault.lookup("recovery", f"{rina.id}:{RECOVERY}")
    await door.app.database.write(accounts.set_totp, rina.id, b"\x01spoilt", [digest])
    half = await door.half()
    with capture_logs() as lines:
        assert (await door.type_code(half, door.code())).problem == "signin.code.wrong"
    assert "second_factor_not_opened" in [line["event"] for line in lines]
    assert (await door.session(await door.type_code(half, RECOVERY))).way == "recovery"


async def test_a_half_session_that_was_ended_meanwhile_is_never_made_whole(door: Door) -> None:
    rina = await door.secured()
    half = await door.half()
    await door.app.database.write(sessions.end_all, rina.id)
    assert await door.type_code(half, door.code()) == Outcome(problem="signin.code.wrong")
    assert table(door.app, session) == []


async def test_who_guesses_at_codes_waits_as_who_guesses_at_passwords(door: Door) -> None:
    await door.secured()
    half = await door.half()
    for _ in range(FREE_PAIR):
        assert (await door.type_code(half, "000000")).problem == "signin.code.wrong"
    before = await door.acts()
    assert await door.type_code(half, door.code()) == Outcome(problem="signin.wait", wait=1)
    assert await door.acts() == before, "nobody looked at it: no failure"


async def test_the_last_wrong_code_ends_half_sessions_and_alerts_the_owner(door: Door) -> None:
    await door.secured()
    half = await door.half()
    outcomes = []
    for number in range(STOP_AFTER):
        stranger = replace(door, browser=replace(AT_HOME, address=f"198.51.{number}.1"))
        outcomes.append(await stranger.type_code(half, "000000"))
    assert outcomes[:-1] == [Outcome(problem="signin.code.wrong")] * (STOP_AFTER - 1)
    assert outcomes[-1] == Outcome(problem="signin.code.stopped", wait=int(COOLING_SECONDS))
    assert table(door.app, session) == []
    assert "codes_stopped" in await door.acts()
    assert len(table(door.app, nudge)) == 1
    refused = await door.type_code(await door.half(), door.code())
    assert refused == Outcome(problem="signin.code.stopped", wait=int(COOLING_SECONDS))


# --- signed in ----------------------------------------------------------------------------------------


async def test_who_signs_out_ends_this_session_alone(door: Door) -> None:
    await hire(door.app, "rina", "author")
    here = await door.session(await door.enter())
    there = await door.session(await door.enter())
    await door.app.database.write(sign_in.sign_out, door.app, here, AT_HOME)
    rows: list[Any] = table(door.app, session)
    assert [row.id for row in rows] == [there.id]
    assert await door.acts() == ["sign_in", "sign_in", "sign_out"]


async def test_a_password_asked_for_again_is_counted_with_those_at_sign_in(door: Door) -> None:
    rina = await hire(door.app, "rina", "author")
    confirmed = await sign_in.confirm_password(door.app, AT_HOME, rina, PASSWORD)
    assert confirmed == Outcome(stored=await door.stored(rina))
    for number in range(FREE_PAIR):
        if number % 2:
            assert (await door.enter(password="salah")).problem == "signin.wrong"
            continue
        wrong = await sign_in.confirm_password(door.app, AT_HOME, rina, "salah")
        assert wrong == Outcome(problem="staff.account.password.wrong")
    assert (await sign_in.confirm_password(door.app, AT_HOME, rina, PASSWORD)).wait == 1
    assert sorted(await door.acts()) == ["password_failed"] * 3 + ["sign_in_failed"] * 2


async def test_a_password_asked_for_again_finds_the_queue_full_only_behind_others_who_are_in(
    door: Door,
) -> None:
    rina = await hire(door.app, "rina", "author")
    async with door.hashing_held():
        others = [asyncio.create_task(door.app.hasher.run(list)) for _ in range(KNOWN_PLACES)]
        await until(lambda: door.app.hasher.waiting == KNOWN_PLACES)
        with pytest.raises(Busy):
            await sign_in.confirm_password(door.app, AT_HOME, rina, PASSWORD)
    await asyncio.gather(*others)
