"""Who did something, as people read it: a colleague by name, a system by its token, the clock."""

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


def spoken(connection: Connection, actors: Iterable[str], t: Words) -> Mapping[str, str]:
    """Each actor in words."""
    return {actor: _spoken(connection, actor, t) for actor in set(actors)}


def given(entry: AuditEntry, names: Mapping[str, str]) -> str:
    """The reason that somebody typed; one that only says again who acted is left out."""
    why = str(entry.detail.get("reason") or entry.detail.get("why") or "")
    own = {names.get(entry.actor, ""), entry.actor.partition(":")[2]}
    return "" if why in {words("id")(key, name=name) for key in _AUTOMATIC for name in own} else why


def _spoken(connection: Connection, actor: str, t: Words) -> str:
    kind, _, name = actor.partition(":")
    if kind == "staff":
        found = acting(connection, actor)
        return found[0].full_name if found else name
    if kind in ("api", "token"):
        return t("staff.send.by.system", name=name)
    if kind not in _OTHERS:
        return actor
    return f"{t(_OTHERS[kind])} ({name})" if name else t(_OTHERS[kind])
