"""The permanent page of an announcement: its standing first, then the text and the proof; the same
as signed JSON.
"""

import json
from datetime import timedelta

import pytest

from broadcaster.domain import signatures
from support.browsing import EMERGENCY, NOTICE, Running, hrefs

CLARIFICATION = {
    "title": "Pendaftaran bansos hanya di kantor kelurahan",
    "body": "Pesan berantai itu mencuri data.",
    "areas": ["cimahi"],
    "category": "bansos",
    "kind": "clarification",
    "level": "important",
    "claim": "Bansos Rp1,5 juta lewat tautan",
    "verdict": "Hoaks",
    "fact": "Pendaftaran hanya di kantor kelurahan.",
    "evidence": ["https://info.cimahi.example/bukti"],
}


async def test_the_page_says_first_how_the_announcement_stands(site: Running) -> None:
    announcement = await site.publish()
    site.clock.now += timedelta(minutes=17)
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert page.index("Berlaku") < page.index("<h1>")
    assert "Sampai 25 Nov 2026 14.00 WIB" in page
    assert announcement.code in page
    assert "Perumda Tirta" in page
    assert "<strong>Jl. Amir Machmud</strong>" in page
    assert '<a href="/?wilayah=cibabat">' in page


async def test_an_ended_announcement_says_so_at_the_minute_it_ends(site: Running) -> None:
    announcement = await site.publish()
    site.clock.now = site.clock.now.replace(hour=13, minute=59, second=59)
    assert "<strong>Berlaku</strong>\nSampai" in (await site.ask(f"/p/{announcement.code}")).text
    site.clock.now += timedelta(seconds=1)
    assert (
        "<strong>Berakhir</strong>\nPada 25 Nov 2026 14.00 WIB"
        in (await site.ask(f"/p/{announcement.code}")).text
    )


async def test_an_outage_of_tomorrow_is_not_in_force_today(site: Running) -> None:
    announcement = await site.publish(effective="2026-11-26 08:00", expires="2026-11-26 14:00")
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert "<strong>Mulai besok 08.00</strong>\nSampai 26 Nov 2026 14.00 WIB" in page
    assert "<title>Mulai besok 08.00: Air PDAM mati" in page
    assert ">Berlaku<" not in page
    assert (
        "<strong>From tomorrow 08.00</strong>"
        in (await site.ask(f"/p/{announcement.code}?bahasa=en")).text
    )
    for path in ("/", f"/cek?kode={announcement.code}"):
        page = (await site.ask(path)).text
        assert "ulai besok 08.00" in page
        assert "Berlaku</span>" not in page
    await site.correct(
        announcement, "Sampai 16.00.", effective="2026-11-26 08:00", expires="2026-11-26 16:00"
    )
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert "<strong>Diralat</strong>" in page
    assert "Mulai besok 08.00" in page
    assert "Mulai besok 08.00</span>" in (await site.ask("/")).text
    site.clock.now += timedelta(days=1)
    assert "Mulai hari ini 08.00" in (await site.ask(f"/p/{announcement.code}")).text
    site.clock.now += timedelta(minutes=17)
    assert "Mulai" not in (await site.ask(f"/p/{announcement.code}")).text


async def test_a_correction_shows_the_new_text_the_reason_and_what_changed(site: Running) -> None:
    announcement = await site.publish()
    site.clock.now += timedelta(hours=1)
    await site.correct(
        announcement,
        "Air kembali pukul 16.00, bukan 14.00.",
        expires="2026-11-25 16:00",
        title="Air mati sampai 16.00",
    )
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert "<strong>Diralat</strong>\nPada 25 Nov 2026 08.43 WIB" in page
    assert "Air kembali pukul 16.00, bukan 14.00." in page
    assert "<del>" in page
    assert "<ins>" in page
    assert "Terbitan 2" in page
    assert "Terbitan 1" in page


async def test_a_withdrawn_announcement_keeps_its_reason_and_loses_its_text(site: Running) -> None:
    announcement = await site.publish(body="Air berhenti mengalir besok.", summary="Tampung air.")
    site.clock.now += timedelta(hours=1)
    await site.withdraw(announcement, "Pekerjaan ditunda. Air tetap mengalir.")
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert page.index("Dicabut") < page.index("<h1>")
    assert "Pekerjaan ditunda. Air tetap mengalir." in page
    assert "Air berhenti mengalir besok." not in page
    assert "Tampung air." not in page
    assert "Waktu berlaku" not in page


async def test_a_withdrawn_emergency_looks_like_none(site: Running) -> None:
    announcement = await site.publish(EMERGENCY)
    await site.withdraw(announcement, "Salah kirim.")
    for path in (f"/p/{announcement.code}", "/", f"/cek?kode={announcement.code}"):
        page = (await site.ask(path)).text
        assert "Dicabut" in page or "dicabut" in page
        assert 'class="tag emergency"' not in page
        assert "item emergency" not in page


async def test_an_emergency_shows_what_to_do_before_the_rest(site: Running) -> None:
    announcement = await site.publish(EMERGENCY, summary="Pindah sekarang.")
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert "Peringatan darurat" in page
    assert page.index("Lakukan sekarang") < page.index("Sungai Cimahi meluap.")
    assert "<li>Matikan listrik.</li>" in page


async def test_a_clarification_shows_the_verdict_beside_the_claim_and_the_fact(
    site: Running,
) -> None:
    announcement = await site.publish(CLARIFICATION)
    page = (await site.ask(f"/p/{announcement.code}")).text
    claim = page.index("Bansos Rp1,5 juta lewat tautan")
    assert page.index("Klarifikasi hoaks") < page.index("<h1>") < claim
    assert (
        page.index('<span class="tag">Hoaks</span>')
        < claim
        < page.index("Pendaftaran hanya di kantor kelurahan.")
    )
    assert 'href="https://info.cimahi.example/bukti"' in page


@pytest.mark.parametrize("spelling", ["{lower}", "{bare}", "{spaced}"])
async def test_a_code_typed_loosely_leads_to_the_official_spelling(
    site: Running, spelling: str
) -> None:
    code = (await site.publish()).code
    typed = spelling.format(
        lower=code.lower(), bare=code.replace("-", ""), spaced=code.replace("-", "%20")
    )
    answer = await site.ask(f"/p/{typed}?bahasa=en")
    assert answer.status == 301
    assert answer.headers["Location"] == f"/p/{code}?bahasa=en"


@pytest.mark.parametrize("code", ["CMH-2222-22", "CMH-AAAA-AA", "x", "%00", "a" * 300])
async def test_a_code_that_names_nothing_is_not_found(site: Running, code: str) -> None:
    assert (await site.ask(f"/p/{code}")).status == 404


async def test_a_draft_is_not_public(site: Running) -> None:
    token = await site.token("write")
    draft = json.loads((await site.post("/api/v1/announcements", dict(NOTICE), token)).text)
    for path in (f"/p/{draft['code']}", f"/p/{draft['code']}.json"):
        assert (await site.ask(path)).status == 404


async def test_the_signed_json_can_be_verified_by_anyone(site: Running) -> None:
    announcement = await site.publish()
    await site.correct(announcement, "Air kembali pukul 16.00.", expires="2026-11-25 16:00")
    answer = await site.ask(f"/p/{announcement.code}.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    content = json.loads(answer.text)
    assert [edition["number"] for edition in content["editions"]] == [2, 1]
    for edition in content["editions"]:
        pem = content["keys"][edition["key_id"]]
        document = edition["document"].encode()
        assert signatures.verify(pem, document, edition["signature"])
        assert not signatures.verify(
            pem, document.replace(b"14.00", b"15.00", 1) + b" ", edition["signature"]
        )
        assert json.loads(document)["code"] == announcement.code


async def test_the_page_shows_key_signature_and_a_qr_code_of_its_own_address(site: Running) -> None:
    announcement = await site.publish()
    page = (await site.ask(f"/p/{announcement.code}")).text
    edition = json.loads((await site.ask(f"/p/{announcement.code}.json")).text)["editions"][0]
    assert edition["key_id"] in page
    assert edition["signature"].replace("+", "&#43;") in page or edition["signature"] in page
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in page or "<svg viewBox" in page
    assert 'class="qr"' in page


async def test_it_can_be_shared_with_its_text_and_address(site: Running) -> None:
    announcement = await site.publish()
    page = (await site.ask(f"/p/{announcement.code}")).text
    share = next(href for href in hrefs(page) if href.startswith("https://wa.me/?text="))
    assert announcement.code in share
    assert "\n" not in share
    assert f'data-copy="{announcement.url}"' in page


async def test_social_networks_are_told_that_it_is_official(site: Running) -> None:
    announcement = await site.publish()
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert '<meta property="og:site_name" content="Resmi, Pemerintah Kota Cimahi">' in page
    assert f'<meta property="og:title" content="{NOTICE["title"]}">' in page
    assert f'<meta property="og:url" content="{announcement.url}">' in page


async def test_english_words_are_shown_where_there_are_some(site: Running) -> None:
    english = {"title": "No tap water in Cibabat", "body": "A pipe is being replaced."}
    announcement = await site.publish(translations={"en": english})
    page = (await site.ask(f"/p/{announcement.code}?bahasa=en")).text
    assert "No tap water in Cibabat" in page
    assert "Until 25 Nov 2026" in page


async def test_indonesian_words_on_an_english_page_are_marked_as_such(site: Running) -> None:
    announcement = await site.publish()
    page = (await site.ask(f"/p/{announcement.code}?bahasa=en")).text
    assert '<html lang="en">' in page
    assert '<div class="stack" lang="id">' in page
    assert "This announcement is available in Indonesian only." in page
    urgent = (await site.ask(f"/p/{(await site.publish(EMERGENCY)).code}?bahasa=en")).text
    assert '<section class="act"><h2 lang="en">' in urgent


async def test_a_reason_on_an_english_page_is_marked_as_indonesian(site: Running) -> None:
    english = {"title": "No tap water in Cibabat", "body": "A pipe is being replaced."}
    announcement = await site.publish(translations={"en": english})
    await site.correct(
        announcement,
        "Air kembali pukul 16.00.",
        expires="2026-11-25 16:00",
        translations={"en": english},
    )
    for path in (f"/p/{announcement.code}?bahasa=en", f"/cek?kode={announcement.code}&bahasa=en"):
        page = (await site.ask(path)).text
        assert page.count('<p lang="id">Air kembali pukul 16.00.</p>') == page.count(
            "Air kembali pukul 16.00."
        )
    urgent = await site.publish(EMERGENCY)
    band = (await site.ask("/?bahasa=en")).text
    assert '<strong lang="id">Banjir di Jl. Amir Machmud' in band
    await site.withdraw(urgent, "Salah kirim.")
    assert '<p class="summary" lang="id">Salah kirim.' in (await site.ask("/?bahasa=en")).text


async def test_hostile_text_is_inert_in_every_field(site: Running) -> None:
    hostile = '"><script>alert(1)</script>'
    announcement = await site.publish(
        CLARIFICATION,
        title=f"T {hostile}",
        summary=f"S {hostile}",
        agency=f"A {hostile}",
        claim=f"C {hostile}",
        fact=f"F {hostile}",
        seen_at=f"W {hostile}",
        hoax_type=f"H {hostile}",
        body=f"B {hostile} [x](javascript:alert(1)) <img src=x onerror=alert(1)>",
    )
    await site.correct(
        announcement,
        f"R {hostile}",
        CLARIFICATION,
        title=f"T2 {hostile}",
        body=f"B2 {hostile} <iframe src=//x>",
    )
    for path in (
        f"/p/{announcement.code}",
        f"/p/{announcement.code}?bahasa=en",
        "/",
        f"/cek?kode={announcement.code}",
    ):
        page = (await site.ask(path)).text
        for piece in ("<script>alert", "<img src=x", "<iframe", 'href="javascript:'):
            assert piece not in page, (path, piece)


async def test_a_picture_of_another_host_is_linked_never_loaded(site: Running) -> None:
    announcement = await site.publish(image="https://gambar.example/peta.png", image_alt="Peta")
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert '<img src="https://gambar.example' not in page
    assert 'href="https://gambar.example/peta.png"' in page


async def test_a_picture_of_our_own_is_shown_with_its_alternative(site: Running) -> None:
    announcement = await site.publish(
        image=f"{site.app.site.base_url}/static/icons/share.png", image_alt="Peta lokasi"
    )
    assert 'alt="Peta lokasi"' in (await site.ask(f"/p/{announcement.code}")).text
