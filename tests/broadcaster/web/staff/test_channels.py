"""The channels and the list of sendings over HTTP: their standing in words, and what people do
about it.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import insert
from structlog.testing import capture_logs

from broadcaster.inbound import inbox
from broadcaster.store import audit, channels, throttling
from broadcaster.store.channel_figures import ChannelFigures
from broadcaster.store.channel_tables import channel_minute, held_suppression, reached
from broadcaster.store.channels import ChannelState
from broadcaster.store.database import now
from broadcaster.store.sendings import going, recent
from broadcaster.web.staff.channels import word_of
from channels.base.contract import InboundEvent
from support.browsing import Running, running
from support.fakes import FakeChannel
from support.sending import drain_all, fill, with_channels
from support.staffing import signed_in

OPEN = ChannelFigures(
    state=ChannelState(),
    paused=False,
    waiting=0,
    held=0,
    rate=80,
    slowed=False,
    unreachable=False,
    domains={},
    reached=0,
    results=0,
    dead=0,
)


def test_the_gravest_word_is_shown() -> None:
    halted = replace(OPEN, state=ChannelState(halted="manual"), paused=True, slowed=True)
    assert word_of(halted, is_open=False) == "closed"
    assert word_of(replace(OPEN, slowed=True, unreachable=True), is_open=True) == "unreachable"
    assert word_of(halted, is_open=True) == "halted"
    assert word_of(replace(halted, state=ChannelState(halted="probe")), is_open=True) == "probing"
    assert word_of(replace(OPEN, paused=True, slowed=True), is_open=True) == "limited"
    assert word_of(replace(OPEN, slowed=True), is_open=True) == "slowed"
    assert word_of(OPEN, is_open=True) == "open"


async def test_every_channel_is_there_with_its_figures(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    page = await rina.get("/redaksi/kanal")
    assert page.status == 200
    for name, channel in site.app.push.items():
        assert f'id="k-{name}">{channel.label}</h2>' in page.text
    for channel in site.app.pull.values():
        assert channel.label in page.text
    assert page.text.count("Lancar") == len(site.app.push)
    assert "80 pesan per detik" in page.text


async def test_a_channel_without_settings_says_so(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, TELEGRAM_TOKEN="") as site:
        rina = await signed_in(site, "rina", "author")
        assert "Belum disetel" in (await rina.get("/redaksi/kanal")).text


async def test_replies_that_nobody_applies_are_shown_here_and_on_the_first_page(
    site: Running,
) -> None:
    rina = await signed_in(site, "rina", "author")
    await inbox.accept(
        site.app,
        "email",
        [InboundEvent(dedupe="m", address="warga@contoh.example", text="berhenti")],
    )
    for page in ("/redaksi/", "/redaksi/kanal"):
        assert "Balasan warga belum diproses" not in (await rina.get(page)).text
    site.clock.now += timedelta(minutes=3)
    for page in ("/redaksi/", "/redaksi/kanal"):
        assert "Balasan warga belum diproses sejak 3 menit yang lalu" in (await rina.get(page)).text
    assert (
        "Residents&#39; replies are not being processed"
        in (await rina.get("/redaksi/kanal?bahasa=en")).text
    )


async def test_a_webhook_that_nobody_works_off_is_an_alarm_in_the_web_process(
    site: Running,
) -> None:
    event = InboundEvent(dedupe="m", address="warga@contoh.example", text="berhenti")
    await inbox.accept(site.app, "email", [event])
    site.clock.now += timedelta(seconds=11)
    with capture_logs() as logs:
        await inbox.accept(site.app, "email", [replace(event, dedupe="n")])
    assert [(entry["event"], entry["kind"]) for entry in logs] == [("inbox_late", "words")]


async def test_a_channel_that_only_single_recipients_speak_against_says_that_emergencies_go_on(
    site: Running,
) -> None:
    await site.app.database.write(
        partial(channels.halt_channel, suspected=True), "email", "554 5.7.1 Blocked", "manual"
    )
    dewi = await signed_in(site, "dewi", "approver")
    assert "Pengumuman darurat tetap dikirim" in (await dewi.get("/redaksi/kanal")).text


async def test_a_halted_channel_is_opened_again(site: Running) -> None:
    await site.app.database.write(
        channels.halt_channel, "email", "535 authentication failed", "manual"
    )
    dewi, layar = (
        await signed_in(site, "dewi", "approver"),
        await signed_in(site, "layar", "screens"),
    )
    page = await dewi.get("/redaksi/kanal")
    assert "menunggu petugas" in page.text
    assert "535 authentication failed" in page.text
    assert "Buka kanal" in page.text
    assert "Buka kanal" not in (await layar.get("/redaksi/kanal")).text
    assert (await layar.post("/redaksi/kanal/email/lanjut")).status == 403
    answer = await dewi.post("/redaksi/kanal/email/lanjut")
    assert (answer.status, answer.headers["Location"]) == (303, "/redaksi/kanal?selesai=dibuka")
    assert "Kanal dibuka lagi." in (await dewi.get(answer.headers["Location"])).text
    again = await dewi.post("/redaksi/kanal/email/lanjut")
    assert again.status == 409
    assert "tidak sedang berhenti" in again.text
    entries = await site.app.database.read(audit.about, "channel:email")
    assert [(entry.actor, entry.act) for entry in entries] == [("staff:dewi", "channel_resume")]
    assert (await dewi.post("/redaksi/kanal/tidak-ada/lanjut")).status == 404


async def test_a_limited_and_a_slowed_channel(site: Running) -> None:
    await site.app.database.write(channels.pause_channel, "whatsapp", 600)
    await site.app.database.write(throttling.slow_down, "telegram", 20.0)
    await site.app.database.write(
        throttling.hold_domain, "email", site.app.vault, "contoh.example", 600
    )
    rina = await signed_in(site, "rina", "author")
    page = await rina.get("/redaksi/kanal")
    assert "Dibatasi penyedia" in page.text
    assert "Diperlambat" in page.text
    assert "contoh.example" in page.text


async def test_held_suppressions_are_decided(site: Running) -> None:
    address = await site.subscriber()

    def hold(connection: object) -> None:
        connection.execute(
            insert(held_suppression).values(
                address=address, channel="email", reason="address_dead", at=1.0
            )
        )  # type: ignore[attr-defined]

    dewi = await signed_in(site, "dewi", "approver")
    for choice, outcome in (("buang", "tetap aktif"), ("terapkan", "dinonaktifkan")):
        await site.app.database.write(hold)
        assert "1 penonaktifan alamat ditahan." in (await dewi.get("/redaksi/kanal")).text
        answer = await dewi.post("/redaksi/kanal/email/tahanan", {"putusan": choice})
        assert outcome in (await dewi.get(answer.headers["Location"])).text
    assert (await dewi.post("/redaksi/kanal/email/tahanan", {"putusan": "terapkan"})).status == 409
    assert (await dewi.post("/redaksi/kanal/email/tahanan", {"putusan": "x"})).status == 400
    entries = await site.app.database.read(audit.about, "channel:email")
    assert [entry.detail["applied"] for entry in entries] == [False, True]


async def test_how_many_people_a_day_where_the_provider_limits_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(sqlite_url, tmp_path, WHATSAPP_TIER="1000") as site:
        wall = await site.app.database.read(now)
        rows = [{"channel": "whatsapp", "address": number, "at": wall} for number in range(7)]
        await site.app.database.write(lambda connection: connection.execute(insert(reached), rows))
        minute = {"channel": "whatsapp", "minute": int(wall // 60), "results": 90, "dead": 2}
        await site.app.database.write(
            lambda connection: connection.execute(insert(channel_minute).values(minute))
        )
        rina = await signed_in(site, "rina", "author")
        page = await rina.get("/redaksi/kanal")
        assert "7 dari 1.000" in page.text
        assert "paling banyak 800" in page.text
        assert "90 pesan, 2 alamat tidak aktif" in page.text


# --- the list of sendings -------------------------------------------------------------------------


async def test_sendings_stand_with_what_goes_out_first(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    empty = await rina.get("/redaksi/pengiriman")
    assert "Tidak ada pengiriman yang sedang berjalan." in empty.text
    assert "Belum ada pengumuman yang terbit." in empty.text
    await site.subscriber()
    first = await site.publish(expires=None, effective=None, channels="email", title="Yang pertama")
    fill(site.app)
    await drain_all(with_channels(site.app, FakeChannel()))
    second = await site.publish(expires=None, effective=None, channels="email", title="Yang kedua")
    fill(site.app)
    assert [sending.item.id for sending in site.app.database.read_now(going)] == [second.id]
    assert [sending.item.id for sending in site.app.database.read_now(recent, but=[second.id])] == [
        first.id
    ]
    page = await rina.get("/redaksi/pengiriman")
    assert page.text.index("Yang kedua") < page.text.index("Yang pertama")
    assert "0%, 0 dari 1 diproses" in page.text
    assert "100%, 1 dari 1 diproses" in page.text
    assert f'href="/redaksi/pengiriman/{second.id}"' in page.text
