"""Against those who work here and mean harm: words that nobody was shown, rights that are gone, doors of others held shut."""

from typing import Any

from broadcaster import newsroom
from broadcaster.store import announcements as rows
from broadcaster.store.announcements import Announcement
from browsing import NOTICE, Running
from staffing import Browser, signed_in


async def submitted(rina: Browser, **changes: Any) -> Announcement:
    """An announcement that waits for a second person."""
    app = rina.site.app
    form = {**NOTICE, "effective": None, **changes}
    desk = newsroom.Desk(press=newsroom.Press.of(app), account=rina.account, now=rina.site.clock())
    row = await app.database.write(newsroom.save, desk, form)
    return await app.database.write(newsroom.submit, desk, row.id)


async def now(site: Running, row: Announcement) -> Announcement:
    """As it stands."""
    found = await site.app.database.read(rows.find, row.id)
    assert found is not None
    return found


# --- four eyes see everything -----------------------------------------------------------------------------


async def test_whoever_approves_is_shown_every_word_in_every_language_and_of_every_channel(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    row = await submitted(
        rina,
        body="Awal. " + "Kalimat panjang untuk warga kota. " * 250 + "Akhirnya QISI.",
        kind="clarification", claim="QKLAIM", verdict="Hoaks", fact="QFAKTA", seen_at="QLIHAT", hoax_type="QJENIS",
        evidence=["https://bukti.example/qbukti"], link="https://info.cimahi.example/qtautan",
        translations={
            "en": {"title": "QJUDUL", "summary": "QRINGKAS", "body": "QTUBUH"}, "su": {"title": "QSUNDA", "body": "QEUSI"},
        },
        overrides={"display": {"title": "QLAYAR", "body": "QISILAYAR"}, "telegram": {"body": "QTELE"}},
    )  # fmt: skip
    page = (await dewi.get(f"/redaksi/pengumuman/{row.id}/periksa")).text
    hidden = [word for word in (
        "QISI", "QKLAIM", "QFAKTA", "QLIHAT", "QJENIS", "qbukti", "qtautan", "QJUDUL", "QRINGKAS", "QTUBUH", "QSUNDA", "QEUSI",
        "QLAYAR", "QISILAYAR", "QTELE",
    ) if word not in page]  # fmt: skip
    assert not hidden
