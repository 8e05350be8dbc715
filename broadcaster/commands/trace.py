"""`show ID --trace ADDRESS`: history of a resident's deliveries, for debugging."""

from collections.abc import Iterator, Sequence
from typing import Any

from broadcaster.app import App
from broadcaster.commands.addresses import find_all
from broadcaster.commands.errors import Failed
from broadcaster.commands.lookup import find_id
from broadcaster.commands.output import print_result
from broadcaster.commands.session import opened, operator_actor
from broadcaster.commands.state_words import SENDING, WORDS, area_label
from broadcaster.delivery.channel_view import when
from broadcaster.delivery.status import reason_words
from broadcaster.domain.retry_policy import EMERGENCY_WAITS, ROUTINE_WAITS
from broadcaster.residents import register
from broadcaster.store import traces
from broadcaster.store.traces import Trace


async def trace(key: str, address: str, *, as_json: bool) -> None:
    """Print every delivery of the announcement to the address, after auditing the access."""
    async with opened() as app:
        announcement = await find_id(app, key)
        rows = await find_all(app, address)
        lives: list[Trace] = []
        for row in rows:
            await register.note_reading(app, row.id, of="trace", actor=operator_actor(app))
            lives += await app.database.read(traces.of_address, announcement, row.id)
        if not lives:
            raise Failed(
                "Tidak ada pengiriman ke alamat itu: bukan penerima pengumuman ini, "
                "atau rincian terbitan lama sudah menjadi angka."
            )
        views = [_view(app, life) for life in lives]
        text = "\n".join("".join(f"{line}\n" for line in _lines(view)) for view in views)
        print_result(views, text, as_json=as_json)


def _view(app: App, life: Trace) -> dict[str, Any]:
    """Return a delivery for the JSON output, without the address."""
    return {
        "delivery": f"{life.edition}.{life.slot}",
        "edition": life.number,
        "channel": life.channel,
        "area": area_label(app.tree, life.area),
        "lane": life.lane,
        "sending": life.run_state,
        "slice": life.slice_number,
        "planned_at": when(life.planned_at),
        "marked_until": _moment(life.lease_until) if life.state == "sending" else None,
        "attempts": life.attempts,
        "spent": life.spent,
        "uncertain": life.uncertain,
        "state": life.state,
        "outcome_at": _moment(life.outcome_at),
        "reason": life.reason,
        "words": reason_words(life.reason) if life.reason else "",
        "provider_code": life.provider_code,
        "provider_key": life.provider_key,
        "retry_at": _moment(life.retry_at),
        "waits": list(_waits(life)),
    }


def _waits(life: Trace) -> Sequence[float]:
    """Return the seconds before each remaining attempt; the last wait repeats."""
    if life.state not in ("pending", "sending"):
        return ()
    waits = EMERGENCY_WAITS if life.lane == "emergency" else ROUTINE_WAITS
    return waits[min(life.spent, len(waits) - 1) :]


def _moment(at: float | None) -> str | None:
    return when(at) if at is not None else None


def _lines(view: dict[str, Any]) -> Iterator[str]:
    """Yield a delivery's history as text, one line per step."""
    yield f"{view['channel']}  {view['delivery']}  edisi {view['edition']}, {view['area']}"
    slice_ = f", irisan {view['slice']}" if view["slice"] is not None else ""
    lane = "darurat" if view["lane"] == "emergency" else "rutin"
    yield f"  direncanakan   {view['planned_at']}  jalur {lane}{slice_}, {SENDING[view['sending']]}"
    if view["attempts"]:
        yield (
            f"  dicoba         {view['attempts']}x, {view['spent']} dihitung untuk jeda ulang, "
            f"{view['uncertain']} tanpa jawaban"
        )
    if view["marked_until"]:
        yield f"  sedang dikirim, dipegang worker sampai {view['marked_until']}"
    code = f" (kode {view['provider_code']})" if view["provider_code"] else ""
    why = f": {view['words']}" if view["words"] else ""
    yield f"  keadaan        {WORDS[view['state']]}{why}{code}  {view['outcome_at'] or ''}".rstrip()
    if view["provider_key"]:
        yield f"  id penyedia    {view['provider_key']} (sidik, bukan id aslinya)"
    if view["retry_at"]:
        yield f"  dicoba lagi    {view['retry_at']}"
    if view["waits"]:
        waits = ", ".join(f"{seconds:g}" for seconds in view["waits"])
        yield f"  jeda berikut   {waits} detik"
