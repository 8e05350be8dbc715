"""The words of every push channel, as files a communications officer can read: a change of wording
is a change there.

Write them anew with `PYTHONPATH=tests:. python tests/channels/test_golden.py`, then read the
difference.
"""

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import channels
from channels.base.contract import BadAddress, PushChannel
from support import samples

GOLDEN = Path(__file__).parent / "golden"
ADDRESSES = ["siti@contoh.example", "123456789", "6281200000001"]
LANGS = ["id", "en"]


def push_channels() -> dict[str, tuple[PushChannel, str]]:
    """Return every push channel in channels/ by name, with an address that it accepts."""
    by_name: dict[str, tuple[PushChannel, str]] = {}
    for path in sorted(Path(str(channels.__file__)).parent.glob("*.py")):
        if path.stem == "__init__":
            continue
        module = importlib.import_module(f"channels.{path.stem}")
        channel = module.open_channel(module.Settings.read({}, samples.site()))
        if hasattr(channel, "now"):
            channel.now = lambda: (
                samples.NOW
            )  # what is silent at night must not depend on when this runs
        if hasattr(channel, "send"):
            by_name[path.stem] = channel, address_for(module.parse_address)
    return by_name


def address_for(parse_address: Callable[[str], str]) -> str:
    """Return the first sample address that the channel accepts."""
    for text in ADDRESSES:
        try:
            return str(parse_address(text))
        except BadAddress:
            continue
    raise LookupError("no sample address suits")


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
