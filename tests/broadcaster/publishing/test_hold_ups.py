"""Emergencies that are held up, on both databases: reported once, by an open channel and on the
first page; then an all-clear.
"""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from broadcaster.app import App
from broadcaster.delivery import status
from broadcaster.delivery.controls import steer
from broadcaster.delivery.drain import Deliverer
from broadcaster.domain.actor import NamedActor
from broadcaster.newsroom import drafts
from broadcaster.publishing import hold_ups
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.store import audit, channels, ledger, tier
from broadcaster.store.hold_ups import HoldUp
from broadcaster.store.leases import Holder, new_owner
from broadcaster.store.staff_tables import hold_up
from broadcaster.store.tables import run
from channels.base.contract import Deferred, Halted, Outcome, Receipt, Recipient, Rejected
from channels.base.moments import WIB, full_moment_text
from support.browsing import EMERGENCY, NOTICE
from support.fakes import FakeChannel
from support.sending import everything_due, fill, with_channels
from support.telling import DEWI_CHAT, PostOffice, post_office

LONG = 10072.0


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """Yield the post office on each database in turn, at the present time: waiting is measured by
    the database's clock.
    """
    async with post_office(database_url, tmp_path) as opened:
        opened.site.clock.now = datetime.now(UTC)
        yield opened


async def publish_filled(
    office: PostOffice, fields: Any = EMERGENCY, **changes: Any
) -> StoredAnnouncement:
    """Publish an emergency for five chats and one mailbox and fill its runs."""
    for number in range(5):
        await office.site.subscriber(str(7_100_000_000 + number), "telegram")
    await office.site.subscriber("wati@contoh.example")
    expires = (office.site.clock.now + timedelta(hours=8)).astimezone(WIB).isoformat()
    stored = await office.site.publish(fields, effective=None, **{"expires": expires, **changes})
    for channel in ("telegram", "email"):
        fill(office.site.app, channel, "emergency" if fields is EMERGENCY else "routine")
    return stored


async def drain_channel(
    office: PostOffice, answer: Any, channel: str = "telegram", lane: str = "emergency"
) -> None:
    """Drain a channel once with a provider that answers so."""
    provider = answer if callable(answer) else lambda _recipient: answer
    app = with_channels(
        office.site.app, FakeChannel(name=channel, label="Telegram", provider=provider)
    )
    await Deliverer(app=app, holder=Holder(owner=new_owner(), lease=30)).drain(
        channel, lane, seconds=2
    )


async def hire_administrator(office: PostOffice) -> None:
    """Hire an administrator who can be told by mail and chat."""
    await office.hire("dewi", "approver", "admin", telegram=str(DEWI_CHAT))


def let_time_pass(app: App, seconds: float) -> None:
    """Move the hold-ups that still stand into the past."""
    shifted = {"since": hold_up.c.since - seconds, "seen_at": hold_up.c.seen_at - seconds}
    app.database.write_now(
        lambda c: c.execute(update(hold_up).where(hold_up.c.over_at.is_(None)).values(shifted))
    )


def reported(office: PostOffice) -> list[HoldUp]:
    """Return the hold-ups that stand and were reported."""
    return office.site.app.database.read_now(hold_ups.reported)


async def test_an_emergency_that_waits_for_hours_is_told_by_mail_with_date_and_time(
    office: PostOffice,
) -> None:
    await hire_administrator(office)
    stored = await publish_filled(office)
    await drain_channel(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    await office.work()
    (report,) = reported(office)
    assert (report.hold.channel, report.hold.cause, report.hold.count) == ("telegram", "limited", 5)
    assert report.hold.until == pytest.approx(datetime.now(UTC).timestamp() + LONG, abs=60)
    until = full_moment_text(datetime.fromtimestamp(report.hold.until or 0, UTC))
    (letter,) = office.letters("dewi")
    assert letter["subject"] == f"[Darurat] PERHATIAN, peringatan tertahan: {EMERGENCY['title']}"
    assert f"Telegram baru bisa menerima lagi {until}: 5 pesan menunggu." in letter["text"]
    assert f"/redaksi/pengiriman/{stored.id}\n" in letter["text"]
    assert office.bot.inbox(DEWI_CHAT) == [], "not by the channel that rests"


async def test_it_is_told_once_and_again_when_it_goes_on(office: PostOffice) -> None:
    await hire_administrator(office)
    stored = await publish_filled(office)
    await drain_channel(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    for _look in range(3):
        await hold_ups.check(office.site.app)
        await office.work()
    assert len(office.letters("dewi")) == 1
    await office.site.app.database.write(channels.resume_channel, "telegram")
    everything_due(office.site.app)
    await drain_channel(office, Receipt())
    office.pass_time(seconds=1)
    await hold_ups.check(office.site.app)
    await office.work()
    letter = office.letters("dewi")[-1]
    assert letter["subject"] == f"[Darurat] Berjalan lagi: {EMERGENCY['title']}"
    assert "Telegram berjalan lagi. Tertahan sejak " in letter["text"]
    assert reported(office) == []
    acts = [entry.act for entry in office.site.app.database.read_now(audit.about, stored.id)]
    assert acts[-2:] == ["held_up", "resumed"]


async def test_it_stands_on_the_first_page_for_everybody_and_on_the_sending(
    office: PostOffice,
) -> None:
    stored = await publish_filled(office)
    rina = await office.hire("rina", "author")
    await drain_channel(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    for address in ("/redaksi/", f"/redaksi/pengiriman/{stored.id}"):
        page = (await rina.get(address)).text
        assert "Telegram baru bisa menerima lagi " in page, address
        assert "pengeras suara" in page
    assert "Peringatan darurat tertahan" in (await rina.get("/redaksi/")).text


async def test_the_api_says_what_holds_it_up_and_until_when(office: PostOffice) -> None:
    stored = await publish_filled(office)
    await drain_channel(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    token = await office.site.token("read")
    answer = await office.site.ask(
        f"/api/v1/announcements/{stored.id}", headers={"Authorization": f"Bearer {token}"}
    )
    (entry,) = json.loads(answer.text)["held_up"]
    assert (entry["channel"], entry["cause"], entry["count"]) == ("telegram", "limited", 5)
    assert datetime.fromisoformat(entry["until"]).timestamp() == pytest.approx(
        datetime.now(UTC).timestamp() + LONG, abs=60
    )
    assert entry["words"].startswith("Telegram baru bisa menerima lagi ")
    assert entry["remedy"]


async def test_a_channel_that_was_halted_before_is_told_as_soon_as_an_emergency_needs_it(
    office: PostOffice,
) -> None:
    await hire_administrator(office)
    await office.site.app.database.write(
        channels.halt_channel, "telegram", "401 token refused", "manual"
    )
    await hold_ups.check(office.site.app)
    assert reported(office) == []
    await publish_filled(office)
    await hold_ups.check(office.site.app)
    await office.work()
    (letter,) = office.letters("dewi")
    assert "Telegram berhenti dan menunggu petugas: 5 pesan belum berangkat." in letter["text"]
    assert "buka lagi di halaman Kanal" in letter["text"]


async def test_routine_news_that_waits_calls_nobody(office: PostOffice) -> None:
    await hire_administrator(office)
    await publish_filled(office, NOTICE)
    await drain_channel(
        office, Deferred(retry_after=LONG, throttle=True, code="429"), lane="routine"
    )
    await hold_ups.check(office.site.app)
    await office.work()
    assert (reported(office), office.letters("dewi")) == ([], [])


async def test_a_server_that_does_not_answer_is_told_after_a_minute_and_not_as_asking_to_wait(
    office: PostOffice,
) -> None:
    await hire_administrator(office)
    await publish_filled(office)
    await drain_channel(office, Deferred(throttle=True, code="unreachable"))
    await hold_ups.check(office.site.app)
    assert reported(office) == []
    let_time_pass(office.site.app, hold_ups.PATIENCE)
    await hold_ups.check(office.site.app)
    (report,) = reported(office)
    assert report.hold.cause == "unreachable"
    await office.work()
    (letter,) = office.letters("dewi")
    assert "Telegram tidak terhubung: 5 pesan menunggu, dicoba lagi " in letter["text"]


async def test_a_try_in_between_is_no_all_clear(office: PostOffice) -> None:
    await hire_administrator(office)
    await publish_filled(office)
    await drain_channel(office, Deferred(throttle=True, code="unreachable"))
    await hold_ups.check(office.site.app)
    let_time_pass(office.site.app, hold_ups.PATIENCE)
    await hold_ups.check(office.site.app)
    everything_due(office.site.app)  # its rows are on the wire or about to be
    await hold_ups.check(office.site.app)
    assert len(reported(office)) == 1
    let_time_pass(office.site.app, hold_ups.CALM)
    await hold_ups.check(office.site.app)
    assert reported(office) == []


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Halted(code="401", detail="token refused"), "halted"),
        (Halted(code="unreachable", resume="probe"), "probing"),
        (Rejected(code="132001", detail="template not approved"), "stopped"),
    ],
    ids=["token", "down", "template"],
)
async def test_every_cause_for_which_an_emergency_stands_still_is_told(
    office: PostOffice, answer: Outcome, cause: str
) -> None:
    await hire_administrator(office)
    await publish_filled(office)
    for _pass in range(3):
        await drain_channel(office, answer)
        everything_due(office.site.app)
    await hold_ups.check(office.site.app)
    (report,) = reported(office)
    assert (report.hold.channel, report.hold.cause) == ("telegram", cause)


async def test_a_used_up_tier_is_told_with_the_time_of_the_next_place(office: PostOffice) -> None:
    await hire_administrator(office)
    await publish_filled(office)
    app = office.site.app
    reached = range(900, 903)
    await app.database.write(lambda c: tier.admit(c, "telegram", 3, list(reached), emergency=True))
    limited = with_channels(app, FakeChannel(name="telegram", label="Telegram", tier=3))
    await Deliverer(app=limited, holder=Holder(owner=new_owner(), lease=30)).drain(
        "telegram", "emergency", seconds=2
    )
    await hold_ups.check(app)
    (report,) = reported(office)
    assert (report.hold.cause, report.hold.count) == ("tier", 5)
    (closed,) = app.database.read_now(
        lambda c: hold_ups.shut(c, limited, ["telegram"], emergency=True)
    )
    assert closed.cause == "tier"
    assert closed.until == pytest.approx(datetime.now(UTC).timestamp() + tier.DAY, abs=60)


async def test_a_pause_by_staff_calls_nobody(office: PostOffice) -> None:
    await hire_administrator(office)
    stored = await publish_filled(office)
    await steer(
        office.site.app,
        stored.id,
        "pause",
        why="salah ketik",
        actor=NamedActor(name="staff:dewi", now=office.site.clock()),
    )
    await hold_ups.check(office.site.app)
    assert reported(office) == []
    assert office.site.app.database.read_now(ledger.progress, stored.id).sending == "paused"


async def test_replies_of_single_recipients_close_no_emergency_and_are_not_reported(
    office: PostOffice,
) -> None:
    await hire_administrator(office)
    await office.site.app.database.write(
        lambda c: channels.pause_channel(c, "telegram", LONG, suspected=True)
    )
    await publish_filled(office)
    await hold_ups.check(office.site.app)
    assert reported(office) == []


async def test_a_person_with_only_the_halted_channel_finds_it_on_the_first_page(
    office: PostOffice,
) -> None:
    only = await office.hire("tono", "admin", email="", telegram=str(DEWI_CHAT))
    await publish_filled(office)
    await drain_channel(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    assert "Peringatan darurat tertahan" in (await only.get("/redaksi/")).text


async def test_the_composer_says_until_when_a_channel_takes_nothing(office: PostOffice) -> None:
    rina = await office.hire("rina", "author")
    await office.site.app.database.write(channels.pause_channel, "telegram", LONG)
    row = await office.act(rina, drafts.save, {**NOTICE, "expires": "", "effective": ""})
    page = (await rina.get(f"/redaksi/pengumuman/{row.id}/tulis")).text
    until = office.site.app.database.read_now(channels.channel_states)["telegram"].paused_until
    assert (
        f"Telegram baru bisa menerima lagi {full_moment_text(datetime.fromtimestamp(until, UTC))}."
        in page
    )


def refusing_one_chat(bad: Outcome) -> Any:
    """Return a provider that gives one chat this outcome and accepts the others."""

    def answer(recipient: Recipient) -> Outcome:
        return bad if recipient.address.endswith("0") else Receipt()

    return answer


async def test_one_chat_that_is_told_to_wait_for_hours_calls_nobody(office: PostOffice) -> None:
    await hire_administrator(office)
    await publish_filled(office)
    await drain_channel(
        office,
        refusing_one_chat(Deferred(retry_after=LONG, throttle=True, scope="address", code="429")),
    )
    await hold_ups.check(office.site.app)
    assert reported(office) == []


async def publish_held_up(office: PostOffice, **changes: Any) -> StoredAnnouncement:
    """Publish an emergency that Telegram holds up for hours, and let Dewi be told."""
    await hire_administrator(office)
    stored = await publish_filled(office, **changes)
    await drain_channel(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    await office.work()
    assert len(office.letters("dewi")) == 1
    return stored


async def subjects_after_check(office: PostOffice) -> list[str]:
    """Check again; return the subjects that Dewi got beyond her first letter."""
    office.pass_time(seconds=1)
    await hold_ups.check(office.site.app)
    await office.work()
    return office.subjects("dewi")[1:]


async def test_what_expires_while_it_waits_is_no_all_clear(office: PostOffice) -> None:
    stored = await publish_held_up(office)
    expiry = (
        update(run)
        .where(run.c.edition == stored.edition)
        .values(expires_at=datetime.now(UTC).timestamp() - 1)
    )
    office.site.app.database.write_now(lambda c: c.execute(expiry))
    everything_due(office.site.app)
    await drain_channel(office, Receipt())
    assert await subjects_after_check(office) == [
        f"[Darurat] Habis waktunya, tidak terkirim: {EMERGENCY['title']}"
    ]
    letter = office.letters("dewi")[-1]
    assert (
        "Telegram: 5 pesan tidak terkirim, karena masa berlakunya habis sebelum dapat berangkat."
        in letter["text"]
    )
    assert [entry.act for entry in office.site.app.database.read_now(audit.about, stored.id)][
        -1
    ] == "expired"


async def test_a_cancelled_hold_up_gives_no_all_clear(office: PostOffice) -> None:
    stored = await publish_held_up(office)
    await steer(
        office.site.app,
        stored.id,
        "cancel",
        why="salah kirim",
        actor=NamedActor(name="staff:dewi", now=office.site.clock()),
    )
    await drain_channel(office, Receipt())
    let_time_pass(office.site.app, hold_ups.CALM)
    assert await subjects_after_check(office) == []
    assert reported(office) == []


async def test_a_withdrawn_emergency_that_must_wait_is_told_too(office: PostOffice) -> None:
    await hire_administrator(office)
    stored = await publish_filled(office)
    await drain_channel(office, Receipt())
    await office.site.app.database.write(
        channels.halt_channel, "telegram", "401 token refused", "manual"
    )
    await office.site.withdraw(stored, "Salah kirim.")
    fill(office.site.app, "telegram", "emergency")
    await hold_ups.check(office.site.app)
    await office.work()
    (letter,) = office.letters("dewi")
    assert letter["subject"].startswith("[Darurat] PERHATIAN, peringatan tertahan: ")


async def publish_to_many(office: PostOffice) -> StoredAnnouncement:
    """Publish an emergency for 155 chats, so that a single chat is below the share of a hold-up."""
    await hire_administrator(office)
    for number in range(150):
        await office.site.subscriber(str(7_200_000_000 + number), "telegram")
    return await publish_filled(office)


def defer(*chats: str) -> Callable[[Recipient], Outcome]:
    """Return a provider that defers these chats and accepts the others."""
    return lambda recipient: (
        Deferred(code="451") if recipient.address.startswith(chats) else Receipt()
    )


FIVE, ONE = "710", "7100000000"
"""The prefix of the chats of `publish_filled`, and one of them."""


@pytest.mark.parametrize("cause", ["halted", "tier"])
async def test_the_last_few_behind_a_closed_channel_are_a_hold_up(
    office: PostOffice, cause: str
) -> None:
    await publish_to_many(office)
    app = office.site.app
    if cause == "tier":
        limited = with_channels(app, FakeChannel(name="telegram", label="Telegram", tier=154))
        await Deliverer(app=limited, holder=Holder(owner=new_owner(), lease=30)).drain(
            "telegram", "emergency", seconds=5
        )
    else:
        await drain_channel(office, defer(ONE))
        await app.database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
    await hold_ups.check(app)
    assert [(report.hold.cause, report.hold.count) for report in reported(office)] == [(cause, 1)]


async def test_a_channel_that_stays_closed_for_the_last_one_is_no_all_clear(
    office: PostOffice,
) -> None:
    await publish_to_many(office)
    database = office.site.app.database
    await drain_channel(office, defer(FIVE))
    await database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
    await hold_ups.check(office.site.app)
    await office.work()
    assert len(reported(office)) == 1
    await database.write(channels.resume_channel, "telegram")
    everything_due(office.site.app)
    await drain_channel(office, defer(ONE))
    await database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
    let_time_pass(office.site.app, hold_ups.CALM)
    assert await subjects_after_check(office) == []
    assert len(reported(office)) == 1


async def test_an_edition_that_takes_the_place_of_what_waits_is_no_all_clear(
    office: PostOffice,
) -> None:
    await hire_administrator(office)
    stored = await publish_filled(office)
    await office.site.app.database.write(
        channels.halt_channel, "telegram", "401 token refused", "manual"
    )
    await subjects_after_check(office)
    expires = (office.site.clock.now + timedelta(hours=8)).isoformat()
    changes = {
        **EMERGENCY,
        "title": "Banjir di Jalan Gandawijaya",
        "effective": None,
        "expires": expires,
    }
    await office.site.correct(stored, "Salah jalan.", **changes)
    subjects = await subjects_after_check(office)
    await drain_channel(office, Receipt())
    fill(office.site.app, "telegram", "emergency")
    assert (subjects, await subjects_after_check(office)) == ([], [])
    assert len(reported(office)) == 1


async def test_two_hold_ups_that_ended_alike_are_told_in_one_line(office: PostOffice) -> None:
    await hire_administrator(office)
    stored, database = await publish_filled(office), office.site.app.database
    for is_second in (False, True):
        await database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
        office.pass_time(seconds=1)
        await subjects_after_check(office)
        assert "peringatan tertahan" in office.subjects("dewi")[-1]
        await database.write(channels.resume_channel, "telegram")
        if not is_second:
            await hold_ups.check(office.site.app)
            let_time_pass(office.site.app, hold_ups.CALM)
            await subjects_after_check(office)
            assert "Berjalan lagi" in office.subjects("dewi")[-1]
    expiry = (
        update(run)
        .where(run.c.edition == stored.edition)
        .values(expires_at=datetime.now(UTC).timestamp() - 1)
    )
    database.write_now(lambda c: c.execute(expiry))
    everything_due(office.site.app)
    await drain_channel(office, Receipt())
    await subjects_after_check(office)
    assert (
        office.letters("dewi")[-1]["text"].count(
            "pesan tidak terkirim, karena masa berlakunya habis"
        )
        == 1
    )


async def test_one_mailbox_of_many_that_is_asked_again_later_calls_nobody(
    office: PostOffice,
) -> None:
    await publish_to_many(office)
    await drain_channel(office, defer(ONE))
    for _minute in range(3):
        let_time_pass(office.site.app, hold_ups.PATIENCE)
        await hold_ups.check(office.site.app)
    assert (reported(office), office.letters("dewi")) == ([], [])


async def test_an_emergency_corrected_to_a_lower_level_is_held_up_by_its_lane(
    office: PostOffice,
) -> None:
    stored = await publish_filled(office)
    await office.site.correct(
        stored, "Sudah reda.", level="important", effective=None, expires=None
    )
    view = office.site.app.database.read_now(status.overview, stored.id, office.site.app.site)
    assert view is not None
    assert view.emergency, (
        "what single recipients said, and held suppressions, close nothing for it"
    )
