"""The short way to a warning, and the call on every page of those who may approve it."""

from datetime import timedelta
from typing import Any

import pytest

from broadcaster.domain.fields import Fields
from broadcaster.domain.hazards import HAZARDS, PLACE
from broadcaster.domain.rules import check
from broadcaster.newsroom.emergencies import lead
from broadcaster.runtime.settings import TOPICS
from broadcaster.store import announcements, channels
from subscribers.areas import AreaTree
from support.browsing import Running
from support.desk import NOW
from support.staffing import signed_in

FORM: dict[str, Any] = {
    "bahaya": "banjir", "title": "Banjir di Jl. Amir Machmud, pindah ke tempat tinggi", "instruction": "Pindah sekarang.",
    "areas": ["cibabat"], "expires": "2026-11-25T10:00",
}  # fmt: skip


@pytest.mark.parametrize(
    "hazard",
    [hazard for hazard in HAZARDS.values() if hazard.title],
    ids=lambda hazard: hazard.slug,
)
def test_what_each_hazard_says_may_be_published_with_a_long_place(hazard: Any) -> None:
    fields = Fields(
        title=hazard.title.replace(PLACE, "Kel. Cimahi"),
        body=hazard.name,
        areas=("cibabat",),
        level="emergency",
        category=hazard.category,
        instruction=hazard.instruction,
        expires=NOW + hazard.lasts,
    )
    assert (
        check(fields, tree=AreaTree.built_in(), topics=TOPICS, channels=(), now=NOW).kind == "alert"
    )


async def test_a_hazard_fills_the_form_and_the_place_is_still_asked_for(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    choices = (await rina.get("/redaksi/darurat")).text
    assert all(f"?bahaya={slug}" in choices for slug in HAZARDS)
    page = (await rina.get("/redaksi/darurat?bahaya=banjir")).text
    assert "Banjir di ..., pindah ke tempat tinggi" in page
    assert 'value="2026-11-25T10:43"' in page
    refusal = await rina.post("/redaksi/darurat", {**FORM, "title": HAZARDS["banjir"].title})
    assert refusal.status == 422
    assert "Tempatnya belum ditulis." in refusal.text
    assert "Pindah sekarang." in refusal.text


async def test_what_is_refused_leaves_nothing_behind(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    for changes in (
        {"areas": []},
        {"expires": "2026-11-25T07:00"},
        {"instruction": ""},
        {"title": "x" * 71},
    ):
        refusal = await rina.post("/redaksi/darurat", {**FORM, **changes})
        assert refusal.status == 422
        assert 'role="alert"' in refusal.text
    assert (
        await site.app.database.read(
            lambda c: c.exec_driver_sql("SELECT count(*) FROM announcement").scalar()
        )
        == 0
    )


async def test_it_goes_to_a_second_person_at_once_and_their_pages_call_out(site: Running) -> None:
    rina, dewi = (
        await signed_in(site, "rina", "author", "approver"),
        await signed_in(site, "dewi", "approver"),
    )
    assert "calling" not in (await dewi.get("/redaksi/alarm")).text
    answer = await rina.post("/redaksi/darurat", FORM)
    assert answer.status == 303
    address = answer.headers["Location"]
    row = await site.app.database.read(announcements.find, address.split("/")[3])
    assert row is not None
    assert (row.state, row.fields.level, row.fields.body) == ("review", "emergency", "Banjir.")
    assert row.fields.summary == "Pindah sekarang."
    alarm = (await dewi.get("/redaksi/alarm")).text
    assert (
        FORM["title"]
        not in (await dewi.get("/redaksi/alarm", **{"HX-Current-URL": site.url + address})).text
    )
    assert FORM["title"] in alarm
    assert "calling" in alarm
    assert address in alarm
    assert FORM["title"] not in (await rina.get("/redaksi/alarm")).text, (
        "nobody is called to their own"
    )
    assert 'hx-get="/redaksi/alarm"' in (await dewi.get("/redaksi/")).text
    approval = await dewi.post(
        address.replace("periksa", "setujui"),
        {"dilihat": row.bound, "versi": row.version, "dibaca": "1"},
    )
    assert approval.status == 303
    announcement = await site.app.database.read(announcements.find, row.id)
    assert announcement is not None
    assert announcement.state == "published", "a warning has no hold"
    assert FORM["title"] not in (await dewi.get("/redaksi/alarm")).text


@pytest.mark.parametrize(
    "other", ["/redaksi/pengumuman/{id}0/periksa", "/redaksi/pengumuman?q={id}", "/#{id}"]
)
async def test_only_the_warnings_own_page_leaves_out_the_call(site: Running, other: str) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    own = (await rina.post("/redaksi/darurat", FORM)).headers["Location"]
    for address, shown in ((own, False), (other.format(id=own.split("/")[3]), True)):
        answer = await dewi.get("/redaksi/alarm", **{"HX-Current-URL": site.url + address})
        assert (FORM["title"] in answer.text) is shown, address
    answer = await dewi.get("/redaksi/alarm", **{"HX-Current-URL": "http://[/"})
    assert FORM["title"] in answer.text, "an address that cannot be parsed names no page"


def test_the_lead_is_what_to_do() -> None:
    assert lead(HAZARDS["banjir"].instruction) == (
        "Pindah ke tempat tinggi sekarang. Matikan listrik bila aman. Jangan menyeberangi arus."
    )
    assert len(lead("Pindah. " * 30)) <= 90
    assert lead("") == ""


async def test_the_call_that_pages_ask_for_by_themselves_keeps_nobody_signed_in(
    site: Running,
) -> None:
    dewi = await signed_in(site, "dewi", "approver")
    for _look in range(3):
        site.clock.now += timedelta(minutes=50)
        answer = await dewi.get("/redaksi/alarm")
    assert answer.status == 303, "two hours after dewi herself asked for something"
    assert answer.headers["Location"].startswith("/redaksi/masuk")


async def test_an_exercise_calls_nobody(site: Running) -> None:
    rina, dewi = await signed_in(site, "rina", "author"), await signed_in(site, "dewi", "approver")
    form = {**FORM, "level": "emergency", "body": "Banjir.", "latihan": "1"}
    answer = await rina.post("/redaksi/tulis", form)
    address = answer.headers["Location"].split("/tulis")[0]
    assert (await rina.post(f"{address}/ajukan", {"versi": "1"})).status == 303
    assert FORM["title"] not in (await dewi.get("/redaksi/alarm")).text


async def test_a_channel_that_would_delay_a_warning_is_shown_where_it_is_written(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    assert "baru bisa menerima lagi" not in (await rina.get("/redaksi/darurat?bahaya=banjir")).text
    await site.app.database.write(channels.pause_channel, "telegram", 10072)
    notice = "<strong>Telegram baru bisa menerima lagi"
    assert notice in (await rina.get("/redaksi/darurat?bahaya=banjir")).text
    form = {"level": "emergency", "title": "Banjir", "areas": "cibabat"}
    preview = (await rina.post("/redaksi/pratinjau", {**form, "dicoba": "1"})).text
    assert "must" in preview, "there is still something to mend, and the list of it is folded"
    assert 0 < preview.find(notice) < preview.find("<details")
    assert notice not in (await rina.post("/redaksi/pratinjau", {**form, "level": "info"})).text, (
        "everyday news can wait"
    )
