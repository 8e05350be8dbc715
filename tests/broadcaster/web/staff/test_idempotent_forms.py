"""Forms that create something, sent again later and at once: one draft, one warning, one copy, one
template, one account.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from broadcaster.newsroom import review
from broadcaster.store import accounts
from broadcaster.store.staff_tables import account, draft_version, proposal, recurring
from broadcaster.store.tables import announcement
from support.browsing import Answer, Running, running
from support.desk import count
from support.staff_rows import AMENDED, COMPOSED, approved, drafted, published, staged
from support.staffing import Browser, browser, signed_in

FORM_ID = "satu-formulir-dari-satu-halaman"
WARNING = {**COMPOSED, "bahaya": "banjir", "instruction": "Pindah ke tempat tinggi."}


async def send_repeatedly(visitor: Browser, path: str, form: Mapping[str, Any]) -> list[Answer]:
    """Send a form three times at once, and once more afterwards."""
    fields = {**form, "formulir": FORM_ID}
    at_once = await asyncio.gather(*(visitor.post(path, dict(fields)) for _time in range(3)))
    return [*at_once, await visitor.post(path, dict(fields))]


async def test_every_form_that_creates_something_carries_an_id_of_its_own(site: Running) -> None:
    ani = await signed_in(site, "ani", "author", "approver", "admin")
    draft = (
        (await ani.post("/redaksi/tulis", {"title": "Air", "aksi": "simpan"}))
        .headers["Location"]
        .split("/tulis")[0]
    )
    for path in (
        "/redaksi/tulis",
        "/redaksi/darurat?bahaya=banjir",
        "/redaksi/pengguna/baru",
        f"{draft}/tulis",
        f"{draft}/periksa",
    ):
        ids = [
            re.findall(
                r'name="formulir" value="([A-Za-z0-9_-]{16,64})"', (await ani.get(path)).text
            )
            for _time in range(2)
        ]
        assert ids[0], path
        assert not set(ids[0]) & set(ids[1]), path
        assert len(set(ids[0])) == len(ids[0]), path


@pytest.mark.parametrize(
    ("path", "form", "table"),
    [
        ("/redaksi/tulis", COMPOSED, announcement),
        ("/redaksi/darurat", WARNING, announcement),
        (
            "/redaksi/pengguna/baru",
            {"nama": "budi", "lengkap": "Budi Santoso", "peran": ["author"]},
            account,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_form_sent_again_leads_to_what_it_made(
    site: Running, path: str, form: Mapping[str, Any], table: Any
) -> None:
    ani = await signed_in(site, "ani", "author", "admin")
    before = count(site.app.database, table)
    answers = await send_repeatedly(ani, path, form)
    assert count(site.app.database, table) == before + 1
    redirected = [answer for answer in answers if answer.status == 303]
    assert len(redirected) >= 3
    assert len({answer.headers["Location"] for answer in redirected}) == 1
    assert {answer.status for answer in answers} <= {200, 303}


async def test_acts_on_a_draft_sent_again_make_one_of_each(site: Running) -> None:
    stage = await staged(site)
    draft, rina = await drafted(stage), await browser(site, stage.rina)
    base = f"/redaksi/pengumuman/{draft}"
    for path, form, table in (
        (f"{base}/duplikat", {}, announcement),
        (f"{base}/templat", {"nama": "Posyandu"}, recurring),
        (f"{base}/ajukan", {"versi": "1"}, None),
    ):
        before = count(site.app.database, table) if table is not None else 0
        answers = await send_repeatedly(rina, path, form)
        assert [answer.status for answer in answers] == [303] * 4, path
        assert len({answer.headers["Location"] for answer in answers}) == 1, path
        assert table is None or count(site.app.database, table) == before + 1, path
    template = await site.app.database.read(
        lambda c: c.execute(select(recurring.c.id)).scalar_one()
    )
    before = count(site.app.database, announcement)
    uses = await send_repeatedly(rina, f"/redaksi/templat/{template}/pakai", {})
    assert len({answer.headers["Location"] for answer in uses}) == 1
    assert count(site.app.database, announcement) == before + 1


@pytest.mark.parametrize(("word", "form"), [("ralat", AMENDED), ("cabut", {"reason": "Batal."})])
async def test_a_change_proposed_twice_is_proposed_once(
    site: Running, word: str, form: Mapping[str, Any]
) -> None:
    stage = await staged(site)
    announcement_id, rina = await published(stage), await browser(site, stage.rina)
    path, fields = f"/redaksi/pengumuman/{announcement_id}/{word}", dict(form)
    match = (
        re.search(r'name="seen" value="([0-9a-f]{64})"', (await rina.post(path, fields)).text)
        if word == "ralat"
        else None
    )
    answers = await send_repeatedly(rina, path, {**fields, "seen": match[1] if match else ""})
    assert [answer.status for answer in answers] == [303] * 4
    assert count(site.app.database, proposal) == 1


async def test_the_first_autosave_sent_again_is_the_same_draft_with_what_was_typed_since(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    form = {**COMPOSED, "formulir": FORM_ID}
    answers = await asyncio.gather(*(rina.post("/redaksi/simpan", form) for _time in range(3)))
    assert len({answer.text for answer in answers}) == 1
    first = json.loads(answers[0].text)
    again = json.loads(
        (await rina.post("/redaksi/simpan", {**form, "title": f"{COMPOSED['title']}, besok"})).text
    )
    assert (again["place"], again["version"]) == (first["place"], 2)
    saved = await rina.post(
        "/redaksi/tulis", {**form, "title": f"{COMPOSED['title']}, besok pagi", "aksi": "simpan"}
    )
    assert saved.headers["Location"].startswith(first["place"])
    assert count(site.app.database, announcement) == 1
    assert count(site.app.database, draft_version) == 1


async def test_a_first_save_sent_again_never_writes_over_what_a_colleague_wrote_since(
    site: Running,
) -> None:
    rina, budi = await signed_in(site, "rina", "author"), await signed_in(site, "budi", "author")
    form = {**COMPOSED, "formulir": FORM_ID}
    place = json.loads((await rina.post("/redaksi/simpan", form)).text)["place"]
    assert (
        await budi.post(f"{place}/simpan", {**COMPOSED, "title": "Dari Budi", "versi": "1"})
    ).status == 200
    again = json.loads((await rina.post("/redaksi/simpan", form)).text)
    assert (again["place"], again["version"]) == (place, 1), (
        "the version that this form made, not the one that nobody saw here"
    )
    assert (
        (await rina.post("/redaksi/tulis", {**form, "aksi": "simpan"}))
        .headers["Location"]
        .startswith(place)
    ), "the same form"
    refusal = await rina.post("/redaksi/tulis", {**form, "title": "Dari Rina", "aksi": "simpan"})
    assert refusal.status == 422
    assert all(
        text in refusal.text
        for text in ("Dari <mark>Budi</mark>", "Dari <mark>Rina</mark>", f'action="{place}/tulis"')
    )
    assert 'value="Dari Budi"' in (await budi.get(f"{place}/tulis")).text


async def test_an_id_of_another_account_says_nothing_and_makes_a_draft_of_ones_own(
    site: Running,
) -> None:
    rina, budi = await signed_in(site, "rina", "author"), await signed_in(site, "budi", "author")
    form = {**COMPOSED, "aksi": "simpan", "formulir": FORM_ID}
    first, other = await rina.post("/redaksi/tulis", form), await budi.post("/redaksi/tulis", form)
    assert first.headers["Location"] != other.headers["Location"]


@pytest.mark.parametrize("form_id", ["", "kurang", "x" * 65, "a b c d e f g h i j k l"])
async def test_a_form_without_a_fit_id_is_taken_each_time(site: Running, form_id: str) -> None:
    rina = await signed_in(site, "rina", "author")
    for _time in range(2):
        assert (
            await rina.post("/redaksi/tulis", {**COMPOSED, "aksi": "simpan", "formulir": form_id})
        ).status == 303
    assert count(site.app.database, announcement) == 2


async def test_what_was_refused_can_be_corrected_and_sent_with_the_same_id(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await rina.post("/redaksi/darurat", {**WARNING, "areas": [], "formulir": FORM_ID})
    assert refusal.status == 422
    assert f'name="formulir" value="{FORM_ID}"' in refusal.text
    assert (await rina.post("/redaksi/darurat", {**WARNING, "formulir": FORM_ID})).status == 303
    assert count(site.app.database, announcement) == 1


async def test_a_one_time_password_is_not_made_twice(site: Running) -> None:
    ani, budi = await signed_in(site, "ani", "admin"), await signed_in(site, "budi", "author")
    path = f"/redaksi/pengguna/{budi.account.id}/sandi"
    first, again = (
        await ani.post(path, {"formulir": FORM_ID}),
        await ani.post(path, {"formulir": FORM_ID}),
    )
    hashed = await site.app.database.read(accounts.secrets_of, budi.account.id)
    assert (first.status, again.status) == (200, 303)
    assert "hanya ditampilkan satu kali" in (await ani.get(again.headers["Location"])).text
    assert await site.app.database.read(accounts.secrets_of, budi.account.id) == hashed


async def test_two_servers_at_one_postgresql_make_one_draft(
    postgresql_url: str, tmp_path: Any
) -> None:
    async with (
        running(postgresql_url, tmp_path) as first,
        running(postgresql_url, tmp_path) as second,
    ):
        rina = await signed_in(first, "rina", "author")
        elsewhere = await browser(second, rina.account)
        form = {**COMPOSED, "aksi": "simpan", "formulir": FORM_ID}
        answers = await asyncio.gather(
            *(
                visitor.post("/redaksi/tulis", form)
                for visitor in (rina, elsewhere, rina, elsewhere)
            )
        )
        assert [answer.status for answer in answers] == [303] * 4
        assert len({answer.headers["Location"] for answer in answers}) == 1
        assert count(first.app.database, announcement) == 1


async def test_a_warning_sent_again_with_other_words_is_no_repetition(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    first = await rina.post("/redaksi/darurat", {**WARNING, "formulir": FORM_ID})
    second = await rina.post("/redaksi/darurat", {**WARNING, "areas": "utama", "formulir": FORM_ID})
    assert (first.status, second.status) == (303, 303)
    assert first.headers["Location"] != second.headers["Location"]
    assert "Kel. Utama" in (await rina.get(second.headers["Location"])).text


@pytest.mark.parametrize(("word", "form"), [("ralat", AMENDED), ("cabut", {"reason": "Batal."})])
async def test_a_change_taken_back_and_sent_again_from_the_same_page_is_proposed_again(
    site: Running, word: str, form: Mapping[str, Any]
) -> None:
    stage = await staged(site)
    announcement_id, rina = await published(stage), await browser(site, stage.rina)
    path, fields = f"/redaksi/pengumuman/{announcement_id}/{word}", {**form, "formulir": FORM_ID}
    if word == "ralat":
        match = re.search(
            r'name="seen" value="([0-9a-f]{64})"', (await rina.post(path, dict(fields))).text
        )
        fields["seen"] = match[1] if match else ""
    confirmation = (await rina.post(path, dict(fields))).headers["Location"]
    assert "Usulan dikirim" in (await rina.get(confirmation)).text
    await rina.post(f"/redaksi/pengumuman/{announcement_id}/usulan/tarik", {})
    assert "Usulan dikirim" not in (await rina.get(confirmation)).text, (
        "the same address, loaded again"
    )
    assert (await rina.post(path, dict(fields))).headers["Location"] == confirmation
    assert count(site.app.database, proposal) == 1
    assert "Usulan dikirim" in (await rina.get(confirmation)).text


async def test_a_call_back_from_a_page_that_called_back_before_is_carried_out(
    site: Running,
) -> None:
    stage = await staged(site)
    announcement_id, dewi = await approved(stage), await browser(site, stage.dewi)
    path = f"/redaksi/pengumuman/{announcement_id}/batalkan"
    answers = await send_repeatedly(dewi, path, {"versi": "2"})
    assert [answer.status for answer in answers] == [303] * 4
    row = await stage.row(announcement_id)
    await stage.do(stage.dewi, review.approve, announcement_id, seen=row.bound, version=row.version)
    assert (await dewi.post(path, {"versi": "2", "formulir": FORM_ID})).status == 303
    assert (await stage.row(announcement_id)).state == "review"
    site.clock.now += timedelta(minutes=2)
    assert (await dewi.post(path, {"versi": "2", "formulir": FORM_ID})).status == 409, (
        "long after, it is told"
    )


async def test_a_change_approved_twice_at_once_is_approved_and_nobody_is_refused(
    site: Running,
) -> None:
    stage = await staged(site)
    announcement_id, rina, dewi = (
        await published(stage),
        await browser(site, stage.rina),
        await browser(site, stage.dewi),
    )
    await rina.post(f"/redaksi/pengumuman/{announcement_id}/cabut", {"reason": "Batal."})
    page = (await dewi.get(f"/redaksi/pengumuman/{announcement_id}/cabut")).text
    match = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
    answers = await send_repeatedly(
        dewi,
        f"/redaksi/pengumuman/{announcement_id}/usulan/setujui",
        {"seen": match[1] if match else ""},
    )
    assert {answer.headers.get("Location") for answer in answers} == {
        f"/redaksi/pengumuman/{announcement_id}/cabut?selesai=disetujui"
    }
    assert count(site.app.database, proposal) == 1, "held, and not published yet"
