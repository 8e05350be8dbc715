"""The words of every push channel, as files a communications officer can read: a change of wording
is a change there.

Write them anew with `PYTHONPATH=tests:. python tests/channels/test_golden.py`, then read the
difference.
"""

import re
from pathlib import Path

import pytest

from channels.base.contract import PushChannel
from support import samples
from support.channel_samples import MODULES, address_for

GOLDEN = Path(__file__).parent / "golden"
LANGS = ["id", "en"]


def push_channels() -> dict[str, tuple[PushChannel, str]]:
    """Return every push channel in channels/ by name, with an address that it accepts."""
    by_name: dict[str, tuple[PushChannel, str]] = {}
    for name, module in MODULES.items():
        channel = module.open_channel(module.Settings.read({}, samples.site()))
        if hasattr(channel, "now"):
            # sound depends on the hour, and must not on when this runs
            channel.now = lambda: samples.NOW
        if hasattr(channel, "send"):
            by_name[name] = channel, address_for(module.parse_address)
    return by_name


def as_text(parts: dict[str, str]) -> str:
    """Return the parts of a preview, each under its name, without the page's style."""
    text = (
        "".join(f"=== {name} ===\n{part.rstrip()}\n\n" for name, part in parts.items()).rstrip()
        + "\n"
    )
    return re.sub(r"<style>.*?</style>", "<style>...</style>", text, flags=re.DOTALL)


PUSH = push_channels()
CASES = [(name, sample, lang) for name in PUSH for sample in samples.editions() for lang in LANGS]


def golden(name: str, sample: str, lang: str) -> tuple[Path, str]:
    """Return the golden file of a case and the text it should hold."""
    channel, address = PUSH[name]
    message = channel.render(samples.editions()[sample], lang)
    text = as_text(channel.preview(channel.personalise(message, samples.recipient(address))))
    return GOLDEN / name / f"{sample}.{lang}.txt", text


@pytest.mark.parametrize(("name", "sample", "lang"), CASES)
def test_the_words_are_those_of_the_golden_file(name: str, sample: str, lang: str) -> None:
    path, text = golden(name, sample, lang)
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PUSH)
def test_no_golden_file_is_left_over(name: str) -> None:
    wanted = {golden(case, sample, lang)[0].name for case, sample, lang in CASES if case == name}
    assert {path.name for path in (GOLDEN / name).iterdir()} == wanted


def write() -> None:
    """Write all golden files."""
    for name, sample, lang in CASES:
        path, text = golden(name, sample, lang)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
