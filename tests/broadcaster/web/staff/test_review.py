"""Reviews and the hold over HTTP: nobody decides on their own work, and what is called back was
never sent.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from broadcaster.newsroom import release
from broadcaster.publishing.press import Press
from broadcaster.store import announcements
from broadcaster.store.tables import delivery, edition, run
from support.fakes import FakeChannel
from support.sending import drain_all, fill, table, with_channels
from support.staff_rows import COMPOSED, FORM, Stage, judging, submitted
from support.staffing import Browser, browser, signed_in

OWN = ("setujui", "kembalikan", "tolak")
CHANNELS = ("email", "telegram", "whatsapp")


async def submit_by_pages(author: Browser, **changes: str) -> str:
    """Write and submit an announcement by the pages; return its address."""
    draft = await author.post("/redaksi/tulis", {**COMPOSED, **changes})
    assert draft.status == 303, draft.text
    address = draft.headers["Location"].partition("/tulis")[0].partition("/periksa")[0]
    answer = await author.post(f"{address}/ajukan", {"versi": "1"})
    assert answer.status == 303, answer.text
    return address


async def decision(stage: Stage, address: str) -> Mapping[str, Any]:
    """Return all fields that a deciding form sends."""
    return {**await judging(stage, {"id": address.rsplit("/", 1)[-1]}), "alasan": "Sudah baik."}


async def publish_due(stage: Stage, seconds: int) -> None:
    """Let time pass, and publish what is due."""
    stage.site.clock.now += timedelta(seconds=seconds)
    await stage.site.app.database.write(
        release.publish_held, Press.of(stage.site.app), now=stage.site.clock()
    )


# --- nobody decides on their own work -------------------------------------------------------------


async def test_an_author_is_offered_no_decision_on_their_own_and_a_forged_one_is_refused(
    stage: Stage,
) -> None:
    both = await signed_in(stage.site, "budi", "author", "approver")
    address = await submit_by_pages(both)
    page = (await both.get(f"{address}/periksa")).text
    assert not any(f'{address}/{act}"' in page for act in OWN)
    form, before = await decision(stage, address), await stage.row(address.rsplit("/", 1)[-1])
    for act in OWN:
        forged = await both.post(f"{address}/{act}", dict(form))
        assert forged.status == 403, act
        assert "Penyusun tidak dapat" in forged.text
    assert await stage.row(before.id) == before
    rina = await browser(stage.site, stage.rina)
    assert {
        (await rina.post(f"{address}/{act}", dict(form))).status for act in (*OWN, "terbitkan")
    } == {403}
    dewi = await browser(stage.site, stage.dewi)
    assert f'{address}/setujui"' in (await dewi.get(f"{address}/periksa")).text
    assert (await dewi.post(f"{address}/setujui", dict(form))).status == 303
    assert (await both.post(f"{address}/terbitkan")).status == 403, (
        "nor is the hold skipped by its author"
    )


async def test_who_only_changed_a_word_does_not_approve_either(stage: Stage) -> None:
    rina, both = (
        await browser(stage.site, stage.rina),
        await signed_in(stage.site, "budi", "author", "approver"),
    )
    address = await submit_by_pages(rina)
    assert (
        await both.post(f"{address}/simpan", {**COMPOSED, "title": "Satu kata lain", "versi": "2"})
    ).status == 200
    assert (
        await both.post(f"{address}/setujui", dict(await decision(stage, address)))
    ).status == 403


async def test_an_edit_after_approval_waits_for_approval_again(stage: Stage) -> None:
    rina, dewi = await browser(stage.site, stage.rina), await browser(stage.site, stage.dewi)
    address = await submit_by_pages(rina)
    assert (
        await dewi.post(f"{address}/setujui", dict(await decision(stage, address)))
    ).status == 303
    row = await stage.row(address.rsplit("/", 1)[-1])
    assert row.state == "approved"
    saved = await rina.post(
        f"{address}/simpan", {**COMPOSED, "title": "Sesudah disetujui", "versi": str(row.version)}
    )
    assert saved.status == 200
    assert "Menunggu persetujuan" in (await dewi.get(f"{address}/periksa")).text
    await publish_due(stage, 31)
    assert (await stage.row(row.id)).published_at is None


# --- what is returned -----------------------------------------------------------------------------


async def test_a_return_needs_a_reason_which_its_author_reads_first(stage: Stage) -> None:
    rina, dewi = await browser(stage.site, stage.rina), await browser(stage.site, stage.dewi)
    address = await submit_by_pages(rina)
    for empty in ("", "   ", "...", "\u200b"):
        refusal = await dewi.post(f"{address}/kembalikan", {"alasan": empty})
        assert refusal.status == 422
        assert "Tulis alasannya" in refusal.text
    assert (await stage.row(address.rsplit("/", 1)[-1])).state == "review"
    assert (
        await dewi.post(f"{address}/kembalikan", {"alasan": "Jam berapa <b>selesai</b>?"})
    ).status == 303
    page = (await rina.get(f"{address}/tulis")).text
    assert page.index("Jam berapa &lt;b&gt;selesai&lt;/b&gt;?") < page.index('name="title"')


# --- what is called back --------------------------------------------------------------------------


@pytest.mark.parametrize("called_back", [True, False])
async def test_what_is_called_back_within_the_hold_reached_no_provider(
    stage: Stage, called_back: bool
) -> None:
    for channel, address in (
        ("email", "warga@contoh.example"),
        ("telegram", "77001"),
        ("whatsapp", "+6281200000001"),
    ):
        await stage.site.subscriber(address, channel)
    announcement = await submitted(
        stage, {name: value for name, value in FORM.items() if name != "expires"}
    )
    address = f"/redaksi/pengumuman/{announcement}"
    rina, dewi = await browser(stage.site, stage.rina), await browser(stage.site, stage.dewi)
    assert (
        await dewi.post(f"{address}/setujui", dict(await decision(stage, address)))
    ).status == 303
    assert "Batalkan" in (await rina.get(f"{address}/periksa")).text
    await publish_due(stage, 29)
    if called_back:
        assert (await rina.post(f"{address}/batalkan")).status == 303
    await publish_due(stage, 60)
    providers = [FakeChannel(name=name) for name in CHANNELS]
    for name in CHANNELS:
        fill(stage.site.app, name)
        await drain_all(with_channels(stage.site.app, *providers), name)
    accepted = sum(provider.accepted.total() for provider in providers)
    newest = await stage.site.app.database.read(announcements.newest_edition, announcement)
    if called_back:
        assert (accepted, newest) == (0, None)
        assert [table(stage.site.app, ledger) for ledger in (edition, run, delivery)] == [
            [],
            [],
            [],
        ]
        assert (await stage.row(announcement)).state == "review"
    else:
        assert accepted == len(CHANNELS), "else the zero above proves nothing"
        assert (await rina.post(f"{address}/batalkan")).status == 409, "it is too late"
