"""Attacks by people who work here: unseen words, lost rights, and holding others up."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from broadcaster.domain import credentials
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.fields import Fields, Override, Translation
from broadcaster.media import library
from broadcaster.newsroom import drafts, review
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing.press import Press
from broadcaster.runtime.i18n import words
from broadcaster.runtime.settings import TOPICS
from broadcaster.staff import administration
from broadcaster.store import accounts, announcements
from broadcaster.store.announcements import Announcement
from broadcaster.store.staff_tables import throttle
from broadcaster.web.staff import failed_csv
from broadcaster.web.staff.differences import differences
from subscribers.areas import AreaTree
from support.browsing import NOTICE, Running
from support.desk import NOW
from support.sending import table
from support.staff_rows import sign_in_form
from support.staffing import PASSWORD, Browser, browser, hire, signed_in
from support.uploads import photo
from support.waiting import until


async def submit_announcement(rina: Browser, **changes: Any) -> Announcement:
    """Submit an announcement for approval."""
    app = rina.site.app
    form = {**NOTICE, "effective": None, **changes}
    desk = Desk(press=Press.of(app), account=rina.account, now=rina.site.clock())
    row = await app.database.write(drafts.save, desk, form)
    return await app.database.write(review.submit, desk, row.id)


async def reload(site: Running, row: Announcement) -> Announcement:
    """Return the row as it now stands."""
    current = await site.app.database.read(announcements.find, row.id)
    assert current is not None
    return current


# --- what an approver is shown --------------------------------------------------------------------


async def test_whoever_approves_is_shown_every_word_in_every_language_and_of_every_channel(
    site: Running,
) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    row = await submit_announcement(
        rina,
        body="Awal. " + "Kalimat panjang untuk warga kota. " * 250 + "Akhirnya QISI.",
        kind="clarification",
        claim="QKLAIM",
        verdict="Hoaks",
        fact="QFAKTA",
        seen_at="QLIHAT",
        hoax_type="QJENIS",
        evidence=["https://bukti.example/qbukti"],
        link="https://info.cimahi.example/qtautan",
        translations={
            "en": {"title": "QJUDUL", "summary": "QRINGKAS", "body": "QTUBUH"},
            "su": {"title": "QSUNDA", "body": "QEUSI"},
        },
        overrides={
            "display": {"title": "QLAYAR", "body": "QISILAYAR"},
            "telegram": {"body": "QTELE"},
        },
    )
    page = (await dewi.get(f"/redaksi/pengumuman/{row.id}/periksa")).text
    hidden = [
        word
        for word in (
            "QISI",
            "QKLAIM",
            "QFAKTA",
            "QLIHAT",
            "QJENIS",
            "qbukti",
            "qtautan",
            "QJUDUL",
            "QRINGKAS",
            "QTUBUH",
            "QSUNDA",
            "QEUSI",
            "QLAYAR",
            "QISILAYAR",
            "QTELE",
        )
        if word not in page
    ]
    assert not hidden


# --- lost rights ----------------------------------------------------------------------------------


async def test_a_form_that_arrives_slowly_is_judged_by_the_rights_at_its_end(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    row = await submit_announcement(rina)
    path, body = (
        f"/redaksi/pengumuman/{row.id}/setujui",
        urlencode({"dilihat": row.bound, "versi": row.version}).encode(),
    )
    for change in ("disabled", "role"):
        body_wanted, rights_lost = asyncio.Event(), asyncio.Event()

        async def dribble(
            body_wanted: asyncio.Event = body_wanted, rights_lost: asyncio.Event = rights_lost
        ) -> AsyncIterator[bytes]:
            body_wanted.set()  # the server has read the head and asks for the body
            await rights_lost.wait()
            yield body

        kind = {"Content-Type": "application/x-www-form-urlencoded", "Expect": "100-continue"}
        request = asyncio.create_task(dewi.post(path, dribble(), **kind))
        await body_wanted.wait()
        if change == "disabled":
            await site.app.database.write(
                accounts.disable, dewi.account.id, site.clock().timestamp()
            )
        else:
            await site.app.database.write(accounts.change, replace(dewi.account, roles=("author",)))
        rights_lost.set()
        assert (await request).status == (401 if change == "disabled" else 403)
        assert (await reload(site, row)).state == "review"
        await site.app.database.write(accounts.enable, dewi.account.id)
        dewi = await browser(site, dewi.account)
    assert (await dewi.post(path, {"dilihat": row.bound, "versi": str(row.version)})).status == 403


async def test_a_password_that_is_replaced_while_it_is_checked_opens_nothing(
    site: Running,
) -> None:
    rina, release = await hire(site.app, "rina", "author"), threading.Event()
    cookie, token = await sign_in_form(site)
    form, headers = (
        {"csrf": token, "nama": "rina", "sandi": PASSWORD},
        {"Cookie": cookie, "Origin": site.url},
    )
    blocker = asyncio.create_task(
        site.app.hasher.run(release.wait)
    )  # so that the check of the password waits
    attempt = asyncio.create_task(site.ask("/redaksi/masuk", "POST", data=form, headers=headers))
    await until(lambda: bool(table(site.app, throttle)))
    hashed = credentials.hash_password("kopi pagi di alun alun")
    await site.app.database.write(accounts.set_password, rina.id, hashed)
    release.set()
    await blocker
    answer = await attempt
    assert answer.status == 401
    assert "redaksi" not in answer.cookies


# --- what is changed by being looked at -----------------------------------------------------------


async def test_a_draft_of_another_system_keeps_its_times_in_the_composer(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    form = {**NOTICE, "expires": "2026-11-25T07:00:00Z", "effective": None}
    answer = await site.post("/api/v1/announcements", form, await site.token("write"))
    page = (await rina.get(f"/redaksi/pengumuman/{json.loads(answer.text)['id']}/tulis")).text
    assert 'value="2026-11-25T14:00"' in page
    assert 'value="2026-11-25T07:00"' not in page


# --- what holds others up -------------------------------------------------------------------------


class CountedUpload:
    """An upload that records when it is read into memory."""

    def __init__(self, taken: list[int]) -> None:
        self.taken = taken

    async def read(self, size: int = -1, /) -> bytes:
        """Record the read and return a picture."""
        self.taken.append(size)
        return photo()


async def test_pictures_that_wait_for_their_turn_take_no_memory(site: Running) -> None:
    release, taken = threading.Event(), list[int]()
    library._decoder.submit(release.wait)
    uploads = [
        library.take(
            site.app, CountedUpload(taken), actor=NamedActor(name="staff:rina", now=site.clock())
        )
        for _ in range(5)
    ]
    waiting = asyncio.gather(*uploads)
    await until(lambda: library._decoder._work_queue.qsize() == 5)
    assert not taken
    release.set()
    assert len({picture.id for picture in await waiting}) == 1


# --- what a page leaves out -----------------------------------------------------------------------


def test_no_field_changes_without_being_shown() -> None:
    own = {"title": "Lain", "body": "Lain."}
    changes: dict[str, Any] = {
        "title": "Lain",
        "body": "Lain.",
        "areas": ("melong",),
        "summary": "Lain",
        "category": "cuaca",
        "level": "emergency",
        "kind": "alert",
        "channels": ("telegram",),
        "agency": "BPBD",
        "effective": NOW,
        "expires": NOW,
        "publish_at": NOW,
        "instruction": "Lain.",
        "translations": {"en": Translation(**own)},
        "overrides": {"telegram": Override(**own)},
        "link": "https://lain.example",
        "image": "https://lain.example/x.jpg",
        "image_alt": "Lain",
        "claim": "Lain",
        "seen_at": "Lain",
        "verdict": "Hoaks",
        "hoax_type": "Lain",
        "evidence": ("https://lain.example",),
        "fact": "Lain",
    }
    assert set(changes) == set(Fields.model_fields), "a new field is told too"
    before, catalogue = Fields(title="Air", body="Air.", areas=("cibabat",)), words("id")
    for name, value in changes.items():
        (difference,) = differences(
            before, before.model_copy(update={name: value}), tree=AreaTree.built_in(), topics=TOPICS
        )
        assert difference.name == name
        assert {f"staff.send.field.{name}", f"staff.field.{name}"} & catalogue.keys
    translated = before.model_copy(update={"translations": {"en": Translation(**own)}})
    retranslated = before.model_copy(
        update={"translations": {"en": Translation(title="Lain", body="Ganti.")}}
    )
    assert differences(translated, retranslated, tree=AreaTree.built_in(), topics=TOPICS), (
        "words within a language"
    )


async def test_a_preview_hides_nothing_that_looks_like_html(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    hostile = (
        "<b>Air</b> <script>Transfer ke 123</script><!-- rekening 456 --> <b hx-get='/x'>mati</b>"
    )
    form = {"title": "Air", "body": hostile, "areas": "cibabat"}
    page = (await rina.post("/redaksi/pratinjau", form)).text
    for part in re.findall(
        r'<section class="bubble (?:whatsapp|telegram|email).*?</section>', page, re.DOTALL
    ):
        assert "Transfer ke 123" in part
        assert "rekening 456" in part
    for tag in ("<script>Tr", "<!-- rek", "<b hx-get"):
        assert tag not in page


async def test_many_addresses_of_one_household_guess_at_codes_as_one(site: Running) -> None:
    def guess(number: int) -> Any:
        headers = {
            "X-Forwarded-For": f"2001:db8:1:2::{number:x}"
        }  # as the proxy in front of us says
        return site.ask(f"/cek?kode=CMH-2222-{number:02}", headers=headers)

    statuses = [(await guess(number)).status for number in range(1, 60)]
    assert 429 in statuses
    elsewhere = await site.ask(
        "/cek?kode=CMH-2222-99", headers={"X-Forwarded-For": "2001:db8:1:3::1"}
    )
    assert elsewhere.status == 200


@pytest.mark.parametrize("mask", [failed_csv.masked, administration.masked])
def test_a_masked_address_is_never_the_whole_one(mask: Any) -> None:
    for name in ("a", "ab", "abc", "abcdef"):
        masked = mask(f"{name}@contoh.example")
        assert name not in masked.partition("@")[0]
        assert masked.endswith("***@contoh.example")
    assert mask("warga@contoh.example") == "wa***@contoh.example"
