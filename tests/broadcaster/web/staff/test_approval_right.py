"""Offers of a decision: made to nobody whom it would refuse; others read why not, and who can
decide.
"""

from datetime import timedelta

from broadcaster.domain.independence import Control
from broadcaster.newsroom import corrections
from broadcaster.store import controls, drafts
from subscribers.areas import AreaTree
from support.staff_rows import FORM, Stage, corrected, judging, published, submitted
from support.staffing import browser, hire


async def bind_accounts(stage: Stage) -> None:
    """Record that Rina, the writer, gave Dewi her account a minute ago."""
    control = Control(
        account=stage.dewi.id, maker=stage.rina.id, at=stage.site.clock().timestamp() - 60
    )
    await stage.site.app.database.write(controls.record, control, "account_change")


async def test_an_approver_whose_account_the_writer_controls_is_told_who_can_instead(
    stage: Stage,
) -> None:
    await bind_accounts(stage)
    await hire(stage.site.app, "eka", "approver")
    announcement = await submitted(stage)
    dewi = await browser(stage.site, stage.dewi)
    page = (await dewi.get(f"/redaksi/pengumuman/{announcement}/periksa")).text
    assert "/setujui" not in page
    assert "Rina, yang menyusun ini, baru saja mengatur akun Anda." in page
    assert "Yang dapat memutuskan: Eka." in page
    refusal = await dewi.post(
        f"/redaksi/pengumuman/{announcement}/setujui", await judging(stage, {"id": announcement})
    )
    assert refusal.status == 409, "the rule itself stands"
    stage.site.clock.now += timedelta(hours=24)
    next_day = await browser(stage.site, stage.dewi)
    assert "/setujui" in (await next_day.get(f"/redaksi/pengumuman/{announcement}/periksa")).text


async def test_a_change_is_not_offered_to_them_either(stage: Stage) -> None:
    announcement = await corrected(stage)
    dewi, path = await browser(stage.site, stage.dewi), f"/redaksi/pengumuman/{announcement}/ralat"
    assert "/usulan/setujui" in (await dewi.get(path)).text
    await bind_accounts(stage)
    page = (await dewi.get(path)).text
    assert "/usulan/setujui" not in page
    assert "baru saja mengatur akun Anda" in page
    proposal = await stage.site.app.database.read(drafts.proposed, announcement)
    assert proposal is not None
    assert (
        await dewi.post(path.replace("ralat", "usulan/setujui"), {"seen": proposal.bound})
    ).status == 409


async def test_an_approver_of_another_agency_is_offered_nothing(stage: Stage) -> None:
    announcement = await submitted(stage)
    other = await browser(
        stage.site, await hire(stage.site.app, "sari", "approver", agencies=("Dinas Lain",))
    )
    page = (await other.get(f"/redaksi/pengumuman/{announcement}/periksa")).text
    assert "/setujui" not in page
    assert "Yang dapat memutuskan: Dewi." in page


async def test_its_author_reads_who_can_decide(stage: Stage) -> None:
    announcement = await submitted(stage)
    rina = await browser(stage.site, stage.rina)
    assert (
        "Yang dapat memutuskan: Dewi."
        in (await rina.get(f"/redaksi/pengumuman/{announcement}/periksa")).text
    )


async def test_a_correction_to_further_areas_is_offered_to_those_alone_who_hold_for_them_too(
    stage: Stage,
) -> None:
    announcement = await published(stage)
    form = {**FORM, "areas": ["cibabat", "leuwigajah"]}
    await stage.do(
        stage.rina, corrections.propose_correction, announcement, form, reason="Kurang satu."
    )
    approver = await hire(
        stage.site.app, "eka", "approver", areas=(AreaTree.built_in()["cibabat"].code,)
    )
    path = f"/redaksi/pengumuman/{announcement}/ralat"
    page = (await (await browser(stage.site, approver)).get(path)).text
    assert "/usulan/setujui" not in page
    assert "Yang dapat memutuskan: Dewi." in page
    assert "/usulan/setujui" in (await (await browser(stage.site, stage.dewi)).get(path)).text
