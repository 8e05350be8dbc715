"""Who did something, as people read it: a colleague by name, a system by its token, the clock."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from broadcaster.store.accounts import acting
from broadcaster.wording import Words

_OTHERS = {"cli": "staff.send.by.cli", "clock": "staff.send.by.clock", "simulasi": "staff.send.by.demo"}


def spoken(connection: Connection, actors: Iterable[str], t: Words) -> Mapping[str, str]:
    """Each actor in words."""
    return {actor: _spoken(connection, actor, t) for actor in set(actors)}


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
