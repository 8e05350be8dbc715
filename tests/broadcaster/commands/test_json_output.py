"""`--json`: every command that has a result prints it as one document, and nothing else with it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from broadcaster.cli import program
from support.commanding import Program
from support.subscriber_samples import HEADER

NO_RESULT = {
    "demo": "serves until it is stopped",
    "run": "serves until it is stopped",
    "web": "serves until it is stopped",
    "worker": "serves until it is stopped",
    "providers": "serves until it is stopped",
    "subscribers export": "writes a file: the CSV that the import reads",
    "audit export": "writes a file: a JSON object a line, or CSV",
}
"""Commands without `--json`, and why."""


def commands(group: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command below a group with the words that name it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))
        else:
            yield " ".join((*prefix, name)), command


COMMANDS = dict(commands(typer.main.get_command(program)))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_either_prints_json_or_has_no_result(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert ("--json" in options) != (name in NO_RESULT)


def test_the_list_of_commands_without_a_result_names_real_ones() -> None:
    assert NO_RESULT.keys() <= COMMANDS.keys()


SHAPE = {
    "type": "Polygon",
    "coordinates": [[[107.5, -6.8], [107.6, -6.8], [107.6, -6.9], [107.5, -6.8]]],
}
OUTLINE = {"type": "Feature", "properties": {"code": "32.77.03.1002"}, "geometry": SHAPE}


def test_standard_output_is_one_document_with_lasting_keys(tmp_path: Path) -> None:
    run = Program(
        tmp_path / "data", {"EMAIL_URL": "smtp://127.0.0.1:1", "EMAIL_FROM": "info@cimahi.example"}
    )
    people, outlines = tmp_path / "people.csv", tmp_path / "outlines.json"
    rows = ("wati@x.example,cibabat", "bukan alamat,cibabat")
    people.write_text(
        "\n".join([HEADER, *(f"email,{row},,id,formulir,2026-01-02" for row in rows), ""])
    )
    outlines.write_text(json.dumps({"type": "FeatureCollection", "features": [OUTLINE]}))

    def output(*words: str, code: int = 0) -> Any:
        """Return the document that a command prints."""
        result = run(*words, "--json", text="")
        assert result.code == code, result.err
        return json.loads(result.out)

    assert output("migrate")["applied"][0].startswith("0001")
    assert output("migrate") == {"applied": []}
    imported = output("subscribers", "import", str(people), code=3)
    assert (imported["new"], imported["refused"], imported["people"]) == (1, 1, 1)
    assert imported["problems"][0]["line"] == 3
    assert output("subscribers", "count")["email"]["confirmed"] == 1
    erased = output("subscribers", "erase", "wati@x.example")
    assert erased == {"erased": ["email"], "left": 0, "cleared": True}
    assert output("areas", "list")[0].keys() == {"code", "name", "slug", "level", "parent"}
    assert output("areas", "import", str(outlines)) == {"replaced": False}
    assert output("token", "add", "--name", "situs", "--scope", "read write")["name"] == "situs"
    assert output("token", "revoke", "situs") == {"name": "situs", "revoked": True}
    assert output("token", "list") == [
        {"name": "situs", "scopes": ["read", "write"], "revoked": True}
    ]
    for name in ("rina", "dewi"):
        added = output("user", "add", name, "--full-name", name, "--role", "pengelola")
        assert added["password"]
    assert output("user", "disable", "dewi") == {"name": "dewi", "active": False}
    assert output("user", "enable", "dewi") == {"name": "dewi", "active": True}
    assert output("user", "password", "dewi")["password"]
    assert [account["name"] for account in output("user", "list")] == ["dewi", "rina"]
    states = {channel["name"]: channel["state"] for channel in output("channel", "list")}
    assert states["email"] == "open"
    assert states["whatsapp"] == "unset"
    assert output("channel", "held", "email", "--discard")["count"] == 0
    assert output("audit", "verify")["holds"] is True
    assert {finding["ok"] for finding in output("doctor", code=1)} <= {True, False, None}
