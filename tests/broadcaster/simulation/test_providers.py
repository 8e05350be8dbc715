"""The process of stand-in providers: messages of the channels reach the phones, faults apply, and
duplicates are counted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from broadcaster.runtime import config
from broadcaster.simulation import providers
from broadcaster.simulation.ports import free_port
from broadcaster.simulation.providers import Doubles, Providers
from broadcaster.simulation.residents import neighbours
from channels.base.contract import Outgoing, PushChannel, Receipt, Refused, Result
from channels.base.staff_messages import Note, StaffChannel
from support.samples import notice, recipient
from support.waiting import until

CIBABAT = neighbours()["cibabat"]
ADDRESSES = {"whatsapp": CIBABAT.phone, "telegram": str(CIBABAT.chat), "email": CIBABAT.mail}


def settings(folder: Path, ports: list[int]) -> config.Loaded:
    """Return the demo's settings on three ports: providers, mail, web."""
    http, smtp, web = ports
    variables = providers.demo_variables(http_port=http, smtp_port=smtp)
    return config.read(
        {**variables, "BROADCASTER_SIMULATED": "true", "BROADCASTER_PORT": str(web)},
        data_dir=folder,
    )


@pytest.fixture
def loaded(tmp_path: Path) -> config.Loaded:
    """The demo's settings on free ports."""
    return settings(tmp_path, [free_port() for _ in range(3)])


@asynccontextmanager
async def running_providers(
    loaded: config.Loaded,
) -> AsyncIterator[tuple[Providers, dict[str, PushChannel], aiohttp.ClientSession]]:
    """Run the providers; yield them, the channels that send to them, and a control session."""
    push, _ = config.open_channels(loaded)
    async with (
        providers.running(loaded) as running,
        aiohttp.ClientSession(loaded.settings.simulation_url) as controls,
    ):
        yield running, push, controls
        for channel in push.values():
            await channel.aclose()


def outgoing(channel: PushChannel, address: str, **changes: Any) -> Outgoing:
    """Return the sample notice for one address."""
    return channel.personalise(channel.render(notice(), "id"), recipient(address, **changes))


async def send(channel: PushChannel, *messages: Outgoing) -> list[Result]:
    """Send messages; return the result of each."""
    return [result async for result in channel.send(messages, may_write=lambda: True)]


def test_the_demos_settings_open_every_channel(loaded: config.Loaded) -> None:
    assert all(loaded.is_open(name) for name in ("whatsapp", "telegram", "email"))
    again = providers.demo_variables(http_port=1, smtp_port=2)
    assert again["WHATSAPP_TOKEN"] != loaded.variables["WHATSAPP_TOKEN"], "secrets are drawn anew"


async def test_a_message_of_each_channel_reaches_the_neighbours_phone(
    loaded: config.Loaded,
) -> None:
    async with running_providers(loaded) as (running, push, controls):
        for name, address in ADDRESSES.items():
            message = outgoing(push[name], address)
            results = await send(push[name], message)
            assert isinstance(results[0].outcome, Receipt), results
        async with controls.get("/state/cibabat") as response:
            state = await response.json()
        assert "[SIMULASI]" in state["whatsapp"][0]["parts"]["text"]
        assert "[SIMULASI]" in state["telegram"][0]["parts"]["text"]
        assert state["email"][0]["subject"].startswith("[SIMULASI]")
        assert {
            name: counts["taken"] for name, counts in state["counters"].items()
        } == dict.fromkeys(ADDRESSES, 1)
        async with controls.get("/state/melong") as response:
            assert [(await response.json())[name] for name in ADDRESSES] == [[], [], []]
        assert running.state("cibabat")["person"]["name"] == CIBABAT.name


async def test_what_arrives_twice_is_counted_as_double_on_every_channel(
    loaded: config.Loaded,
) -> None:
    async with running_providers(loaded) as (running, push, _):
        for name, address in ADDRESSES.items():
            message = outgoing(push[name], address)
            await send(push[name], message)
            assert running.state("cibabat")["counters"][name]["doubled"] == 0
            await send(push[name], message)
            assert running.state("cibabat")["counters"][name]["doubled"] == 1


async def test_a_mail_can_be_read_and_another_cannot(loaded: config.Loaded) -> None:
    async with running_providers(loaded) as (running, push, controls):
        await send(push["email"], outgoing(push["email"], CIBABAT.mail))
        identity = running.state("cibabat")["email"][0]["id"]
        async with controls.get(f"/mail/cibabat/{identity}") as response:
            assert "Tampung air" in (await response.json())["html"]
        for path in (
            "/mail/cibabat/unknown",
            f"/mail/melong/{identity}",
            "/mail/nowhere/x",
            "/state/nowhere",
        ):
            async with controls.get(path) as response:
                assert response.status == 404


async def test_faults_are_set_for_all_providers_and_nonsense_is_refused(
    loaded: config.Loaded,
) -> None:
    async with running_providers(loaded) as (running, push, controls):
        async with controls.post("/faults", json={"blocked": 1, "greylist": 0.5}) as response:
            assert (await response.json())["blocked"] == 1
        for name in ("telegram", "email"):
            results = await send(push[name], outgoing(push[name], ADDRESSES[name]))
            assert isinstance(results[0].outcome, Refused)
            assert running.state("cibabat")["counters"][name]["refused"] == 1
        for body in ('{"mood": 1}', '{"blocked": 2}', '{"blocked": "much"}', "nonsense"):
            async with controls.post("/faults", data=body) as response:
                assert response.status == 400
        assert running.faults.blocked == 1


async def test_what_a_neighbour_types_stands_after_the_message_it_answers(
    loaded: config.Loaded,
) -> None:
    async with running_providers(loaded) as (running, push, controls):
        for name in ("whatsapp", "telegram"):
            await send(push[name], outgoing(push[name], ADDRESSES[name]))
            async with controls.post(
                "/type", json={"area": "cibabat", "channel": name, "text": "BERHENTI"}
            ) as response:
                assert response.status == 200
            await send(push[name], outgoing(push[name], ADDRESSES[name], delivery="e41.x.1.2"))
            messages = running.state("cibabat")[name]
            assert [message["mine"] for message in messages] == [False, True, False]
            assert messages[1]["parts"] == {"text": "BERHENTI"}
        async with controls.post(
            "/type", json={"area": "nowhere", "channel": "telegram", "text": "x"}
        ) as response:
            assert response.status == 400


async def test_a_button_that_a_neighbour_presses_reaches_our_webhook(loaded: config.Loaded) -> None:
    bodies: list[bytes] = []

    async def take(request: aiohttp.web.Request) -> aiohttp.web.Response:
        bodies.append(await request.read())
        return aiohttp.web.Response()

    web = aiohttp.web.Application()
    web.router.add_post("/webhook/{channel}", take)
    runner = aiohttp.web.AppRunner(web)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", loaded.settings.port).start()
    try:
        async with running_providers(loaded) as (running, _, __):
            await running.writes("cibabat", "whatsapp", "Berhenti", "STOP")
            await running.writes("cibabat", "telegram", "Berhenti", "stop")
            await until(lambda: len(bodies) == 2, what="both webhooks")
    finally:
        await runner.cleanup()
    assert sorted(b"STOP" in body for body in bodies) == [False, True]


def test_doubles_forget_the_oldest_and_count_the_rest() -> None:
    doubles = Doubles()
    doubles.take([("a", 1), ("a", 2), ("a", 1)])
    doubles.take([("a", 1)])
    assert doubles.count == 2


async def test_between_containers_http_is_served_to_all_and_mail_is_the_catchers(
    tmp_path: Path,
) -> None:
    port = free_port()
    variables = providers.demo_variables(http_port=port, smtp_port=1)
    variables |= {
        "BROADCASTER_SIMULATION_URL": f"http://providers:{port}",
        "EMAIL_URL": "smtp://mail:1025",
    }
    loaded = config.read(
        {**variables, "BROADCASTER_SIMULATED": "true", "BROADCASTER_HOST": "web"}, data_dir=tmp_path
    )
    async with providers.running(loaded) as running, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/state/cibabat") as response:
            assert response.status == 200
        assert running.bot.webhook["url"] == "http://web:8000/webhook/telegram"


async def test_beside_real_providers_no_stand_in_listens(tmp_path: Path) -> None:
    port = free_port()
    loaded = config.read(
        {"BROADCASTER_SIMULATION_URL": f"http://127.0.0.1:{port}"}, data_dir=tmp_path
    )
    stop = asyncio.Event()
    serving = asyncio.create_task(providers.serve(loaded, stop))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://127.0.0.1:{port}/state/cibabat")
    assert not serving.done()
    stop.set()
    await serving


async def test_the_mail_of_staff_is_kept_with_whom_it_was_for(loaded: config.Loaded) -> None:
    async with running_providers(loaded) as (running, push, controls):
        mail = push["email"]
        assert isinstance(mail, StaffChannel)
        for number, person in enumerate(("dewi", "bpbd")):
            note = Note(key=f"redaksi.{number}.1", subject=f"Untuk {person}", text="Periksa.")
            assert isinstance(await mail.notify(f"{person}@contoh.example", note), Receipt)
        async with controls.get("/state/melong") as response:
            letters = (await response.json())["staff"]
        assert [(letter["to"], letter["subject"]) for letter in letters] == [
            ("Dewi Lestari", "[SIMULASI] Untuk dewi"),
            ("Agus, BPBD", "[SIMULASI] Untuk bpbd"),
        ]
        assert running.state("cibabat")["email"] == []


async def test_a_draft_sent_to_oneself_twice_is_no_double(loaded: config.Loaded) -> None:
    async with running_providers(loaded) as (running, push, _):
        trial = replace(
            notice(),
            wordings={
                lang: replace(wording, title=f"[UJI] {wording.title}")
                for lang, wording in notice().wordings.items()
            },
        )
        chat = push["telegram"]
        for _time in range(2):
            await send(
                chat, chat.personalise(chat.render(trial, "id"), recipient(str(CIBABAT.chat)))
            )
        assert running.state("cibabat")["counters"]["telegram"]["doubled"] == 0
