"""What the composer says of a form before it is submitted: what must be mended, and what a colleague would point out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster import advice
from broadcaster.fields import InvalidAnnouncement, Problem, read_leniently
from broadcaster.store import listing
from broadcaster.store.channels import ChannelState, channel_states
from broadcaster.vouching import examined
from broadcaster.web.access import app_of
from broadcaster.web.staff import frame, refusals


@dataclass(frozen=True, kw_only=True, slots=True)
class Checks:
    """`problems` stop it, `advice` does not."""

    problems: tuple[Problem, ...]
    advice: tuple[Problem, ...]


NOTHING = Checks(problems=(), advice=())


async def of(request: Request, form: Mapping[str, Any], announcement: str = "") -> Checks:
    """Hold a form against the rules and against the advice; `announcement` is its id once it is stored."""
    app, desk = app_of(request), frame.desk_of(request)
    problems: tuple[Problem, ...] = ()
    try:
        examined(desk.press, form, desk.now)
    except InvalidAnnouncement as refused:
        problems = refused.problems
    fields = read_leniently(form)[0]
    since = (desk.now - advice.SAME_TITLE).timestamp()

    def look(connection: Connection) -> tuple[bool, Mapping[str, ChannelState]]:
        return listing.same_title(connection, fields.title, since, announcement), channel_states(connection)

    same, states = await app.database.read(look)
    going = [name for name in app.open_push if not fields.channels or name in fields.channels]
    halted = [app.push[name].label for name in going if name in states and states[name].halted]
    phones = [number.strip() for number in app.settings.phones.split(",") if number.strip()]
    known = advice.Known(same_title=same, phones=phones, halted=halted)
    broken = {problem.field for problem in problems}
    told = [one for one in advice.advise(fields, now=desk.now, known=known) if one.field not in broken]
    return Checks(problems=refusals.worded(problems, frame.words_of(request)), advice=tuple(told))
