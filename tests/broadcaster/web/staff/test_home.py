"""The newsroom's first pages over HTTP: signing in, what needs action, the list, a single
announcement.
"""

import pyotp

from broadcaster.newsroom import drafts, review
from broadcaster.store import accounts, sessions
from support.acting import act
from support.browsing import Running
from support.sign_in_page import enter
from support.staffing import NOTICE, form_token, hire, signed_in


async def test_a_stranger_is_sent_to_sign_in_and_then_where_they_wanted(site: Running) -> None:
    await hire(site.app, "rina", "author")
    redirect = await site.ask("/redaksi/pengumuman?tab=draf")
    assert (redirect.status, redirect.headers["Location"]) == (
        303,
        "/redaksi/masuk?ke=%2Fredaksi%2Fpengumuman%3Ftab%3Ddraf",
    )
    answer = await enter(site, " Rina ", target="/redaksi/pengumuman?tab=draf")
    assert (answer.status, answer.headers["Location"]) == (303, "/redaksi/pengumuman?tab=draf")
    page = await site.ask("/redaksi/", headers={"Cookie": f"redaksi={answer.cookies['redaksi']}"})
    assert page.status == 200
    assert "Selamat bekerja, Rina" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "httponly" in answer.headers["Set-Cookie"].lower()


async def test_a_wrong_password_says_no_more_than_that(site: Running) -> None:
    await hire(site.app, "rina", "author")
    wrong, unknown = (
        await enter(site, "rina", "bukan ini"),
        await enter(site, "siapa", "bukan ini"),
    )
    assert wrong.status == unknown.status == 401
    assert "Nama pengguna atau kata sandi salah" in wrong.text
    assert "redaksi" not in wrong.cookies
    assert 'value="rina"' in wrong.text
    assert "bukan ini" not in wrong.text


async def test_a_second_factor_is_asked_before_anything_opens(site: Running) -> None:
    rina = await hire(site.app, "rina", "author")
    secret = pyotp.random_base32()
    await site.app.database.write(
        accounts.set_totp, rina.id, site.app.vault.seal("totp", secret), []
    )
    half = await enter(site, "rina")
    assert half.headers["Location"] == "/redaksi/masuk/kode"
    cookie = f"redaksi={half.cookies['redaksi']}"
    assert (await site.ask("/redaksi/", headers={"Cookie": cookie})).status == 303
    page = await site.ask("/redaksi/masuk/kode", headers={"Cookie": cookie})
    form = {
        "csrf": form_token(page.text),
        "kode": pyotp.TOTP(secret).at(int(site.clock().timestamp())),
    }
    headers = {"Cookie": f"{cookie}; formulir={page.cookies['formulir']}", "Origin": site.url}
    wrong = await site.ask(
        "/redaksi/masuk/kode", "POST", data={**form, "kode": "000000"}, headers=headers
    )
    assert wrong.status == 401
    answer = await site.ask("/redaksi/masuk/kode", "POST", data=form, headers=headers)
    assert (answer.status, answer.headers["Location"]) == (303, "/redaksi/")
    assert answer.cookies["redaksi"] != half.cookies["redaksi"]
    again = await site.ask("/redaksi/masuk/kode", "POST", data=form, headers=headers)
    assert again.headers["Location"] == "/redaksi/masuk", (
        "the half session is gone, and the code is spent"
    )


async def test_who_signs_out_is_out(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    answer = await rina.post("/redaksi/keluar")
    assert (answer.status, answer.headers["Location"]) == (303, "/redaksi/masuk?keluar=1")
    assert (await rina.get("/redaksi/")).status == 303
    assert (
        await site.app.database.read(sessions.find, rina.cookie, site.clock().timestamp()) is None
    )


async def test_a_form_without_the_sessions_token_or_from_elsewhere_is_refused(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    for headers in (
        {"X-CSRF-Token": "tebakan"},
        {"Origin": "https://jahat.example"},
        {"X-CSRF-Token": ""},
    ):
        assert (await rina.post("/redaksi/keluar", **headers)).status == 403
    assert (await rina.get("/redaksi/")).status == 200


async def test_the_first_page_shows_what_needs_whom_with_its_age(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    row = await act(rina, drafts.save, NOTICE)
    assert "Air PDAM mati di Cibabat" in (await rina.get("/redaksi/")).text
    assert "Tidak ada yang menunggu Anda" in (await dewi.get("/redaksi/")).text
    await act(rina, review.submit, row.id)
    site.clock.now = site.clock.now.replace(minute=58)
    page = (await dewi.get("/redaksi/")).text
    assert "1 hal perlu tindakan Anda" in page
    assert "menunggu sejak 15 menit yang lalu" in page
    assert "Tidak ada yang menunggu Anda" in (await rina.get("/redaksi/")).text
    await act(dewi, review.send_back, row.id, "Jam berapa?")
    page = (await rina.get("/redaksi/")).text
    assert "Dikembalikan kepada Anda" in page
    assert "Jam berapa?" in page


async def test_the_list_finds_by_tab_words_code_and_filters(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    water = await act(rina, drafts.save, NOTICE)
    await act(
        rina,
        drafts.save,
        {**NOTICE, "title": "Vaksin gratis", "body": "Di puskesmas.", "category": "kesehatan"},
    )
    unfiltered = (await rina.get("/redaksi/pengumuman?tab=draf")).text
    assert "Air PDAM mati" in unfiltered
    assert "Vaksin gratis" in unfiltered
    for query in (
        "kata=pdam",
        f"kata={water.code}",
        "kategori=gangguan-layanan&saya=1",
        "dari=2026-11-25&sampai=2026-11-25&kata=air",
    ):
        page = (await rina.get(f"/redaksi/pengumuman?tab=draf&{query}")).text
        assert "Air PDAM mati" in page, query
        assert "Vaksin gratis" not in page, query
    for query in (
        "kata=tidakada",
        "tingkat=emergency",
        "dari=bukan&sampai=tanggal&kata=zzz",
        "setelah=%27;--&kata=zzz",
    ):
        assert (
            "Tidak ada pengumuman di sini"
            in (await rina.get(f"/redaksi/pengumuman?tab=draf&{query}")).text
        ), query


async def test_what_was_withdrawn_is_called_so_wherever_it_stands(site: Running) -> None:
    dewi = await signed_in(site, "dewi", "approver")
    announcement = await site.publish(NOTICE)
    await site.withdraw(announcement, "Salah tanggal.")
    for path in (
        "/redaksi/pengumuman?tab=berakhir",
        f"/redaksi/pengumuman/{announcement.id}",
        "/redaksi/",
    ):
        page = (await dewi.get(path)).text
        assert '<span class="state withdrawn">Dicabut</span>' in page, path
        assert '<span class="state ended">' not in page, path


async def test_one_announcement_shows_what_it_says_and_who_did_what(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    notice = {**NOTICE, "title": "<b>Air</b> mati"}
    announcement = await site.publish(notice)
    page = await rina.get(f"/redaksi/pengumuman/{announcement.id}")
    assert page.status == 200
    assert "&lt;b&gt;Air&lt;/b&gt; mati" in page.text
    assert (await rina.get(f"/redaksi/pengumuman/{announcement.code}")).status == 200
    draft = await act(rina, drafts.save, notice)
    address = f"/redaksi/pengumuman/{draft.id}"
    assert (await rina.get(address)).headers["Location"] == f"{address}/tulis"
    await act(rina, review.submit, draft.id)
    assert (await rina.get(address)).headers["Location"] == f"{address}/periksa"
    missing = await rina.get("/redaksi/pengumuman/tidak-ada")
    assert missing.status == 404
    assert "/redaksi/" in missing.text


async def test_what_is_published_or_over_is_copied_and_archived_from_its_page(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    layar = await signed_in(site, "layar", "screens")
    announcement = await site.publish()
    address = f"/redaksi/pengumuman/{announcement.id}"
    page = (await rina.get(address)).text
    assert f'action="{address}/duplikat"' in page
    assert f'action="{address}/arsipkan"' not in page, "what holds is not put away"
    assert "/duplikat" not in (await layar.get(address)).text
    copy = await rina.post(f"{address}/duplikat")
    assert copy.headers["Location"].endswith("/tulis")
    assert NOTICE["title"] in (await rina.get(copy.headers["Location"])).text
    await site.withdraw(announcement, "Pekerjaan dibatalkan.")
    assert f'action="{address}/arsipkan"' in (await rina.get(address)).text
    assert (await rina.post(f"{address}/arsipkan")).status == 303
    page = (await rina.get(address)).text
    assert "Diarsipkan" in page
    assert "staff:" not in page, "people are called by their names"
