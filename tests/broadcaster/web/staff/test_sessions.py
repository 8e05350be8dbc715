"""Signing in, against impostors: fixed sessions, other sites, guessing, and timing."""

import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urljoin

import pyotp
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.credentials import read_recovery_code
from broadcaster.staff.sign_in_throttle import counted
from broadcaster.store import accounts, sessions, sign_in_throttle
from broadcaster.store.sign_in_throttle import (
    FREE_NAME,
    FREE_PAIR,
    FREE_PLACE,
    LONGEST_WAIT,
    place_of,
)
from broadcaster.web.staff.addresses import safe_target
from support.browsing import Answer, Running, running
from support.peers import from_address
from support.sign_in_page import SIGN_IN, enter, lasting_cookies
from support.staffing import PASSWORD, browser, form_token, hire

CODE, HOME = "/redaksi/masuk/kode", "/redaksi/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def hire_secured(site: Running, name: str) -> None:
    """Hire a writer with a second factor."""
    account = await hire(site.app, name, "author")
    await site.app.database.write(
        accounts.set_totp, account.id, site.app.vault.seal("totp", SECRET), []
    )


async def enter_code(site: Running, half: Answer, ke: str = "", code: str = "") -> Answer:
    """Send the form of the second factor."""
    cookie = f"redaksi={half.cookies['redaksi']}"
    page = await site.ask(half.headers["Location"], headers={"Cookie": cookie})
    target = re.search(r'name="ke" value="([^"]*)"', page.text)
    assert target
    form = {
        "csrf": form_token(page.text),
        "kode": code or pyotp.TOTP(SECRET).at(int(site.clock().timestamp())),
        "ke": ke or target[1].replace("&amp;", "&"),
    }
    headers = {"Cookie": f"{cookie}; formulir={page.cookies['formulir']}", "Origin": site.url}
    return await site.ask(CODE, "POST", data=form, headers=headers)


# --- fixed sessions -------------------------------------------------------------------------------


async def test_a_session_that_was_fixed_before_is_never_the_one_afterwards(site: Running) -> None:
    rina, budi = await hire(site.app, "rina", "author"), await hire(site.app, "budi", "author")
    planted = (await browser(site, budi)).cookie
    for before in ("A" * 43, planted):
        answer = await enter(site, "rina", cookie=f"redaksi={before}")
        assert answer.status == 303 or before == planted
        cookie = answer.cookies.get("redaksi", "")
        assert cookie != before
        assert cookie
        session = await site.app.database.read(sessions.find, cookie, site.clock().timestamp())
        assert session is not None
        assert session.account.id == rina.id
    assert await site.app.database.read(sessions.find, "A" * 43, site.clock().timestamp()) is None
    again = await enter(site, "rina")
    assert len({answer.cookies["redaksi"], again.cookies["redaksi"]}) == 2, "each time a new one"


async def test_the_session_of_the_second_factor_is_a_new_one_and_the_half_one_is_gone(
    site: Running,
) -> None:
    await hire_secured(site, "rina")
    half = await enter(site, "rina")
    whole = await enter_code(site, half)
    assert (whole.status, whole.headers["Location"]) == (303, HOME)
    now = site.clock().timestamp()
    assert whole.cookies["redaksi"] != half.cookies["redaksi"]
    assert await site.app.database.read(sessions.find, half.cookies["redaksi"], now) is None
    session = await site.app.database.read(sessions.find, whole.cookies["redaksi"], now)
    assert session is not None
    assert session.way == "totp"


async def test_a_second_factor_that_cannot_be_opened_is_a_wrong_code_and_a_recovery_code_still_serves(
    site: Running,
) -> None:
    account = await hire(site.app, "rina", "author")
    digest = site.app.vault.lookup("recovery", f"{account.id}:{read_recovery_code('ABCDE-FGHJK')}")
    await site.app.database.write(accounts.set_totp, account.id, b"\x01spoilt", [digest])
    answer = await enter_code(site, await enter(site, "rina"))
    assert (answer.status, answer.cookies.get("redaksi", "")) == (401, "")
    whole = await enter_code(site, await enter(site, "rina"), code="ABCDE-FGHJK")
    assert (whole.status, whole.headers["Location"]) == (303, HOME)


async def test_the_second_factor_must_come_soon(site: Running) -> None:
    await hire_secured(site, "rina")
    half = await enter(site, "rina")
    site.clock.now += timedelta(seconds=301)
    late = await site.ask(CODE, headers={"Cookie": f"redaksi={half.cookies['redaksi']}"})
    assert (late.status, late.headers["Location"]) == (303, SIGN_IN)


async def test_who_signs_out_leaves_nothing_that_opens_anything(site: Running) -> None:
    rina = await hire(site.app, "rina", "author")
    here, there = await browser(site, rina), await browser(site, rina)
    answer = await here.post("/redaksi/keluar")
    assert re.search(
        r'redaksi="?"?; .*(Max-Age=0|expires=Thu, 01 Jan 1970)',
        answer.headers["Set-Cookie"],
        re.IGNORECASE,
    )
    assert (await here.get(HOME)).status == 303
    assert (await here.post("/redaksi/keluar")).status == 401
    assert (await there.get(HOME)).status == 200, "the other browser stays"


async def test_a_cookie_is_worth_nothing_once_its_session_is_over(site: Running) -> None:
    rina = await hire(site.app, "rina", "author")
    busy, idle = await browser(site, rina), await browser(site, rina)
    for _ in range(7):
        site.clock.now += timedelta(minutes=115)
        await busy.get(HOME)
    assert (await idle.get(HOME)).status == 303, "unused for two hours"
    assert (await busy.get(HOME)).status == 303, "twelve hours are over, however busy"


# --- other sites ----------------------------------------------------------------------------------


EVIL = [
    "//jahat.example", "///jahat.example", "/\\jahat.example", "\\\\jahat.example", "https://jahat.example",
    "http:jahat.example", "HTTPS:jahat.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x",
    "%2f%2fjahat.example", "/%2fjahat.example", "/%5cjahat.example", "/redaksi//jahat.example", "/redaksi/\\jahat.example",
    "/redaksi/\r\nSet-Cookie: a=b", "/redaksi/\n", "/redaksi/\t/x", "/redaksi/\x00", " //jahat.example", "\t//jahat.example",
    "/\t/jahat.example", "/redaksi/@jahat.example", "/redaksi/#@jahat.example", "/redaksi@jahat.example",
    "/redaksi.jahat.example/", "//redaksi/", "/", "/daftar", "redaksi/", "/redaksi/masuk", "/redaksi/masuk/kode",
    "/redaksi/\u2028", "/redaksi/\uff0f\uff0fjahat.example", "https:/redaksi/", "//127.0.0.1@jahat.example/redaksi/",
    "/redaksi/ x", "/redaksi/../../jahat.example", "/redaksi/%2e%2e/%2E%2E/jahat.example", "/redaksi/..", "/redaksi/../daftar",
    "/redaksi/x/../../daftar", "/redaksi\\..\\jahat.example", "/redaksi/..\\jahat.example", "/redaksi/%5c..%5cjahat.example",
    "/redaksi/..;/jahat.example", "/redaksi/;jahat.example", "/redaksi/%2f%2fjahat.example", "/redaksi/%252e%252e/daftar",
    "/redaksi/%00", "/redaksi/%0d%0aSet-Cookie:a=b", "/redaksi/x/../masuk/kode", "/redaksi/./masuk", "/redaksi/" + "a" * 600,
    "/redaksi/pengumuman?kata=//jahat.example", "/redaksi/pengumuman?kata=a#b", "/redaksi/x/..//jahat.example",
]  # fmt: skip
"""Targets to which nobody is sent after signing in."""
GOOD = [
    "/redaksi/pengumuman?tab=draf&kata=air&setelah=1",
    "/redaksi/pengumuman/0199-a_b/tulis",
    "/redaksi/pengumuman?kata=50%25+air",
]


@pytest.mark.parametrize(
    "targets", [EVIL[:20], EVIL[20:40], EVIL[40:]], ids=["first", "second", "rest"]
)
async def test_nobody_is_led_to_another_site_by_signing_in(
    site: Running, targets: list[str]
) -> None:
    await hire(site.app, "rina", "author")
    for target in targets:
        assert safe_target(target) == HOME, target
        answer = await enter(site, "rina", target=target)
        assert (answer.status, answer.headers["Location"]) == (303, HOME), target
        form = await site.ask(SIGN_IN, params={"ke": target})
        assert 'name="ke" value="/redaksi/"' in form.text, target
        cookie = f"redaksi={answer.cookies['redaksi']}"
        already = await site.ask(SIGN_IN, params={"ke": target}, headers={"Cookie": cookie})
        assert (already.status, already.headers["Location"]) == (303, HOME), target


@pytest.mark.parametrize("target", ["//jahat.example", "/\\jahat.example", "javascript:alert(1)"])
async def test_nor_by_the_second_factor(site: Running, target: str) -> None:
    await hire_secured(site, "rina")
    half = await enter(site, "rina", target=target)
    assert half.headers["Location"] == CODE
    assert (await enter_code(site, half, ke=target)).headers["Location"] == HOME


@pytest.mark.parametrize(
    ("target", "plain"),
    [
        ("/redaksi/pengumuman/../akun", "/redaksi/akun"),
        ("/redaksi/./pengumuman/x/%2e%2e/y?tab=draf", "/redaksi/pengumuman/y?tab=draf"),
        ("/redaksi/pengumuman/x/..", "/redaksi/pengumuman/"),
        ("/redaksi/%61kun", "/redaksi/akun"),
    ],
)
def test_a_target_is_named_by_its_plain_path(target: str, plain: str) -> None:
    assert safe_target(target) == plain


@given(st.text(alphabet="/.%2ef5c;\\?a#\x00:@", max_size=40))
def test_whatever_is_asked_for_a_browser_stays_in_the_newsroom(text: str) -> None:
    address = urljoin("https://info.cimahi.example/redaksi/masuk", safe_target("/redaksi/" + text))
    assert address.startswith("https://info.cimahi.example/redaksi/")
    assert "\\" not in address


@pytest.mark.parametrize("target", GOOD)
async def test_the_page_that_was_wanted_is_reached_whole(site: Running, target: str) -> None:
    await hire(site.app, "rina", "author")
    redirect = await site.ask(target)
    page = await site.ask(redirect.headers["Location"])
    assert f'name="ke" value="{target.replace("&", "&amp;")}"' in page.text
    assert (await enter(site, "rina", target=target)).headers["Location"] == target
    await hire_secured(site, "dewi")
    half = await enter(site, "dewi", target=target)
    assert (await enter_code(site, half)).headers["Location"] == target


# --- guessing -------------------------------------------------------------------------------------


async def guess(site: Running, name: str, times: int) -> list[int]:
    """Try wrong passwords for a name; return the statuses."""
    return [(await enter(site, name, f"tebakan {number}")).status for number in range(times)]


NAME, PLACE = ("password", "name"), ("place",)


async def record_failures(site: Running, key: tuple[str, ...], times: int) -> None:
    """Record so many failures of a name or an address, as if others had tried."""
    keys = [(counted(site.app, *key), 0)]
    for _ in range(times):
        await site.app.database.write(sign_in_throttle.fail, keys, site.clock().timestamp())


async def test_who_guesses_at_one_account_waits_longer_and_longer(site: Running) -> None:
    await hire(site.app, "rina", "author")
    assert await guess(site, "rina", FREE_PAIR) == [401] * FREE_PAIR
    waits = []
    for _ in range(5):
        refusal = await enter(site, "rina", PASSWORD)
        assert refusal.status == 429, "the right password is not looked at either: it would tell"
        assert "redaksi" not in refusal.cookies
        waits.append(int(refusal.headers["Retry-After"]))
        site.clock.now += timedelta(seconds=waits[-1])
        assert (await enter(site, "rina", "salah")).status == 401
    assert waits == [1, 2, 4, 8, 16]
    site.clock.now += timedelta(seconds=LONGEST_WAIT[FREE_PAIR])
    assert (await enter(site, "rina")).status == 303


async def test_whose_right_password_comes_from_elsewhere_is_let_in_while_somebody_guesses(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    async with (
        from_address(site, "127.0.0.66") as attacker,
        from_address(site, "127.0.0.7") as home,
    ):
        for _ in range(2):
            statuses = await guess(attacker, "rina", 12)
            assert 429 in statuses
            assert (await enter(home, "rina")).status == 303
            site.clock.now += timedelta(seconds=20)


async def test_who_guesses_at_many_names_from_one_address_waits_for_all_of_them(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    async with (
        from_address(site, "127.0.0.66") as attacker,
        from_address(site, "127.0.0.7") as home,
    ):
        await record_failures(site, (*PLACE, "127.0.0.66"), FREE_PLACE - 3)
        statuses = [
            (await enter(attacker, f"nama{number}", "satu sandi saja")).status
            for number in range(5)
        ]
        assert statuses == [401] * 3 + [429] * 2
        assert (await enter(attacker, "rina")).status == 429
        assert (await enter(home, "rina")).status == 303


async def test_an_account_of_ones_own_buys_no_guesses_at_others(site: Running) -> None:
    for name in ("rina", "budi"):
        await hire(site.app, name, "author")
    await record_failures(site, (*PLACE, "127.0.0.66"), FREE_PLACE - 1)
    async with from_address(site, "127.0.0.66") as inside:
        assert (await enter(inside, "budi")).status == 303
        assert (await enter(inside, "rina", "salah")).status == 401
        assert (await enter(inside, "budi")).status == 429


async def test_another_spelling_of_a_name_buys_no_more_guesses(site: Running) -> None:
    await hire(site.app, "rina", "author")
    spellings = ["rina", " RINA ", "\uff52ina", "r\uff49na", "\u24e1ina"]
    assert [(await enter(site, name, "salah")).status for name in spellings] == [401] * FREE_PAIR
    assert (await enter(site, "ri\uff4ea", "salah")).status == 429


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"), ("::ffff:192.0.2.7", "192.0.2.7"), ("fe80::1%eth0", "fe80::"),
        ("", ""), ("unix:", "unix:"),
    ],
)  # fmt: skip
def test_a_household_is_one_place_however_many_addresses_it_has(address: str, place: str) -> None:
    assert place_of(address) == place


async def test_an_address_that_somebody_writes_into_a_header_counts_for_nothing(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    async with from_address(site, "127.0.0.66") as attacker:
        for number in range(FREE_PAIR):
            assert (
                await enter(attacker, "rina", "salah", **{"X-Forwarded-For": f"10.0.0.{number}"})
            ).status == 401
        spoofed = {
            "X-Forwarded-For": "10.9.9.9",
            "Forwarded": "for=10.9.9.9",
            "X-Real-IP": "10.9.9.9",
        }
        assert (await enter(attacker, "rina", "salah", **spoofed)).status == 429


@pytest.mark.parametrize(
    "name",
    ["rina\x00127.0.0.7", "\x00127.0.0.7", "kode:rina", '["password","pair","rina","127.0.0.7"]'],
)
async def test_no_name_that_is_typed_elsewhere_counts_against_somebodys_own_address(
    site: Running, name: str
) -> None:
    await hire_secured(site, "rina")
    async with (
        from_address(site, "127.0.0.66") as attacker,
        from_address(site, "127.0.0.7") as home,
    ):
        for _ in range(12):
            refusal = await enter(attacker, name, "salah")
            site.clock.now += timedelta(seconds=int(refusal.headers.get("Retry-After", 0)))
        half = await enter(home, "rina")
        assert half.status == 303
        assert (await enter_code(home, half)).status == 303


async def test_a_name_that_everybody_guesses_at_costs_its_owner_seconds_and_a_known_browser_nothing(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    before = await enter(site, "rina")
    known = lasting_cookies(before)
    assert known, "a browser is remembered"
    await record_failures(site, (*NAME, "rina"), FREE_NAME - 1)
    async with from_address(site, "127.0.0.66") as attacker:
        assert await guess(attacker, "rina", 1) == [401]
    await record_failures(site, (*NAME, "rina"), 10)
    async with from_address(site, "127.0.0.7") as home:
        refusal = await enter(home, "rina")
        assert refusal.status == 429
        assert int(refusal.headers["Retry-After"]) <= LONGEST_WAIT[FREE_NAME] == 5.0
        assert (await enter(home, "rina", cookie=known)).status == 303
        site.clock.now += timedelta(seconds=5)
        assert (await enter(home, "rina")).status == 303


async def test_a_browser_is_known_for_one_account_and_cannot_be_guessed_with(site: Running) -> None:
    for name in ("rina", "budi"):
        await hire(site.app, name, "author")
    before = await enter(site, "rina")
    known = lasting_cookies(before)
    async with from_address(site, "127.0.0.66") as office:
        await record_failures(site, (*PLACE, "127.0.0.66"), FREE_PLACE)
        assert (await enter(office, "budi", cookie=known)).status == 429, "it is not budi's"
        assert (await enter(office, "budi", cookie=known + "x")).status == 429
        assert (await enter(office, "rina", cookie=known)).status == 303, (
            "a colleague's mistakes do not shut her out"
        )
        statuses = [
            (await enter(office, "rina", "salah", cookie=known)).status
            for _ in range(FREE_PAIR + 2)
        ]
        assert statuses == [401] * FREE_PAIR + [429] * 2


async def test_the_second_factor_is_guessed_at_no_faster(site: Running) -> None:
    await hire_secured(site, "rina")
    half = await enter(site, "rina")
    cookie = f"redaksi={half.cookies['redaksi']}"
    page = await site.ask(CODE, headers={"Cookie": cookie})
    headers = {"Cookie": f"{cookie}; formulir={page.cookies['formulir']}", "Origin": site.url}
    form = {"csrf": form_token(page.text), "kode": "000000"}
    statuses = [
        (await site.ask(CODE, "POST", data=form, headers=headers)).status
        for _ in range(FREE_PAIR + 2)
    ]
    assert statuses == [401] * FREE_PAIR + [429] * 2
    again = await enter(site, "rina")
    assert again.status == 303
    page = await site.ask(CODE, headers={"Cookie": f"redaksi={again.cookies['redaksi']}"})
    right = {
        "csrf": form_token(page.text),
        "kode": pyotp.TOTP(SECRET).at(int(site.clock().timestamp())),
    }
    headers = {
        "Cookie": f"redaksi={again.cookies['redaksi']}; formulir={page.cookies['formulir']}",
        "Origin": site.url,
    }
    assert (await site.ask(CODE, "POST", data=right, headers=headers)).status == 429, (
        "the right password buys no new guesses"
    )


# --- timing ---------------------------------------------------------------------------------------


@contextmanager
def recorded_hashings() -> Iterator[list[str]]:
    """Record the kind and cost of every use of Argon2 in threads started in the block."""
    uses: list[str] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is PasswordHasher.verify.__code__:
            uses.append(str(frame.f_locals["hash"]).rsplit("$", 2)[0])

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield uses
    finally:
        threading.setprofile(None)
        sys.setprofile(None)


async def failing_credentials(site: Running) -> Mapping[str, tuple[str, str]]:
    """Return the names and passwords by which nobody gets in, by case."""
    await hire(site.app, "rina", "author")
    disabled, federated = (
        await hire(site.app, "keluar", "author"),
        await hire(site.app, "sso", "author"),
    )
    await site.app.database.write(accounts.disable, disabled.id, site.clock().timestamp())
    await site.app.database.write(accounts.set_password, federated.id, "")
    return {
        "wrong": ("rina", "salah"),
        "unknown": ("siapa", PASSWORD),
        "no name at all": ("bukan nama!", PASSWORD),
        "empty": ("", ""),
        "disabled": ("keluar", PASSWORD),
        "single sign-on only": ("sso", PASSWORD),
        "single sign-on only, empty": ("sso", ""),
        "endless": ("siapa", "x" * 5000),
    }


async def test_an_unknown_name_costs_as_much_as_a_wrong_password(
    sqlite_url: str, tmp_path: Path
) -> None:
    costs: dict[str, list[str]] = {}
    answers: set[str] = set()
    with recorded_hashings() as uses:
        async with running(sqlite_url, tmp_path) as site:
            attempts = await failing_credentials(site)
            await enter(site, "siapa")  # computes the hash for unknown names
            for case, (name, password) in attempts.items():
                uses.clear()
                answer = await enter(site, name, password)
                assert answer.status == 401, case
                costs[case] = list(uses)
                plain = re.sub(
                    r'(name="csrf" value=|name="nama" value=)"[^"]*"', r"\1", answer.text
                )
                answers.add(plain.replace(" autofocus", ""))
    assert all(len(cost) == 1 for cost in costs.values()), costs
    assert len({cost[0] for cost in costs.values()}) == 1, "at the same cost, too"
    assert len(answers) == 1, "and the same words"


async def test_who_must_wait_costs_us_nothing(sqlite_url: str, tmp_path: Path) -> None:
    with recorded_hashings() as uses:
        async with running(sqlite_url, tmp_path) as site:
            assert await guess(site, "siapa", FREE_PAIR) == [401] * FREE_PAIR
            assert len(uses) == FREE_PAIR
            uses.clear()
            assert await guess(site, "siapa", 3) == [429] * 3
            assert uses == []


# --- cookies --------------------------------------------------------------------------------------


def flags(line: str) -> tuple[str, Mapping[str, str]]:
    """Return a Set-Cookie's name, and its attributes in lower case."""
    first, *rest = (part.strip() for part in line.split(";"))
    pairs = (part.lower().partition("=") for part in rest)
    return first.partition("=")[0], {name: value for name, _, value in pairs}


def set_cookies(headers: Any) -> Mapping[str, Mapping[str, str]]:
    """Return the attributes of each cookie that is set, by name."""
    return dict(flags(line) for line in headers.getall("Set-Cookie"))


async def test_cookies_are_for_this_site_and_not_for_scripts(site: Running) -> None:
    await hire(site.app, "rina", "author")
    answer = await enter(site, "rina")
    page = await site.ask(SIGN_IN)
    cookie_flags = {**set_cookies(answer.headers), **set_cookies(page.headers)}
    assert {"redaksi", "formulir"} <= set(cookie_flags)
    for name, attributes in cookie_flags.items():
        assert "httponly" in attributes, name
        assert attributes["samesite"] == "lax", name
        assert attributes["path"] == "/", name
        assert "domain" not in attributes, name
        assert "secure" not in attributes, "http has no secure cookies"
    assert "max-age" not in cookie_flags["redaksi"], "a session ends with the browser"
    assert "expires" not in cookie_flags["redaksi"]


async def test_on_https_a_browser_takes_them_from_this_host_alone(
    sqlite_url: str, tmp_path: Path
) -> None:
    host = "info.cimahi.example"
    async with running(sqlite_url, tmp_path, BROADCASTER_BASE_URL=f"https://{host}") as site:
        await hire(site.app, "rina", "author")
        page = await site.ask(SIGN_IN, headers={"Host": host})
        cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
        headers = {"Host": host, "Origin": f"https://{host}", "Cookie": cookies}
        form = {"csrf": form_token(page.text), "nama": "rina", "sandi": PASSWORD}
        answer = await site.ask(SIGN_IN, "POST", data=form, headers=headers)
        assert answer.status == 303
        cookie_flags = {**set_cookies(answer.headers), **set_cookies(page.headers)}
        assert {"__Host-redaksi", "__Host-formulir"} <= set(cookie_flags)
        for name, attributes in cookie_flags.items():
            assert name.startswith("__Host-"), name
            assert "secure" in attributes, name
            assert "httponly" in attributes, name
            assert attributes["path"] == "/", name
            assert "domain" not in attributes, name
        plain = {"Host": host, "Cookie": f"redaksi={answer.cookies['__Host-redaksi']}"}
        assert (await site.ask(HOME, headers=plain)).status == 303, (
            "a cookie that http could have planted opens nothing"
        )
        assert (
            await site.ask(HOME, headers={**plain, "Cookie": f"__Host-{plain['Cookie']}"})
        ).status == 200
