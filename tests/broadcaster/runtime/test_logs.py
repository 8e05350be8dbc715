"""Logs of the serving processes: JSON lines on standard error, errors without quoted values."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from broadcaster.runtime.logs import ROOT, describe_error
from subscribers.vault import SealBroken, Vault

LOGGING = """
import logging, structlog
from broadcaster.runtime.logs import configure
configure(quiet={quiet}, level={level!r})
log = structlog.get_logger("test")
log.debug("too_fine")
log.info("ring", channel="email", waiting=3)
log.warning("slow", channel="email")
logging.getLogger("arq.worker").warning("job 123 of 0812-3456-7890")
logging.getLogger("telegram.ext").error("told")
logging.getLogger("other").info("chatter")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broke")
"""


def lines(*, quiet: bool, level: str = "") -> list[str]:
    """Return the lines of standard error of a process that logs."""
    process = subprocess.run(
        [sys.executable, "-c", LOGGING.format(quiet=quiet, level=level)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == ""
    return process.stderr.splitlines()


def test_each_event_is_one_line_of_json_with_level_and_time() -> None:
    events = [json.loads(line) for line in lines(quiet=False) if line.startswith("{")]
    assert [event["event"] for event in events] == ["ring", "slow", "broke"]
    assert events[0]["channel"] == "email"
    assert (events[0]["level"], events[0]["waiting"]) == ("info", 3)
    assert events[0]["timestamp"].endswith("Z")
    assert "ZeroDivisionError" in events[2]["exception"]


def test_libraries_speak_only_when_something_is_wrong() -> None:
    output = "\n".join(lines(quiet=False))
    assert "0812-3456-7890" not in output
    assert "chatter" not in output
    assert "ERROR telegram.ext told" in output


def test_quiet_keeps_to_warnings() -> None:
    events = [json.loads(line)["event"] for line in lines(quiet=True) if line.startswith("{")]
    assert events == ["slow", "broke"]


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["too_fine", "ring", "slow", "broke"]),
        ("info", ["ring", "slow", "broke"]),
        ("warning", ["slow", "broke"]),
        ("error", ["broke"]),
    ],
)
def test_a_level_that_is_set_holds_however_quiet(level: str, events: list[str]) -> None:
    output = lines(quiet=True, level=level)
    assert [json.loads(line)["event"] for line in output if line.startswith("{")] == events


# --- errors without values ------------------------------------------------------------------------------


def seal_error() -> Exception:
    """Return an error of our own code that quotes the value that it was given."""
    with pytest.raises(SealBroken) as caught:
        Vault(b"0" * 32).open("email", b"siti@contoh.example")
    return caught.value


def test_an_error_is_described_by_its_kind_and_our_line_never_by_its_message() -> None:
    text = describe_error(seal_error())
    assert text.startswith(f"{type(seal_error()).__name__} in subscribers/vault.py:")
    assert "siti" not in text


def test_an_error_from_elsewhere_names_the_last_line_of_ours() -> None:
    try:
        json.loads("{ rahasia")
    except ValueError as error:
        assert describe_error(error) == "JSONDecodeError"
    try:
        Vault(b"short")
    except Exception as error:  # noqa: BLE001  whichever it is
        assert "subscribers/vault.py:" in describe_error(error)


def test_a_group_of_errors_is_described_by_its_parts_each_kind_once() -> None:
    group = ExceptionGroup(
        "rahasia", [ValueError("0812"), ExceptionGroup("x", [KeyError("0813"), ValueError("0814")])]
    )
    assert describe_error(group) == "ValueError, KeyError"


def test_the_root_is_the_folder_of_our_packages() -> None:
    assert Path(ROOT, "broadcaster", "runtime", "logs.py").exists()
