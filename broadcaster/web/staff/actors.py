"""Display names of actors: a colleague's full name, an API token, the command line, the clock."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from broadcaster.runtime.i18n import Words, words
from broadcaster.store.accounts import acting
from broadcaster.store.audit import AuditEntry

_OTHERS = {
    "cli": "staff.send.by.cli",
    "clock": "staff.send.by.clock",
    "simulasi": "staff.send.by.demo",
}
_AUTOMATIC = ("staff.send.why.jeda", "staff.send.why.lanjut", "staff.send.why.hentikan")


def display_names(connection: Connection, actors: Iterable[str], t: Words) -> Mapping[str, str]:
    """Map each actor to its display name."""
    return {actor: _display_name(connection, actor, t) for actor in set(actors)}


def typed_reason(entry: AuditEntry, names: Mapping[str, str]) -> str:
    """Return the reason a person typed; "" if it is the automatic text that repeats the actor.

    `names` maps actors to display names.
    """
    reason = str(entry.detail.get("reason") or entry.detail.get("why") or "")
    actor_names = {names.get(entry.actor, ""), entry.actor.partition(":")[2]}
    return (
        ""
        if reason in {words("id")(key, name=name) for key in _AUTOMATIC for name in actor_names}
        else reason
    )


def _display_name(connection: Connection, actor: str, t: Words) -> str:
    kind, _, name = actor.partition(":")
    if kind == "staff":
        accounts = acting(connection, actor)
        return accounts[0].full_name if accounts else name
    if kind in ("api", "token"):
        return t("staff.send.by.system", name=name)
    if kind not in _OTHERS:
        return actor
    return f"{t(_OTHERS[kind])} ({name})" if name else t(_OTHERS[kind])
