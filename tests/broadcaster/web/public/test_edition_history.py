"""The people behind an edition, by the audit log: never an approval of an earlier edition."""

from broadcaster.newsroom import corrections
from broadcaster.newsroom.desk import HOLD
from broadcaster.publishing.press import Press
from broadcaster.store import announcements, audit
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
    proposal = await stage.do(
        stage.rina, corrections.propose_correction, announcement, urgent, reason="Runtuh."
    )
    site.clock.now += HOLD
    await stage.do(stage.dewi, corrections.approve, announcement, seen=proposal.bound)
    row, newest = (
        await site.app.database.read(announcements.find, announcement),
        await site.app.database.read(announcements.newest_edition, announcement),
    )
    assert row is not None
    people = publication(row, newest, await site.app.database.read(audit.about, announcement))
    assert (people.writer, people.approver) == ("staff:rina", "staff:dewi")
    assert people.approved_at == site.clock().timestamp()
