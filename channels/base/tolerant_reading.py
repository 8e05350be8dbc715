"""Tolerant parsing of providers' JSON, part by part: malformed parts are omitted and reported."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A part of a webhook that could not be parsed: its location and the reason, without its
    content.
    """

    where: str
    reason: str


Report = Callable[[str], None]
"""Receives the reason why an optional part was omitted."""


def decode(body: bytes, report: Report) -> Any:
    """Decode JSON; invalid UTF-8, lone surrogates and impossible numbers are omitted.

    Raises DecodeError, RecursionError.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:
            parsed = json.loads(
                body.decode("utf-8", "replace"),
                parse_int=_whole,
                parse_float=_finite,
                parse_constant=_none,
            )
        except ValueError:
            raise msgspec.DecodeError(_reason(error)) from None
        report(_reason(error))
        return msgspec.json.decode(
            json.dumps(parsed, ensure_ascii=False).encode("utf-8", "replace")
        )


def _reason(error: Exception) -> str:
    return (
        f"not UTF-8 at octet {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)
    )


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) < 20 else None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _none(_constant: str) -> None:
    """Replace NaN and infinity, which are not JSON, by None."""


def read(raw: Any, kind: type[T], report: Report) -> T:
    """Parse `raw` as the Struct `kind`; malformed optional parts are omitted.

    Raises ValidationError, RecursionError.
    """
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError:
        if not isinstance(raw, dict):
            raise
        return _read_parts(raw, kind, report)


def _read_parts(raw: dict[str, Any], kind: type[T], report: Report) -> T:
    parts: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):  # type: ignore[arg-type]  # a Struct's type
        part = raw.get(field.encode_name)
        if part is None:
            if field.required:
                raise msgspec.ValidationError(
                    f"Object missing required field `{field.encode_name}`"
                )
            continue  # null is treated as absent
        try:
            parts[field.name] = _part(part, field.type, report)
        except msgspec.ValidationError as error:
            if field.required:
                raise msgspec.ValidationError(f"{error} in `{field.encode_name}`") from None
            report(f"{error} in `{field.encode_name}`")
    return kind(**parts)


def _part(raw: Any, wanted: Any, report: Report) -> Any:
    """Parse a part and its own parts with the same tolerance."""
    kinds = get_args(wanted) if get_origin(wanted) in (Union, UnionType) else (wanted,)
    if str in kinds and isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return read(raw, kind, report)
        if get_origin(kind) is list and isinstance(raw, list):
            return _each(raw, get_args(kind)[0], report)
    return msgspec.convert(raw, wanted, strict=False)


def _each(raw: list[Any], wanted: Any, report: Report) -> list[Any]:
    parts = []
    for item in raw:
        try:
            parts.append(_part(item, wanted, report))
        except msgspec.ValidationError as error:
            report(str(error))
    return parts
