"""The composer over HTTP: one form, previews by the workers' own functions, saves that lose
nothing, and words of single channels.
"""

import json
import re
from typing import Any

import aiohttp
import pytest

from broadcaster.domain import channel_overrides, editions
from broadcaster.newsroom import forms, previews
from broadcaster.publishing.press import Press
from broadcaster.store import announcements, channels, drafts
from channels.base.contract import Site
from support.browsing import Answer, Running
from support.desk import NOTICE, NOW, checked
from support.staffing import Browser, signed_in
from support.uploads import SVG, photo

FORM: dict[str, Any] = {
    "title": "Air PDAM mati di Cibabat", "summary": "Tampung air.", "body": "Perumda Tirta mengganti pipa.\r\n\r\n- RW 05",
    "areas": ["cibabat", "pasirkaliki"], "category": "gangguan-layanan", "agency": "Perumda Tirta", "level": "info",
    "expires": "2026-11-25T14:00",
}  # fmt: skip
"""The form as a browser sends it."""
SUMMARISED = {**NOTICE, "summary": "Tampung air."}


async def write(rina: Browser, **changes: Any) -> Answer:
    """Send the composer's form."""
    return await rina.post("/redaksi/tulis", {**FORM, "aksi": "simpan", **changes})


async def write_draft(rina: Browser, **changes: Any) -> str:
    """Write a draft and return its address."""
    answer = await write(rina, **changes)
    assert answer.status == 303, answer.text
    return answer.headers["Location"].split("/tulis")[0]


async def stored_row(site: Running, address: str) -> Any:
    """Return the stored row of the announcement at an address."""
    row = await site.app.database.read(announcements.find, address.rsplit("/", 1)[1])
    assert row is not None
    return row


async def version_of(site: Running, address: str) -> str:
    """Return the version of a draft, as its form carries it."""
    return str((await stored_row(site, address)).version)


# --- saving ---------------------------------------------------------------------------------------


async def test_what_was_typed_is_stored_and_shown_again(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina)
    row = await stored_row(site, address)
    assert row.state == "draft"
    assert row.fields.body == "Perumda Tirta mengganti pipa.\n\n- RW 05"
    page = (await rina.get(f"{address}/tulis")).text
    for text in (
        "Air PDAM mati di Cibabat",
        "Tampung air.",
        "Perumda Tirta",
        "2026-11-25T14:00",
        row.code,
    ):
        assert text in page
    assert page.count('value="cibabat" checked') == 1


async def test_half_a_thought_is_kept_too(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina, title="", body="Air mati", areas=[], expires="bukan waktu")
    assert json.loads((await stored_row(site, address)).form)["body"] == "Air mati"
    assert "Air mati" in (await rina.get(f"{address}/tulis")).text


async def test_an_old_tab_changes_nothing_and_loses_nothing(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina)
    old = await version_of(site, address)
    await rina.post(f"{address}/tulis", {**FORM, "title": "Dari tab kedua", "versi": old})
    refusal = await rina.post(
        f"{address}/tulis", {**FORM, "title": "Dari tab pertama", "versi": old}
    )
    assert refusal.status == 422
    assert "sudah diubah di tempat lain" in refusal.text
    assert "Dari tab pertama" in refusal.text
    assert (await stored_row(site, address)).fields.title == "Dari tab kedua"


async def test_a_form_that_is_too_long_is_refused_in_words(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await write(rina, body="x" * 70_000)
    assert refusal.status == 422
    assert "Terlalu panjang untuk disimpan" in refusal.text


async def test_it_goes_on_to_the_check_only_when_nothing_must_be_corrected(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await write(rina, title="x" * 71, aksi="periksa")
    assert refusal.status == 422
    assert "Kelebihan 1 karakter" in refusal.text
    assert 'href="#judul"' in refusal.text
    assert 'aria-invalid="true" aria-describedby="galat-title sisa-judul"' in refusal.text
    assert "x" * 71 in refusal.text
    answer = await write(rina, title="Air " + "💧" * 66, aksi="periksa")
    assert (answer.status, answer.headers["Location"].endswith("/periksa")) == (303, True)


@pytest.mark.parametrize("first", [True, False])
async def test_it_saves_itself(site: Running, first: bool) -> None:
    rina = await signed_in(site, "rina", "author")
    if first:
        answer = await rina.post("/redaksi/simpan", FORM)
    else:
        address = await write_draft(rina)
        form = {**FORM, "title": "Air PDAM mati, besok", "versi": await version_of(site, address)}
        answer = await rina.post(f"{address}/simpan", form)
    content = json.loads(answer.text)
    assert answer.status == 200
    assert "Tersimpan otomatis 07.43" in content["said"]
    row = await stored_row(site, content["place"])
    assert (row.version, row.code) == (content["version"], content["code"])
    assert content["version"] == (1 if first else 2)


async def test_saving_by_itself_says_when_another_tab_was_faster(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina)
    refusal = await rina.post(f"{address}/simpan", {**FORM, "title": "Lain", "versi": "7"})
    assert refusal.status == 409
    assert "sudah diubah di tempat lain" in json.loads(refusal.text)["problem"]
    assert "Tulisan Anda masih ada di halaman ini" in json.loads(refusal.text)["problem"], (
        "loading it again would lose it"
    )


async def test_small_changes_of_one_person_within_minutes_are_one_version(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina, title="Judul")
    for number in range(3):
        form = {**FORM, "title": f"Judul {number}", "versi": await version_of(site, address)}
        assert (await rina.post(f"{address}/simpan", form)).status == 200
    versions = await site.app.database.read(drafts.history, address.rsplit("/", 1)[1])
    assert [version.form["title"] for version in versions] == ["Judul 2"]


# --- previews -------------------------------------------------------------------------------------


async def test_previews_are_what_the_workers_would_send(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    await site.subscriber()
    address = await write_draft(rina)
    row = await stored_row(site, address)
    page = await rina.post("/redaksi/pratinjau", {**FORM, "kode": row.code, "id": row.id})
    press = Press.of(site.app)
    edition = editions.freeze(
        press.examine(forms.form_of(row), NOW),
        site=site.app.site,
        announcement=row.id,
        code=row.code,
        at=NOW,
    )
    for channel in site.app.push.values():
        recipient = previews.sample_recipient(edition, "")
        for name, part in previews.message_parts(channel, edition, "id", recipient).items():
            if name not in ("html", "from", "to", "silent") and not name.startswith("parameter."):
                plain = re.sub(r"<[^>]+>", "", part)
                assert plain.splitlines()[0] in re.sub(r"<[^>]+>", "", page.text), (
                    channel.name,
                    name,
                )
    assert page.headers["Cache-Control"] == "no-store"
    assert "<html" not in page.text


async def test_nothing_typed_becomes_markup(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    for answer in (
        await rina.post(
            "/redaksi/pratinjau",
            {**FORM, "title": hostile[:70], "body": hostile, "agency": hostile},
        ),
        await write(rina, title=hostile, body=hostile, kode=hostile, aksi="periksa"),
    ):
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text.replace('<img src="/static/', "")


async def test_whom_it_reaches_and_who_is_left_out(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    await site.subscriber("a@contoh.example")
    await site.subscriber("b@contoh.example", areas="melong")
    page = (await rina.post("/redaksi/pratinjau", FORM)).text
    assert "<strong>1 warga</strong>:" in page
    assert "Layar di 2 kelurahan." in page
    assert (
        "Belum ada wilayah yang dipilih"
        in (await rina.post("/redaksi/pratinjau", {**FORM, "areas": []})).text
    )


async def test_checks_are_shown_while_writing(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = (await rina.post("/redaksi/pratinjau", {**FORM, "expires": "2026-11-24T08:00"})).text
    assert "Periksa: 1 kesalahan, 0 saran" in page
    assert "sudah lewat" in page
    page = (await rina.post("/redaksi/pratinjau", {**FORM, "body": "Besok air mati."})).text
    assert "Periksa: 0 kesalahan, 1 saran" in page
    assert "tanpa tanggal" in page
    await site.publish(title=FORM["title"])
    assert "Judul yang sama sudah terbit" in (await rina.post("/redaksi/pratinjau", FORM)).text


async def test_a_halted_channel_is_shown_to_who_would_send_by_it(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    await site.app.database.write(channels.halt_channel, "whatsapp", "132001", "manual")
    assert "WhatsApp sedang berhenti." in (await rina.post("/redaksi/pratinjau", FORM)).text
    assert (
        "WhatsApp sedang berhenti."
        not in (await rina.post("/redaksi/pratinjau", {**FORM, "channels": ["email"]})).text
    )


async def test_previews_show_what_is_too_long_as_it_is(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    long = "Air PDAM mati di Cibabat dan " + "sekitarnya " * 5
    page = (
        await rina.post("/redaksi/pratinjau", {**FORM, "title": long, "summary": "r" * 91})
    ).text
    assert page.count(long.strip()) >= 5
    assert "r" * 91 in page
    assert "Judul pengumuman" not in page
    assert "Judul pengumuman" in (await rina.post("/redaksi/pratinjau", {**FORM, "title": ""})).text


async def test_previews_in_a_language_that_is_written(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    english = {**FORM, "en.title": "No water in Cibabat", "en.body": "Store water."}
    assert "No water" not in (await rina.post("/redaksi/pratinjau", english)).text
    assert (
        "No water" in (await rina.post("/redaksi/pratinjau", {**english, "pratinjau": "en"})).text
    )
    assert "Air PDAM" in (await rina.post("/redaksi/pratinjau", {**FORM, "pratinjau": "en"})).text


async def test_the_letter_is_a_document_of_its_own_without_scripts(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina)
    letter = await rina.get(f"{address}/surat/email")
    assert letter.status == 200
    policy = letter.headers["Content-Security-Policy"]
    assert "script-src 'none'" in policy
    assert "unsafe" not in policy
    assert "sandbox" in policy
    assert (await rina.get(f"{address}/surat/feed")).status == 404


# --- the words of single channels -----------------------------------------------------------------


async def test_one_channel_gets_words_of_its_own_and_goes_back(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina)
    answer = await rina.post(
        f"{address}/tulis", {**FORM, "versi": "1", "aksi": "sesuaikan:telegram"}
    )
    assert answer.headers["Location"].endswith("#ganti-telegram")
    page = (await rina.get(f"{address}/tulis")).text
    assert 'name="ganti.telegram.title"' in page
    assert 'name="ganti.telegram.summary"' not in page
    form = {
        **FORM,
        "ganti.telegram.title": "Isi ember",
        "ganti.telegram.body": "Sekarang.",
        "ganti.telegram.base": "x",
    }
    preview = (await rina.post("/redaksi/pratinjau", form)).text
    assert preview.count("Isi ember") == 1
    assert "Disesuaikan" in preview
    assert "Teks utama berubah, periksa kanal ini." in preview
    confirmation = await rina.post(
        f"{address}/tulis", {**form, "versi": "2", "aksi": "diperiksa:telegram"}
    )
    assert confirmation.status == 303
    assert channel_overrides.outdated(forms.form_of(await stored_row(site, address))) == frozenset()
    reset = await rina.post(f"{address}/tulis", {**form, "versi": "3", "aksi": "otomatis:telegram"})
    assert reset.status == 303
    assert "overrides" not in forms.form_of(await stored_row(site, address))


async def test_an_unknown_channel_is_refused_before_submitting(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await write(rina, **{"ganti.pos.title": "Lewat pos", "aksi": "periksa"})
    assert refusal.status == 422
    assert "tidak dikenal" in refusal.text


async def test_which_words_a_channel_says(site: Running) -> None:
    edition = editions.freeze(
        checked(SUMMARISED), site=Site(), announcement="a" * 32, code="CMH-7K4Q-2M", at=NOW
    )
    words = {
        name: previews.words_said(site.app, name, edition)
        for name in (*site.app.push, *site.app.pull)
    }
    assert words == {
        "whatsapp": {"title", "summary"},
        "telegram": {"title", "body"},
        "email": {"title", "summary", "body"},
        "feed": {"title", "summary", "body"},
        "display": {"title", "summary"},
    }


async def test_every_pull_channel_says_its_own_words_once_published(site: Running) -> None:
    await site.publish(
        SUMMARISED,
        overrides={"display": {"title": "Layar: isi ember"}, "feed": {"body": "Umpan: isi ember."}},
    )
    screen = (await site.ask("/layar/cibabat/data")).text
    feed = (await site.ask("/feed/cibabat.json")).text
    assert "Layar: isi ember" in screen
    assert "Layar: isi ember" not in feed
    assert "Umpan: isi ember." in feed


async def test_a_correction_does_not_repeat_old_words_of_one_channel(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    announcement = await site.publish(
        SUMMARISED, overrides={"telegram": {"title": "Jam salah di sini"}}
    )
    path = f"/redaksi/pengumuman/{announcement.id}/ralat"
    form = {
        **FORM,
        "body": SUMMARISED["body"].replace("\n", "\r\n"),
        "title": "Air mati, jam berubah",
        "reason": "Jam salah.",
    }
    page = await rina.post(path, form)
    assert page.status == 200, page.text
    assert "Kata-kata khusus kanal" in page.text


# --- versions -------------------------------------------------------------------------------------


async def test_each_version_shows_what_differs_and_can_be_put_back(site: Running) -> None:
    rina, sari = await signed_in(site, "rina", "author"), await signed_in(site, "sari", "author")
    address = await write_draft(rina)
    form = {**FORM, "title": "Air PDAM hidup lagi", "areas": ["melong"], "versi": "1"}
    assert (await sari.post(f"{address}/tulis", form)).status == 303
    page = (await rina.get(f"{address}/riwayat")).text
    assert "<del>mati</del><ins>hidup</ins> <del>di Cibabat</del><ins>lagi</ins>" in page
    assert "Kel. <del>Cibabat, Kel. Pasirkaliki</del><ins>Melong</ins>" in page
    assert ("Rina" in page, "Sari" in page, "Versi pertama." in page) == (True, True, True)
    answer = await rina.post(f"{address}/pulihkan", {"nomor": "1"})
    assert (answer.status, answer.headers["Location"]) == (303, f"{address}/tulis")
    assert (await stored_row(site, address)).fields.title == FORM["title"]
    assert "Versi ini tidak ada" in (await rina.post(f"{address}/pulihkan", {"nomor": "99"})).text


async def test_previews_look_as_their_platforms_show_them(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = (
        await rina.post("/redaksi/pratinjau", {**FORM, "title": "Air <i>mati</i> di Cibabat"})
    ).text
    rendered = dict(re.findall(r'id="pratinjau-(\w+)">(.*?)</section>', page, re.DOTALL))
    assert "<strong>Air &lt;i&gt;mati&lt;/i&gt; di Cibabat</strong>" in rendered["whatsapp"]
    assert "<b>Air &lt;i&gt;mati&lt;/i&gt; di Cibabat</b>" in rendered["telegram"]
    assert "Air &lt;i&gt;mati&lt;/i&gt; di Cibabat" in rendered["email"]
    assert "<i>" not in page


# --- pictures -------------------------------------------------------------------------------------


def with_picture(data: bytes, **changes: Any) -> aiohttp.FormData:
    """Build the composer's form with a file, as a browser without a script sends it."""
    form = aiohttp.FormData()
    for name, value in {**FORM, **changes}.items():
        for item in value if isinstance(value, list) else [value]:
            form.add_field(name, item)
    form.add_field("picture", data, filename="foto.jpg", content_type="image/jpeg")
    return form


async def test_a_picture_chosen_in_the_form_is_kept_and_shown_on_every_preview_that_has_it(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    saved = await rina.post(
        "/redaksi/tulis", with_picture(photo(), image_alt="Pipa yang diganti", aksi="simpan")
    )
    assert saved.status == 303, saved.text
    address = saved.headers["Location"].split("/tulis")[0]
    row = await stored_row(site, address)
    assert re.fullmatch(
        rf"{re.escape(site.app.site.base_url)}/media/[0-9a-f]{{32}}/web\.jpg",
        row.fields.image or "",
    )
    page = (await rina.get(f"{address}/tulis")).text
    assert page.count('class="picture"') == 3, "telegram, screens and feeds"
    assert 'alt="Pipa yang diganti"' in page
    assert "http" not in re.findall(r'<img class="picture" src="([^"]+)"', page)[0]


async def test_a_file_that_is_no_picture_is_refused_at_its_field_and_nothing_typed_is_lost(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await rina.post("/redaksi/tulis", with_picture(SVG, aksi="simpan"))
    assert refusal.status == 422
    assert 'href="#gambar"' in refusal.text
    assert FORM["title"] in refusal.text


async def test_a_picture_needs_a_text_alternative_before_submitting(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    refusal = await rina.post("/redaksi/tulis", with_picture(photo(), aksi="periksa"))
    assert refusal.status == 422
    assert "belum punya teks alternatif" in refusal.text


async def test_a_foreign_picture_is_not_loaded_by_our_pages(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = await rina.post(
        "/redaksi/pratinjau",
        {**FORM, "image": "https://lain.example/foto.jpg", "image_alt": "Foto"},
    )
    assert page.status == 200
    assert 'class="picture"' not in page.text


# --- two editors, one draft -----------------------------------------------------------------------

LONG = "Perumda Tirta mengganti pipa induk. Tampung air sekarang. Truk tangki menunggu di kantor kelurahan."


async def test_two_editors_see_both_texts_and_writing_over_is_a_choice(site: Running) -> None:
    rina, budi = await signed_in(site, "rina", "author"), await signed_in(site, "budi", "author")
    address = await write_draft(rina)
    await rina.post(f"{address}/simpan", {**FORM, "body": "Kata dari Rina.", "versi": "1"})
    form = {**FORM, "body": "Kata dari Budi.", "versi": "1"}
    autosave = await budi.post(f"{address}/simpan", form)
    assert (autosave.status, json.loads(autosave.text)["conflict"]) == (409, True)
    page = await budi.post(f"{address}/tulis", {**form, "aksi": "simpan"})
    for text in (
        "Kata dari <mark>Rina.</mark>",
        "Kata dari <mark>Budi.</mark>",
        "Rina menyimpannya pada",
        'value="timpa:2"',
    ):
        assert text in page.text
    assert 'name="versi" value="1"' in page.text, "saving again without a choice is refused again"
    again = await budi.post(f"{address}/tulis", {**form, "aksi": "simpan"})
    assert (again.status, (await stored_row(site, address)).fields.body) == (422, "Kata dari Rina.")
    overwrite = await budi.post(f"{address}/tulis", {**form, "aksi": "timpa:2"})
    assert (overwrite.status, (await stored_row(site, address)).fields.body) == (
        303,
        "Kata dari Budi.",
    )
    assert "Kata dari" in (await rina.get(f"{address}/riwayat")).text
    versions = await site.app.database.read(drafts.history, address.rsplit("/", 1)[1])
    assert [version.form["body"] for version in versions][:2] == [
        "Kata dari Budi.",
        "Kata dari Rina.",
    ]


async def test_what_was_changed_again_after_the_choice_is_not_written_over(site: Running) -> None:
    rina, budi = await signed_in(site, "rina", "author"), await signed_in(site, "budi", "author")
    address = await write_draft(rina)
    for number, body in ((1, "Satu dari Rina."), (2, "Dua dari Rina.")):
        await rina.post(f"{address}/simpan", {**FORM, "body": body, "versi": str(number)})
    late = await budi.post(
        f"{address}/tulis", {**FORM, "body": "Budi.", "versi": "1", "aksi": "timpa:2"}
    )
    assert late.status == 422
    assert 'value="timpa:3"' in late.text
    assert (await stored_row(site, address)).fields.body == "Dua dari Rina."


async def test_one_person_in_two_tabs_sees_both_texts_too(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina, body=LONG)
    await rina.post(f"{address}/simpan", {**FORM, "body": f"{LONG} Tab pertama.", "versi": "1"})
    form = {**FORM, "body": f"{LONG} Tab kedua.", "versi": "1"}
    assert 'value="timpa:2"' in (await rina.post(f"{address}/tulis", form)).text
    await rina.post(f"{address}/tulis", {**form, "aksi": "timpa:2"})
    versions = await site.app.database.read(drafts.history, address.rsplit("/", 1)[1])
    assert f"{LONG} Tab pertama." in [version.form["body"] for version in versions], (
        "however little differs, what was chosen over is kept"
    )


@pytest.mark.parametrize("version", ["", "x", "9999999999", "\u0663"])
async def test_a_form_that_names_no_version_writes_over_nothing(
    site: Running, version: str
) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina)
    assert (
        await rina.post(f"{address}/tulis", {**FORM, "title": "Lain", "versi": version})
    ).status == 422
    assert (
        await rina.post(f"{address}/simpan", {**FORM, "title": "Lain", "versi": version})
    ).status == 409
    assert (await stored_row(site, address)).fields.title == FORM["title"]


async def test_an_old_tab_with_the_same_words_goes_on(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    address = await write_draft(rina)
    await rina.post(f"{address}/simpan", {**FORM, "title": "Air mati", "versi": "1"})
    answer = await rina.post(f"{address}/simpan", {**FORM, "title": "Air mati", "versi": "1"})
    assert (answer.status, json.loads(answer.text)["version"]) == (200, 2)


async def test_an_earlier_version_is_not_put_back_over_one_that_nobody_saw(site: Running) -> None:
    rina, budi = await signed_in(site, "rina", "author"), await signed_in(site, "budi", "author")
    address = await write_draft(rina)
    await rina.post(f"{address}/simpan", {**FORM, "body": "Baru.", "versi": "1"})
    assert 'name="versi" value="2"' in (await rina.get(f"{address}/riwayat")).text
    await budi.post(f"{address}/simpan", {**FORM, "body": "Dari Budi.", "versi": "2"})
    assert (await rina.post(f"{address}/pulihkan", {"nomor": "1", "versi": "2"})).status == 409
    assert (await rina.post(f"{address}/pulihkan", {"nomor": "1", "versi": "3"})).status == 303
    assert (await stored_row(site, address)).fields.body.startswith("Perumda Tirta")


async def test_a_fresh_composer_shows_no_errors_until_it_was_tried(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    fresh = (await rina.get("/redaksi/tulis")).text
    assert "Periksa: 0 kesalahan" in fresh
    assert 'class="checks bad"' not in fresh
    unfinished = (await rina.post("/redaksi/pratinjau", {"title": "Air mati"})).text
    assert "Periksa: 0 kesalahan" in unfinished
    overlong = (await rina.post("/redaksi/pratinjau", {"title": "x" * 71})).text
    assert "Kelebihan 1 karakter" in overlong, "what was typed wrong is told at once"
    attempt = await rina.post("/redaksi/tulis", {"title": "Air mati", "aksi": "periksa"})
    assert attempt.status == 422
    assert 'name="dicoba" value="1"' in attempt.text
    assert 'class="checks bad"' in attempt.text
    assert (
        'class="checks bad"'
        in (await rina.post("/redaksi/pratinjau", {"title": "Air mati", "dicoba": "1"})).text
    )


async def test_the_reason_of_a_refused_return_is_shown_again(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    address = await write_draft(rina)
    await rina.post(f"{address}/ajukan", {"versi": "1"})
    refusal = await dewi.post(f"{address}/kembalikan", {"alasan": "Jam " + "x" * 300})
    assert refusal.status == 422
    assert "Jam xxx" in refusal.text


async def test_the_preview_of_a_screen_has_clock_and_code_and_counts_no_mark_of_ours(
    demo: Running,
) -> None:
    rina = await signed_in(demo, "rina", "author")
    page = (await rina.post("/redaksi/pratinjau", {**FORM, "title": "T" * 70})).text
    screen = page[page.index('id="pratinjau-display"') :].partition("</section>")[0]
    assert "[SIMULASI] " + "T" * 70 in screen
    assert '<span class="count">70/70,' in screen
    assert re.search(r'class="screen-clock">\d\d\.\d\d WIB<', screen)
    assert re.search(r'<path d="M\d', screen)


async def test_the_preview_of_a_phone_shows_buttons_and_not_what_they_send(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = (await rina.post("/redaksi/pratinjau", FORM)).text
    phone = page[page.index('id="pratinjau-whatsapp"') :].partition("</section>")[0]
    assert '<span class="key"><strong>Berhenti</strong></span>' in phone
    assert "STOP" not in phone
    chat = page[page.index('id="pratinjau-telegram"') :].partition("</section>")[0]
    assert '<span class="key">[<strong>Rincian</strong>] <span class="quiet">' in chat
    assert re.search(
        r'<span class="key"><strong>Rincian</strong>: <span class="quiet">\S+/p/\S+</span></span>',
        phone,
    )
