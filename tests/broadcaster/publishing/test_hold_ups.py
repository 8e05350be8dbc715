"""Emergencies that must wait, on both databases: told once, by a way that is open and on the first
page; then an all-clear.
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
from broadcaster.delivery.drain import Deliverer
from broadcaster.domain.actor import NamedActor
from broadcaster.publishing import hold_ups
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.store import audit, channels, ledger, tier
from broadcaster.store import hold_ups as store
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
    """On each database in turn, at the present time: what waits is measured by the database's
    clock.
    """
    async with post_office(database_url, tmp_path) as opened:
        opened.site.clock.now = datetime.now(UTC)
        yield opened


async def warned(office: PostOffice, fields: Any = EMERGENCY, **changes: Any) -> StoredAnnouncement:
    """An emergency for five chats and one mail box, published and filled."""
    for number in range(5):
        await office.site.subscriber(str(7_100_000_000 + number), "telegram")
    await office.site.subscriber("wati@contoh.example")
    expires = (office.site.clock.now + timedelta(hours=8)).astimezone(WIB).isoformat()
    stored = await office.site.publish(fields, effective=None, **{"expires": expires, **changes})
    for channel in ("telegram", "email"):
        fill(office.site.app, channel, "emergency" if fields is EMERGENCY else "routine")
    return stored


async def drained(
    office: PostOffice, answer: Any, channel: str = "telegram", lane: str = "emergency"
) -> None:
    """One pass over a channel whose provider answers so."""
    provider = answer if callable(answer) else lambda _recipient: answer
    app = with_channels(
        office.site.app, FakeChannel(name=channel, label="Telegram", provider=provider)
    )
    await Deliverer(app=app, holder=Holder(owner=new_owner(), lease=30)).drain(
        channel, lane, seconds=2
    )


async def staff(office: PostOffice) -> None:
    """An administrator who can be told by mail and chat."""
    await office.hire("dewi", "approver", "admin", telegram=str(DEWI_CHAT))


def aged(app: App, seconds: float) -> None:
    """So much time goes by for what is known to wait."""
    shifted = {"since": hold_up.c.since - seconds, "seen_at": hold_up.c.seen_at - seconds}
    app.database.write_now(
        lambda c: c.execute(update(hold_up).where(hold_up.c.over_at.is_(None)).values(shifted))
    )


def known(office: PostOffice) -> list[store.HoldUp]:
    """What stands and was told."""
    return office.site.app.database.read_now(hold_ups.reported)


async def test_an_emergency_that_waits_for_hours_is_told_by_mail_with_date_and_time(
    office: PostOffice,
) -> None:
    await staff(office)
    stored = await warned(office)
    await drained(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    await office.work()
    (one,) = known(office)
    assert (one.hold.channel, one.hold.cause, one.hold.count) == ("telegram", "limited", 5)
    assert one.hold.until == pytest.approx(datetime.now(UTC).timestamp() + LONG, abs=60)
    until = full_moment_text(datetime.fromtimestamp(one.hold.until or 0, UTC))
    (letter,) = office.letters("dewi")
    assert letter["subject"] == f"[Darurat] PERHATIAN, peringatan tertahan: {EMERGENCY['title']}"
    assert f"Telegram baru bisa menerima lagi {until}: 5 pesan menunggu." in letter["text"]
    assert f"/redaksi/pengiriman/{stored.id}\n" in letter["text"]
    assert office.bot.inbox(DEWI_CHAT) == [], "not by the channel that rests"


async def test_it_is_told_once_and_again_when_it_goes_on(office: PostOffice) -> None:
    await staff(office)
    stored = await warned(office)
    await drained(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    for _look in range(3):
        await hold_ups.check(office.site.app)
        await office.work()
    assert len(office.letters("dewi")) == 1
    await office.site.app.database.write(channels.resume_channel, "telegram")
    everything_due(office.site.app)
    await drained(office, Receipt())
    office.pass_time(seconds=1)
    await hold_ups.check(office.site.app)
    await office.work()
    letter = office.letters("dewi")[-1]
    assert letter["subject"] == f"[Darurat] Berjalan lagi: {EMERGENCY['title']}"
    assert "Telegram berjalan lagi. Tertahan sejak " in letter["text"]
    assert known(office) == []
    acts = [entry.act for entry in office.site.app.database.read_now(audit.about, stored.id)]
    assert acts[-2:] == ["held_up", "resumed"]


async def test_it_stands_on_the_first_page_for_everybody_and_on_the_sending(
    office: PostOffice,
) -> None:
    stored = await warned(office)
    rina = await office.hire("rina", "author")
    await drained(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    for address in ("/redaksi/", f"/redaksi/pengiriman/{stored.id}"):
        page = (await rina.get(address)).text
        assert "Telegram baru bisa menerima lagi " in page, address
        assert "pengeras suara" in page
    assert "Peringatan darurat tertahan" in (await rina.get("/redaksi/")).text


async def test_the_api_says_what_holds_it_up_and_until_when(office: PostOffice) -> None:
    stored = await warned(office)
    await drained(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    token = await office.site.token("read")
    answer = await office.site.ask(
        f"/api/v1/announcements/{stored.id}", headers={"Authorization": f"Bearer {token}"}
    )
    (held,) = json.loads(answer.text)["held_up"]
    assert (held["channel"], held["cause"], held["count"]) == ("telegram", "limited", 5)
    assert datetime.fromisoformat(held["until"]).timestamp() == pytest.approx(
        datetime.now(UTC).timestamp() + LONG, abs=60
    )
    assert held["words"].startswith("Telegram baru bisa menerima lagi ")
    assert held["remedy"]


async def test_a_channel_that_was_halted_before_is_told_as_soon_as_an_emergency_needs_it(
    office: PostOffice,
) -> None:
    await staff(office)
    await office.site.app.database.write(
        channels.halt_channel, "telegram", "401 token refused", "manual"
    )
    await hold_ups.check(office.site.app)
    assert known(office) == []
    await warned(office)
    await hold_ups.check(office.site.app)
    await office.work()
    (letter,) = office.letters("dewi")
    assert "Telegram berhenti dan menunggu petugas: 5 pesan belum berangkat." in letter["text"]
    assert "buka lagi di halaman Kanal" in letter["text"]


async def test_everyday_news_that_waits_calls_nobody(office: PostOffice) -> None:
    await staff(office)
    await warned(office, NOTICE)
    await drained(office, Deferred(retry_after=LONG, throttle=True, code="429"), lane="routine")
    await hold_ups.check(office.site.app)
    await office.work()
    assert (known(office), office.letters("dewi")) == ([], [])


async def test_a_server_that_does_not_answer_is_told_after_a_minute_and_not_as_asking_to_wait(
    office: PostOffice,
) -> None:
    await staff(office)
    await warned(office)
    await drained(office, Deferred(throttle=True, code="unreachable"))
    await hold_ups.check(office.site.app)
    assert known(office) == []
    aged(office.site.app, hold_ups.PATIENCE)
    await hold_ups.check(office.site.app)
    (one,) = known(office)
    assert one.hold.cause == "unreachable"
    await office.work()
    (letter,) = office.letters("dewi")
    assert "Telegram tidak terhubung: 5 pesan menunggu, dicoba lagi " in letter["text"]


async def test_a_try_in_between_is_no_all_clear(office: PostOffice) -> None:
    await staff(office)
    await warned(office)
    await drained(office, Deferred(throttle=True, code="unreachable"))
    await hold_ups.check(office.site.app)
    aged(office.site.app, hold_ups.PATIENCE)
    await hold_ups.check(office.site.app)
    everything_due(office.site.app)  # its rows are on the wire, or about to be
    await hold_ups.check(office.site.app)
    assert len(known(office)) == 1
    aged(office.site.app, hold_ups.CALM)
    await hold_ups.check(office.site.app)
    assert known(office) == []


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
    await staff(office)
    await warned(office)
    for _pass in range(3):
        await drained(office, answer)
        everything_due(office.site.app)
    await hold_ups.check(office.site.app)
    (one,) = known(office)
    assert (one.hold.channel, one.hold.cause) == ("telegram", cause)


async def test_a_used_up_tier_is_told_with_the_time_of_the_next_place(office: PostOffice) -> None:
    await staff(office)
    await warned(office)
    app = office.site.app
    others = range(900, 903)
    await app.database.write(lambda c: tier.admit(c, "telegram", 3, list(others), emergency=True))
    limited = with_channels(app, FakeChannel(name="telegram", label="Telegram", tier=3))
    await Deliverer(app=limited, holder=Holder(owner=new_owner(), lease=30)).drain(
        "telegram", "emergency", seconds=2
    )
    await hold_ups.check(app)
    (one,) = known(office)
    assert (one.hold.cause, one.hold.count) == ("tier", 5)
    (shut,) = app.database.read_now(
        lambda c: hold_ups.shut(c, limited, ["telegram"], emergency=True)
    )
    assert shut.cause == "tier"
    assert shut.until == pytest.approx(datetime.now(UTC).timestamp() + tier.DAY, abs=60)


async def test_who_paused_it_knows_and_nobody_is_called(office: PostOffice) -> None:
    from broadcaster.delivery.controls import steer

    await staff(office)
    stored = await warned(office)
    await steer(
        office.site.app,
        stored.id,
        "pause",
        why="salah ketik",
        actor=NamedActor(name="staff:dewi", now=office.site.clock()),
    )
    await hold_ups.check(office.site.app)
    assert known(office) == []
    assert office.site.app.database.read_now(ledger.progress, stored.id).sending == "paused"


async def test_what_single_recipients_said_closes_no_emergency_and_is_not_told(
    office: PostOffice,
) -> None:
    await staff(office)
    await office.site.app.database.write(
        lambda c: channels.pause_channel(c, "telegram", LONG, suspected=True)
    )
    await warned(office)
    await hold_ups.check(office.site.app)
    assert known(office) == []


async def test_who_has_only_the_halted_channel_still_finds_it_on_the_first_page(
    office: PostOffice,
) -> None:
    only = await office.hire("tono", "admin", email="", telegram=str(DEWI_CHAT))
    await warned(office)
    await drained(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    assert "Peringatan darurat tertahan" in (await only.get("/redaksi/")).text


async def test_the_composer_says_until_when_a_channel_takes_nothing(office: PostOffice) -> None:
    from broadcaster.newsroom import drafts

    rina = await office.hire("rina", "author")
    await office.site.app.database.write(channels.pause_channel, "telegram", LONG)
    row = await office.act(rina, drafts.save, {**NOTICE, "expires": "", "effective": ""})
    page = (await rina.get(f"/redaksi/pengumuman/{row.id}/tulis")).text
    until = office.site.app.database.read_now(channels.channel_states)["telegram"].paused_until
    assert (
        f"Telegram baru bisa menerima lagi {full_moment_text(datetime.fromtimestamp(until, UTC))}."
        in page
    )


def moods(bad: Outcome) -> Any:
    """A provider that refuses one chat and takes the others."""

    def answer(recipient: Recipient) -> Outcome:
        return bad if recipient.address.endswith("0") else Receipt()

    return answer


async def test_one_chat_that_is_told_to_wait_for_hours_calls_nobody(office: PostOffice) -> None:
    await staff(office)
    await warned(office)
    await drained(
        office, moods(Deferred(retry_after=LONG, throttle=True, scope="address", code="429"))
    )
    await hold_ups.check(office.site.app)
    assert known(office) == []


async def held_and_told(office: PostOffice, **changes: Any) -> StoredAnnouncement:
    """An emergency that Telegram lets wait for hours, of which Dewi has read."""
    await staff(office)
    stored = await warned(office, **changes)
    await drained(office, Deferred(retry_after=LONG, throttle=True, code="429"))
    await hold_ups.check(office.site.app)
    await office.work()
    assert len(office.letters("dewi")) == 1
    return stored


async def looked(office: PostOffice) -> list[str]:
    """What Dewi reads after the next look, beyond her first letter."""
    office.pass_time(seconds=1)
    await hold_ups.check(office.site.app)
    await office.work()
    return office.subjects("dewi")[1:]


async def test_what_expires_while_it_waits_is_no_all_clear(office: PostOffice) -> None:
    stored = await held_and_told(office)
    over = (
        update(run)
        .where(run.c.edition == stored.edition)
        .values(expires_at=datetime.now(UTC).timestamp() - 1)
    )
    office.site.app.database.write_now(lambda c: c.execute(over))
    everything_due(office.site.app)
    await drained(office, Receipt())
    assert await looked(office) == [
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


async def test_who_stopped_what_waited_reads_no_all_clear(office: PostOffice) -> None:
    from broadcaster.delivery.controls import steer

    stored = await held_and_told(office)
    await steer(
        office.site.app,
        stored.id,
        "cancel",
        why="salah kirim",
        actor=NamedActor(name="staff:dewi", now=office.site.clock()),
    )
    await drained(office, Receipt())
    aged(office.site.app, hold_ups.CALM)
    assert await looked(office) == []
    assert known(office) == []


async def test_a_withdrawn_emergency_that_must_wait_is_told_too(office: PostOffice) -> None:
    await staff(office)
    stored = await warned(office)
    await drained(office, Receipt())
    await office.site.app.database.write(
        channels.halt_channel, "telegram", "401 token refused", "manual"
    )
    await office.site.withdraw(stored, "Salah kirim.")
    fill(office.site.app, "telegram", "emergency")
    await hold_ups.check(office.site.app)
    await office.work()
    (letter,) = office.letters("dewi")
    assert letter["subject"].startswith("[Darurat] PERHATIAN, peringatan tertahan: ")


async def warned_many(office: PostOffice) -> StoredAnnouncement:
    """An emergency for 155 chats, of which each is less than the share that is a hold-up."""
    await staff(office)
    for number in range(150):
        await office.site.subscriber(str(7_200_000_000 + number), "telegram")
    return await warned(office)


def later(*chats: str) -> Callable[[Recipient], Outcome]:
    """A provider that tells these to come again later, and takes all else."""
    return lambda recipient: (
        Deferred(code="451") if recipient.address.startswith(chats) else Receipt()
    )


FIVE, ONE = "710", "7100000000"
"""How the chats of `warned` begin, and one of them."""


@pytest.mark.parametrize("cause", ["halted", "tier"])
async def test_the_last_few_behind_a_closed_channel_are_a_hold_up(
    office: PostOffice, cause: str
) -> None:
    await warned_many(office)
    app = office.site.app
    if cause == "tier":
        limited = with_channels(app, FakeChannel(name="telegram", label="Telegram", tier=154))
        await Deliverer(app=limited, holder=Holder(owner=new_owner(), lease=30)).drain(
            "telegram", "emergency", seconds=5
        )
    else:
        await drained(office, later(ONE))
        await app.database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
    await hold_ups.check(app)
    assert [(one.hold.cause, one.hold.count) for one in known(office)] == [(cause, 1)]


async def test_a_channel_that_stays_closed_for_the_last_one_is_no_all_clear(
    office: PostOffice,
) -> None:
    await warned_many(office)
    database = office.site.app.database
    await drained(office, later(FIVE))
    await database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
    await hold_ups.check(office.site.app)
    await office.work()
    assert len(known(office)) == 1
    await database.write(channels.resume_channel, "telegram")
    everything_due(office.site.app)
    await drained(office, later(ONE))
    await database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
    aged(office.site.app, hold_ups.CALM)
    assert await looked(office) == []
    assert len(known(office)) == 1


async def test_an_edition_that_takes_the_place_of_what_waits_is_no_all_clear(
    office: PostOffice,
) -> None:
    await staff(office)
    stored = await warned(office)
    await office.site.app.database.write(
        channels.halt_channel, "telegram", "401 token refused", "manual"
    )
    await looked(office)
    expires = (office.site.clock.now + timedelta(hours=8)).isoformat()
    changes = {
        **EMERGENCY,
        "title": "Banjir di Jalan Gandawijaya",
        "effective": None,
        "expires": expires,
    }
    await office.site.correct(stored, "Salah jalan.", **changes)
    said = await looked(office)
    await drained(office, Receipt())
    fill(office.site.app, "telegram", "emergency")
    assert (said, await looked(office)) == ([], [])
    assert len(known(office)) == 1


async def test_two_hold_ups_that_ended_alike_are_told_in_one_line(office: PostOffice) -> None:
    await staff(office)
    stored, database = await warned(office), office.site.app.database
    for again in (False, True):
        await database.write(channels.halt_channel, "telegram", "401 token refused", "manual")
        office.pass_time(seconds=1)
        await looked(office)
        assert "peringatan tertahan" in office.subjects("dewi")[-1]
        await database.write(channels.resume_channel, "telegram")
        if not again:
            await hold_ups.check(office.site.app)
            aged(office.site.app, hold_ups.CALM)
            await looked(office)
            assert "Berjalan lagi" in office.subjects("dewi")[-1]
    over = (
        update(run)
        .where(run.c.edition == stored.edition)
        .values(expires_at=datetime.now(UTC).timestamp() - 1)
    )
    database.write_now(lambda c: c.execute(over))
    everything_due(office.site.app)
    await drained(office, Receipt())
    await looked(office)
    assert (
        office.letters("dewi")[-1]["text"].count(
            "pesan tidak terkirim, karena masa berlakunya habis"
        )
        == 1
    )


async def test_one_mailbox_of_many_that_is_asked_again_later_calls_nobody(
    office: PostOffice,
) -> None:
    await warned_many(office)
    await drained(office, later(ONE))
    for _minute in range(3):
        aged(office.site.app, hold_ups.PATIENCE)
        await hold_ups.check(office.site.app)
    assert (known(office), office.letters("dewi")) == ([], [])


async def test_an_emergency_that_was_corrected_to_less_is_held_up_as_its_lane_is(
    office: PostOffice,
) -> None:
    stored = await warned(office)
    await office.site.correct(
        stored, "Sudah reda.", level="important", effective=None, expires=None
    )
    view = office.site.app.database.read_now(status.overview, stored.id, office.site.app.site)
    assert view is not None
    assert view.emergency, (
        "what single recipients said, and held suppressions, close nothing for it"
    )
