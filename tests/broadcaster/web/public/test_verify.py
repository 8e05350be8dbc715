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
    stored = await site.publish()
    page = (await site.ask(f"/cek?kode={stored.code.lower().replace('-', '')}")).text
    assert "RESMI dan berlaku" in page
    assert "Air PDAM mati di Cibabat" in page
    assert f'href="/p/{stored.code}"' in page


async def test_an_official_code_does_not_vouch_for_another_text(site: Running) -> None:
    stored = await site.publish()
    assert (
        "hanya bila isinya sama dengan teks resmi"
        in (await site.ask(f"/cek?kode={stored.code}")).text
    )


async def test_what_has_ended_was_corrected_or_withdrawn_is_still_official(site: Running) -> None:
    ended = await site.publish(expires="2026-11-25 09:00")
    corrected, withdrawn = await site.publish(), await site.publish()
    site.clock.now += timedelta(hours=2)
    await site.correct(corrected, "Air kembali pukul 16.00.", expires="2026-11-25 16:00")
    await site.withdraw(withdrawn, "Pekerjaan ditunda.")
    for stored, words in (
        (ended, "RESMI, sudah berakhir"),
        (corrected, "RESMI, sudah diralat"),
        (withdrawn, "RESMI, sudah dicabut"),
    ):
        page = (await site.ask(f"/cek?kode={stored.code}")).text
        assert words in page
        assert "BELUM DITEMUKAN" not in page


@pytest.mark.parametrize(
    "asked", ["CMH-2222-22", "bansos lewat tautan bit.ly", "CMH", "%F0%9F%98%80", "CMH-7K4Q-2M"]
)
async def test_what_is_not_found_is_never_called_a_hoax(site: Running, asked: str) -> None:
    page = (await site.ask(f"/cek?kode={asked}")).text
    answer = page[page.index('id="jawaban"') : page.index("Memeriksa sendiri")]
    assert "BELUM DITEMUKAN" in answer
    assert "belum berarti hoaks atau benar" in answer
    assert "112" in answer
    assert "bad" not in answer.replace("badge", "")
    assert "withdrawn" not in answer


async def answer(site: Running, text: str) -> str:
    """What the page says of a pasted text, without its hints."""
    page = (await site.ask("/cek", params={"kode": text})).text
    return page[page.index('id="jawaban"') : page.index("Memeriksa sendiri")]


def messages(site: Running, edition: Edition) -> dict[str, str]:
    """The text of each push channel's message as a resident of another kelurahan got it."""
    somebody = msgspec.structs.replace(
        sample_recipient(edition, ""),
        area=Area(code="32.77.03.1003", name="Pasirkaliki", slug="pasirkaliki"),
        since=date(2025, 5, 3),
        token="c" * 32,
    )
    parts = {
        name: message_parts(channel, edition, "id", somebody)
        for name, channel in site.app.push.items()
    }
    looks = {
        name: html.unescape(re.sub(r"</?[a-z][^>]*>", "", part["text"]))
        for name, part in parts.items()
    }
    return looks | {
        "whatsapp, marks and all": parts["whatsapp"]["text"],
        "whatsapp, on one line": " ".join(looks["whatsapp"].split()),
    }


async def newest(site: Running, code: str) -> Edition:
    row = await site.app.database.read(announcements.newest_edition, code)
    assert row is not None
    return row.edition


async def test_every_channels_own_message_is_official_as_it_arrived(site: Running) -> None:
    stored = await site.publish()
    for channel, text in messages(site, await newest(site, stored.code)).items():
        assert "RESMI dan berlaku" in await answer(site, text), channel
    page = (await site.ask(f"/p/{stored.code}")).text
    shared = parse_qs(
        urlsplit(html.unescape(re.findall(r'href="(https://wa.me/[^"]+)"', page)[0])).query
    )["text"][0]
    assert "RESMI dan berlaku" in await answer(site, shared)


async def test_a_link_or_a_code_alone_is_understood(site: Running) -> None:
    stored = await site.publish()
    for text in (
        f"{site.url}/p/{stored.code}?x=1",
        f"kode {stored.code.lower()}",
        f"{site.url}/cek?kode={stored.code}",
    ):
        assert "RESMI dan berlaku" in await answer(site, text), text


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
    stored = await site.publish()
    official = messages(site, await newest(site, stored.code))["whatsapp"]
    found = await answer(site, forged.format(code=stored.code, official=official))
    assert "KODENYA ASLI, ISINYA BERBEDA" in found
    assert "RESMI" not in found
    assert found.index("Teks resmi") < found.index("Yang Anda tempel")
    assert found.index("Air PDAM mati di Cibabat") < found.index("Yang Anda tempel")


async def test_one_altered_fact_makes_it_another_text(site: Running) -> None:
    stored = await site.publish()
    official = messages(site, await newest(site, stored.code))["whatsapp"]
    for number in set(
        re.findall(r"\d+", official.replace(stored.code, "").replace(site.app.site.host, ""))
    ):
        altered = re.sub(rf"(?<!\d){number}(?!\d)", str(int(number) + 1), official, count=1)
        assert "ISINYA BERBEDA" in await answer(site, altered), number
    for word in ("mati", "di", "Cibabat"):
        assert "ISINYA BERBEDA" in await answer(site, official.replace(f" {word}", "", 1)), word


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
    stored = await site.publish(body=LISTS, title="Posko banjir Cibabat")
    text = messages(site, await newest(site, stored.code))["email"]
    assert "RESMI dan berlaku" in await answer(site, text)
    assert altered(text) != text
    assert "ISINYA BERBEDA" in await answer(site, altered(text))


@pytest.mark.parametrize("beside", ["🅺🅸🆁🅸🅼 🅿🅸🅽", "🇰🇮🇷🇮🇲", "kirim PIN", "\u202eNIP", "💸"])
async def test_a_code_with_anything_beside_it_is_not_a_code_alone(
    site: Running, beside: str
) -> None:
    stored = await site.publish()
    assert "RESMI dan berlaku" not in await answer(site, f"{stored.code} {beside}")
    assert "RESMI dan berlaku" not in await answer(site, f"{site.url}/p/{stored.code} {beside}")


async def test_a_rumour_that_we_answered_is_never_certified_by_the_code_of_the_answer(
    site: Running,
) -> None:
    claim = "Bansos Rp1,5 juta cair hari ini, daftar di bit.ly/bansos-cimahi"
    stored = await site.publish(
        kind="clarification",
        claim=claim,
        verdict="Hoaks",
        fact="Pendaftaran hanya di kantor kelurahan.",
        evidence=["https://dinsos.cimahikota.go.id/bansos"],
        expires=None,
        effective=None,
    )
    found = await answer(site, f"{claim}\n{stored.code}")
    assert "AWAS, TAUTAN ASING" in found
    assert "bit.ly" in found
    assert "RESMI dan berlaku" not in found
    for channel, text in messages(site, await newest(site, stored.code)).items():
        assert "RESMI dan berlaku" in await answer(site, text), channel


@pytest.mark.parametrize(
    "link",
    ["https://jahat.com/p/{code}", "http://{host}.jahat.com/p/{code}", "https://{host}@jahat.com/p/{code}", "jahat.com/p/{code}",
     "https:jahat.com/{code}", "{url}/p/{code} lalu bit.ly/bansos", "//jahat.com/p/{code}"],
)  # fmt: skip
async def test_a_genuine_code_behind_a_foreign_link_is_warned_of(site: Running, link: str) -> None:
    stored = await site.publish()
    host = site.url.removeprefix("http://").partition(":")[0]
    found = await answer(site, link.format(code=stored.code, host=host, url=site.url))
    assert "AWAS, TAUTAN ASING" in found
    assert "standing foreign" in found
    assert "RESMI dan berlaku" not in found


async def test_a_link_that_the_edition_itself_names_is_not_foreign(site: Running) -> None:
    stored = await site.publish(
        link="https://tirta.cimahi.example/gangguan",
        body="Lihat https://tirta.cimahi.example/gangguan.",
    )
    for text in messages(site, await newest(site, stored.code)).values():
        assert "TAUTAN ASING" not in await answer(site, text)
    assert "TAUTAN ASING" not in await answer(
        site, f"{stored.code} https://tirta.cimahi.example/gangguan"
    )


async def test_the_words_of_an_older_edition_lead_to_what_holds_now(site: Running) -> None:
    stored = await site.publish()
    before = messages(site, await newest(site, stored.code))["whatsapp"]
    await site.correct(stored, "Air kembali pukul 16.00.", title="Air PDAM mati sampai pukul 16.00")
    found = await answer(site, before)
    assert "RESMI, sudah diralat" in found
    assert "Air PDAM mati sampai pukul 16.00" in found


async def test_a_text_without_a_code_is_not_spoken_of_as_a_code(site: Running) -> None:
    found = await answer(site, "Bansos cair, daftar di jahat.com sekarang")
    assert "BELUM DITEMUKAN" in found
    assert "kode ini" not in found
    assert "jahat.com" in found
    assert "kode ini" in await answer(site, "CMH-2222-22")


async def test_what_was_pasted_is_shown_and_never_run(site: Running) -> None:
    page = (await site.ask("/cek", params={"kode": '"><script>alert(1)</script>'})).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("typed", ["CMH-M5MM-TX", "Kode: CMH-7K4Q-22, benarkah?"])
async def test_a_code_that_cannot_be_right_is_told_to_be_misspelt(
    site: Running, typed: str
) -> None:
    found = await answer(site, typed)
    assert "BELUM DITEMUKAN" in found
    assert "salah ketik" in found
    assert "tempel kode itu saja" not in found


async def test_a_message_as_long_as_telegram_carries_is_read_whole(site: Running) -> None:
    stored = await site.publish(body="Air dapat diambil di tangki. " * 120)
    for channel, text in messages(site, await newest(site, stored.code)).items():
        assert "RESMI dan berlaku" in await answer(site, text), channel


async def test_a_very_long_message_is_looked_at_in_part_and_never_called_official(
    site: Running,
) -> None:
    stored = await site.publish()
    assert "ISINYA BERBEDA" in await answer(site, f"kode {stored.code} " * 600)


async def test_who_guesses_codes_must_soon_wait(site: Running) -> None:
    stored = await site.publish()
    statuses = [(await site.ask(f"/cek?kode=CMH-2222-{number:02}")).status for number in range(40)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    refused = await site.ask(f"/cek?kode={stored.code}")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert "Terlalu sering" in refused.text
    assert (await site.ask(f"/p/{stored.code}")).status == 200


async def test_found_codes_cost_nothing(site: Running) -> None:
    stored = await site.publish()
    for _ in range(40):
        assert (await site.ask(f"/cek?kode={stored.code}")).status == 200


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
