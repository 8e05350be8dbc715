"""Single sign-on against a real provider process: the whole walk, and all that is refused, in words
and without a session.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from structlog.testing import capture_logs

from broadcaster.store import accounts, sessions
from broadcaster.web.staff.addresses import HOME
from support.browsing import Answer, Running
from support.oidc_provider import RunningProvider, running_provider
from support.signing_on import SITI, City, Visitor, opened
from support.staffing import hire

AGAIN = "Mulai lagi dari tombol di bawah ini"


@pytest.fixture(scope="module")
def process() -> Iterator[RunningProvider]:
    """Run the provider's process for every test of this module."""
    with running_provider() as started:
        yield started


@pytest.fixture
async def city(sqlite_url: str, tmp_path: Path, process: RunningProvider) -> AsyncIterator[City]:
    """Serve the site with the three settings and an honest provider."""
    async with opened(sqlite_url, tmp_path, process) as started:
        yield started


async def assert_refused(
    city: City, answer: Answer, visitor: Visitor, status: int, *phrases: str
) -> None:
    """Check that nobody came in: no session, account or cookie, but words that say what to do."""
    assert (answer.status, answer.headers["Cache-Control"]) == (status, "no-store")
    for phrase in phrases:
        assert phrase in answer.text
    assert "redaksi" not in visitor.cookies
    assert await city.sessions() == 0
    assert (await visitor.get("/redaksi/")).status == 303


# --- accepted sign-ins ----------------------------------------------------------------------------


async def test_the_whole_walk_from_a_page_to_that_page_with_an_account_made_on_the_way(
    city: City,
) -> None:
    visitor = city.browser()
    redirect = await visitor.get("/redaksi/pengumuman?tab=draf")
    page = await visitor.get(redirect.headers["Location"])
    button = page.text.index("Masuk dengan akun Pemkot")
    assert button < page.text.index("atau dengan akun lokal") < page.text.index('name="sandi"')
    assert 'href="/redaksi/masuk/sso?ke=/redaksi/pengumuman%3Ftab%3Ddraf"' in page.text
    answer = await visitor.walk("?ke=/redaksi/pengumuman%3Ftab%3Ddraf")
    assert (answer.status, answer.headers["Location"]) == (303, "/redaksi/pengumuman?tab=draf")
    assert set(visitor.cookies) == {"redaksi", "formulir"}, "the attempt is over"
    home = await visitor.get("/redaksi/")
    assert home.status == 200
    assert "Selamat bekerja, Siti Aminah" in home.text
    siti = await city.account("siti.aminah")
    assert (siti.roles, siti.local, siti.email) == (("author",), False, "siti@cimahi.example")
    assert (siti.issuer, siti.subject) == (city.provider.url, "u-1")
    assert await city.acts("siti.aminah") == ["account_add", "sign_in"]


async def test_what_is_asked_of_the_provider(city: City) -> None:
    visitor = city.browser()
    answer = await visitor.get("/redaksi/masuk/sso")
    query = {
        name: values[0]
        for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()
    }
    assert query.keys() == {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert query["redirect_uri"] == f"{city.site.url}/redaksi/masuk/sso/kembali"
    assert len(query["code_challenge"]) == 43
    assert query["scope"] == "openid profile email"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Max-Age=600" in cookie
    for secret in (query["state"], query["nonce"]):
        assert secret not in cookie, "sealed, not only signed"
    assert "prompt=login" in await city.browser().begin("?akun=lain")


async def test_coming_again_is_the_same_account_with_the_roles_of_today(city: City) -> None:
    await city.browser().walk()
    city.behave(
        claims={
            **SITI,
            "roles": ["penyetuju", "operator-layar"],
            "name": "Lain",
            "preferred_username": "lain",
        }
    )
    await city.browser().walk()
    siti = await city.account("siti.aminah")
    assert siti.roles == ("approver", "screens")
    assert await city.site.app.database.read(lambda c: len(accounts.everyone(c))) == 1
    assert await city.acts("siti.aminah") == ["account_add", "sign_in", "account_roles", "sign_in"]


async def test_nobody_takes_over_an_account_by_its_name_or_email(city: City) -> None:
    local = await hire(city.site.app, "siti.aminah", "admin", email="siti@cimahi.example")
    await city.browser().walk()
    assert await city.account("siti.aminah") == local
    assert (await city.account("siti.aminah2")).subject == "u-1"


async def test_an_unproved_email_is_not_kept_and_a_strange_name_is_made_plain(city: City) -> None:
    claims = {
        "name": " Siti \n Aminah ",
        "preferred_username": "CIMAHI\\siti <b>",
        "email_verified": False,
    }
    city.behave(claims={**SITI, **claims})
    await city.browser().walk()
    siti = await city.account("cimahisitib")
    assert (siti.email, siti.full_name) == ("", "Siti Aminah")


@pytest.mark.parametrize(
    ("claim", "userinfo"),
    [
        ("roles", {"roles": "penyusun penyetuju"}),
        ("roles", {"roles": ["penyusun", "penyetuju"]}),
        ("realm_access.roles", {"realm_access": {"roles": ["penyusun", "penyetuju"]}}),
    ],
)
async def test_what_the_token_lacks_is_asked_at_userinfo(
    sqlite_url: str, tmp_path: Path, process: RunningProvider, claim: str, userinfo: dict[str, Any]
) -> None:
    async with opened(
        sqlite_url, tmp_path, process, OIDC_ROLE_CLAIM=claim, OIDC_ROLE_SEPARATOR="space"
    ) as city:
        city.behave(claims={}, userinfo={**SITI, "roles": [], **userinfo})
        assert (await city.browser().walk()).headers["Location"] == HOME
        assert (await city.account("siti.aminah")).roles == ("author", "approver")
        assert city.provider.asked()["/userinfo"] == 1


@pytest.mark.parametrize(
    "value", ["Pengelola Keuangan", "pengelola", ["pengelola"], {"pengelola": True}]
)
async def test_nobody_becomes_an_administrator_unless_the_city_says_by_which_value(
    city: City, value: Any
) -> None:
    city.behave(claims={**SITI, "roles": value})
    visitor = city.browser()
    await assert_refused(city, await visitor.walk(), visitor, 403, "Minta petugas TI")


@pytest.mark.parametrize("name", ["dewі", "Ｄewi", "dewí", "de\u200bwi", " DEWI "])
async def test_a_name_that_looks_like_another_becomes_one_that_does_not(
    city: City, name: str
) -> None:
    local = await hire(city.site.app, "dewi", "admin")
    city.behave(claims={**SITI, "preferred_username": name})
    await city.browser().walk()
    names = await city.site.app.database.read(
        lambda c: [account.name for account in accounts.everyone(c)]
    )
    assert names in (["dewi", "dewi2"], ["dew", "dewi"])
    assert await city.account("dewi") == local


async def test_the_city_maps_its_own_values_to_roles(
    sqlite_url: str, tmp_path: Path, process: RunningProvider
) -> None:
    mapping = "siaran-tulis=penyusun '/Humas/Kepala Bagian'=pengelola"
    async with opened(
        sqlite_url, tmp_path, process, OIDC_ROLE_CLAIM="groups", OIDC_ROLES=mapping
    ) as city:
        city.behave(
            claims={**SITI, "groups": ["Siaran-Tulis", "/Humas/Kepala Bagian", "penyetuju"]}
        )
        await city.browser().walk()
        assert (await city.account("siti.aminah")).roles == ("author", "admin"), (
            "our own words mean nothing then"
        )


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(city: City) -> None:
    city.behave(by_post=True)
    assert (await city.browser().walk()).headers["Location"] == HOME


async def test_discovery_and_keys_are_kept_and_a_new_key_is_fetched_once(city: City) -> None:
    for _ in range(2):
        assert (await city.browser().walk()).headers["Location"] == HOME
    requests = city.provider.asked()
    assert (requests["/.well-known/openid-configuration"], requests["/jwks"]) == (1, 1)
    city.behave(misdeed="rotated")
    for _ in range(2):
        assert (await city.browser().walk()).headers["Location"] == HOME
    assert city.provider.asked()["/jwks"] == 1
    city.site.clock.now += timedelta(hours=2)
    city.behave()
    await city.browser().walk()
    requests = city.provider.asked()
    assert (requests["/.well-known/openid-configuration"], requests["/jwks"]) == (1, 1), (
        "after an hour both are read anew"
    )


async def test_a_clock_a_little_off_is_no_lie(city: City) -> None:
    for seconds in (-50, 50):
        city.behave(now=city.site.clock().timestamp() + seconds)
        assert (await city.browser().walk()).headers["Location"] == HOME


async def test_the_session_is_new_and_the_one_that_was_planted_opens_nothing(city: City) -> None:
    mallory = await hire(city.site.app, "mallory", "author")
    at = city.site.clock().timestamp()
    planted = await city.site.app.database.write(
        lambda c: sessions.start(c, mallory.id, way="half", agent="uji", place="127.0.0.1", at=at)
    )
    visitor = city.browser()
    visitor.cookies["redaksi"] = planted
    await visitor.walk()
    assert visitor.cookies["redaksi"] != planted
    assert await city.site.app.database.read(sessions.find, planted, at) is None
    assert "Siti Aminah" in (await visitor.get("/redaksi/")).text


async def test_who_is_in_already_is_not_sent_to_the_provider(city: City) -> None:
    visitor = city.browser()
    await visitor.walk()
    again = await visitor.get("/redaksi/masuk/sso?ke=/redaksi/pengumuman")
    assert (again.status, again.headers["Location"]) == (303, "/redaksi/pengumuman")


async def test_two_who_come_at_once_are_one_account(
    database_url: str, tmp_path: Path, process: RunningProvider
) -> None:
    async with opened(database_url, tmp_path, process) as city:
        visitors = [city.browser() for _ in range(4)]
        returns = [await visitor.at_provider(await visitor.begin()) for visitor in visitors]
        answers = await asyncio.gather(
            *(visitor.get(address) for visitor, address in zip(visitors, returns, strict=True))
        )
        assert [answer.headers.get("Location") for answer in answers] == [HOME] * 4
        assert await city.site.app.database.read(
            lambda c: [account.name for account in accounts.everyone(c)]
        ) == ["siti.aminah"]


# --- refused sign-ins -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        ("nonce", "claim nonce"),
        ("no_nonce", "claim nonce"),
        ("audience", "claim aud"),
        ("audience_azp", "claim aud"),
        ("two_audiences", "claim azp"),
        ("azp", "claim azp"),
        ("issuer", "claim iss"),
        ("expired", "claim exp"),
        ("old", "claim iat"),
        ("future", "claim iat"),
        ("at_hash", "claim at_hash"),
        ("none", "token unsupported_algorithm"),
        ("bare_none", "token unsupported_algorithm"),
        ("hs256", "token unsupported_algorithm"),
        ("foreign_key", "token bad_signature"),
        ("unknown_kid", "unknown key"),
        ("other_sender", "sent by another issuer"),
    ],
)
async def test_an_answer_that_does_not_prove_who_it_is_lets_nobody_in(
    city: City, misdeed: str, reason: str
) -> None:
    visitor = city.browser()
    city.behave(misdeed=misdeed)
    with capture_logs() as logs:
        answer = await visitor.walk()
    assert [entry["reason"] for entry in logs if entry["event"] == "sso_refused"] == [reason]
    await assert_refused(city, answer, visitor, 401, "tidak lolos pemeriksaan keamanan", AGAIN)
    assert await city.site.app.database.read(accounts.exists) is False
    assert city.provider.asked().get("/jwks", 0) <= 2, "the keys are fetched once more at most"
    city.behave()
    assert (await visitor.walk()).headers["Location"] == HOME, "and the next, honest answer does"


async def test_a_code_that_was_asked_for_with_another_verifier_is_worth_nothing(city: City) -> None:
    """A thief plants a code of their own in a victim's browser: it belongs to another challenge."""
    victim, thief = city.browser(), city.browser()
    address = await victim.begin()
    stolen = parse_qs(urlsplit(await thief.begin()).query)
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    swapped = f"{address.partition('?')[0]}?{urlencode({**query, 'code_challenge': stolen['code_challenge'][0]})}"
    await assert_refused(
        city, await victim.get(await victim.at_provider(swapped)), victim, 401, AGAIN
    )


async def test_a_code_serves_once(city: City) -> None:
    visitor = city.browser()
    back = await visitor.at_provider(await visitor.begin())
    cookies = dict(visitor.cookies)
    assert (await visitor.get(back)).headers["Location"] == HOME
    replaying = Visitor(site=city.site, cookies=cookies)
    again = await replaying.get(back)
    assert (again.status, "redaksi" in replaying.cookies) == (401, False)
    assert "tidak lolos pemeriksaan keamanan" in again.text
    assert await city.sessions() == 1
    assert (await visitor.get(back)).status == 401, "in the browser itself the attempt is gone"


async def test_a_return_without_state_or_in_another_browser_is_refused(city: City) -> None:
    visitor = city.browser()
    back = await visitor.at_provider(await visitor.begin())
    code = parse_qs(urlsplit(back).query)["code"][0]
    stale = ("dimulai di peramban lain", "Mulai lagi")
    elsewhere = city.browser()
    await assert_refused(city, await elsewhere.get(back), elsewhere, 401, *stale)
    await elsewhere.begin()
    await assert_refused(city, await elsewhere.get(back), elsewhere, 401, *stale)
    for query in (f"code={code}", f"code={code}&state=", f"code={code}&state=tebakan", ""):
        await assert_refused(
            city, await visitor.get(f"/redaksi/masuk/sso/kembali?{query}"), visitor, 401, *stale
        )
    forged = Visitor(site=city.site, cookies={"masuk-sso": "AAAA"})
    await assert_refused(city, await forged.get(back), forged, 401, *stale)
    assert city.provider.asked().get("/token", 0) == 0, "the provider was not even asked"
    assert (await visitor.get(back)).headers["Location"] == HOME, (
        "and the person's own browser still may"
    )


async def test_who_guesses_at_returns_must_wait(city: City) -> None:
    visitor = city.browser()
    answers = [await visitor.get("/redaksi/masuk/sso/kembali?code=x&state=y") for _ in range(35)]
    assert answers[0].status == 401
    assert answers[-1].status == 429
    assert "code=x" not in answers[0].text, "no address of the page keeps what came with it"


async def test_an_attempt_ends_after_ten_minutes(city: City) -> None:
    visitor = city.browser()
    back = await visitor.at_provider(await visitor.begin())
    city.site.clock.now += timedelta(minutes=13)
    await assert_refused(city, await visitor.get(back), visitor, 401, "sudah kedaluwarsa")


@pytest.mark.parametrize(
    "target",
    [
        "https://jahat.example",
        "//jahat.example",
        "/redaksi//jahat.example",
        "\\\\jahat.example",
        "/redaksi/\\jahat",
        "javascript:1",
    ],
)
async def test_nobody_is_led_to_another_site(city: City, target: str) -> None:
    visitor = city.browser()
    answer = await visitor.walk(f"?ke={quote(target, safe='')}")
    assert answer.headers["Location"] == HOME
    again = await visitor.get(f"/redaksi/masuk/sso?ke={quote(target, safe='')}")
    assert again.headers["Location"] == HOME


async def test_who_stops_at_the_provider_is_back_at_the_sign_in_page(city: City) -> None:
    city.behave(misdeed="denied")
    visitor = city.browser()
    await assert_refused(
        city, await visitor.walk(), visitor, 401, "dihentikan di halaman akun Pemkot"
    )


async def test_without_a_role_there_is_no_account_and_a_page_says_whom_to_ask(city: City) -> None:
    visitor = city.browser()
    city.behave(claims={**SITI, "roles": ["admin", "tamu"]})
    answer = await visitor.walk()
    assert "Minta petugas TI" in answer.text
    await hire(city.site.app, "dewi", "admin")
    await assert_refused(
        city,
        await visitor.walk(),
        visitor,
        403,
        "Akun Anda belum punya peran",
        "Siti Aminah",
        "Dewi",
        "pengelola",
    )
    assert await city.site.app.database.read(
        lambda c: [account.name for account in accounts.everyone(c)]
    ) == ["dewi"]


async def test_who_lost_every_role_loses_the_sessions_too(city: City) -> None:
    await hire(city.site.app, "dewi", "admin")
    visitor, other = city.browser(), city.browser()
    await visitor.walk()
    city.behave(claims={**SITI, "roles": []})
    await assert_refused(city, await other.walk(), other, 403, "Akun Anda belum punya peran")
    assert (await visitor.get("/redaksi/")).status == 303
    assert (await city.account("siti.aminah")).roles == ()
    city.behave()
    assert (await other.walk()).headers["Location"] == HOME, "and has them again with the role"


async def test_a_disabled_account_stays_out_whatever_the_provider_says(city: City) -> None:
    await city.browser().walk()
    await hire(city.site.app, "dewi", "admin")
    siti, at = await city.account("siti.aminah"), city.site.clock().timestamp()
    await city.site.app.database.write(accounts.disable, siti.id, at)
    city.behave(claims={**SITI, "roles": ["pengelola"]})
    visitor = city.browser()
    await assert_refused(
        city,
        await visitor.walk(),
        visitor,
        403,
        "Akun Anda dinonaktifkan",
        "Dewi",
        "mengaktifkannya lagi",
    )
    assert (await city.account("siti.aminah")).roles == ("author",)
    assert (await city.acts("siti.aminah"))[-1] == "sign_in_failed"


async def test_the_last_pengelola_keeps_the_role_and_is_told(
    sqlite_url: str, tmp_path: Path, process: RunningProvider
) -> None:
    mapping = "penyusun=penyusun pengelola=pengelola"
    async with opened(sqlite_url, tmp_path, process, OIDC_ROLES=mapping) as city:
        await check_last_pengelola(city)


async def check_last_pengelola(city: City) -> None:
    """Sign in the last pengelola without the role, without any role, and beside another."""
    city.behave(claims={**SITI, "roles": ["pengelola"]})
    await city.browser().walk()
    city.behave()
    visitor = city.browser()
    redirect = await visitor.walk("?ke=/redaksi/pengumuman")
    assert redirect.headers["Location"] == "/redaksi/masuk/sso/tetap?ke=%2Fredaksi%2Fpengumuman"
    page = await visitor.get(redirect.headers["Location"])
    assert "Anda pengelola terakhir" in page.text
    assert 'href="/redaksi/pengumuman"' in page.text
    assert (await city.account("siti.aminah")).roles == ("author", "admin")
    assert "last_admin_kept" in await city.acts("siti.aminah")
    city.behave(claims={**SITI, "roles": []})
    assert (await city.browser().walk()).status == 403, (
        "without any role not even the last one comes in"
    )
    assert (await city.account("siti.aminah")).roles == ("admin",)
    await hire(city.site.app, "dewi", "admin")
    city.behave()
    assert (await city.browser().walk()).headers["Location"] == HOME
    assert (await city.account("siti.aminah")).roles == ("author",)


# --- the provider fails ---------------------------------------------------------------------------


async def test_while_the_provider_is_down_the_page_says_so_and_local_accounts_come_in(
    sqlite_url: str, tmp_path: Path, process: RunningProvider
) -> None:
    async with opened(sqlite_url, tmp_path, process, OIDC_ISSUER="http://127.0.0.1:1") as city:
        visitor = city.browser()
        assert (await visitor.get("/redaksi/masuk")).status == 200
        answer = await visitor.get("/redaksi/masuk/sso?ke=/redaksi/pengumuman")
        await assert_refused(
            city, answer, visitor, 503, "tidak menjawab", "masuk dengan akun lokal", 'name="sandi"'
        )
        assert 'value="/redaksi/pengumuman"' in answer.text, "the local form still leads there"
        assert answer.headers["Retry-After"] == "5"


async def test_a_provider_in_trouble_is_left_alone_for_a_moment_and_then_asked_again(
    city: City,
) -> None:
    visitor = city.browser()
    city.behave(misdeed="broken")
    for _ in range(3):
        assert (await visitor.get("/redaksi/masuk/sso")).status == 503
    assert city.provider.asked() == {"/.well-known/openid-configuration": 1}
    city.site.clock.now += timedelta(seconds=6)
    city.behave()
    assert (await visitor.walk()).headers["Location"] == HOME


async def test_a_provider_that_goes_down_on_the_way_lets_nobody_in(city: City) -> None:
    visitor = city.browser()
    back = await visitor.at_provider(await visitor.begin())
    city.behave(misdeed="broken")
    await assert_refused(
        city, await visitor.get(back), visitor, 503, "tidak menjawab", "akun lokal"
    )


@pytest.mark.parametrize(
    "conduct",
    [
        {"misdeed": "discovery_issuer"}, {"misdeed": "no_pkce"}, {"misdeed": "only_shared"}, {"says": {"jwks_uri": "https://169.254.169.254/latest"}},
        {"loses": "token_endpoint"}, {"loses": "authorization_endpoint"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_provider_that_cannot_be_trusted_is_not_used(
    city: City, conduct: dict[str, Any]
) -> None:
    city.behave(**conduct)
    visitor = city.browser()
    answer = await visitor.get("/redaksi/masuk/sso")
    await assert_refused(
        city,
        answer,
        visitor,
        503,
        "belum disetel dengan benar",
        "Beri tahu petugas TI",
        "akun lokal",
    )
    assert "masuk-sso" not in visitor.cookies


@pytest.mark.parametrize("misdeed", ["huge", "moved"])
async def test_an_answer_too_long_or_from_elsewhere_is_none(city: City, misdeed: str) -> None:
    city.behave(misdeed=misdeed)
    visitor = city.browser()
    await assert_refused(
        city, await visitor.get("/redaksi/masuk/sso"), visitor, 503, "tidak menjawab"
    )
    assert city.provider.asked() == {"/.well-known/openid-configuration": 1}, (
        "no redirect was followed"
    )


async def test_a_name_that_leads_into_our_own_network_is_not_asked(city: City) -> None:
    callers: list[Any] = []

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(answer, "localhost", 0) as inside:
        port = inside.sockets[0].getsockname()[1]
        city.behave(says={"jwks_uri": f"https://localhost:{port}/jwks"})
        visitor = city.browser()
        await assert_refused(city, await visitor.walk(), visitor, 503, "tidak menjawab")
    assert callers == [], "not even a connection"


async def test_userinfo_of_another_person_lets_nobody_in(city: City) -> None:
    city.behave(claims={}, userinfo=SITI, misdeed="userinfo_sub")
    visitor = city.browser()
    await assert_refused(
        city, await visitor.walk(), visitor, 401, "tidak lolos pemeriksaan keamanan"
    )


async def test_a_wrong_client_secret_is_a_matter_for_those_who_set_it(
    sqlite_url: str, tmp_path: Path, process: RunningProvider
) -> None:
    async with opened(sqlite_url, tmp_path, process, OIDC_CLIENT_SECRET="salah") as city:
        visitor = city.browser()
        await assert_refused(city, await visitor.walk(), visitor, 503, "belum disetel dengan benar")


# --- signing out ----------------------------------------------------------------------------------


async def test_who_signs_out_is_out_here_and_at_the_provider(city: City) -> None:
    visitor = city.browser()
    await visitor.walk()
    value, at = visitor.cookies["redaksi"], city.site.clock().timestamp()
    session = await city.site.app.database.read(sessions.find, value, at)
    assert session is not None
    assert session.way == "oidc"
    assert session.hint
    assert "." not in session.hint, "the id token tells of a person: it is sealed"
    assert not base64.b64decode(session.hint).startswith(b"eyJ")
    page = await visitor.post("/redaksi/keluar", session.csrf)
    assert page.status == 200
    assert "redaksi" not in visitor.cookies
    assert await city.site.app.database.read(sessions.find, value, at) is None
    address = page.text.partition('content="0; url=')[2].partition('"')[0].replace("&amp;", "&")
    assert address.startswith(f"{city.provider.url}/end_session?id_token_hint=eyJ")
    assert "Siti" not in page.text
    back = await city.site.ask(address)
    assert (back.status, back.headers["Location"]) == (
        302,
        f"{city.site.url}/redaksi/masuk/sso/keluar",
    )
    last = await visitor.get((await visitor.get(back.headers["Location"])).headers["Location"])
    assert "Anda sudah keluar." in last.text


async def test_where_the_provider_has_no_way_out_the_page_warns(city: City) -> None:
    city.behave(loses="end_session_endpoint")
    visitor = city.browser()
    await visitor.walk()
    session = await city.site.app.database.read(
        sessions.find, visitor.cookies["redaksi"], city.site.clock().timestamp()
    )
    assert session is not None
    page = await visitor.post("/redaksi/keluar", session.csrf)
    assert (page.status, "masih terbuka di peramban ini" in page.text) == (200, True)
    assert "http-equiv" not in page.text
    assert (await visitor.get("/redaksi/")).status == 303


async def test_without_the_settings_there_is_no_button_and_no_route(site: Running) -> None:
    assert "Pemkot" not in (await site.ask("/redaksi/masuk")).text
    for path in ("", "/kembali", "/keluar"):
        assert (await site.ask(f"/redaksi/masuk/sso{path}")).status == 404
