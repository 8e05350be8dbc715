"""Checking a message: four answers, none of which can be read as another."""

from datetime import timedelta

import pytest

from broadcaster import signing
from broadcaster.web import check
from browsing import Running


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
    assert "hanya bila isinya sama dengan teks resmi" in (await site.ask(f"/cek?kode={stored.code}")).text


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


@pytest.mark.parametrize("asked", ["CMH-2222-22", "bansos lewat tautan bit.ly", "CMH", "%F0%9F%98%80", "CMH-7K4Q-2M"])
async def test_what_is_not_found_is_never_called_a_hoax(site: Running, asked: str) -> None:
    page = (await site.ask(f"/cek?kode={asked}")).text
    answer = page[page.index('id="jawaban"') : page.index("Memeriksa sendiri")]
    assert "BELUM DITEMUKAN" in answer
    assert "belum berarti hoaks atau benar" in answer
    assert "112" in answer
    assert "bad" not in answer.replace("badge", "")
    assert "withdrawn" not in answer


async def test_a_whole_message_or_link_with_a_code_in_it_is_understood(site: Running) -> None:
    stored = await site.publish()
    for text in (
        f"*Air PDAM mati*\n\nKode: {stored.code}. Periksa di info.cimahi.example/cek",
        f"https://info.cimahi.example/p/{stored.code}?x=1",
        f"kode {stored.code.lower()}",
    ):
        answer = await site.ask("/cek", params={"kode": text})
        assert "RESMI dan berlaku" in answer.text, text


async def test_what_was_pasted_is_shown_and_never_run(site: Running) -> None:
    page = (await site.ask("/cek", params={"kode": '"><script>alert(1)</script>'})).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


async def test_a_very_long_message_is_looked_at_in_part(site: Running) -> None:
    stored = await site.publish()
    assert "RESMI dan berlaku" in (await site.ask("/cek", params={"kode": stored.code + " kabar" * 1000})).text


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
    first, second = signing.draw_code(choose=lambda alphabet: alphabet[3]), signing.draw_code(choose=lambda alphabet: alphabet[5])
    assert check.codes_in(f"Lihat {first} dan {second.lower()}, juga {first}", "CMH") == [first, second]
    assert check.codes_in("CMHAIDAHXX tanpa kode", "CMH") == []
    assert check.codes_in(first.replace("-", " "), "CMH") == [first]


def test_the_sample_code_is_never_a_real_one() -> None:
    assert not signing.is_code(check.sample_code("CMH"))
