"""The page of a sending: what its figures may say, how it is steered, and the stream that updates
it.
"""

import asyncio
import contextlib
import re
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from broadcaster.app import App
from broadcaster.delivery.channel_view import ChannelView
from broadcaster.delivery.status import Overview
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import STATES
from broadcaster.domain.retry_policy import REASONS, WAITS
from broadcaster.publishing import corrections
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.runtime.i18n import LANGUAGES, words
from broadcaster.store import audit
from broadcaster.store.channels import ChannelState, pause_channel
from broadcaster.store.failure_causes import Causes, WaitingCause
from broadcaster.store.ledger import Failure, Progress
from broadcaster.web.application import create_web
from broadcaster.web.staff.live_progress import STREAM_LIMIT, LiveProgress
from broadcaster.web.staff.pace import Observation, pace
from broadcaster.web.staff.progress import (
    HEAPS,
    SendingView,
    build_view,
    group_failures,
    percentage,
    possible_acts,
    tally,
)
from channels.base.contract import Refused, Rejected
from subscribers.areas import AreaTree
from support.browsing import Running, running
from support.fakes import FakeChannel
from support.sending import drain_all, fill, with_channels
from support.staffing import Browser, signed_in

TREE = AreaTree.built_in()
COUNTS = st.fixed_dictionaries({state: st.integers(0, 10**6) for state in STATES})
RUNS = st.sampled_from(["preparing", "running", "paused", "stopped", "superseded", "done"])


def overview_of(
    counts: dict[str, int], run: str = "running", state: ChannelState | None = None, **values: Any
) -> Overview:
    """Build an overview with one channel."""
    sending = "stopped" if run == "superseded" else run
    progress = Progress(
        sending=sending,
        possible_duplicates=0,
        deliveries={"email": counts},
        states={"email": run},
        why={},
    )
    standing = ChannelView(sending=run, why="", state=state or ChannelState(), held=0)
    return Overview(
        id="x",
        code="CMH-7K4Q-2M",
        status="published",
        url="",
        progress=progress,
        channels={"email": standing},
        **values,
    )


def view_of(
    overview: Overview, observations: list[Observation] | None = None, wait: float = 0.0
) -> SendingView:
    """Build the page's view of an overview."""
    return build_view(
        overview, {}, observations or [], tree=TREE, push={"email": FakeChannel(receipt_wait=wait)}
    )


def counts_of(**counts: int) -> dict[str, int]:
    """Return deliveries by state, zero where nothing is given."""
    return {**dict.fromkeys(STATES, 0), **counts}


# --- figures --------------------------------------------------------------------------------------


@given(COUNTS, RUNS)
def test_a_sending_is_at_100_per_cent_only_when_nothing_is_open(
    counts: dict[str, int], run: str
) -> None:
    view = view_of(overview_of(counts, run))
    if counts["pending"] + counts["sending"]:
        assert view.percent < 100
        assert view.channels[0].percent < 100
        assert not view.over
    if run in ("preparing", "running"):
        assert view.percent < 100, "the last rows may not be known yet"


@given(COUNTS)
def test_shares_are_rounded_down_and_every_row_is_in_one_heap(counts: dict[str, int]) -> None:
    rows = tally(counts)
    assert rows.total == sum(counts.values())
    assert rows.processed * 100 >= rows.percent * rows.total
    assert sorted(state for states in HEAPS.values() for state in states) == sorted(STATES)
    assert percentage(999, 1000) == 99
    assert percentage(0, 0) == 0


@given(COUNTS, RUNS)
def test_the_bar_is_never_longer_than_what_is_processed(counts: dict[str, int], run: str) -> None:
    view = view_of(overview_of(counts, run))
    assert (
        sum(width for _heap, _start, width in view.sectors)
        <= view.tally.processed * 100 / max(view.tally.total, 1) + 0.01
    )


def test_arrival_is_shown_only_where_the_channel_gives_proof() -> None:
    counts = counts_of(sent=30, delivered=50, read=13, failed=7)
    assert view_of(overview_of(counts_of(sent=100), "done")).channels[0].arrived is None
    assert view_of(overview_of(counts_of(sent=100), "done"), wait=30).channels[0].arrived == 0
    assert view_of(overview_of(counts, "done")).channels[0].arrived == 63


@pytest.mark.parametrize(
    ("run", "state", "word"),
    [
        ("running", ChannelState(), "running"),
        ("running", ChannelState(paused_until=1_795_567_560.0), "limited"),
        ("running", ChannelState(halted="manual"), "halted"),
        ("running", ChannelState(halted="probe"), "probing"),
        ("paused", ChannelState(halted="manual"), "paused"),
        ("done", ChannelState(paused_until=1_795_567_560.0), "done"),
        ("superseded", ChannelState(), "superseded"),
    ],
)
def test_a_channel_says_in_words_how_it_stands(run: str, state: ChannelState, word: str) -> None:
    line = view_of(overview_of(counts_of(pending=1), run, state)).channels[0]
    assert line.word == word
    assert line.at == (state.paused_until if word == "limited" else 0.0)


def test_a_rate_needs_two_observations_and_progress() -> None:
    first, later = (
        Observation(at=1_795_567_380.0, closed=100),
        Observation(at=1_795_567_400.0, closed=500),
    )
    assert pace([], 50) is None
    assert pace([first], 50) is None
    assert pace([first, replace(first, at=first.at + 60)], 50) is None, "nothing moved"
    assert pace([first, replace(later, at=first.at + 1)], 50) is None, "too short to tell"
    assert pace([first, later], 0) is None, "nothing is left"
    rate = pace([first, later], 400)
    assert rate is not None
    assert (rate.per_minute, f"{rate.ready:%H.%M.%S}") == (1200, "07.43.40")


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**7)), max_size=5), st.integers(0, 10**7)
)
def test_a_rate_is_never_negative_and_never_fails(
    observed: list[tuple[float, int]], remaining: int
) -> None:
    rate = pace([Observation(at=at, closed=closed) for at, closed in observed], remaining)
    assert rate is None or rate.per_minute >= 0


def test_causes_are_grouped_by_reason_with_the_providers_codes() -> None:
    causes = Causes(
        failures=[
            Failure(
                channel="email", state="failed", reason="rejected", provider_code="550", count=3
            ),
            Failure(
                channel="email", state="failed", reason="rejected", provider_code="554", count=4
            ),
            Failure(channel="email", state="skipped", reason="skipped", provider_code="", count=9),
        ],
        waiting=[
            WaitingCause(channel="email", provider_code="452", count=2, next_try=1_795_567_560.0),
            WaitingCause(channel="email", provider_code="421", count=1, next_try=1_795_567_620.0),
        ],
    )
    groups = group_failures(causes)
    assert [(group.state, group.count, group.next_try) for group in groups] == [
        ("pending", 3, 1_795_567_560.0),
        ("skipped", 9, 0.0),
        ("failed", 7, 0.0),
    ]
    assert groups[2].codes == [("554", 4), ("550", 3)]
    assert groups[1].codes == []


@pytest.mark.parametrize(
    ("run", "counts", "can"),
    [
        ("running", {"pending": 1}, ["jeda", "hentikan"]),
        ("running", {"failed": 1}, ["jeda", "hentikan", "coba-lagi"]),
        ("paused", {"failed": 1}, ["lanjut", "hentikan"]),
        ("done", {"sent": 1}, []),
        ("done", {"unconfirmed": 1}, ["coba-lagi"]),
        ("stopped", {"failed": 1}, []),
    ],
)
def test_only_what_can_be_done_is_offered(run: str, counts: dict[str, int], can: list[str]) -> None:
    assert possible_acts(overview_of(counts_of(**counts), run).progress) == can


def test_every_reason_has_words() -> None:
    for lang in LANGUAGES:
        assert {f"staff.send.reason.{reason}" for reason in REASONS} <= words(lang).keys
    assert {reason: words("id")(f"staff.send.reason.{reason}") for reason in REASONS} == dict(
        REASONS
    )
    assert {
        reason: words("id")(f"staff.send.reason.{reason or 'later'}") for reason in WAITS
    } == dict(WAITS)


# --- the page -------------------------------------------------------------------------------------


def mixed_provider(recipient: Any) -> Any:
    """Accept most recipients, reject one, and report one address as dead."""
    if recipient.address.startswith("mati"):
        return Refused(reason="address_dead", code="550 5.1.1")
    return (
        Rejected(code="=554")
        if recipient.address.startswith("tolak")
        else FakeChannel().provider(recipient)
    )


async def publish_and_send(
    site: Running, *, drained: bool = True, people: tuple[str, ...] = ("warga", "tolak", "mati")
) -> StoredAnnouncement:
    """Publish to some residents, and send to the end or not at all."""
    for name in people:
        await site.subscriber(f"{name}@contoh.example")
    announcement = await site.publish(expires=None, effective=None, channels="email")
    fill(site.app)
    if drained:
        await drain(site.app)
    return announcement


async def drain(app: App) -> None:
    """Send all that waits, by the mixed provider."""
    await drain_all(with_channels(app, FakeChannel(provider=mixed_provider)))


async def test_the_page_of_a_sending_that_waits(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    dewi = await signed_in(site, "dewi", "approver")
    page = await dewi.get(f"/redaksi/pengiriman/{announcement.code}")
    assert page.status == 200
    assert "0 dari 3 diproses" in page.text
    assert "0%" in page.text
    assert "Perkiraan selesai" not in page.text, "no figure without two observations"
    assert "Jeda pengiriman" in page.text
    assert "tidak dapat ditarik kembali" in page.text
    assert "tidak dituju" in page.text


async def test_the_page_of_a_sending_that_is_done(site: Running) -> None:
    announcement = await publish_and_send(site)
    rina = await signed_in(site, "rina", "author")
    page = await rina.get(f"/redaksi/pengiriman/{announcement.id}")
    assert "3 dari 3 diproses" in page.text
    assert "100%" in page.text
    assert "Ditolak penyedia" in page.text
    assert "550 5.1.1" in page.text
    assert "data-over" in page.text
    assert "tidak mengabarkan yang sampai" in page.text
    assert f"/redaksi/pengumuman/{announcement.id}/ralat" in page.text
    receipt = await rina.get(f"/redaksi/pengiriman/{announcement.id}?cetak=1")
    assert announcement.code in receipt.text
    assert "Bukti pengiriman" in receipt.text
    assert "Cibabat" in receipt.text, "where it went"
    assert "Perumda Tirta mengganti pipa induk" in receipt.text, "and what it said"
    assert "data-print" in receipt.text


async def test_the_receipt_holds_what_was_sent_where_and_a_button_to_print_it(
    site: Running,
) -> None:
    announcement = await publish_and_send(site)
    rina = await signed_in(site, "rina", "author")
    receipt = (await rina.get(f"/redaksi/pengiriman/{announcement.id}?cetak=1")).text
    for phrase in ("Kelurahan Cibabat", "Teks yang dikirim", "Perumda Tirta mengganti pipa induk"):
        assert phrase in receipt, phrase
    assert re.search(r"<button[^>]+data-print", receipt)
    assert re.search(r'<script src="/static/site\.\w+\.js"', receipt)


async def test_what_was_never_published_has_no_such_page(site: Running) -> None:
    rina = await signed_in(site, "rina", "author")
    assert (await rina.get("/redaksi/pengiriman/CMH-0000-00")).status == 404


async def test_pause_resume_and_stop(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    dewi, address = (
        await signed_in(site, "dewi", "approver"),
        f"/redaksi/pengiriman/{announcement.id}",
    )
    for act, word in (
        ("jeda", "Dijeda oleh Dewi."),
        ("lanjut", "Pengiriman dilanjutkan."),
        ("hentikan", "Dihentikan oleh Dewi."),
    ):
        answer = await dewi.post(f"{address}/{act}")
        assert (answer.status, answer.headers["Location"]) == (303, f"{address}?selesai={act}")
        assert word in (await dewi.get(answer.headers["Location"])).text
    refusal = await dewi.post(f"{address}/jeda")
    assert refusal.status == 409
    assert "Tidak ada pengiriman yang sedang berjalan." in refusal.text
    entries = await site.app.database.read(audit.about, announcement.id)
    assert [entry.act for entry in entries if entry.actor == "staff:dewi"] == [
        "pause",
        "resume",
        "cancel",
    ]


async def test_the_history_of_a_sending_says_who_paused_once_and_shows_no_hash(
    site: Running,
) -> None:
    announcement = await publish_and_send(site, drained=False)
    dewi, address = (
        await signed_in(site, "dewi", "approver"),
        f"/redaksi/pengiriman/{announcement.id}",
    )
    await dewi.post(f"{address}/jeda")
    for path in (address, f"/redaksi/pengumuman/{announcement.id}"):
        page = (await dewi.get(path)).text
        history = page[page.index("Dijeda</strong>") :].partition("</li>")[0]
        assert history.count("Dewi") == 1, path
        assert "hash isi" not in page, path


async def test_the_page_of_a_withdrawn_sending_names_who_withdrew_it(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    dewi = await signed_in(site, "dewi", "approver")
    withdrawal = {
        "reason": "Salah tanggal.",
        "actor": NamedActor(name="staff:dewi", now=site.clock()),
    }
    await site.app.database.write(
        corrections.withdraw, Press.of(site.app), announcement.id, **withdrawal
    )
    page = (await dewi.get(f"/redaksi/pengiriman/{announcement.id}")).text
    assert re.search(r'<p class="quiet">Dicabut [^<]+ WIB, oleh Dewi</p>', page)
    assert (
        "<dt>Dicabut</dt><dd>Dewi, "
        in (await dewi.get(f"/redaksi/pengiriman/{announcement.id}?cetak=1")).text
    )


async def test_who_holds_for_another_area_steers_nothing(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    other = await signed_in(site, "melong", "author", areas=("32.77.01.1001",))
    answer = await other.post(f"/redaksi/pengiriman/{announcement.id}/hentikan")
    assert answer.status == 409
    assert "di luar tugas Anda" in answer.text
    screens = await signed_in(site, "layar", "screens")
    assert (await screens.post(f"/redaksi/pengiriman/{announcement.id}/hentikan")).status == 403
    assert (
        "Hentikan sisanya" not in (await screens.get(f"/redaksi/pengiriman/{announcement.id}")).text
    )


async def test_try_again_says_how_many_and_who_was_left_out(site: Running) -> None:
    announcement = await publish_and_send(site)
    dewi = await signed_in(site, "dewi", "approver")
    answer = await dewi.post(f"/redaksi/pengiriman/{announcement.id}/coba-lagi")
    page = await dewi.get(answer.headers["Location"])
    assert "1 pesan dicoba lagi." in page.text
    assert "1 tidak ikut: alamat tidak aktif lagi." in page.text
    assert "2 dari 3 diproses" in page.text


async def test_a_limited_channel_says_until_when(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    await site.app.database.write(pause_channel, "email", 600)
    dewi = await signed_in(site, "dewi", "approver")
    assert (
        "Dibatasi penyedia, lanjut "
        in (await dewi.get(f"/redaksi/pengiriman/{announcement.id}")).text
    )


# --- the list of those who got nothing ------------------------------------------------------------


async def test_the_csv_masks_addresses_and_calms_formulas(site: Running) -> None:
    announcement = await publish_and_send(site)
    rina = await signed_in(site, "rina", "author")
    answer = await rina.get(f"/redaksi/pengiriman/{announcement.id}/gagal.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    lines = answer.text.lstrip("\ufeff").splitlines()
    assert lines[0].startswith("Kanal,Wilayah,Alamat (disamarkan)")
    assert len(lines) == 3
    assert "'=554" in answer.text
    assert "to***@contoh.example" in answer.text
    assert "tolak@" not in answer.text
    (row,) = [
        entry
        for entry in await site.app.database.read(audit.about, announcement.id)
        if entry.act == "read-addresses"
    ]
    assert (row.actor, row.detail["masked"]) == ("staff:rina", True)


async def test_an_address_that_cannot_be_opened_is_told_apart_from_one_that_was_erased(
    site: Running,
) -> None:
    announcement = await publish_and_send(site)
    statement = text("UPDATE address SET cipher = :junk")
    await site.app.database.write(
        lambda connection: connection.execute(statement, {"junk": b"\x01spoilt"})
    )
    rina = await signed_in(site, "rina", "author")
    answer = await rina.get(f"/redaksi/pengiriman/{announcement.id}/gagal.csv")
    assert answer.text.count("tidak dapat dibuka") == 2


# --- the stream -----------------------------------------------------------------------------------


async def events(rina: Browser, site: Running, path: str, until: str) -> list[tuple[str, str]]:
    """Return the events of a stream up to the first whose name or data contains `until`."""
    received: list[tuple[str, str]] = []
    async with site.session.get(
        site.url + path, headers={"Cookie": f"redaksi={rina.cookie}"}
    ) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        name, data = "", []
        async for raw in answer.content:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif not line and data:
                received.append((name, "\n".join(data)))
                if until in name or until in received[-1][1]:
                    break
                name, data = "", []
    return received


async def test_the_stream_follows_to_the_end_and_ends(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    rina = await signed_in(site, "rina", "author")
    path = f"/redaksi/pengiriman/{announcement.id}/aliran"
    following = asyncio.create_task(events(rina, site, path, "selesai"))
    assert "0 dari 3 diproses" in (await events(rina, site, path, "diproses"))[0][1]
    await drain(site.app)
    received = await asyncio.wait_for(following, 10)
    assert received[-1][0] == "selesai"
    assert "3 dari 3 diproses" in received[-1][1]
    assert 'data-percent="100"' in received[-1][1]
    assert all("<html" not in data for _name, data in received), "a piece, no page"


async def test_a_stream_goes_on_at_a_server_that_was_started_again(
    sqlite_url: str, tmp_path: Any
) -> None:
    async with running(sqlite_url, tmp_path) as before:
        announcement = await publish_and_send(before, drained=False)
        rina = await signed_in(before, "rina", "author")
        path = f"/redaksi/pengiriman/{announcement.id}/aliran"
        assert await events(rina, before, path, "diproses")
    async with running(sqlite_url, tmp_path) as after:
        reconnected = replace(rina, site=after)
        assert "0 dari 3 diproses" in (await events(reconnected, after, path, "diproses"))[0][1]


async def test_a_stream_ends_soon_after_its_session(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    rina = await signed_in(site, "rina", "author")
    following = asyncio.create_task(
        events(rina, site, f"/redaksi/pengiriman/{announcement.id}/aliran", "keluar")
    )
    await events(rina, site, f"/redaksi/pengiriman/{announcement.id}/aliran", "diproses")
    await rina.post("/redaksi/keluar")
    assert (await asyncio.wait_for(following, 30))[-1][0] == "keluar"


async def test_an_account_holds_so_many_streams_and_who_leaves_makes_room(site: Running) -> None:
    announcement = await publish_and_send(site, drained=False)
    rina = await signed_in(site, "rina", "author")
    url, headers = (
        f"{site.url}/redaksi/pengiriman/{announcement.id}/aliran",
        {"Cookie": f"redaksi={rina.cookie}"},
    )
    async with contextlib.AsyncExitStack() as stack:
        for _tab in range(STREAM_LIMIT):
            stream: aiohttp.ClientResponse = await stack.enter_async_context(
                site.session.get(url, headers=headers)
            )
            assert stream.status == 200
        assert (await site.ask(url, headers=headers)).status == 429
    async with asyncio.timeout(10):
        while True:
            async with site.session.get(url, headers=headers) as response:
                if response.status == 200:
                    return


async def test_a_look_is_shared_and_a_new_stretch_begins_when_rows_are_opened(
    site: Running,
) -> None:
    announcement = await publish_and_send(site)
    live_progress = LiveProgress()
    first = await live_progress.read(site.app, announcement.id)
    assert await live_progress.read(site.app, announcement.id) is first
    live_progress.drop(announcement.id)
    assert await live_progress.read(site.app, announcement.id) is not first
    assert create_web(site.app).state.live_progress.streams == {}
