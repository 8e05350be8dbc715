"""Corrections and withdrawals over HTTP: proposed with their differences, decided by a second
person.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.fields import Fields, Override, Translation
from broadcaster.newsroom import corrections
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.runtime.i18n import words
from broadcaster.store import announcements, drafts
from broadcaster.store.drafts import Proposal
from broadcaster.web.staff.differences import differences, pieces
from subscribers.areas import AreaTree
from support.browsing import NOTICE, Answer, Running
from support.staffing import Browser, signed_in

FORM = {
    "title": NOTICE["title"], "summary": NOTICE["summary"], "body": NOTICE["body"].replace("\n", "\r\n"),
    "agency": NOTICE["agency"], "category": NOTICE["category"], "expires": "2026-11-25T14:00",
    "effective": "2026-11-25T08:00", "areas": "cibabat",
    "instruction": "", "reason": "Jam salah.",
}  # fmt: skip
"""The form as a browser sends it when nothing was changed."""


async def open_proposal(site: Running, announcement: StoredAnnouncement) -> Proposal | None:
    """Return the proposal that waits for a decision, or None."""
    return await site.app.database.read(drafts.proposed, announcement.id)


def seen_digest(page: Answer) -> str:
    """Return the digest of the differences on a page, as its form sends it back."""
    match = re.search(r'name="seen" value="([0-9a-f]{64})"', page.text)
    assert match, page.text
    return match[1]


async def release(site: Running, seconds: float = 31) -> None:
    """Let the hold pass and publish what is due."""
    site.clock.now += timedelta(seconds=seconds)
    await site.app.database.write(corrections.publish_held, Press.of(site.app), now=site.clock())


async def propose(rina: Browser, announcement: StoredAnnouncement, **changes: Any) -> Answer:
    """Look at the differences, then propose them."""
    path, form = f"/redaksi/pengumuman/{announcement.id}/ralat", {**FORM, **changes}
    page = await rina.post(path, form)
    assert page.status == 200
    return await rina.post(path, {**form, "seen": seen_digest(page)})


@given(st.text(alphabet="ab \n", max_size=30), st.text(alphabet="ab \n", max_size=30))
def test_differences_lose_no_word(before: str, after: str) -> None:
    parts = pieces(before, after)
    assert "".join(text for kind, text in parts if kind != "new") == before
    assert "".join(text for kind, text in parts if kind != "gone") == after


def test_differences_name_what_people_know() -> None:
    before = Fields(title="Air mati", body="Tampung air.", areas=("cibabat",))
    after = before.model_copy(update={"areas": ("cibabat", "melong")})
    changes = differences(before, after, tree=AreaTree.built_in(), topics=())
    assert [change.name for change in changes] == ["areas"]
    assert (
        "".join(text for kind, text in changes[0].pieces if kind != "gone")
        == "Kel. Cibabat, Kel. Melong"
    )
    assert not differences(before, before, tree=AreaTree.built_in(), topics=())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("level", "important", "Penting"),
        ("link", "https://cimahikota.go.id/air", "https://cimahikota.go.id/air"),
        ("image", "https://cimahikota.go.id/a.jpg", "https://cimahikota.go.id/a.jpg"),
        ("image_alt", "Pipa", "Pipa"),
        ("effective", datetime(2026, 11, 25, 1, tzinfo=UTC), "25 Nov 2026 08.00 WIB"),
        ("publish_at", datetime(2026, 11, 25, 1, tzinfo=UTC), "25 Nov 2026 08.00 WIB"),
        ("channels", ("email",), "email"),
        ("kind", "alert", "Peringatan"),
        (
            "translations",
            {"en": Translation(title="No water", body="Store water.")},
            "Inggris:\nNo water\nStore water.",
        ),
        (
            "overrides",
            {"telegram": Override(title="Air mati, tampung")},
            "Telegram:\nAir mati, tampung",
        ),
    ],
)
def test_no_field_changes_unseen(name: str, value: Any, expected: str) -> None:
    before = Fields(title="Air mati", body="Tampung air.", areas=("cibabat",))
    after = before.model_copy(update={name: value})
    (difference,) = differences(before, after, tree=AreaTree.built_in(), topics=())
    assert (
        difference.name,
        "".join(text for kind, text in difference.pieces if kind != "gone"),
    ) == (
        name,
        expected,
    )
    assert {f"staff.send.field.{name}", f"staff.field.{name}"} & words("id").keys


async def test_the_form_holds_what_is_published(site: Running) -> None:
    announcement = await site.publish()
    rina = await signed_in(site, "rina", "author")
    page = await rina.get(f"/redaksi/pengumuman/{announcement.id}/ralat")
    assert page.status == 200
    assert f'value="{NOTICE["title"]}"' in page.text
    assert 'value="2026-11-25T14:00"' in page.text
    assert 'value="cibabat" checked' in page.text
    assert "mengirim pesan ralat" in page.text
    unchanged = await rina.post(f"/redaksi/pengumuman/{announcement.id}/ralat", FORM)
    assert unchanged.status == 409
    assert "sama dengan yang sudah terbit" in unchanged.text


async def test_a_correction_is_proposed_after_its_differences_and_published_by_another(
    site: Running,
) -> None:
    announcement = await site.publish()
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    path = f"/redaksi/pengumuman/{announcement.id}/ralat"
    page = await rina.post(path, {**FORM, "expires": "2026-11-25T16:00"})
    assert page.status == 200
    assert "<del>" in page.text
    assert "16.00" in page.text
    assert await open_proposal(site, announcement) is None, "looking proposes nothing"
    answer = await propose(rina, announcement, expires="2026-11-25T16:00")
    assert (answer.status, answer.headers["Location"]) == (303, f"{path}?selesai=diajukan")
    assert "Tarik usulan" in (await rina.get(path)).text
    home = await dewi.get("/redaksi/")
    assert path in home.text
    decision_page = await dewi.get(path)
    assert "Jam salah." in decision_page.text
    assert "16.00" in decision_page.text
    approval = await dewi.post(
        f"/redaksi/pengumuman/{announcement.id}/usulan/setujui",
        {"seen": seen_digest(decision_page)},
    )
    assert (approval.status, approval.headers["Location"]) == (303, f"{path}?selesai=disetujui")
    held_page = await dewi.get(approval.headers["Location"])
    assert "Terbit dalam 30 detik" in held_page.text
    assert "usulan/batalkan" in held_page.text
    assert path in (await rina.get("/redaksi/")).text
    await release(site)
    assert (
        f'href="/redaksi/pengiriman/{announcement.id}"'
        in (await dewi.get(approval.headers["Location"])).text
    )
    newest = await site.app.database.read(announcements.newest_edition, announcement.id)
    assert newest is not None
    assert (newest.number, newest.edition.change, newest.edition.reason) == (
        2,
        "correction",
        "Jam salah.",
    )
    assert newest.edition.wording("id").body == NOTICE["body"], "what was not changed stays"


async def test_a_form_changed_after_the_differences_shows_them_again(site: Running) -> None:
    announcement = await site.publish()
    rina = await signed_in(site, "rina", "author")
    path = f"/redaksi/pengumuman/{announcement.id}/ralat"
    page = await rina.post(path, {**FORM, "title": "Air PDAM mati lebih lama"})
    again = await rina.post(
        path, {**FORM, "title": "Air PDAM mati sampai malam", "seen": seen_digest(page)}
    )
    assert again.status == 200
    assert "malam" in again.text
    assert await open_proposal(site, announcement) is None


async def test_what_is_refused_keeps_what_was_typed(site: Running) -> None:
    announcement = await site.publish()
    rina = await signed_in(site, "rina", "author")
    page = await rina.post(
        f"/redaksi/pengumuman/{announcement.id}/ralat",
        {**FORM, "title": "x" * 71, "areas": "melong"},
    )
    assert page.status == 422
    assert "Kelebihan 1 karakter." in page.text
    assert "x" * 71 in page.text
    assert 'value="melong" checked' in page.text
    assert "Jam salah." in page.text
    refusal = await rina.post(f"/redaksi/pengumuman/{announcement.id}/cabut", {"reason": " "})
    assert refusal.status == 422
    assert "Tulis alasannya" in refusal.text


async def test_translations_go_out_as_they_are_written_now_and_only_when_asked_to(
    site: Running,
) -> None:
    announcement = await site.publish(
        translations={"en": {"title": "No tap water", "body": "Store water."}}
    )
    rina = await signed_in(site, "rina", "author")
    page = (await rina.get(f"/redaksi/pengumuman/{announcement.id}/ralat")).text
    assert 'value="No tap water"' in page
    assert "Store water." in page
    english = {"en.title": "No tap water, longer", "en.body": "Store water."}
    await propose(rina, announcement, title="Air PDAM mati lebih lama", translations="1", **english)
    translated = await open_proposal(site, announcement)
    assert translated is not None
    assert translated.form["translations"] == {
        "en": {"title": "No tap water, longer", "body": "Store water."}
    }
    await rina.post(f"/redaksi/pengumuman/{announcement.id}/usulan/tarik")
    await propose(rina, announcement, title="Air PDAM mati lebih lama", **english)
    untranslated = await open_proposal(site, announcement)
    assert untranslated is not None
    assert "translations" not in untranslated.form


async def test_a_wrong_link_and_a_wrong_start_can_be_corrected(site: Running) -> None:
    announcement = await site.publish(link="https://salah.example/")
    rina = await signed_in(site, "rina", "author")
    assert (
        'value="https://salah.example/"'
        in (await rina.get(f"/redaksi/pengumuman/{announcement.id}/ralat")).text
    )
    await propose(rina, announcement, link="https://benar.example/", effective="2026-11-25T09:00")
    proposal = await open_proposal(site, announcement)
    assert proposal is not None
    assert (proposal.form["link"], proposal.form["effective"]) == (
        "https://benar.example/",
        "2026-11-25T09:00",
    )


async def test_what_a_clarification_says_of_a_claim_can_be_corrected(site: Running) -> None:
    claim = {
        "claim": "Air beracun",
        "verdict": "Hoaks",
        "fact": "Air aman.",
        "evidence": ["https://contoh.example/satu"],
    }
    clarification = {
        **claim,
        "kind": "clarification",
        "seen_at": "WhatsApp",
        "hoax_type": "konten palsu",
    }
    announcement = await site.publish(**clarification)
    rina = await signed_in(site, "rina", "author")
    page = await rina.get(f"/redaksi/pengumuman/{announcement.id}/ralat")
    assert 'name="claim" value="Air beracun"' in page.text
    changes = {
        "claim": "Air bau",
        "verdict": "Menyesatkan",
        "fact": "Air bau\r\nsampai sore.",
        "seen_at": "",
    }
    links = "https://contoh.example/dua\r\nhttps://contoh.example/tiga"
    answer = await propose(rina, announcement, **changes, evidence=links)
    assert answer.status == 303
    proposal = await open_proposal(site, announcement)
    assert proposal is not None
    fields = Fields.read(proposal.form)
    assert (fields.claim, fields.verdict, fields.fact) == (
        "Air bau",
        "Menyesatkan",
        "Air bau\nsampai sore.",
    )
    assert (fields.seen_at, fields.hoax_type) == (None, "konten palsu")
    assert fields.evidence == ("https://contoh.example/dua", "https://contoh.example/tiga")


async def test_a_notice_takes_on_no_claim_by_its_correction(site: Running) -> None:
    announcement = await site.publish()
    rina = await signed_in(site, "rina", "author")
    await propose(
        rina,
        announcement,
        title="Air mati lagi",
        claim="Air beracun",
        verdict="Hoaks",
        fact="Tidak.",
    )
    proposal = await open_proposal(site, announcement)
    assert proposal is not None
    assert Fields.read(proposal.form).claim is None


async def test_a_withdrawal_says_what_happens_and_needs_a_second_person(site: Running) -> None:
    announcement = await site.publish()
    rina, dewi = (
        await signed_in(site, "rina", "author"),
        await signed_in(site, "dewi", "approver", "author"),
    )
    path = f"/redaksi/pengumuman/{announcement.id}/cabut"
    page = await dewi.get(path)
    assert "tidak dapat dihapus" in page.text
    for channel in site.app.push.values():
        assert f"<strong>{channel.label}</strong>: mengirim pemberitahuan pencabutan" in page.text
    assert (await dewi.post(path, {"reason": "Salah alamat."})).status == 303
    proposers_page = await dewi.get(path)
    assert "Setujui dan cabut" not in proposers_page.text
    proposal = await open_proposal(site, announcement)
    assert proposal is not None
    own_approval = await dewi.post(
        f"/redaksi/pengumuman/{announcement.id}/usulan/setujui", {"seen": proposal.bound}
    )
    assert own_approval.status == 403
    assert "Pengusul tidak dapat memutuskan" in own_approval.text
    assert (
        await rina.post(
            f"/redaksi/pengumuman/{announcement.id}/usulan/setujui", {"seen": proposal.bound}
        )
    ).status == 403
    siti = await signed_in(site, "siti", "approver")
    stale = await siti.post(
        f"/redaksi/pengumuman/{announcement.id}/usulan/setujui", {"seen": "0" * 64}
    )
    assert stale.status == 409
    assert (
        await siti.post(
            f"/redaksi/pengumuman/{announcement.id}/usulan/setujui", {"seen": proposal.bound}
        )
    ).status == 303
    await release(site)
    assert "sudah dicabut" in (await rina.get(path)).text


async def test_a_refusal_needs_a_reason_and_its_author_may_take_a_proposal_back(
    site: Running,
) -> None:
    announcement = await site.publish()
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    path = f"/redaksi/pengumuman/{announcement.id}"
    await rina.post(f"{path}/cabut", {"reason": "Salah alamat."})
    assert (await dewi.post(f"{path}/usulan/tolak", {"reason": ""})).status == 422
    assert (await dewi.post(f"{path}/usulan/tolak", {"reason": "Sudah benar."})).status == 303
    assert await open_proposal(site, announcement) is None
    await rina.post(f"{path}/cabut", {"reason": "Salah alamat."})
    colleague = await signed_in(site, "tono", "author")
    assert (await colleague.post(f"{path}/usulan/tarik")).status == 409
    assert (
        (await rina.post(f"{path}/usulan/tarik"))
        .headers["Location"]
        .endswith("/cabut?selesai=ditarik")
    )
    assert (await rina.get(f"{path}/ralat?selesai=x")).status == 200


async def test_the_pages_lead_to_one_another(site: Running) -> None:
    announcement = await site.publish()
    rina = await signed_in(site, "rina", "author")
    page = await rina.get(f"/redaksi/pengumuman/{announcement.id}")
    for address in (
        f"pengiriman/{announcement.id}",
        f"pengumuman/{announcement.id}/ralat",
        f"pengumuman/{announcement.id}/cabut",
    ):
        assert f'href="/redaksi/{address}"' in page.text
    await rina.post(f"/redaksi/pengumuman/{announcement.id}/cabut", {"reason": "Salah."})
    redirect = await rina.get(f"/redaksi/pengumuman/{announcement.id}/ralat")
    assert redirect.headers["Location"].endswith("/cabut")
    assert (
        "pencabutan yang menunggu"
        in (await rina.get(f"/redaksi/pengiriman/{announcement.id}")).text
    )


@pytest.mark.parametrize("path", ["ralat", "cabut"])
async def test_nobody_amends_what_was_never_published(site: Running, path: str) -> None:
    rina = await signed_in(site, "rina", "author")
    assert (await rina.get(f"/redaksi/pengumuman/CMH-0000-00/{path}")).status == 404


@pytest.mark.parametrize(
    ("old", "new"), [("a b " * 2_500, "b b a " * 1_666), ("a " * 5_000, "b a " * 2_500)]
)
def test_no_two_texts_are_slow_to_compare_however_repetitive(old: str, new: str) -> None:
    start = time.process_time()
    parts = pieces(f"Mulai {old} selesai", f"Mulai {new} selesai")
    assert time.process_time() - start < 1
    assert "".join(text for kind, text in parts if kind != "new") == f"Mulai {old} selesai"
    assert "".join(text for kind, text in parts if kind != "gone") == f"Mulai {new} selesai"


async def approve_change(
    site: Running, rina: Browser, dewi: Browser, change: str, **fields: Any
) -> StoredAnnouncement:
    """Publish an announcement, propose a correction or withdrawal an hour later, and approve it."""
    announcement = await site.publish()
    site.clock.now += timedelta(hours=1)
    path = f"/redaksi/pengumuman/{announcement.id}"
    await (
        propose(rina, announcement, **fields)
        if change == "ralat"
        else rina.post(f"{path}/cabut", {"reason": "Salah alamat."})
    )
    proposal = await open_proposal(site, announcement)
    assert proposal is not None
    assert (await dewi.post(f"{path}/usulan/setujui", {"seen": proposal.bound})).status == 303
    return announcement


@pytest.mark.parametrize("change", ["ralat", "cabut"])
async def test_an_approved_change_can_be_called_back_on_its_page(
    site: Running, change: str
) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    announcement = await approve_change(site, rina, dewi, change, expires="2026-11-25T16:00")
    path = f"/redaksi/pengumuman/{announcement.id}"
    assert "segera terbit" in (await dewi.get(path)).text
    assert "segera terbit" in (await dewi.get(f"/redaksi/pengiriman/{announcement.id}")).text
    answer = await dewi.post(f"{path}/usulan/batalkan")
    assert answer.headers["Location"] == f"{path}/{change}?selesai=dibatalkan"
    assert "Tidak ada yang dikirim" in (await dewi.get(answer.headers["Location"])).text
    await release(site)
    newest = await site.app.database.read(announcements.newest_edition, announcement.id)
    assert newest is not None
    assert newest.number == 1


@pytest.mark.parametrize("change", ["ralat", "cabut"])
async def test_pages_show_the_time_and_the_people_of_this_edition(
    site: Running, change: str
) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    announcement = await approve_change(site, rina, dewi, change, expires="2026-11-25T16:00")
    await release(site)
    page = (await dewi.get(f"/redaksi/pengiriman/{announcement.id}")).text
    assert (
        "Terbit 25 Nov 2026 08.43 WIB, disetujui Dewi, disusun Rina. Pertama terbit 25 Nov 2026 07.43 WIB"
        in page
    )
    receipt = (await dewi.get(f"/redaksi/pengiriman/{announcement.id}?cetak=1")).text
    assert "Dewi, 25 Nov 2026 08.43 WIB" in receipt
    assert "07.43" not in receipt.partition('class="receipt-text"')[0]
    assert (re.search(r'class="hash">[0-9a-f]{64}<', receipt) is not None) == (change == "ralat")
    sendings = (await dewi.get("/redaksi/pengiriman")).text
    assert "Terbit 25 Nov 2026 08.43 WIB" in sendings


async def test_an_edition_that_nobody_approved_names_nobody_of_the_first(site: Running) -> None:
    announcement = await site.publish()
    await site.correct(announcement, "Jam salah.", title="Air PDAM mati lebih lama")
    dewi = await signed_in(site, "dewi", "approver")
    assert "disetujui" not in (await dewi.get(f"/redaksi/pengiriman/{announcement.id}")).text


async def test_words_of_a_correction_that_was_refused_can_be_used_again(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    announcement = await site.publish()
    path = f"/redaksi/pengumuman/{announcement.id}"
    await propose(rina, announcement, title="Air PDAM mati lebih lama", expires="2026-11-25T16:00")
    await dewi.post(f"{path}/usulan/tolak", {"reason": "Belum pasti."})
    assert "?pakai=1" in (await rina.get(f"{path}/ralat")).text
    assert "?pakai=1" not in (await dewi.get(f"{path}/ralat")).text
    again = (await rina.get(f"{path}/ralat?pakai=1")).text
    assert 'value="Air PDAM mati lebih lama"' in again
    assert 'value="2026-11-25T16:00"' in again


async def test_a_blank_in_a_reason_is_shown_with_the_differences(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    announcement = await site.publish()
    page = await rina.post(
        f"/redaksi/pengumuman/{announcement.id}/ralat",
        {**FORM, "title": "Air mati", "reason": "Jamnya (JAM BARU)."},
    )
    assert page.status == 200
    await rina.post(f"/redaksi/pengumuman/{announcement.id}/templat", {"nama": "Air"})
    refusal = await rina.post(
        f"/redaksi/pengumuman/{announcement.id}/ralat",
        {**FORM, "title": "Air mati", "reason": "Jamnya RW .. saja."},
    )
    assert refusal.status == 422
    assert "RW .." in refusal.text
