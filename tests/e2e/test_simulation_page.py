"""Demo as a visitor meets it: one command, one button, and the phones fill; then it ends without a
trace and starts again.
"""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from broadcaster.simulation.ports import free_port
from support import page_complaints
from support.waiting import runs

ROOT = Path(__file__).resolve().parents[2]
READY = "Ponsel tiruan"
PATIENCE_MS = 60_000
"""Milliseconds that a busy machine may take."""

sync_api = pytest.importorskip("playwright.sync_api")


@dataclass
class Demo:
    """Running `broadcaster demo`; `output` are the lines it prints."""

    process: "subprocess.Popen[str]"
    url: str
    output: list[str] = field(default_factory=list)

    def family(self) -> list[int]:
        """Return the process ids of everything it started."""
        pids, parents = [], [self.process.pid]
        while parents:
            children = [int(child) for pid in parents for child in _children(pid)]
            pids += children
            parents = children
        return pids


def _children(pid: int) -> list[str]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return path.read_text().split() if path.exists() else []


def command(data: Path, port: int) -> list[str]:
    """Return the command of the demo on a folder and a port."""
    return [sys.executable, "-m", "broadcaster", "demo", "--data", str(data), "--port", str(port)]


@contextmanager
def started(data: Path) -> Iterator[Demo]:
    """Start the demo and wait until it is ready; it is ended by Ctrl-C if the test has not done so."""
    port = free_port()
    with subprocess.Popen(
        command(data, port), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        demo = Demo(process=process, url=f"http://127.0.0.1:{port}")
        ready = threading.Event()

        def listen() -> None:
            for line in process.stdout or ():
                demo.output.append(line)
                if READY in line:
                    ready.set()
            ready.set()

        reader = threading.Thread(target=listen)
        reader.start()
        try:
            assert ready.wait(120), demo.output
            assert process.poll() is None, demo.output
            yield demo
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(30)
            reader.join(10)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Yield a demo for the tests of this file."""
    with started(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def page(demo: Demo, sync_chromium: Any) -> Iterator[Any]:
    """Yield the simulation in a browser; any complaint of the browser, or request to elsewhere,
    fails the test.
    """
    complaints: list[str] = []
    page = sync_chromium.new_page(viewport={"width": 1440, "height": 900})
    page_complaints.gather(page, complaints)
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((demo.url, "data:")) else complaints.append(request.url)
        ),
    )
    page.goto(f"{demo.url}/simulasi")
    yield page
    page.context.close()
    assert complaints == []


def test_one_press_of_a_button_fills_phones_inbox_feed_and_screen(page: Any) -> None:
    expect = sync_api.expect
    title = page.locator(".draft h3").first.inner_text()
    page.click("button[name=draf][value=air]")
    for phone in (".sim-wa", ".sim-tg"):
        expect(page.locator(f"{phone} .turn .text").last).to_contain_text(
            "[SIMULASI]", timeout=PATIENCE_MS
        )
        expect(page.locator(f"{phone} .turn .text").last).to_contain_text(title)
    expect(page.locator(".mails li").first).to_contain_text(title, timeout=PATIENCE_MS)
    expect(page.frame_locator("iframe.letter").locator("body")).to_contain_text(
        "Truk tangki", timeout=PATIENCE_MS
    )
    expect(page.locator(".entries li").first).to_contain_text(title)
    expect(page.locator(".figures .bar strong")).to_have_text("100%", timeout=PATIENCE_MS)
    expect(page.locator(".figures .good dd")).to_have_text("0")
    expect(page.locator(".sim-tiles .reached a")).to_have_count(1)
    screen = page.request.get(page.url.replace("/simulasi", "/layar/cibabat/data")).text()
    assert title in screen


def test_only_the_right_kelurahan_is_reached(page: Any) -> None:
    page.select_option("#wilayah", "melong")
    page.wait_for_url("**wilayah=melong")
    sync_api.expect(page.locator(".turn")).to_have_count(0)
    assert "Air PDAM mati di Cibabat, " not in page.locator(".entries").inner_text()


def test_a_resident_who_stops_is_answered(page: Any) -> None:
    chat = page.locator(".sim-tg")
    chat.locator("input[name=teks]").fill("/berhenti")
    chat.locator(".phone-type button").click()
    sync_api.expect(chat.locator(".turn.mine .text").last).to_have_text(
        "/berhenti", timeout=PATIENCE_MS
    )
    sync_api.expect(chat.locator(".turn").last).to_contain_text(
        "Anda berhenti", timeout=PATIENCE_MS
    )


def test_faults_are_set_by_sliders_and_taken_back(page: Any) -> None:
    slider = page.locator("#s-rate_429")
    slider.fill("30")
    slider.dispatch_event("change")
    page.wait_for_timeout(300)
    page.reload()
    assert page.locator("#s-rate_429").input_value() == "30"
    page.click("button[name=normal]")
    sync_api.expect(page.locator("output[for=s-rate_429] span")).to_have_text("0")
    page.reload()
    assert page.locator("#s-rate_429").input_value() == "0"


def test_on_a_small_phone_nothing_runs_over_the_edge(page: Any) -> None:
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_the_same_buttons_work(demo: Demo, sync_chromium: Any) -> None:
    page = sync_chromium.new_context(java_script_enabled=False).new_page()
    page.goto(f"{demo.url}/simulasi?wilayah=melong")
    page.click("button[name=draf][value=jalan]")
    assert page.url == f"{demo.url}/simulasi?wilayah=melong"
    assert page.locator(".draft.sent .code").count() >= 1
    page.click("text=Muat ulang")
    assert page.locator(".sim").count() == 1
    page.context.close()


def test_a_second_start_on_the_same_folder_says_who_uses_it(demo: Demo) -> None:
    data = demo.process.args[demo.process.args.index("--data") + 1]  # type: ignore[index,union-attr]
    second = subprocess.run(
        command(Path(str(data)), free_port()), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 1
    assert second.stderr.strip() == (
        f"Folder data {data} sedang dipakai oleh proses {demo.process.pid}. "
        "Hentikan itu, atau pilih folder lain (BROADCASTER_DATA_DIR, atau --data untuk demo)."
    )


def test_ctrl_c_ends_every_child_and_the_next_start_takes_up_the_data(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("children are found by the Linux kernel's own list")
    with started(tmp_path) as demo:
        family = demo.family()
        assert len(family) >= 5, "web, two workers, providers, valkey"
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 0
        assert not any(runs(pid) for pid in family)
    first = next(line for line in demo.output if "warga contoh" in line)
    with started(tmp_path) as again:
        second = next(line for line in again.output if "warga contoh" in line)
    counts = [re.sub(r"siap dalam \S+ dtk", "", line) for line in (first, second)]
    assert counts[0] == counts[1]


def test_a_killed_demo_takes_its_children_with_it(demo: Demo) -> None:
    """Runs last: the demo of this file ends here."""
    if sys.platform != "linux":
        pytest.skip("children are found by the Linux kernel's own list")
    family = demo.family()
    assert len(family) >= 5, "web, two workers, providers, valkey"
    demo.process.kill()
    demo.process.wait(30)
    pause = threading.Event()
    for _ in range(100):
        if not any(runs(pid) for pid in family):
            break
        pause.wait(0.1)
    assert not any(runs(pid) for pid in family)
