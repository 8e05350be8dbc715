"""The home page: work that needs this person, and the announcements of today."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.delivery import waiting_words as waiting
from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.publishing import hold_ups
from broadcaster.runtime import custody
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.inbox_alarm import Late, late
from broadcaster.staff import account_alerts
from broadcaster.store import accounts, announcement_lists, audit_lists, drafts
from broadcaster.store import templates as recurring
from broadcaster.store.announcement_lists import Item
from broadcaster.store.drafts import Proposal
from broadcaster.store.templates import Template
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame
from broadcaster.web.staff.audit_words import Subject, Told
from channels.base.moments import WIB

SHORTCUTS = 5
"""Number of templates on the page; the templates page lists all."""
DEEDS, DEEDS_SECONDS = 20, 24 * 3600.0
"""Maximum number and age of the account acts on the page; the audit log has all."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A pending correction or withdrawal and its announcement."""

    proposal: Proposal
    item: Item


@dataclass(frozen=True, kw_only=True)
class Delayed:
    """An announcement published late; `planned` is its schedule in epoch seconds."""

    item: Item
    planned: float


@dataclass(frozen=True, kw_only=True)
class Held:
    """An emergency that a channel delays, with the reason and the remedy in words."""

    item: Item
    words: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Deed:
    """An act on an account; `who` is a display name, `at` epoch seconds."""

    act: str
    subject: Subject
    who: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Desktop:
    """Contents of the page."""

    to_approve: list[Item]
    amendments: list[Waiting]
    held: list[Item]
    held_amendments: list[Waiting]
    returned: list[Item]
    stuck: list[Item]
    asked: list[Item]
    drafts: list[Item]
    today: list[Item]
    templates: list[Template]
    late: list[Late]
    delayed: list[Delayed]

    @property
    def calls(self) -> int:
        """Number of tasks that need this person."""
        return len(self.to_approve) + len(self.amendments) + len(self.returned) + len(self.stuck)


async def show(request: Request) -> Response:
    """Show the page."""
    app = app_of(request)
    now = app.clock()
    desktop = await app.database.read(look, account_of(request), now)
    told = Told(app, frame.words_of(request), pages.lang_of(request))
    held_up = await app.database.read(held, app, frame.words_of(request), pages.lang_of(request))
    away = await app.database.read(custody.held)
    deeds = (
        await app.database.read(account_deeds, now, told)
        if account_of(request).may("manage")
        else []
    )
    topics = {topic.slug: topic for topic in app.settings.topics}
    return frame.page(
        request,
        "home.html",
        desktop=desktop,
        held_up=held_up,
        away=away,
        deeds=deeds,
        topics=topics,
    )


def held(connection: Connection, app: App, t: Words, lang: str) -> list[Held]:
    """List the emergencies that a channel delays; every account sees them."""
    standing = hold_ups.told(connection)
    items = announcement_lists.items(connection, [one.announcement for one in standing])
    return [
        Held(
            item=items[one.announcement],
            words=waiting.sentence(
                one.hold, app.labels.get(one.hold.channel, one.hold.channel), t, lang
            ),
            remedy=waiting.remedy(one.hold, t),
        )
        for one in standing
        if one.announcement in items
    ]


def account_deeds(connection: Connection, now: datetime, told: Told) -> list[Deed]:
    """List the acts on accounts within the last day."""
    entries = audit_lists.latest(
        connection, account_alerts.REASONS, now.timestamp() - DEEDS_SECONDS, DEEDS
    )
    who = actors.spoken(connection, [entry.actor for entry in entries], told.t)
    people = {one.actor: one for one in accounts.everyone(connection)} if entries else {}
    return [
        Deed(
            act=told.act(entry.act),
            subject=told.subject(entry, {}, people),
            who=who[entry.actor],
            at=entry.at,
        )
        for entry in entries
    ]


def look(connection: Connection, account: Account, now: datetime) -> Desktop:
    """Collect the page's contents for an account."""
    midnight = datetime.combine(now.astimezone(WIB).date(), time(), WIB).timestamp()
    judges, writes = account.may("approve"), account.may("write")
    approved = announcement_lists.in_states(connection, "approved")
    to_approve = [
        item
        for item in announcement_lists.in_states(connection, "review")
        if _may_judge(connection, account, item)
    ]
    asked = (
        announcement_lists.in_states(connection, "review", author=account.actor) if writes else []
    )
    return Desktop(
        to_approve=to_approve,
        amendments=_amendments(
            connection, lambda one: one.actor != account.actor and one.release_at is None
        )
        if judges
        else [],
        held_amendments=_amendments(connection, lambda one: one.release_at is not None),
        held=[item for item in approved if item.release_at is not None],
        returned=announcement_lists.in_states(connection, "returned", author=account.actor)
        if writes
        else [],
        stuck=[item for item in approved if item.release_at is None],
        asked=[item for item in asked if item not in to_approve],
        drafts=announcement_lists.in_states(connection, "draft", author=account.actor)
        if writes
        else [],
        today=announcement_lists.since(connection, midnight),
        templates=recurring.everything(connection)[:SHORTCUTS] if writes else [],
        late=late(connection, now.timestamp()),
        delayed=_delayed(connection, now),
    )


def _delayed(connection: Connection, now: datetime) -> list[Delayed]:
    """List the announcements published late within the last day, newest first."""
    entries = audit_lists.latest(connection, (Act.LATE,), now.timestamp() - DEEDS_SECONDS, DEEDS)
    items = announcement_lists.items(connection, [entry.subject for entry in entries])
    return [
        Delayed(
            item=items[entry.subject],
            planned=datetime.fromisoformat(str(entry.detail["planned"])).timestamp(),
        )
        for entry in entries
        if entry.subject in items
    ]


def _may_judge(connection: Connection, account: Account, item: Item) -> bool:
    return account.may("approve") and (
        item.training or account.actor not in drafts.editors(connection, item.id)
    )


def _amendments(connection: Connection, wanted: Callable[[Proposal], bool]) -> list[Waiting]:
    waiting = [one for one in drafts.proposals(connection) if wanted(one)]
    found = announcement_lists.items(connection, [one.announcement for one in waiting])
    return [
        Waiting(proposal=one, item=found[one.announcement])
        for one in waiting
        if one.announcement in found
    ]
