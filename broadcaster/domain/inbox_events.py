"""Events of providers as the inbox stores them: JSON, and sealed per channel. Pure."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec

from channels.base import contract
from channels.base.contract import AddressEvent, AlarmEvent, Event, InboundEvent, StatusEvent

_KINDS = {kind.__name__: kind for kind in (StatusEvent, InboundEvent, AddressEvent, AlarmEvent)}


def encode(event: Event) -> str:
    """An event as JSON, with the names of its types."""
    fields = asdict(event)
    failure = getattr(event, "failure", None)
    if failure is not None:
        fields["failure"] = {"type": type(failure).__name__, "fields": asdict(failure)}
    return msgspec.json.encode({"type": type(event).__name__, "fields": fields}).decode()


def decode(text: str) -> Event:
    """The event again. Raises msgspec.MsgspecError, KeyError, TypeError for what `encode` never
    wrote.
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
    """The value without NUL in its texts: PostgreSQL looks nothing up by one, and the event would
    be put off for days.
    """
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {name: _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value


def sealed_as(channel: str) -> str:
    """Name what the bodies of a channel's receipts are sealed for."""
    return f"receipt.{channel}"
