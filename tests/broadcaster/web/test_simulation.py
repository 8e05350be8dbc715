"""The simulation's page: only in the demo, complete without a script, with buttons that work."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broadcaster.simulation import city, providers
from broadcaster.simulation.ports import free_port
from broadcaster.simulation.providers import Providers
from broadcaster.simulation.residents import neighbours
from channels.base.contract import Receipt
from support.browsing import Answer, Running, running
from support.samples import notice, recipient
from support.sending import fill

CIBABAT = neighbours()["cibabat"]


@pytest.fixture
async def simulation(sqlite_url: str, tmp_path: Path) -> AsyncIterator[tuple[Running, Providers]]:
    """Serve the demo beside its stand-in providers, with the drafts of the sample city."""
    http, smtp = free_port(), free_port()
    variables = providers.demo_variables(http_port=http, smtp_port=smtp)
    async with running(sqlite_url, tmp_path, BROADCASTER_SIMULATED="true", **variables) as site:
        await site.app.database.write(city.add_drafts, city.Press.of(site.app), site.clock())
        async with providers.running(site.app.loaded) as stand_ins:
            yield site, stand_ins


async def press_button(site: Running, path: str, *, json: bool = False, **fields: str) -> Answer:
    """Press a button of the page as a browser without a script does."""
    page = await site.ask("/simulasi")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    headers = {"Origin": site.url, "Accept": "application/json" if json else "text/html"}
    cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    return await site.ask(
        path, "POST", data={"csrf": token[1], **fields}, headers={**headers, "Cookie": cookies}
    )


async def deliver(site: Running) -> None:
    """Let each channel send the sample notice to the neighbour in Cibabat."""
    addresses = {"whatsapp": CIBABAT.phone, "telegram": str(CIBABAT.chat), "email": CIBABAT.mail}
    for name, address in addresses.items():
        channel = site.app.push[name]
        message = channel.personalise(channel.render(notice(), "id"), recipient(address))
        results = [result async for result in channel.send([message], may_write=lambda: True)]
        assert isinstance(results[0].outcome, Receipt)


async def test_outside_the_demo_there_is_no_simulation(site: Running) -> None:
    for path in (
        "/simulasi",
        "/simulasi/keadaan",
        "/simulasi/kemajuan/x",
        "/simulasi/surat/cibabat/x",
    ):
        assert (await site.ask(path)).status == 404
    for path in ("/simulasi/terbitkan", "/simulasi/lagi", "/simulasi/gangguan", "/simulasi/ketik"):
        assert (await site.ask(path, "POST", data={}, headers={"Origin": site.url})).status == 404


async def test_without_providers_the_page_says_so_and_still_stands(demo: Running) -> None:
    page = await demo.ask("/simulasi")
    assert page.status == 200
    assert "Penyedia tiruan belum menjawab" in page.text


async def test_the_page_shows_what_reached_the_phones_and_the_inbox(
    simulation: tuple[Running, Providers],
) -> None:
    site, _ = simulation
    await deliver(site)
    page = await site.ask("/simulasi")
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert page.text.count('class="turn"') == 2
    assert 'class="mails"' in page.text
    assert "CMH-7K4Q-2M" in page.text
    elsewhere = await site.ask("/simulasi?wilayah=melong")
    assert 'class="turn"' not in elsewhere.text
    assert "Kel. Melong" in elsewhere.text


async def test_the_pieces_are_the_same_as_on_the_page(
    simulation: tuple[Running, Providers],
) -> None:
    site, _ = simulation
    await deliver(site)
    page, pieces = await site.ask("/simulasi"), await site.ask("/simulasi/keadaan?wilayah=cibabat")
    for name in ("ponsel", "obrolan", "surat", "umpan", "draf", "peta", "angka"):
        on_page, alone = (
            re.search(rf'data-part="{name}"[^>]*>(.*?)\n?</div>\n', answer.text, re.DOTALL)
            for answer in (page, pieces)
        )
        assert on_page, name
        assert alone, name
        assert without_token(on_page[1]) == without_token(alone[1])


def without_token(html: str) -> str:
    """Return a piece of a page without the token of its form."""
    return re.sub(r'name="csrf" value="[^"]+"', "", html).strip()


async def test_an_unknown_place_shows_cibabat(simulation: tuple[Running, Providers]) -> None:
    site, _ = simulation
    for query in ("", "?wilayah=nowhere", "?wilayah=cimahi-utara"):
        page = await site.ask(f"/simulasi{query}")
        assert page.status == 200
        assert 'src="/layar/' in page.text


async def test_the_button_publishes_a_draft_once_with_all_its_runs(
    simulation: tuple[Running, Providers],
) -> None:
    site, _ = simulation
    await site.subscriber("sri@surat.example")
    answer = await press_button(site, "/simulasi/terbitkan", draf="air", wilayah="cibabat")
    assert (answer.status, answer.headers["Location"]) == (303, "/simulasi?wilayah=cibabat")
    assert (await press_button(site, "/simulasi/terbitkan", draf="air")).status == 303
    identity = (await site.app.database.read(city.announcements_of))["air"]
    figures = await site.ask(f"/simulasi/kemajuan/{identity}")
    assert '"status":"published"' in figures.text
    assert '"sending":"preparing"' in figures.text
    page = await site.ask("/simulasi")
    assert f"/simulasi/kemajuan/{identity}" in page.text
    assert 'value="air"' not in page.text
    await press_button(site, "/simulasi/lagi")
    assert 'value="air"' in (await site.ask("/simulasi")).text


async def test_a_script_gets_no_page_in_answer(simulation: tuple[Running, Providers]) -> None:
    site, _ = simulation
    answer = await press_button(site, "/simulasi/terbitkan", json=True, draf="jalan")
    assert (answer.status, answer.raw) == (204, b"")


async def test_the_sliders_set_the_faults_within_their_bounds(
    simulation: tuple[Running, Providers],
) -> None:
    site, stand_ins = simulation
    await press_button(
        site, "/simulasi/gangguan", rate_429="30", blocked="2", latency_ms="99999", cut="nonsense"
    )
    faults = stand_ins.faults.as_dict()
    assert (faults["rate_429"], faults["blocked"], faults["latency_ms"], faults["cut"]) == (
        0.3,
        0.02,
        3000,
        0,
    )
    page = await site.ask("/simulasi")
    assert re.search(r'name="rate_429"[^>]*value="30"', page.text)
    await press_button(site, "/simulasi/gangguan", rate_429="30", normal="1")
    assert set(stand_ins.faults.as_dict().values()) == {0}


async def test_what_is_typed_stands_on_the_phone_as_its_owners(
    simulation: tuple[Running, Providers],
) -> None:
    site, stand_ins = simulation
    await press_button(
        site, "/simulasi/ketik", wilayah="cibabat", kanal="telegram", teks="<b>BERHENTI</b>"
    )
    await press_button(
        site, "/simulasi/ketik", wilayah="cibabat", kanal="whatsapp", teks="Berhenti", muatan="STOP"
    )
    await press_button(site, "/simulasi/ketik", wilayah="cibabat", kanal="whatsapp", teks="   ")
    page = await site.ask("/simulasi")
    assert page.text.count("turn mine") == 2
    assert "&lt;b&gt;BERHENTI" in page.text
    assert (
        await press_button(site, "/simulasi/ketik", wilayah="nowhere", kanal="whatsapp", teks="x")
    ).status == 400
    assert len(stand_ins.state("cibabat")["whatsapp"]) == 1


async def test_a_mail_is_a_document_of_its_own_that_can_run_nothing(
    simulation: tuple[Running, Providers],
) -> None:
    site, stand_ins = simulation
    await deliver(site)
    identity = stand_ins.state("cibabat")["email"][0]["id"]
    mail = await site.ask(f"/simulasi/surat/cibabat/{identity}")
    policy = mail.headers["Content-Security-Policy"]
    assert mail.status == 200
    assert "Truk tangki" in mail.text
    assert "script-src 'none'" in policy
    assert "sandbox" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert (await site.ask("/simulasi/surat/cibabat/unknown")).status == 404


async def test_figures_of_an_unknown_announcement_do_not_exist(
    simulation: tuple[Running, Providers],
) -> None:
    site, _ = simulation
    assert (await site.ask("/simulasi/kemajuan/unknown")).status == 404


async def test_the_page_speaks_english_too(simulation: tuple[Running, Providers]) -> None:
    site, _ = simulation
    page = await site.ask("/simulasi?bahasa=en")
    assert "One announcement, five channels" in page.text
    assert "No tap water in Cibabat" in page.text


async def test_another_sites_form_changes_nothing(simulation: tuple[Running, Providers]) -> None:
    site, stand_ins = simulation
    for path in ("/simulasi/terbitkan", "/simulasi/lagi", "/simulasi/gangguan", "/simulasi/ketik"):
        answer = await site.ask(
            path,
            "POST",
            data={"draf": "air", "rate_429": "60"},
            headers={"Origin": "https://evil.example"},
        )
        assert answer.status == 403
    assert stand_ins.faults.as_dict()["rate_429"] == 0
    assert (await site.app.database.read(city.announcements_of)).keys() == {
        "air",
        "jalan",
        "hoaks",
        "banjir",
    }
    assert "published" not in (await site.ask("/simulasi")).text


async def test_the_map_counts_subscribers_of_the_whole_city_too(
    simulation: tuple[Running, Providers],
) -> None:
    site, _ = simulation
    await site.subscriber("a@contoh.example", areas="cibabat")
    await site.subscriber("b@contoh.example", areas="cimahi")
    await site.subscriber("c@contoh.example", areas="cimahi-utara")
    await site.publish(expires=None, effective=None, channels="email")
    fill(site.app)
    page = (await site.ask("/simulasi")).text
    assert "1 pesan untuk pelanggan Kota Cimahi." in page
    assert "1 pesan untuk pelanggan Kec. Cimahi Utara." in page
