"""The account page over HTTP: password, second factor, recovery codes, sessions; when the password
is asked again, and who must wait.
"""

import html
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pyotp
import pytest
from sqlalchemy import text

from broadcaster.domain import credentials, guessable_passwords
from broadcaster.domain.accounts import Account
from broadcaster.store import accounts, audit, sessions
from support.browsing import Answer, Running
from support.staffing import PASSWORD, Browser, browser, hire, signed_in
from support.telling import post_office

NEW = "kopi pagi di alun alun"
CHANGE = {"lama": PASSWORD, "baru": NEW, "ulang": NEW}


async def stored_account(person: Browser) -> Account:
    """Return the account as it now stands."""
    account = await person.site.app.database.read(accounts.by_id, person.account.id)
    assert account is not None
    return account


async def has_password(person: Browser, password: str) -> bool:
    """Return True if this is the person's password now."""
    hashed = (await person.site.app.database.read(accounts.secrets_of, person.account.id))[0]
    return credentials.password_fits(hashed, password)


async def acts(person: Browser) -> list[str]:
    """Return the acts on this account in the audit log."""
    return [
        entry.act
        for entry in await person.site.app.database.read(audit.about, person.account.actor)
    ]


def enrolment(page: Answer) -> tuple[str, str]:
    """Return the secret on the page of the second factor, and what its form carries."""
    secret = re.search(r'class="code secret">([^<]+)<', page.text)
    carried = re.search(r'name="mulai" value="([^"]+)"', page.text)
    assert secret
    assert carried
    return secret[1].replace(" ", ""), html.unescape(carried[1])


def code_of(person: Browser, secret: str) -> str:
    """Return the code that the phone shows now."""
    return pyotp.TOTP(secret).at(int(person.site.clock().timestamp()))


async def turn_on_second_factor(person: Browser) -> tuple[str, list[str]]:
    """Turn the second factor on as a browser does; return its secret and its recovery codes."""
    secret, carried = enrolment(await person.get("/redaksi/akun/kode"))
    form = {"mulai": carried, "kode": code_of(person, secret), "sandi": PASSWORD}
    answer = await person.post("/redaksi/akun/kode", form)
    assert answer.status == 200, answer.text
    return secret, re.findall(r'<li class="code">([^<]+)</li>', answer.text)


# --- the page -------------------------------------------------------------------------------------


async def test_the_page_says_who_one_is_and_where_one_is_signed_in(site: Running) -> None:
    rina = await signed_in(
        site, "rina", "author", agencies=("Perumda Tirta",), areas=("32.77.03.1002",)
    )
    page = await rina.get("/redaksi/akun")
    assert page.status == 200
    for word in (
        "Rina",
        "Penyusun",
        "Perumda Tirta",
        "Kel. Cibabat",
        "Tidak aktif",
        "Peramban ini",
        "Sambungkan Telegram",
    ):
        assert word in page.text
    assert "Akhiri semua sesi lain" not in page.text
    assert 'href="/redaksi/akun"' in (await rina.get("/redaksi/")).text
    assert (await site.ask("/redaksi/akun")).status == 303


async def test_the_page_of_a_code_loaded_again_sends_no_second_letter(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with post_office(sqlite_url, tmp_path) as office:
        rina = await signed_in(office.site, "rina", "author")
        form = {"kabar": "rina@contoh.example", "formulir": "satu-formulir-dari-satu-halaman"}
        pages = [await rina.post("/redaksi/akun/kabar", form) for _time in range(3)]
        carried = {re.search(r'name="mulai" value="([^"]+)"', page.text)[1] for page in pages}  # type: ignore[index]
        assert len(carried) == 1
        assert len(office.letters("rina")) == 1
        await rina.post("/redaksi/akun/kabar", {**form, "kabar": "lain@contoh.example"})
        assert len(office.letters("lain")) == 1, "another address is another letter"


async def test_the_notification_address_is_set_once_its_code_came_back(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with post_office(sqlite_url, tmp_path) as office:
        site, rina = office.site, await signed_in(office.site, "rina", "author")
        code_page = await rina.post("/redaksi/akun/kabar", {"kabar": " rina@Contoh.example "})
        assert code_page.status == 200
        assert (await stored_account(rina)).email == "", (
            "nothing is sent to an address that nobody has confirmed"
        )
        (letter,) = office.letters("rina")
        code = re.search(r"Kode konfirmasi: (\S+)", letter["subject"])
        carried = re.search(r'name="mulai" value="([^"]+)"', code_page.text)
        assert code
        assert carried
        assert code[1] not in code_page.text
        form = {"mulai": html.unescape(carried[1]), "kabar": "rina@contoh.example", "kode": code[1]}
        assert (
            await rina.post("/redaksi/akun/kabar/kode", {**form, "kode": "abcd-efgh"})
        ).status == 422
        budi = await signed_in(site, "budi", "author")
        assert (await budi.post("/redaksi/akun/kabar/kode", form)).status == 422
        assert {(await stored_account(person)).email for person in (rina, budi)} == {""}
        confirmation = await rina.post("/redaksi/akun/kabar/kode", form)
        assert confirmation.headers["Location"] == "/redaksi/akun?selesai=kabar"
        assert (await stored_account(rina)).email == "rina@contoh.example"
        assert "tersimpan" in (await rina.get(confirmation.headers["Location"])).text
        await rina.post("/redaksi/akun/kabar", {"kabar": ""})
        (first, second) = await site.app.database.read(audit.about, "staff:rina")
        assert (first.detail["after"], second.detail["after"]) == (
            {"mail": "ri***@contoh.example"},
            {"mail": ""},
        )
        assert first.detail["from"] == "127.0.0.1"
        site.clock.now += timedelta(minutes=16)
        assert "kedaluwarsa" in (await rina.post("/redaksi/akun/kabar/kode", form)).text


async def test_an_impossible_or_unreachable_address_is_refused_in_words(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await rina.post("/redaksi/akun/kabar", {"kabar": "<b>bukan"})
    assert refusal.status == 422
    assert "Alamat email seperti ini" in refusal.text
    assert "&lt;b&gt;bukan" in refusal.text
    for _ in range(5):
        assert (
            await rina.post("/redaksi/akun/kabar", {"kabar": "rina@contoh.example"})
        ).status == 503
    assert (await rina.post("/redaksi/akun/kabar", {"kabar": "orang@contoh.example"})).status == 429
    assert (await stored_account(rina)).email == ""


async def test_a_sign_in_that_still_lacks_its_code_is_marked(site: Running) -> None:
    rina, at = await signed_in(site, "rina", "author"), site.clock().timestamp() + 1
    await site.app.database.write(
        lambda connection: sessions.start(
            connection, rina.account.id, way="half", agent="Firefox", place="198.51.100.7", at=at
        )
    )
    page = (await rina.get("/redaksi/akun")).text
    assert "kata sandi benar, kode keamanan belum" in page
    assert page.index("Peramban ini") < page.index("198.51.100.7"), "this browser comes first"


# --- password -------------------------------------------------------------------------------------


async def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    other = await browser(site, rina.account)
    answer = await rina.post("/redaksi/akun/sandi", CHANGE)
    assert (answer.status, answer.headers["Location"]) == (303, "/redaksi/akun?selesai=sandi")
    assert await has_password(rina, NEW)
    assert (await rina.get("/redaksi/akun")).status == 200
    assert (await other.get("/redaksi/akun")).status == 303
    (entry,) = await site.app.database.read(audit.about, "staff:rina")
    assert (entry.act, entry.detail["sessions"]) == ("password_change", 1)
    assert NEW not in str(entry)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lama": "bukan yang ini"}, "Kata sandi salah."),
        ({"ulang": "kopi pagi di alun-alun"}, "tidak sama"),
        ({"baru": "pendek", "ulang": "pendek"}, "paling sedikit 10 karakter"),
        ({"baru": "rina-1234567", "ulang": "rina-1234567"}, "mudah ditebak"),
        ({"baru": PASSWORD, "ulang": PASSWORD}, "sama dengan yang lama"),
        ({"lama": ""}, "Kata sandi salah."),
    ],
)
async def test_an_unfit_password_is_refused(
    site: Running, change: dict[str, str], reason: str
) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await rina.post("/redaksi/akun/sandi", {**CHANGE, **change})
    assert refusal.status == 422
    assert reason in refusal.text
    assert await has_password(rina, PASSWORD)
    for typed in (NEW, PASSWORD, *change.values()):
        assert not typed or f'value="{typed}"' not in refusal.text


async def test_a_new_password_is_rated_in_another_thread_than_that_of_the_pages(
    site: Running,
) -> None:
    rina, calls = await signed_in(site, "rina", "author"), []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is guessable_passwords.is_guessable.__code__:
            calls.append(frame.f_code.co_name)

    sys.setprofile(note)  # profiles this thread, which serves the pages
    try:
        refusal = await rina.post(
            "/redaksi/akun/sandi", {**CHANGE, "baru": "kata-sandi-1", "ulang": "kata-sandi-1"}
        )
    finally:
        sys.setprofile(None)
    assert "mudah ditebak" in refusal.text
    assert calls == []


async def test_who_was_given_a_password_chooses_one_before_anything_else(site: Running) -> None:
    rina = await hire(site.app, "rina", "author", must_change=True)
    person = await browser(site, rina)
    for path in ("/redaksi/", "/redaksi/akun", "/redaksi/akun/kode"):
        assert (await person.get(path)).headers["Location"] == "/redaksi/akun/sandi"
    assert (await person.post("/redaksi/akun/kabar", {"kabar": "x@contoh.example"})).status == 303
    page = await person.get("/redaksi/akun/sandi")
    assert page.status == 200
    assert "dibuatkan orang lain" in page.text
    answer = await person.post("/redaksi/akun/sandi", CHANGE)
    assert answer.headers["Location"] == "/redaksi/"
    assert (await person.get("/redaksi/")).status == 200
    assert (await stored_account(person)).email == ""


async def test_guessing_at_the_password_from_an_open_session_must_wait(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    guess = {**CHANGE, "lama": "tebakan"}
    statuses = [(await rina.post("/redaksi/akun/sandi", guess)).status for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    blocked = await rina.post("/redaksi/akun/sandi", CHANGE)
    assert blocked.status == 429
    assert int(blocked.headers["Retry-After"]) >= 1
    assert "Terlalu banyak percobaan" in blocked.text
    site.clock.now += timedelta(seconds=int(blocked.headers["Retry-After"]) + 1)
    assert (await rina.post("/redaksi/akun/sandi", CHANGE)).status == 303
    assert (await acts(rina)).count("password_failed") == 5


async def test_guesses_here_and_at_the_sign_in_page_are_counted_together(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    for _ in range(5):
        await rina.post("/redaksi/akun/sandi", {**CHANGE, "lama": "tebakan"})
    page = await site.ask("/redaksi/masuk")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    headers = {"Cookie": f"formulir={page.cookies['formulir']}", "Origin": site.url}
    form = {"csrf": token[1], "nama": "rina", "sandi": PASSWORD}
    assert (await site.ask("/redaksi/masuk", "POST", data=form, headers=headers)).status == 429


async def test_who_signs_in_by_the_citys_account_has_no_password_here(site: Running) -> None:
    at = site.clock().timestamp()
    account = Account(
        id=0,
        name="sso",
        full_name="Sari",
        roles=("author",),
        issuer="https://masuk.example",
        subject="1",
    )
    added = await site.app.database.write(accounts.add, account, at=at)
    sari = await browser(site, added)
    assert "diatur di sana" in (await sari.get("/redaksi/akun")).text
    assert "diatur di sana" in (await sari.get("/redaksi/akun/sandi")).text
    assert (await sari.post("/redaksi/akun/sandi", CHANGE)).status == 403
    assert (await sari.get("/redaksi/akun/kode")).headers["Location"] == "/redaksi/akun"


# --- second factor --------------------------------------------------------------------------------


async def test_a_second_factor_counts_once_its_code_came_and_its_codes_are_shown_once(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    other = await browser(site, rina.account)
    page = await rina.get("/redaksi/akun/kode")
    secret, carried = enrolment(page)
    assert "<svg" in page.text
    assert f"otpauth://totp/Redaksi%20Siaran%20Cimahi:rina?secret={secret}" in html.unescape(
        page.text
    )
    assert not (await stored_account(rina)).secured
    form = {"mulai": carried, "sandi": PASSWORD}
    wrong_code = await rina.post("/redaksi/akun/kode", {**form, "kode": "000000"})
    assert (wrong_code.status, enrolment(wrong_code)[0]) == (422, secret)
    assert "Kodenya salah" in wrong_code.text
    wrong_password = await rina.post(
        "/redaksi/akun/kode", {**form, "kode": code_of(rina, secret), "sandi": "bukan ini"}
    )
    assert (wrong_password.status, enrolment(wrong_password)[0]) == (422, secret)
    assert not (await stored_account(rina)).secured
    codes_page = await rina.post("/redaksi/akun/kode", {**form, "kode": code_of(rina, secret)})
    codes = re.findall(r'<li class="code">([^<]+)</li>', codes_page.text)
    assert len(set(codes)) == 10
    assert codes_page.headers["Cache-Control"] == "no-store"
    assert (await stored_account(rina)).secured
    assert (await other.get("/redaksi/")).status == 303
    account = (await rina.get("/redaksi/akun")).text
    assert "Sisa 10 kode pemulihan." in account
    assert codes[0] not in account
    again = await rina.post("/redaksi/akun/kode", {**form, "kode": code_of(rina, secret)})
    assert "sudah aktif" in again.text
    assert codes[0] not in again.text
    for value in (secret, *codes):
        assert value not in str(await site.app.database.read(audit.about, "staff:rina"))


async def test_an_enrolment_is_ones_own_and_ends_soon(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    secret, carried = enrolment(await rina.get("/redaksi/akun/kode"))
    stolen = await dewi.post(
        "/redaksi/akun/kode", {"mulai": carried, "kode": code_of(dewi, secret), "sandi": PASSWORD}
    )
    assert stolen.status == 422
    assert enrolment(stolen)[0] != secret
    for forged in ("", "bukan", "AAAA", carried[:-4] + "AAA=", "é"):
        answer = await rina.post(
            "/redaksi/akun/kode", {"mulai": forged, "kode": "1", "sandi": PASSWORD}
        )
        assert answer.status == 422, forged
    site.clock.now += timedelta(minutes=16)
    late = await rina.post(
        "/redaksi/akun/kode", {"mulai": carried, "kode": code_of(rina, secret), "sandi": PASSWORD}
    )
    assert late.status == 422
    assert "kedaluwarsa" in late.text
    assert not (await stored_account(rina)).secured


async def test_the_second_factor_is_turned_off_with_the_password_alone(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    await turn_on_second_factor(rina)
    assert (await rina.get("/redaksi/akun/kode")).status == 303
    assert "Matikan langkah kedua" in (await rina.get("/redaksi/akun/kode/hapus")).text
    refusal = await rina.post("/redaksi/akun/kode/hapus", {"sandi": "bukan ini"})
    assert refusal.status == 422
    assert (await stored_account(rina)).secured
    answer = await rina.post("/redaksi/akun/kode/hapus", {"sandi": PASSWORD})
    assert answer.headers["Location"] == "/redaksi/akun?selesai=kode-mati"
    assert not (await stored_account(rina)).secured
    assert await acts(rina) == ["second_factor_on", "password_failed", "second_factor_off"]
    assert (await rina.get("/redaksi/akun/kode/hapus")).status == 303


async def test_new_recovery_codes_replace_the_old_ones(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    assert (await rina.post("/redaksi/akun/kode/pemulihan", {"sandi": PASSWORD})).status == 303
    _, before = await turn_on_second_factor(rina)
    assert (await rina.post("/redaksi/akun/kode/pemulihan", {"sandi": ""})).status == 422
    answer = await rina.post("/redaksi/akun/kode/pemulihan", {"sandi": PASSWORD})
    after = re.findall(r'<li class="code">([^<]+)</li>', answer.text)
    assert len(after) == 10
    at = site.clock().timestamp()
    for code, serves in ((before[0], False), (after[0], True), (after[0], False)):
        digest = site.app.vault.lookup("recovery", f"{rina.account.id}:{code}")
        assert (
            await site.app.database.write(accounts.use_recovery_code, rina.account.id, digest, at)
            is serves
        )
    assert "Sisa 9 kode pemulihan." in (await rina.get("/redaksi/akun")).text


# --- sessions -------------------------------------------------------------------------------------


async def test_other_sessions_are_ended_one_by_one_or_all_at_once(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    others = [await browser(site, rina.account) for _ in range(3)]
    page = (await rina.get("/redaksi/akun")).text
    paths = re.findall(r'action="(/redaksi/akun/sesi/\w+/akhiri)"', page)
    assert len(paths) == 3
    assert (await rina.post(paths[0])).headers["Location"] == "/redaksi/akun?selesai=sesi"
    assert sorted([(await other.get("/redaksi/")).status for other in others]) == [200, 200, 303]
    await rina.post("/redaksi/akun/sesi/akhiri")
    assert [(await other.get("/redaksi/")).status for other in others] == [303] * 3
    assert (await rina.get("/redaksi/")).status == 200
    assert await acts(rina) == ["sessions_end", "sessions_end"]


async def test_the_session_of_somebody_else_cannot_be_ended(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "admin")
    session = await site.app.database.read(sessions.find, dewi.cookie, site.clock().timestamp())
    assert session is not None
    for session_id in (session.id, "tidak-ada"):
        assert (await rina.post(f"/redaksi/akun/sesi/{session_id}/akhiri")).status == 404
    assert (await dewi.get("/redaksi/")).status == 200


POSTS = ("kabar", "sandi", "kode", "kode/hapus", "kode/pemulihan", "sesi/akhiri", "sesi/x/akhiri")


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_from_elsewhere_changes_nothing(site: Running, path: str) -> None:
    rina = await signed_in(site, "rina", "author")
    forger = replace(rina, csrf="tebakan")
    assert (await forger.post(f"/redaksi/akun/{path}", CHANGE)).status == 403
    assert (
        await rina.post(f"/redaksi/akun/{path}", CHANGE, Origin="https://jahat.example")
    ).status == 403
    assert (await site.ask(f"/redaksi/akun/{path}", "POST", data=CHANGE)).status == 401
    assert await has_password(rina, PASSWORD)
    entries = await site.app.database.read(
        lambda connection: connection.execute(text("SELECT count(*) FROM audit")).scalar()
    )
    assert entries == 0
