"""Refusals on English pages: an example from each room, in English."""

from html import unescape
from typing import Any

import pytest

from broadcaster.newsroom import drafts, review
from support.acting import act
from support.browsing import Running
from support.staffing import NOTICE, PASSWORD, Browser, signed_in

ENGLISH = "?bahasa=en"


async def refusal(person: Browser, path: str, form: Any = None, status: int = 422) -> str:
    """Return the English page that refuses a form."""
    answer = await person.post(f"{path}{ENGLISH}", form)
    assert answer.status == status, answer.text
    return unescape(answer.text)


async def test_rules_of_announcements(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    form = {"bahaya": "banjir", "title": "Banjir di Melong", "instruction": "1. Pindah."}
    page = await refusal(rina, "/redaksi/darurat", {**form, "link": "x"})
    assert "Still empty: Areas." in page
    assert "belum diisi" not in page


async def test_checks_before_submission(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    row = await act(rina, drafts.save, {**NOTICE, "title": "AIR PDAM MATI DI CIBABAT"})
    page = unescape((await rina.get(f"/redaksi/pengumuman/{row.id}/tulis{ENGLISH}")).text)
    assert "The title is written in capitals only." in page


async def test_steps_of_the_newsroom(site: Running) -> None:
    rina = await signed_in(site, "rina", "author", "approver")
    row = await act(rina, drafts.save, NOTICE)
    row = await act(rina, review.submit, row.id)
    page = await refusal(
        rina, f"/redaksi/pengumuman/{row.id}/kembalikan", {"alasan": "Salah."}, status=403
    )
    assert "Authors cannot decide on their own announcement." in page


async def test_reasons(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    announcement = await site.publish()
    page = await refusal(rina, f"/redaksi/pengumuman/{announcement.id}/cabut", {"reason": " "})
    assert "Still empty: Reason." in page
    assert "Write the reason in one sentence." in page


async def test_channels(site: Running) -> None:
    dewi = await signed_in(site, "dewi", "approver")
    page = await refusal(dewi, "/redaksi/kanal/email/lanjut", status=409)
    assert "This channel has not stopped." in page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lengkap": ""}, "Give the full name, at most 80 characters."),
        ({"peran": []}, "Choose at least one role."),
        ({"kabar": "budi"}, "An e-mail address looks like this: nama@contoh.id"),
    ],
)
async def test_accounts(site: Running, change: dict[str, Any], sentence: str) -> None:
    ani = await signed_in(site, "ani", "admin")
    form = {"nama": "Budi", "lengkap": "Budi Santoso", "peran": ["author"], "opd": ["Kota Cimahi"]}
    assert sentence in await refusal(ani, "/redaksi/pengguna/baru", {**form, **change})


async def test_passwords(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    form = {"lama": PASSWORD, "baru": "singkat", "ulang": "singkat"}
    page = await refusal(rina, "/redaksi/akun/sandi", form)
    assert "A password needs at least 10 characters." in page


async def test_pictures(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = await refusal(rina, "/redaksi/gambar")
    assert "No picture has been chosen yet. Choose one, then upload it." in page
