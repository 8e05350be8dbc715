"""Pictures over HTTP: uploaded by staff alone, served to everyone for ever, deleted when nobody
uses them.
"""

import asyncio
import io
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yarl
from PIL import Image
from sqlalchemy import insert
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.media import library
from broadcaster.media.images import UPLOAD_BYTES, VARIANTS
from broadcaster.newsroom import drafts, previews
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing.press import Press
from broadcaster.store import audit, media, sessions
from broadcaster.store.staff_tables import proposal, recurring
from broadcaster.web.staff import pictures
from broadcaster.worker import LaneWorker
from support import uploads
from support.browsing import NOTICE, Answer, Running, running
from support.staffing import Browser, form_token, signed_in
from support.waiting import until
from support.wording import worded

ADDRESS = "/redaksi/gambar"
UNUSED_AFTER = timedelta(days=7, seconds=1)
POLICY = "default-src 'none'; sandbox"


def picture_form(
    data: bytes, name: str = "foto.jpg", kind: str = "image/jpeg", **fields: str
) -> aiohttp.FormData:
    """Build the form that a browser sends for a chosen file."""
    form = aiohttp.FormData()
    for field, value in fields.items():
        form.add_field(field, value)
    form.add_field("picture", io.BytesIO(data), filename=name, content_type=kind)
    return form


async def upload(browser: Browser, data: bytes | None = None) -> Mapping[str, Any]:
    """Upload a picture; return the content of the answer."""
    answer = await browser.post(
        ADDRESS, picture_form(data or uploads.photo(), csrf=browser.csrf), Accept="application/json"
    )
    assert answer.status == 201, answer.text
    content: Mapping[str, Any] = json.loads(answer.text)
    return content


def files(site: Running) -> list[str]:
    """Return the paths of all files in the media folder."""
    folder = site.app.settings.data_dir / "media"
    return (
        sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if folder.exists()
        else []
    )


# --- uploading ------------------------------------------------------------------------------------


async def test_a_script_learns_id_address_and_thumbnail(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    picture = await upload(rina, uploads.photo(2400, 1600))
    assert picture == {
        "id": picture["id"],
        "url": f"{site.url}/media/{picture['id']}/web.jpg",
        "thumbnail": f"/media/{picture['id']}/kecil.jpg",
        "width": 1600,
        "height": 1067,
    }
    assert files(site) == sorted(f"{picture['id']}/{variant}.jpg" for variant in VARIANTS)


async def test_the_page_works_without_a_script(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = await rina.get(ADDRESS)
    assert 'enctype="multipart/form-data"' in page.text
    assert "paling besar 10 MB" in page.text
    form = picture_form(uploads.photo(), csrf=form_token(page.text))
    headers = {"Cookie": f"redaksi={rina.cookie}", "Origin": site.url}
    redirect = await site.ask(ADDRESS, "POST", data=form, headers=headers)
    [picture] = await site.app.database.read(media.newest, 10)
    assert (redirect.status, redirect.headers["Location"]) == (303, f"{ADDRESS}?baru={picture.id}")
    saved_page = await rina.get(redirect.headers["Location"])
    assert "Gambar tersimpan." in saved_page.text
    assert f'value="{site.url}/media/{picture.id}/web.jpg" readonly' in saved_page.text
    assert f'src="/media/{picture.id}/kecil.jpg"' in (await rina.get(ADDRESS)).text


async def test_a_picture_that_is_not_there_is_not_shown_as_new(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = await rina.get(f"{ADDRESS}?baru=<script>")
    assert page.status == 200
    assert "Gambar tersimpan." not in page.text
    assert "<script>" not in page.text


async def test_a_form_of_another_site_or_without_its_token_uploads_nothing(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    cookie = {"Cookie": f"redaksi={rina.cookie}"}
    for headers, token in (
        ({"Origin": "https://jahat.example"}, rina.csrf),
        ({"Origin": site.url}, "tebakan"),
        ({}, rina.csrf),
    ):
        answer = await site.ask(
            ADDRESS,
            "POST",
            data=picture_form(uploads.photo(), csrf=token),
            headers={**cookie, **headers},
        )
        assert answer.status == 403
    assert files(site) == []


@pytest.mark.parametrize("role", ["screens", "approver"])
async def test_only_those_who_write_upload_pictures(site: Running, role: Any) -> None:
    other = await signed_in(site, "lain", role)
    if other.account.may("write"):
        return
    assert (await other.post(ADDRESS, picture_form(uploads.photo(), csrf=other.csrf))).status == 403
    assert (await other.get(ADDRESS)).status == 403
    assert (
        await site.ask(
            ADDRESS, "POST", data=picture_form(uploads.photo()), headers={"Origin": site.url}
        )
    ).status == 401


BAD: Mapping[str, tuple[bytes, str]] = {
    "svg with a script": (uploads.SVG, "bukan gambar JPEG, PNG, atau WebP"),
    "page named foto.jpg": (uploads.PAGE, "bukan gambar JPEG, PNG, atau WebP"),
    "50 megapixels": (uploads.bomb(), "lebih dari 40 juta piksel"),
    "cut in half": (uploads.noise(900, 600)[:50_000], "rusak atau terpotong"),
    "moving": (uploads.moving("GIF"), "GIF tidak dapat dipakai"),
    "empty": (b"", "kosong"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_used_is_refused_in_words_and_leaves_nothing(
    site: Running, name: str
) -> None:
    data, reason = BAD[name]
    rina = await signed_in(site, "rina", "author")
    page = await rina.post(ADDRESS, picture_form(data, csrf=rina.csrf))
    assert page.status == 422
    assert reason in page.text
    assert 'aria-invalid="true"' in page.text
    answer = await rina.post(ADDRESS, picture_form(data, csrf=rina.csrf), Accept="application/json")
    assert answer.status == 422
    assert reason in json.loads(answer.text)["problem"]
    assert files(site) == []
    assert await site.app.database.read(media.newest, 1) == []


async def test_a_form_without_a_picture_says_so(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    for form in (
        {"csrf": rina.csrf},
        picture_form(b"", name="", csrf=rina.csrf),
        {"csrf": rina.csrf, "picture": "teks"},
    ):
        answer = await rina.post(ADDRESS, form)
        assert answer.status == 422
        assert "Belum ada gambar yang dipilih" in answer.text


async def test_a_file_that_is_too_large_is_refused_in_words_and_one_far_beyond_is_not_read(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    heavy = uploads.photo() + bytes(UPLOAD_BYTES)
    answer = await rina.post(ADDRESS, picture_form(heavy, csrf=rina.csrf))
    assert answer.status == 422
    assert "lebih besar dari 10 MB" in answer.text
    headers = {
        "Cookie": f"redaksi={rina.cookie}",
        "Origin": site.url,
        "X-CSRF-Token": rina.csrf,
        "Content-Length": str(1 << 30),
    }
    host, _, port = site.url.removeprefix("http://").partition(":")
    assert await status_of_head(host, int(port), headers) == 413


async def status_of_head(host: str, port: int, headers: Mapping[str, str]) -> int:
    """Return the status of an upload of which only the head is sent."""
    reader, writer = await asyncio.open_connection(host, port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST {ADDRESS} HTTP/1.1\r\nHost: {host}:{port}\r\n{lines}\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status


async def test_more_than_one_file_is_refused(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    form = picture_form(uploads.photo(), csrf=rina.csrf)
    form.add_field("lain", uploads.photo(), filename="lain.jpg", content_type="image/jpeg")
    assert (await rina.post(ADDRESS, form)).status == 400
    assert files(site) == []


async def test_an_upload_is_in_the_audit_log_once_and_names_no_file(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    picture = await upload(rina)
    again = await upload(rina)
    assert again == picture
    [entry] = await site.app.database.read(audit.about, picture["id"])
    assert (entry.actor, entry.act) == ("staff:rina", "upload")
    assert entry.detail == {
        "width": 900,
        "height": 600,
        "bytes": entry.detail["bytes"],
        "from": "127.0.0.1",
    }


async def test_a_store_that_is_unreachable_keeps_nothing_and_says_so(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(
        sqlite_url,
        tmp_path,
        BROADCASTER_MEDIA_URL="s3://kunci:rahasia@127.0.0.1:9/gambar?tls=false",
    ) as site:
        rina = await signed_in(site, "rina", "author")
        answer = await rina.post(ADDRESS, picture_form(uploads.photo(), csrf=rina.csrf))
        assert answer.status == 503
        assert "belum dapat disimpan" in answer.text
        assert await site.app.database.read(media.newest, 1) == []


# --- serving --------------------------------------------------------------------------------------


async def fetch(site: Running, path: str, **headers: str) -> Answer:
    """Request a path as a resident does."""
    return await site.ask(path, headers=headers)


async def test_everyone_gets_every_size_for_ever(site: Running) -> None:
    picture = await upload(await signed_in(site, "rina", "author"), uploads.tagged())
    for variant, box in VARIANTS.items():
        for _ in ("from the folder", "from memory"):
            answer = await fetch(site, f"/media/{picture['id']}/{variant}.jpg")
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"] == POLICY
            assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
            assert "Set-Cookie" not in answer.headers
            image = Image.open(io.BytesIO(answer.raw))
            assert image.format == "JPEG"
            assert image.size[0] <= box[0]
            assert image.size[1] <= box[1]
            assert b"rahasia" not in answer.raw
    full = await fetch(
        site, f"/media/{picture['id']}/web.jpg", **{"If-None-Match": answer.headers["ETag"]}
    )
    assert full.status == 200  # another size, another tag
    again = await fetch(
        site, f"/media/{picture['id']}/web.jpg", **{"If-None-Match": full.headers["ETag"]}
    )
    assert (again.status, again.raw) == (304, b"")
    head = await site.ask(f"/media/{picture['id']}/web.jpg", "HEAD")
    assert head.headers["Content-Length"] == str(len(full.raw))


@pytest.mark.parametrize(
    "path",
    [
        "/media/{id}/asli.jpg", "/media/{id}/web.png", "/media/{id}/web.jpg/", "/media/{id}", "/media/{ID}/web.jpg",
        "/media/ffffffffffffffffffffffffffffffff/web.jpg", "/media/../secret.key", "/media/{id}/..%2f..%2fsecret.key.jpg",
        "/media/%2e%2e/secret.jpg", "/media/..%2f../secret.key.jpg", "/media/{id}%00/web.jpg", "/media/{id}/web%00.jpg",
        "/media/",
    ],
)  # fmt: skip
async def test_nothing_else_is_found(site: Running, path: str) -> None:
    picture = await upload(await signed_in(site, "rina", "author"))
    address = path.replace("{id}", picture["id"]).replace("{ID}", picture["id"].upper())
    async with site.session.get(
        yarl.URL(site.url + address, encoded=True), allow_redirects=False
    ) as answer:
        assert answer.status in {404, 307}
        assert answer.headers.get("Location", "").startswith(("", "/media/"))
        assert "immutable" not in answer.headers.get("Cache-Control", "")


async def test_a_store_that_does_not_answer_is_no_missing_picture(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(
        sqlite_url,
        tmp_path,
        BROADCASTER_MEDIA_URL="s3://kunci:rahasia@127.0.0.1:9/gambar?tls=false",
    ) as site:
        picture = media.PictureRow(
            id="a" * 32, width=9, height=9, sizes={"web": 1}, at=0.0, actor="staff:rina"
        )
        await site.app.database.write(media.add, picture)
        answer = await fetch(site, f"/media/{'a' * 32}/web.jpg")
        assert answer.status == 503
        assert answer.headers["Cache-Control"] == "no-store"


# --- in an announcement ---------------------------------------------------------------------------


async def image_of(site: Running, code: str) -> Any:
    """Return the picture in the signed document."""
    (edition,) = json.loads((await site.ask(f"/p/{code}.json")).text)["editions"]
    return json.loads(edition["document"])["image"]


async def test_the_address_may_stand_in_an_announcement_and_the_edition_says_how_large_it_is(
    site: Running,
) -> None:
    picture = await upload(await signed_in(site, "rina", "author"))
    announcement = await site.publish(image=picture["url"], image_alt="Peta lokasi truk tangki")
    length = len((await fetch(site, f"/media/{picture['id']}/web.jpg")).raw)
    assert await image_of(site, announcement.code) == {
        "url": picture["url"],
        "alt": "Peta lokasi truk tangki",
        "length": length,
        "width": 900,
        "height": 600,
    }
    page = (await site.ask(f"/p/{announcement.code}")).text
    assert (
        f'<a href="{picture["url"]}"><img class="picture" src="/media/{picture["id"]}/pesan.jpg" alt="Peta lokasi truk'
        in page
    )
    assert f'<meta property="og:image" content="{picture["url"]}">' in page


async def test_the_preview_names_the_same_picture_as_what_is_published(site: Running) -> None:
    picture = await upload(await signed_in(site, "rina", "author"))
    fields = {**NOTICE, "image": picture["url"], "image_alt": "Peta"}
    preview = previews.draft_edition(site.app, fields, announcement="0" * 32, code="CMH-????-??")
    announcement = await site.publish(fields)
    assert await image_of(site, announcement.code) == msgspec.to_builtins(preview.image)
    assert preview.image is not None
    assert preview.image.length > 0


async def test_another_size_or_another_site_is_not_measured(site: Running) -> None:
    picture = await upload(await signed_in(site, "rina", "author"))
    for url in (
        picture["url"].replace("web", "kecil"),
        f"https://lain.example/media/{picture['id']}/web.jpg",
    ):
        preview = previews.draft_edition(
            site.app, {**NOTICE, "image": url, "image_alt": "x"}, announcement="0", code="x"
        )
        assert preview.image is not None
        assert preview.image.length == 0


# --- within the composer's form -------------------------------------------------------------------


def composer_request(site: Running, browser: Browser) -> Request:
    """Build a request of the composer as the guard passes it on."""
    at = site.clock().timestamp()
    session = site.app.database.read_now(sessions.find, browser.cookie, at)
    web = Starlette()
    web.state.app = site.app
    scope = {
        "type": "http",
        "app": web,
        "client": ("127.0.0.1", 1),
        "headers": [],
        "state": {"session": session},
    }
    return Request(scope)


def composer_form(data: bytes, name: str = "foto.jpg") -> FormData:
    """Build the composer's form with a picture in it."""
    return FormData(
        [("title", "Air mati"), ("picture", UploadFile(io.BytesIO(data), filename=name))]
    )


async def test_a_picture_in_the_composers_form_becomes_the_forms_image(site: Running) -> None:
    request = composer_request(site, await signed_in(site, "rina", "author"))
    fields = await pictures.uploaded_image(request, composer_form(uploads.photo()))
    [picture] = await site.app.database.read(media.newest, 1)
    assert fields == {"image": f"{site.url}/media/{picture.id}/web.jpg"}
    assert picture.actor == "staff:rina"


async def test_a_form_without_a_picture_stays_as_it_is(site: Running) -> None:
    request = composer_request(site, await signed_in(site, "rina", "author"))
    for data in (
        FormData([("title", "Air mati")]),
        composer_form(b"", ""),
        FormData([("picture", "teks")]),
    ):
        assert await pictures.uploaded_image(request, data) == {}


async def test_a_picture_that_cannot_be_used_is_reported_at_its_field(site: Running) -> None:
    request = composer_request(site, await signed_in(site, "rina", "author"))
    with pytest.raises(InvalidAnnouncement) as error:
        await pictures.uploaded_image(request, composer_form(uploads.SVG))
    [problem] = worded(error.value)
    assert problem.field == "image"
    assert problem.reason == "Berkas ini bukan gambar JPEG, PNG, atau WebP."
    assert problem.remedy == "Simpan gambarnya sebagai JPEG atau PNG, lalu pilih lagi."


# --- what nobody uses -----------------------------------------------------------------------------


async def test_a_picture_that_nobody_used_for_a_week_is_gone(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    unused, used = await upload(rina), await upload(rina, uploads.photo(901, 600))
    await site.publish(image=used["url"], image_alt="Peta")
    assert await library.forget_unused(site.app) == 0
    site.clock.now += UNUSED_AFTER
    recent = await upload(await signed_in(site, "dewi", "author"), uploads.photo(902, 600))
    assert await library.forget_unused(site.app) == 1
    remaining = {name.split("/")[0] for name in files(site)}
    assert remaining == {used["id"], recent["id"]}
    assert (await fetch(site, f"/media/{unused['id']}/web.jpg")).status == 404
    assert await library.forget_unused(site.app) == 0


async def test_the_worker_deletes_what_nobody_uses(site: Running) -> None:
    await upload(await signed_in(site, "rina", "author"))
    site.clock.now += UNUSED_AFTER
    worker = LaneWorker(site.app, "routine")
    worker.tidy_seconds = 0.6
    working = asyncio.create_task(worker.run())
    await until(lambda: not files(site), what="the picture is gone")
    worker.stop()
    await working
    assert await site.app.database.read(media.newest, 1) == []


async def test_a_picture_that_is_uploaded_again_begins_a_new_week(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    await upload(rina)
    site.clock.now += UNUSED_AFTER
    await upload(await signed_in(site, "dewi", "author"))
    assert await library.forget_unused(site.app) == 0


async def test_whatever_names_a_picture_keeps_it(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    uploaded = [await upload(rina, uploads.photo(900 + number, 600)) for number in range(4)]
    drafted, former, proposed, pattern = (picture["url"] for picture in uploaded)
    desk = Desk(press=Press.of(site.app), account=rina.account, now=site.clock())
    row = await site.app.database.write(drafts.save, desk, {**NOTICE, "image": former})
    later = Desk(press=desk.press, account=rina.account, now=desk.now + timedelta(hours=1))
    await site.app.database.write(
        drafts.save, later, {**NOTICE, "image": drafted}, announcement_id=row.id
    )
    await site.app.database.write(
        lambda connection: connection.execute(
            insert(proposal).values(
                announcement=row.id,
                change="correction",
                form=json.dumps({"image": proposed}),
                reason="",
                bound="",
                actor="",
                at=0,
            )
        )
    )
    await site.app.database.write(
        lambda connection: connection.execute(
            insert(recurring).values(
                name="Rutin", form=json.dumps({"image": pattern}), at=0, actor=""
            )
        )
    )
    site.clock.now += UNUSED_AFTER
    assert await library.forget_unused(site.app) == 0
    assert len({name.split("/")[0] for name in files(site)}) == 4
