"""Signing in, against those who would be somebody else: fixed sessions, other sites, guessing, and
what time gives away.
"""

import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urljoin

import aiohttp
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
from support.staff_rows import sign_in_form
from support.staffing import PASSWORD, browser, form_token, hire

SIGN_IN, CODE, HOME = "/redaksi/masuk", "/redaksi/masuk/kode", "/redaksi/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def enter(
    site: Running,
    name: str,
    password: str = PASSWORD,
    *,
    ke: str = "",
    cookie: str = "",
    **headers: str,
) -> Answer:
    """Fill in the sign-in form; `cookie` is what the browser had before."""
    given, token = await sign_in_form(site)
    sent = {
        "Cookie": "; ".join(part for part in (given, cookie) if part),
        "Origin": site.url,
        **headers,
    }
    return await site.ask(
        SIGN_IN,
        "POST",
        data={"csrf": token, "nama": name, "sandi": password, "ke": ke},
        headers=sent,
    )


async def secured(site: Running, name: str) -> None:
    """Somebody with a second factor."""
    account = await hire(site.app, name, "author")
    await site.app.database.write(
        accounts.set_totp, account.id, site.app.vault.seal("totp", SECRET), []
    )


async def enter_code(site: Running, half: Answer, ke: str = "", code: str = "") -> Answer:
    """Fill in the form of the second factor."""
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


# --- fixed sessions -------------------------------------------------------------------------------------


async def test_a_session_that_was_fixed_before_is_never_the_one_afterwards(site: Running) -> None:
    rina, budi = await hire(site.app, "rina", "author"), await hire(site.app, "budi", "author")
    planted = (await browser(site, budi)).cookie
    for before in ("A" * 43, planted):
        done = await enter(site, "rina", cookie=f"redaksi={before}")
        assert done.status == 303 or before == planted
        given = done.cookies.get("redaksi", "")
        assert given != before
        assert given
        found = await site.app.database.read(sessions.find, given, site.clock().timestamp())
        assert found is not None
        assert found.account.id == rina.id
    assert await site.app.database.read(sessions.find, "A" * 43, site.clock().timestamp()) is None
    again = await enter(site, "rina")
    assert len({done.cookies["redaksi"], again.cookies["redaksi"]}) == 2, "each time a new one"


async def test_the_session_of_the_second_factor_is_a_new_one_and_the_half_one_is_gone(
    site: Running,
) -> None:
    await secured(site, "rina")
    half = await enter(site, "rina")
    whole = await enter_code(site, half)
    assert (whole.status, whole.headers["Location"]) == (303, HOME)
    now = site.clock().timestamp()
    assert whole.cookies["redaksi"] != half.cookies["redaksi"]
    assert await site.app.database.read(sessions.find, half.cookies["redaksi"], now) is None
    kept = await site.app.database.read(sessions.find, whole.cookies["redaksi"], now)
    assert kept is not None
    assert kept.way == "totp"


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
    await secured(site, "rina")
    half = await enter(site, "rina")
    site.clock.now += timedelta(seconds=301)
    late = await site.ask(CODE, headers={"Cookie": f"redaksi={half.cookies['redaksi']}"})
    assert (late.status, late.headers["Location"]) == (303, SIGN_IN)


async def test_who_signs_out_leaves_nothing_that_opens_anything(site: Running) -> None:
    rina = await hire(site.app, "rina", "author")
    here, there = await browser(site, rina), await browser(site, rina)
    done = await here.post("/redaksi/keluar")
    assert re.search(
        r'redaksi="?"?; .*(Max-Age=0|expires=Thu, 01 Jan 1970)',
        done.headers["Set-Cookie"],
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


# --- other sites ----------------------------------------------------------------------------------------


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
"""Where nobody is sent after signing in."""
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
        done = await enter(site, "rina", ke=target)
        assert (done.status, done.headers["Location"]) == (303, HOME), target
        form = await site.ask(SIGN_IN, params={"ke": target})
        assert 'name="ke" value="/redaksi/"' in form.text, target
        cookie = f"redaksi={done.cookies['redaksi']}"
        already = await site.ask(SIGN_IN, params={"ke": target}, headers={"Cookie": cookie})
        assert (already.status, already.headers["Location"]) == (303, HOME), target


@pytest.mark.parametrize("target", ["//jahat.example", "/\\jahat.example", "javascript:alert(1)"])
async def test_nor_by_the_second_factor(site: Running, target: str) -> None:
    await secured(site, "rina")
    half = await enter(site, "rina", ke=target)
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
    there = urljoin("https://info.cimahi.example/redaksi/masuk", safe_target("/redaksi/" + text))
    assert there.startswith("https://info.cimahi.example/redaksi/")
    assert "\\" not in there


@pytest.mark.parametrize("target", GOOD)
async def test_the_page_that_was_wanted_is_reached_whole(site: Running, target: str) -> None:
    await hire(site.app, "rina", "author")
    asked = await site.ask(target)
    page = await site.ask(asked.headers["Location"])
    assert f'name="ke" value="{target.replace("&", "&amp;")}"' in page.text
    assert (await enter(site, "rina", ke=target)).headers["Location"] == target
    await secured(site, "dewi")
    half = await enter(site, "dewi", ke=target)
    assert (await enter_code(site, half)).headers["Location"] == target


# --- guessing -------------------------------------------------------------------------------------------


@asynccontextmanager
async def from_address(site: Running, address: str) -> AsyncIterator[Running]:
    """The site as somebody at another address reaches it."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=jar, auto_decompress=False
    ) as session:
        yield Running(url=site.url, app=site.app, clock=site.clock, session=session)


async def guess(site: Running, name: str, times: int) -> list[int]:
    """Wrong passwords for a name, the statuses."""
    return [(await enter(site, name, f"tebakan {number}")).status for number in range(times)]


NAME, PLACE = ("password", "name"), ("place",)


async def failed(site: Running, key: tuple[str, ...], times: int) -> None:
    """So many failures of a name or an address, as if others had tried."""
    keys = [(counted(site.app, *key), 0)]
    for _ in range(times):
        await site.app.database.write(sign_in_throttle.fail, keys, site.clock().timestamp())


async def test_who_guesses_at_one_account_waits_longer_and_longer(site: Running) -> None:
    await hire(site.app, "rina", "author")
    assert await guess(site, "rina", FREE_PAIR) == [401] * FREE_PAIR
    waits = []
    for _ in range(5):
        refused = await enter(site, "rina", PASSWORD)
        assert refused.status == 429, "the right password is not looked at either: it would tell"
        assert "redaksi" not in refused.cookies
        waits.append(int(refused.headers["Retry-After"]))
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
        await failed(site, (*PLACE, "127.0.0.66"), FREE_PLACE - 3)
        tried = [
            (await enter(attacker, f"nama{number}", "satu sandi saja")).status
            for number in range(5)
        ]
        assert tried == [401] * 3 + [429] * 2
        assert (await enter(attacker, "rina")).status == 429
        assert (await enter(home, "rina")).status == 303


async def test_an_account_of_ones_own_buys_no_guesses_at_others(site: Running) -> None:
    for name in ("rina", "budi"):
        await hire(site.app, name, "author")
    await failed(site, (*PLACE, "127.0.0.66"), FREE_PLACE - 1)
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
    await secured(site, "rina")
    async with (
        from_address(site, "127.0.0.66") as attacker,
        from_address(site, "127.0.0.7") as home,
    ):
        for _ in range(12):
            refused = await enter(attacker, name, "salah")
            site.clock.now += timedelta(seconds=int(refused.headers.get("Retry-After", 0)))
        half = await enter(home, "rina")
        assert half.status == 303
        assert (await enter_code(home, half)).status == 303


async def test_a_name_that_everybody_guesses_at_costs_its_owner_seconds_and_a_known_browser_nothing(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    before = await enter(site, "rina")
    known = "; ".join(
        f"{name}={value}" for name, value in before.cookies.items() if name != "redaksi"
    )
    assert known, "a browser is remembered"
    await failed(site, (*NAME, "rina"), FREE_NAME - 1)
    async with from_address(site, "127.0.0.66") as attacker:
        assert await guess(attacker, "rina", 1) == [401]
    await failed(site, (*NAME, "rina"), 10)
    async with from_address(site, "127.0.0.7") as home:
        strange = await enter(home, "rina")
        assert strange.status == 429
        assert int(strange.headers["Retry-After"]) <= LONGEST_WAIT[FREE_NAME] == 5.0
        assert (await enter(home, "rina", cookie=known)).status == 303
        site.clock.now += timedelta(seconds=5)
        assert (await enter(home, "rina")).status == 303


async def test_a_browser_is_known_for_one_account_and_cannot_be_guessed_with(site: Running) -> None:
    for name in ("rina", "budi"):
        await hire(site.app, name, "author")
    before = await enter(site, "rina")
    known = "; ".join(
        f"{name}={value}" for name, value in before.cookies.items() if name != "redaksi"
    )
    async with from_address(site, "127.0.0.66") as office:
        await failed(site, (*PLACE, "127.0.0.66"), FREE_PLACE)
        assert (await enter(office, "budi", cookie=known)).status == 429, "it is not budi's"
        assert (await enter(office, "budi", cookie=known + "x")).status == 429
        assert (await enter(office, "rina", cookie=known)).status == 303, (
            "a colleague's mistakes do not shut her out"
        )
        tried = [
            (await enter(office, "rina", "salah", cookie=known)).status
            for _ in range(FREE_PAIR + 2)
        ]
        assert tried == [401] * FREE_PAIR + [429] * 2


async def test_the_second_factor_is_guessed_at_no_faster(site: Running) -> None:
    await secured(site, "rina")
    half = await enter(site, "rina")
    cookie = f"redaksi={half.cookies['redaksi']}"
    page = await site.ask(CODE, headers={"Cookie": cookie})
    headers = {"Cookie": f"{cookie}; formulir={page.cookies['formulir']}", "Origin": site.url}
    form = {"csrf": form_token(page.text), "kode": "000000"}
    tried = [
        (await site.ask(CODE, "POST", data=form, headers=headers)).status
        for _ in range(FREE_PAIR + 2)
    ]
    assert tried == [401] * FREE_PAIR + [429] * 2
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


# --- what time gives away ---------------------------------------------------------------------------------


@contextmanager
def hashings() -> Iterator[list[str]]:
    """Every use of Argon2 in threads that are started within: the kind and cost of each."""
    worked: list[str] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is PasswordHasher.verify.__code__:
            worked.append(str(frame.f_locals["hash"]).rsplit("$", 2)[0])

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield worked
    finally:
        threading.setprofile(None)
        sys.setprofile(None)


async def strangers(site: Running) -> Mapping[str, tuple[str, str]]:
    """Everything by which nobody gets in: name and password."""
    await hire(site.app, "rina", "author")
    gone, elsewhere = (
        await hire(site.app, "keluar", "author"),
        await hire(site.app, "sso", "author"),
    )
    await site.app.database.write(accounts.disable, gone.id, site.clock().timestamp())
    await site.app.database.write(accounts.set_password, elsewhere.id, "")
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
    with hashings() as worked:
        async with running(sqlite_url, tmp_path) as site:
            tried = await strangers(site)
            await enter(site, "siapa")  # the hash that stands for nobody's is made once
            for what, (name, password) in tried.items():
                worked.clear()
                answer = await enter(site, name, password)
                assert answer.status == 401, what
                costs[what] = list(worked)
                plain = re.sub(
                    r'(name="csrf" value=|name="nama" value=)"[^"]*"', r"\1", answer.text
                )
                answers.add(plain.replace(" autofocus", ""))
    assert all(len(cost) == 1 for cost in costs.values()), costs
    assert len({cost[0] for cost in costs.values()}) == 1, "at the same cost, too"
    assert len(answers) == 1, "and the same words"


async def test_who_must_wait_costs_us_nothing(sqlite_url: str, tmp_path: Path) -> None:
    with hashings() as worked:
        async with running(sqlite_url, tmp_path) as site:
            assert await guess(site, "siapa", FREE_PAIR) == [401] * FREE_PAIR
            assert len(worked) == FREE_PAIR
            worked.clear()
            assert await guess(site, "siapa", 3) == [429] * 3
            assert worked == []


# --- cookies ----------------------------------------------------------------------------------------------


def flags(line: str) -> tuple[str, Mapping[str, str]]:
    """A Set-Cookie's name, and its attributes in lower case."""
    first, *rest = (part.strip() for part in line.split(";"))
    pairs = (part.lower().partition("=") for part in rest)
    return first.partition("=")[0], {name: value for name, _, value in pairs}


def given(headers: Any) -> Mapping[str, Mapping[str, str]]:
    return dict(flags(line) for line in headers.getall("Set-Cookie"))


async def test_cookies_are_for_this_site_and_not_for_scripts(site: Running) -> None:
    await hire(site.app, "rina", "author")
    done = await enter(site, "rina")
    page = await site.ask(SIGN_IN)
    found = {**given(done.headers), **given(page.headers)}
    assert {"redaksi", "formulir"} <= set(found)
    for name, said in found.items():
        assert "httponly" in said, name
        assert said["samesite"] == "lax", name
        assert said["path"] == "/", name
        assert "domain" not in said, name
        assert "secure" not in said, "http has no secure cookies"
    assert "max-age" not in found["redaksi"], "a session ends with the browser"
    assert "expires" not in found["redaksi"]


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
        done = await site.ask(SIGN_IN, "POST", data=form, headers=headers)
        assert done.status == 303
        found = {**given(done.headers), **given(page.headers)}
        assert {"__Host-redaksi", "__Host-formulir"} <= set(found)
        for name, said in found.items():
            assert name.startswith("__Host-"), name
            assert "secure" in said, name
            assert "httponly" in said, name
            assert said["path"] == "/", name
            assert "domain" not in said, name
        plain = {"Host": host, "Cookie": f"redaksi={done.cookies['__Host-redaksi']}"}
        assert (await site.ask(HOME, headers=plain)).status == 303, (
            "a cookie that http could have planted opens nothing"
        )
        assert (
            await site.ask(HOME, headers={**plain, "Cookie": f"__Host-{plain['Cookie']}"})
        ).status == 200
