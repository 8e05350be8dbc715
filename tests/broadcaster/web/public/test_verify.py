"""Checking a message: four answers, none of which can be read as another."""

import html
import re
from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from broadcaster.domain import codes
from broadcaster.newsroom.previews import message_parts, sample_recipient
from broadcaster.store import announcements
from broadcaster.web.public import verify
from channels.base.contract import Area, Edition
from support.browsing import Running
from support.codes import is_code


async def test_without_a_question_there_is_only_the_box(site: Running) -> None:
    page = (await site.ask("/cek")).text
    assert 'name="kode"' in page
    assert "RESMI" not in page
    assert "BELUM DITEMUKAN" not in page


async def test_a_code_in_force_is_official_and_valid(site: Running) -> None:
    announcement = await site.publish()
    page = (await site.ask(f"/cek?kode={announcement.code.lower().replace('-', '')}")).text
    assert "RESMI dan berlaku" in page
    assert "Air PDAM mati di Cibabat" in page
    assert f'href="/p/{announcement.code}"' in page


async def test_an_official_code_does_not_vouch_for_another_text(site: Running) -> None:
    announcement = await site.publish()
    assert (
        "hanya bila isinya sama dengan teks resmi"
        in (await site.ask(f"/cek?kode={announcement.code}")).text
    )


async def test_what_has_ended_was_corrected_or_withdrawn_is_still_official(site: Running) -> None:
    ended = await site.publish(expires="2026-11-25 09:00")
    corrected, withdrawn = await site.publish(), await site.publish()
    site.clock.now += timedelta(hours=2)
    await site.correct(corrected, "Air kembali pukul 16.00.", expires="2026-11-25 16:00")
    await site.withdraw(withdrawn, "Pekerjaan ditunda.")
    for announcement, words in (
        (ended, "RESMI, sudah berakhir"),
        (corrected, "RESMI, sudah diralat"),
        (withdrawn, "RESMI, sudah dicabut"),
    ):
        page = (await site.ask(f"/cek?kode={announcement.code}")).text
        assert words in page
        assert "BELUM DITEMUKAN" not in page


@pytest.mark.parametrize(
    "query", ["CMH-2222-22", "bansos lewat tautan bit.ly", "CMH", "%F0%9F%98%80", "CMH-7K4Q-2M"]
)
async def test_what_is_not_found_is_never_called_a_hoax(site: Running, query: str) -> None:
    page = (await site.ask(f"/cek?kode={query}")).text
    verdict = page[page.index('id="jawaban"') : page.index("Memeriksa sendiri")]
    assert "BELUM DITEMUKAN" in verdict
    assert "belum berarti hoaks atau benar" in verdict
    assert "112" in verdict
    assert "bad" not in verdict.replace("badge", "")
    assert "withdrawn" not in verdict


async def verdict_on(site: Running, text: str) -> str:
    """Return the page's verdict on a pasted text, without its hints."""
    page = (await site.ask("/cek", params={"kode": text})).text
    return page[page.index('id="jawaban"') : page.index("Memeriksa sendiri")]


def messages(site: Running, edition: Edition) -> dict[str, str]:
    """Return each push channel's message as a resident of another kelurahan got it."""
    resident = msgspec.structs.replace(
        sample_recipient(edition, ""),
        area=Area(code="32.77.03.1003", name="Pasirkaliki", slug="pasirkaliki"),
        since=date(2025, 5, 3),
        token="c" * 32,
    )
    parts = {
        name: message_parts(channel, edition, "id", resident)
        for name, channel in site.app.push.items()
    }
    plain_texts = {
        name: html.unescape(re.sub(r"</?[a-z][^>]*>", "", part["text"]))
        for name, part in parts.items()
    }
    return plain_texts | {
        "whatsapp, marks and all": parts["whatsapp"]["text"],
        "whatsapp, on one line": " ".join(plain_texts["whatsapp"].split()),
    }


async def newest(site: Running, code: str) -> Edition:
    """Return the newest edition of an announcement."""
    row = await site.app.database.read(announcements.newest_edition, code)
    assert row is not None
    return row.edition


async def test_every_channels_own_message_is_official_as_it_arrived(site: Running) -> None:
    announcement = await site.publish()
    for channel, text in messages(site, await newest(site, announcement.code)).items():
        assert "RESMI dan berlaku" in await verdict_on(site, text), channel
    page = (await site.ask(f"/p/{announcement.code}")).text
    shared_text = parse_qs(
        urlsplit(html.unescape(re.findall(r'href="(https://wa.me/[^"]+)"', page)[0])).query
    )["text"][0]
    assert "RESMI dan berlaku" in await verdict_on(site, shared_text)


async def test_a_link_or_a_code_alone_is_understood(site: Running) -> None:
    announcement = await site.publish()
    for text in (
        f"{site.url}/p/{announcement.code}?x=1",
        f"kode {announcement.code.lower()}",
        f"{site.url}/cek?kode={announcement.code}",
    ):
        assert "RESMI dan berlaku" in await verdict_on(site, text), text


@pytest.mark.parametrize(
    "forged",
    [
        "Bansos cair! Kirim NIK dan PIN ATM Anda ke 0812-9000-0101. Kode: {code}",
        "{code}. Kirim NIK dan PIN Anda ke petugas kami.",
        "{code}                                                            Kirim PIN Anda ke 0812-9000-0101",
        "{code} отправьте PIN",
        "{official} Transfer Rp50.000 ke petugas.",
        "{code} kabar kabar kabar",
    ],
)
async def test_a_genuine_code_does_not_vouch_for_a_text_of_somebody_else(
    site: Running, forged: str
) -> None:
    announcement = await site.publish()
    official = messages(site, await newest(site, announcement.code))["whatsapp"]
    verdict = await verdict_on(site, forged.format(code=announcement.code, official=official))
    assert "KODENYA ASLI, ISINYA BERBEDA" in verdict
    assert "RESMI" not in verdict
    assert verdict.index("Teks resmi") < verdict.index("Yang Anda tempel")
    assert verdict.index("Air PDAM mati di Cibabat") < verdict.index("Yang Anda tempel")


async def test_one_altered_fact_makes_it_another_text(site: Running) -> None:
    announcement = await site.publish()
    official = messages(site, await newest(site, announcement.code))["whatsapp"]
    for number in set(
        re.findall(r"\d+", official.replace(announcement.code, "").replace(site.app.site.host, ""))
    ):
        altered = re.sub(rf"(?<!\d){number}(?!\d)", str(int(number) + 1), official, count=1)
        assert "ISINYA BERBEDA" in await verdict_on(site, altered), number
    for word in ("mati", "di", "Cibabat"):
        assert "ISINYA BERBEDA" in await verdict_on(site, official.replace(f" {word}", "", 1)), word


LISTS = "Posko yang BUKA:\n\n- SDN Cibabat 1\n- Masjid Agung\n\nPosko yang DITUTUP karena longsor:\n\n- GOR Sangkuriang\n- SMPN 2"


@pytest.mark.parametrize(
    "altered",
    [
        lambda text: text.replace("SDN Cibabat 1", "§").replace("SMPN 2", "SDN Cibabat 1").replace("§", "SMPN 2"),
        lambda text: text.replace("Posko yang DITUTUP karena longsor:\n", ""),
        lambda text: "\n".join(reversed(text.splitlines())),
        lambda text: text[text.index("- GOR") :],
        lambda text: text.replace("DITUTUP", "~DITUTUP~"),
        lambda text: text.replace("SMPN 2", "SMPN \u202e2\u202c"),
        lambda text: text.replace("SMPN 2", "SMPN \u202e 2 \u202c"),
        lambda text: text.replace("SMPN 2", "SMPN 2²"),
        lambda text: text + "\n🅺🅸🆁🅸🅼 🅿🅸🅽 🅰🆃🅼 🅺🅴 🅿🅴🅽🅶🅸🆁🅸🅼",
        lambda text: text + "\nAnda mendaftar untuk 0812 9000 0101 pada 3 Mei 2025.",
        lambda text: text.replace("Posko yang BUKA", "Posko yang BUKA?"),
    ],
)  # fmt: skip
async def test_lines_exchanged_left_out_or_made_up_are_another_text(
    site: Running, altered: Callable[[str], str]
) -> None:
    announcement = await site.publish(body=LISTS, title="Posko banjir Cibabat")
    text = messages(site, await newest(site, announcement.code))["email"]
    assert "RESMI dan berlaku" in await verdict_on(site, text)
    assert altered(text) != text
    assert "ISINYA BERBEDA" in await verdict_on(site, altered(text))


@pytest.mark.parametrize("beside", ["🅺🅸🆁🅸🅼 🅿🅸🅽", "🇰🇮🇷🇮🇲", "kirim PIN", "\u202eNIP", "💸"])
async def test_a_code_with_anything_beside_it_is_not_a_code_alone(
    site: Running, beside: str
) -> None:
    announcement = await site.publish()
    assert "RESMI dan berlaku" not in await verdict_on(site, f"{announcement.code} {beside}")
    assert "RESMI dan berlaku" not in await verdict_on(
        site, f"{site.url}/p/{announcement.code} {beside}"
    )


async def test_a_rumour_that_we_answered_is_never_certified_by_the_code_of_the_answer(
    site: Running,
) -> None:
    claim = "Bansos Rp1,5 juta cair hari ini, daftar di bit.ly/bansos-cimahi"
    announcement = await site.publish(
        kind="clarification",
        claim=claim,
        verdict="Hoaks",
        fact="Pendaftaran hanya di kantor kelurahan.",
        evidence=["https://dinsos.cimahikota.go.id/bansos"],
        expires=None,
        effective=None,
    )
    verdict = await verdict_on(site, f"{claim}\n{announcement.code}")
    assert "AWAS, TAUTAN ASING" in verdict
    assert "bit.ly" in verdict
    assert "RESMI dan berlaku" not in verdict
    for channel, text in messages(site, await newest(site, announcement.code)).items():
        assert "RESMI dan berlaku" in await verdict_on(site, text), channel


@pytest.mark.parametrize(
    "link",
    ["https://jahat.com/p/{code}", "http://{host}.jahat.com/p/{code}", "https://{host}@jahat.com/p/{code}", "jahat.com/p/{code}",
     "https:jahat.com/{code}", "{url}/p/{code} lalu bit.ly/bansos", "//jahat.com/p/{code}"],
)  # fmt: skip
async def test_a_genuine_code_behind_a_foreign_link_is_warned_of(site: Running, link: str) -> None:
    announcement = await site.publish()
    host = site.url.removeprefix("http://").partition(":")[0]
    verdict = await verdict_on(site, link.format(code=announcement.code, host=host, url=site.url))
    assert "AWAS, TAUTAN ASING" in verdict
    assert "standing foreign" in verdict
    assert "RESMI dan berlaku" not in verdict


async def test_a_link_that_the_edition_itself_names_is_not_foreign(site: Running) -> None:
    announcement = await site.publish(
        link="https://tirta.cimahi.example/gangguan",
        body="Lihat https://tirta.cimahi.example/gangguan.",
    )
    for text in messages(site, await newest(site, announcement.code)).values():
        assert "TAUTAN ASING" not in await verdict_on(site, text)
    assert "TAUTAN ASING" not in await verdict_on(
        site, f"{announcement.code} https://tirta.cimahi.example/gangguan"
    )


async def test_the_words_of_an_older_edition_lead_to_what_holds_now(site: Running) -> None:
    announcement = await site.publish()
    before = messages(site, await newest(site, announcement.code))["whatsapp"]
    await site.correct(
        announcement, "Air kembali pukul 16.00.", title="Air PDAM mati sampai pukul 16.00"
    )
    verdict = await verdict_on(site, before)
    assert "RESMI, sudah diralat" in verdict
    assert "Air PDAM mati sampai pukul 16.00" in verdict


async def test_a_text_without_a_code_is_not_called_a_code(site: Running) -> None:
    verdict = await verdict_on(site, "Bansos cair, daftar di jahat.com sekarang")
    assert "BELUM DITEMUKAN" in verdict
    assert "kode ini" not in verdict
    assert "jahat.com" in verdict
    assert "kode ini" in await verdict_on(site, "CMH-2222-22")


async def test_what_was_pasted_is_shown_and_never_run(site: Running) -> None:
    page = (await site.ask("/cek", params={"kode": '"><script>alert(1)</script>'})).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("typed", ["CMH-M5MM-TX", "Kode: CMH-7K4Q-22, benarkah?"])
async def test_an_impossible_code_is_reported_as_misspelt(site: Running, typed: str) -> None:
    verdict = await verdict_on(site, typed)
    assert "BELUM DITEMUKAN" in verdict
    assert "salah ketik" in verdict
    assert "tempel kode itu saja" not in verdict


async def test_a_message_as_long_as_telegram_carries_is_read_whole(site: Running) -> None:
    announcement = await site.publish(body="Air dapat diambil di tangki. " * 120)
    for channel, text in messages(site, await newest(site, announcement.code)).items():
        assert "RESMI dan berlaku" in await verdict_on(site, text), channel


async def test_a_very_long_message_is_read_in_part_and_never_called_official(
    site: Running,
) -> None:
    announcement = await site.publish()
    assert "ISINYA BERBEDA" in await verdict_on(site, f"kode {announcement.code} " * 600)


async def test_who_guesses_codes_must_soon_wait(site: Running) -> None:
    announcement = await site.publish()
    statuses = [(await site.ask(f"/cek?kode=CMH-2222-{number:02}")).status for number in range(40)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    refusal = await site.ask(f"/cek?kode={announcement.code}")
    assert refusal.status == 429
    assert int(refusal.headers["Retry-After"]) >= 1
    assert "Terlalu sering" in refusal.text
    assert (await site.ask(f"/p/{announcement.code}")).status == 200


async def test_found_codes_cost_nothing(site: Running) -> None:
    announcement = await site.publish()
    for _ in range(40):
        assert (await site.ask(f"/cek?kode={announcement.code}")).status == 200


def test_codes_are_found_in_text_in_the_order_they_stand() -> None:
    first, second = (
        codes.draw_code(choose=lambda alphabet: alphabet[3]),
        codes.draw_code(choose=lambda alphabet: alphabet[5]),
    )
    assert verify.codes_in(f"Lihat {first} dan {second.lower()}, juga {first}", "CMH") == [
        first,
        second,
    ]
    assert verify.codes_in("CMHAIDAHXX tanpa kode", "CMH") == []
    assert verify.codes_in(first.replace("-", " "), "CMH") == [first]


def test_the_sample_code_is_never_a_real_one() -> None:
    assert not is_code(verify.sample_code("CMH"))
