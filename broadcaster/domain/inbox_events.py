"""Inbox events: events of providers as JSON for storage, and the purpose that they are sealed
for. Pure.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec

from channels.base import contract
from channels.base.contract import AddressEvent, AlarmEvent, Event, InboundEvent, StatusEvent

_KINDS = {kind.__name__: kind for kind in (StatusEvent, InboundEvent, AddressEvent, AlarmEvent)}


def encode(event: Event) -> str:
    """Serialise an event as JSON, with the names of its types."""
    fields = asdict(event)
    failure = getattr(event, "failure", None)
    if failure is not None:
        fields["failure"] = {"type": type(failure).__name__, "fields": asdict(failure)}
    return msgspec.json.encode({"type": type(event).__name__, "fields": fields}).decode()


def decode(text: str) -> Event:
    """Parse a serialised event. Raises msgspec.MsgspecError, KeyError or TypeError for anything
    that `encode` did not write.
    """
    raw = _storable(msgspec.json.decode(text))
    fields = {**raw["fields"]}
    if "aliases" in fields:
        fields["aliases"] = tuple(fields["aliases"])
    if fields.get("at"):
        fields["at"] = datetime.fromisoformat(fields["at"])
    if fields.get("failure"):
        fields["failure"] = getattr(contract, fields["failure"]["type"])(
            **fields["failure"]["fields"]
        )
    event: Event = _KINDS[raw["type"]](**fields)
    return event


def _storable(value: Any) -> Any:
    """Remove NUL characters from all texts: PostgreSQL rejects them, and the event would be
    postponed for days.
    """
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {name: _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value


def sealed_as(channel: str) -> str:
    """Name the purpose that a channel's receipts are sealed for."""
    return f"receipt.{channel}"
