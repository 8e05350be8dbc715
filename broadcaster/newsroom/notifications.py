"""Notifications to staff: sent on each channel that reaches the person, until it is accepted or too
old.

Nudges are written in the transaction of the event (store/nudges.py); a worker of each lane sends
them, those of emergencies in their own lane, so that a slow provider of everyday news never delays
them. Each person is notified once per channel; a worker killed mid-send, or a provider that accepts
a message without answering, may duplicate one. Nudges that nobody needs any more are dropped
unsent. Those of an exercise are marked "[LATIHAN]" and sent to the staff taking part, since the
call is part of the exercise; no resident ever hears of it.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.accounts import Account
from broadcaster.domain.retry_policy import bounded
from broadcaster.newsroom.notification_words import note_for
from broadcaster.publishing import hold_ups
from broadcaster.staff.contact import addresses_of, can_reach, send
from broadcaster.store import accounts, announcements, drafts, former_mails, nudges
from broadcaster.store.announcements import Announcement
from broadcaster.store.channels import channel_states
from broadcaster.store.custody import is_held
from broadcaster.store.nudges import Ending, Nudge
from channels.base.contract import Deferred, Halted, Outcome, Receipt
from channels.base.staff_messages import Note

log = structlog.get_logger(__name__)

WARNINGS = (*nudges.ABOUT_ACCOUNTS, "break_glass")
"""Reasons also sent to former addresses: changing a person's address must not hide these
from them.
"""
ALIVE = {
    "returned": ("returned",),
    "rejected": ("rejected", "published", "ended"),
    "missed": ("approved", "review"),
    "lapsed": ("review",),
    "late": ("published", "ended"),
    "held_up": ("published", "ended"),
    "resumed": ("published", "ended"),
    "expired": ("published", "ended"),
}
"""States of the announcement in which a nudge still asks for something; "published" after a
rejected correction.
"""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A nudge ready to be sent: `ways` maps channels (numbered: a former address) to the person's
    addresses.
    """

    nudge: Nudge
    note: Note
    ways: Mapping[str, str] = field(repr=False)


def former_ways(connection: Connection, app: App, nudge: Nudge, person: Account) -> dict[str, str]:
    """Return the person's mail addresses of the last day that warnings also go to, by channel and
    number.
    """
    if nudge.reason not in WARNINGS or not can_reach(app, accounts.MAIL):
        return {}
    before = former_mails.lately(connection, app.vault, person.id, nudge.at)
    numbers = {mail: number for number, mail in before.items() if mail != person.email}
    return {f"{accounts.MAIL}.{number}": mail for mail, number in numbers.items()}


async def send_due(app: App, *, urgent: bool) -> int:
    """Send the due nudges of emergencies, or all others; return how many were examined."""
    now = app.clock().timestamp()
    if await app.database.read(is_held) or not await app.database.read(
        nudges.due, now, urgent=urgent
    ):
        return 0
    count, letters = await app.database.write(take, app, now, urgent=urgent)
    await asyncio.gather(*(_send(app, letter) for letter in letters))
    return count


def take(connection: Connection, app: App, now: float, *, urgent: bool) -> tuple[int, list[Letter]]:
    """Claim due nudges; return their number and the letters of those that still have a reason. The
    others end here.
    """
    claimed, letters = nudges.claim(connection, now, urgent=urgent), []
    shut = {
        name
        for name, state in channel_states(connection).items()
        if state.halted or state.paused_until > now
    }
    for nudge in claimed:
        person, about = accounts.by_id(connection, nudge.account), _subject(connection, nudge)
        if person is None or about is None or not _asks(connection, nudge, about, person):
            nudges.end(connection, nudge.id, "moot")
            continue
        if now - nudge.at > nudges.GIVE_UP_SECONDS:
            _give_up(connection, nudge)
            continue
        before = former_ways(connection, app, nudge, person)
        open_ways = {
            name: to
            for name, to in {**addresses_of(app, person), **before}.items()
            if name not in nudge.settled
        }
        open_ways = _passable(open_ways, shut) or open_ways
        if open_ways:
            note = note_for(connection, app, nudge, about, person, moved=bool(before))
            letters.append(Letter(nudge=nudge, note=note, ways=open_ways))
        else:
            nudges.end(
                connection,
                nudge.id,
                "told" if nudge.told else "unreachable",
                "no way to this person",
            )
    return len(claimed), letters


def _passable(ways: Mapping[str, str], shut: Collection[str]) -> dict[str, str]:
    """Return the ways by open channels; the others get nothing through just now."""
    return {name: to for name, to in ways.items() if name.partition(".")[0] not in shut}


def _subject(connection: Connection, nudge: Nudge) -> Announcement | Account | None:
    """Return the announcement or account that the nudge is about."""
    if nudge.reason in nudges.ABOUT_ACCOUNTS:
        return next(iter(accounts.acting(connection, nudge.announcement)), None)
    return announcements.find(connection, nudge.announcement)


def _asks(
    connection: Connection, nudge: Nudge, row: Announcement | Account, person: Account
) -> bool:
    """True if the nudge still asks for something that this person can still do."""
    if isinstance(row, Account):
        # recipients were fixed at the time of the act: losing a role since hides nothing from them
        return person.disabled_at is None or (
            nudge.reason != "codes_stopped" and person.id == row.id
        )
    if person.disabled_at is not None or nudges.newer(connection, nudge):
        return False
    if nudge.reason == "break_glass":
        return person.may("manage") or person.may("approve")
    if nudge.reason == "review":
        return person.may("approve") and _may_approve(connection, row, person)
    if nudge.reason == "held_up" and not hold_ups.stands(connection, row.id):
        return False
    if nudge.reason == "missed" and row.published_at is not None:
        waiting = drafts.proposed(connection, row.id)
        # neither approved again nor replaced by another proposal
        return waiting is not None and waiting.release_at is None and waiting.at <= nudge.at
    return row.state in ALIVE[nudge.reason]


def _may_approve(connection: Connection, row: Announcement, person: Account) -> bool:
    if row.state == "review":
        return row.training or person.actor not in drafts.editors(connection, row.id)
    waiting = drafts.proposed(connection, row.id)
    return waiting is not None and waiting.actor != person.actor and waiting.release_at is None


def _give_up(connection: Connection, nudge: Nudge) -> None:
    log.warning("nudge_given_up", nudge=nudge.id, reason=nudge.reason, tries=nudge.tries)
    nudges.end(connection, nudge.id, "told" if nudge.told else "given_up")


# --- sending --------------------------------------------------------------------------------------


async def _send(app: App, letter: Letter) -> None:
    """Send on every channel and record the outcomes."""
    channels = ((way.partition(".")[0], address) for way, address in letter.ways.items())
    outcomes = await asyncio.gather(
        *(send(app, channel, address, letter.note) for channel, address in channels)
    )
    await app.database.write(
        _record,
        app.clock().timestamp(),
        letter.nudge,
        dict(zip(letter.ways, outcomes, strict=True)),
    )


def _record(
    connection: Connection, now: float, nudge: Nudge, outcomes: Mapping[str, Outcome]
) -> None:
    """Record each channel's outcome: accepted or refused for good is settled; the rest is tried
    again.
    """
    settled = {
        *nudge.settled,
        *(name for name, outcome in outcomes.items() if not isinstance(outcome, Deferred | Halted)),
    }
    accepted = any(isinstance(outcome, Receipt) for outcome in outcomes.values())
    waiting = {
        name: outcome
        for name, outcome in outcomes.items()
        if isinstance(outcome, Deferred | Halted)
    }
    problem = "; ".join(
        _problem(name, outcome)
        for name, outcome in outcomes.items()
        if not isinstance(outcome, Receipt)
    )
    nudges.settle(connection, nudge.id, settled, told_at=now if accepted else None)
    if not waiting:
        ending: Ending = "told" if accepted or nudge.told else "unreachable"
        nudges.end(connection, nudge.id, ending, problem)
        return
    asked = [outcome for outcome in map(bounded, waiting.values()) if isinstance(outcome, Deferred)]
    wait = max((outcome.retry_after or 0.0 for outcome in asked), default=0.0)
    nudges.failed(connection, nudge, now, problem, wait=wait)


def _problem(channel: str, outcome: Outcome) -> str:
    """Return a failure by its name and the provider's code; its detail may hold an address."""
    return f"{channel} {type(outcome).__name__} {getattr(outcome, 'code', '')}".strip()
