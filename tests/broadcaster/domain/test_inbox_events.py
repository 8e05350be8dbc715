"""Events as the inbox stores them: read back as they were written."""

from datetime import UTC, datetime

import msgspec
import pytest

from broadcaster.domain.inbox_events import decode, encode, sealed_as
from channels.base.contract import (
    AddressEvent,
    AlarmEvent,
    Event,
    InboundEvent,
    Refused,
    StatusEvent,
)

AT = datetime(2026, 11, 25, 7, 43, tzinfo=UTC)

EVENTS: list[Event] = [
    StatusEvent(dedupe="s1", provider_id="wamid.1", address="628600", state="delivered", at=AT),
    StatusEvent(
        dedupe="s2",
        provider_id="wamid.2",
        state="failed",
        at=AT,
        failure=Refused(reason="address_dead", code="131026", detail="Tidak ada di WhatsApp"),
        aliases=("ID.62", "ID.63"),
    ),
    InboundEvent(dedupe="i1", address="7000000001", text="/berhenti"),
    InboundEvent(dedupe="i2", address="7000000001", payload="stop", aliases=("a",), at=AT),
    AddressEvent(dedupe="a1", address="-100", state="moved", moved_to="-1007", exact=True),
    AlarmEvent(dedupe="q1", code="quality", detail="RED"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.dedupe)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    assert decode(encode(event)) == event


def test_a_nul_is_dropped_wherever_it_stands() -> None:
    event = InboundEvent(dedupe="i\0", address="7\0", text="a\0b", aliases=("x\0", "y"))
    assert decode(encode(event)) == InboundEvent(
        dedupe="i", address="7", text="ab", aliases=("x", "y")
    )


@pytest.mark.parametrize("text", ["{", '{"type": "Lain", "fields": {}}', '{"fields": {}}'])
def test_what_was_never_written_raises(text: str) -> None:
    with pytest.raises((msgspec.MsgspecError, KeyError)):
        decode(text)


def test_receipts_are_sealed_per_channel() -> None:
    assert sealed_as("whatsapp") != sealed_as("telegram")
