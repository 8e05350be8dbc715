"""`show ID --trace ADDRESS`: the deliveries to one address."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from broadcaster.app import App
from broadcaster.domain.deliveries import SENDING
from broadcaster.store.audit_tables import audit
from broadcaster.store.leases import lease_clock
from broadcaster.store.tables import delivery, slice_
from channels.base.contract import Deferred, Outcome, Receipt, Recipient, Rejected
from support.command_data import in_app, send_notice, with_email
from support.commanding import Program
from support.world import subscribe

OUTCOMES: dict[str, Outcome] = {
    "arrived@x.example": Receipt(),
    "refused@x.example": Rejected(code="5.7.1"),
    "later@x.example": Deferred(code="4.7.28", retry_after=3600.0),
}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A migrated program that can send email."""
    return with_email(tmp_path)


def answer(recipient: Recipient) -> Outcome:
    """Return the outcome of a recipient."""
    return OUTCOMES[recipient.address]


@pytest.fixture
def sent(program: Program) -> str:
    """The id of an announcement that is sent: one of each outcome."""
    return in_app(program, lambda app: send_notice(app, OUTCOMES, answer))


def traced(program: Program, sent: str, address: str) -> dict[str, Any]:
    """Return the only delivery to an address."""
    (delivery,) = json.loads(program("show", sent, "--trace", address, "--json").ok)
    return dict(delivery)


def test_a_message_that_left_has_its_times(program: Program, sent: str) -> None:
    delivery = traced(program, sent, "arrived@x.example")
    assert (delivery["channel"], delivery["state"], delivery["attempts"]) == ("email", "sent", 1)
    assert delivery["planned_at"] <= delivery["outcome_at"]
    assert (delivery["retry_at"], delivery["waits"]) == (None, [])
    assert delivery["area"] == "Kel. Cibabat"


def test_a_message_that_was_refused_has_reason_and_code(program: Program, sent: str) -> None:
    delivery = traced(program, sent, "refused@x.example")
    assert (delivery["state"], delivery["reason"], delivery["provider_code"]) == (
        "failed",
        "rejected",
        "5.7.1",
    )


def test_a_message_that_waits_has_its_next_attempt_and_the_waits_after_it(
    program: Program, sent: str
) -> None:
    delivery = traced(program, sent, "later@x.example")
    assert (delivery["state"], delivery["outcome_at"]) == ("pending", None)
    assert delivery["retry_at"] > delivery["planned_at"]
    assert delivery["waits"][-1] == 3600.0


def test_people_read_it_in_lines_and_never_see_the_address(program: Program, sent: str) -> None:
    output = program("show", sent, "--trace", "Later@x.example").ok
    assert "direncanakan" in output
    assert "dicoba lagi" in output
    assert "later@" not in output.lower()


def test_the_look_is_logged_without_the_address(program: Program, sent: str) -> None:
    traced(program, sent, "arrived@x.example")

    async def audit_entries(app: App) -> list[str]:
        query = select(audit.c.subject, audit.c.detail).where(audit.c.act == "read-addresses")
        return [str(row) for row in await app.database.read(lambda c: c.execute(query).all())]

    (entry,) = in_app(program, audit_entries)
    assert '"of":"trace"' in entry.replace(" ", "")
    assert "arrived" not in entry


def test_a_stranger_and_one_who_is_no_recipient_are_told_apart(program: Program, sent: str) -> None:
    stranger = program("show", sent, "--trace", "lain@x.example")
    assert (stranger.code, stranger.err) == (1, "Alamat itu tidak terdaftar.\n")

    async def elsewhere(app: App) -> None:
        await subscribe(app, "email", [("jauh@x.example", "melong")])

    in_app(program, elsewhere)
    other = program("show", sent, "--trace", "jauh@x.example")
    assert other.code == 1
    assert other.err.startswith("Tidak ada pengiriman ke alamat itu")


def test_watching_one_row_is_a_wrong_usage(program: Program, sent: str) -> None:
    assert program("show", sent, "--trace", "x@x.example", "--watch").code == 2


async def mark_sending(app: App) -> None:
    """Leave every message as a worker has it on the wire, under a lease of 20 s."""

    def act(connection: Connection) -> None:
        until = lease_clock(connection) + 20
        connection.execute(update(delivery).values(state=SENDING))
        connection.execute(update(slice_).values(lease_until=until))

    app.database.write_now(act)


def test_the_lease_of_a_message_on_the_wire_is_a_time_of_day(program: Program, sent: str) -> None:
    in_app(program, mark_sending)
    delivery = traced(program, sent, "arrived@x.example")
    assert delivery["state"] == "sending"
    remaining = datetime.fromisoformat(delivery["marked_until"]) - datetime.now(UTC)
    assert timedelta(0) < remaining <= timedelta(seconds=21)
