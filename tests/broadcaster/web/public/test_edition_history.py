"""Who stands behind an edition, read off the audit log: never an approval of an edition before it."""

from broadcaster.newsroom import corrections
from broadcaster.newsroom.desk import HOLD
from broadcaster.publishing.press import Press
from broadcaster.store import announcements as rows
from broadcaster.store import audit
from broadcaster.web.staff.edition_history import publication
from support.browsing import Running
from support.staff_rows import FORM, approved_correction, staged


async def test_an_emergency_correction_shows_its_own_approval_and_not_that_of_the_one_before(
    site: Running,
) -> None:
    stage = await staged(site)
    announcement = await approved_correction(stage)
    site.clock.now += HOLD
    await site.app.database.write(corrections.publish_held, Press.of(site.app), now=site.clock())
    urgent = {
        **FORM,
        "level": "emergency",
        "instruction": "Menjauhlah.",
        "expires": "2026-11-27 12:00",
    }
    site.clock.now += 10 * HOLD
    waiting = await stage.do(
        stage.rina, corrections.propose_correction, announcement, urgent, reason="Runtuh."
    )
    site.clock.now += HOLD
    await stage.do(stage.dewi, corrections.approve, announcement, seen=waiting.bound)
    row, newest = (
        await site.app.database.read(rows.find, announcement),
        await site.app.database.read(rows.newest_edition, announcement),
    )
    assert row is not None
    shown = publication(row, newest, await site.app.database.read(audit.about, announcement))
    assert (shown.writer, shown.approver) == ("staff:rina", "staff:dewi")
    assert shown.approved_at == site.clock().timestamp()
