"""The home page: work that needs this person, and the announcements of today."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.delivery import waiting_words
from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.publishing import hold_ups
from broadcaster.runtime import custody
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.inbox_alarm import OverdueEvents, find_overdue
from broadcaster.staff import account_alerts
from broadcaster.store import accounts, announcement_lists, audit_lists, drafts, templates
from broadcaster.store.announcement_lists import Item
from broadcaster.store.drafts import Proposal
from broadcaster.store.templates import Template
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame
from broadcaster.web.staff.audit_words import AuditWording, Subject
from channels.base.moments import WIB

SHORTCUTS = 5
"""Number of templates on the page; the templates page lists all."""
RECENT_ACTS, RECENT_SECONDS = 20, 24 * 3600.0
"""Maximum number and age of the account acts on the page; the audit log has all."""


@dataclass(frozen=True, kw_only=True)
class PendingProposal:
    """A pending correction or withdrawal and its announcement."""

    proposal: Proposal
    item: Item


@dataclass(frozen=True, kw_only=True)
class LatePublication:
    """An announcement published late; `planned` is its schedule in epoch seconds."""

    item: Item
    planned: float


@dataclass(frozen=True, kw_only=True)
class DelayedEmergency:
    """An emergency that a channel delays, with the reason and the remedy in words."""

    item: Item
    words: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class AccountAct:
    """An act on an account; `who` is a display name, `at` epoch seconds."""

    act: str
    subject: Subject
    who: str
    at: float


@dataclass(frozen=True, kw_only=True)
class HomeContents:
    """Contents of the page."""

    to_approve: list[Item]
    amendments: list[PendingProposal]
    held: list[Item]
    held_amendments: list[PendingProposal]
    returned: list[Item]
    stuck: list[Item]
    asked: list[Item]
    drafts: list[Item]
    today: list[Item]
    templates: list[Template]
    late: list[OverdueEvents]
    delayed: list[LatePublication]

    @property
    def calls(self) -> int:
        """Number of tasks that need this person."""
        return len(self.to_approve) + len(self.amendments) + len(self.returned) + len(self.stuck)


async def show(request: Request) -> Response:
    """Show the page."""
    app = app_of(request)
    now = app.clock()
    contents = await app.database.read(read_contents, account_of(request), now)
    wording = AuditWording(app, frame.words_of(request), pages.lang_of(request))
    held_up = await app.database.read(
        delayed_emergencies, app, frame.words_of(request), pages.lang_of(request)
    )
    away = await app.database.read(custody.held)
    acts = (
        await app.database.read(account_acts, now, wording)
        if account_of(request).may("manage")
        else []
    )
    topics = {topic.slug: topic for topic in app.settings.topics}
    return frame.page(
        request,
        "home.html",
        desktop=contents,
        held_up=held_up,
        away=away,
        deeds=acts,
        topics=topics,
    )


def delayed_emergencies(
    connection: Connection, app: App, t: Words, lang: str
) -> list[DelayedEmergency]:
    """List the emergencies that a channel delays; every account sees them."""
    delays = hold_ups.reported(connection)
    items = announcement_lists.items(connection, [delay.announcement for delay in delays])
    return [
        DelayedEmergency(
            item=items[delay.announcement],
            words=waiting_words.sentence(
                delay.hold, app.labels.get(delay.hold.channel, delay.hold.channel), t, lang
            ),
            remedy=waiting_words.remedy(delay.hold, t),
        )
        for delay in delays
        if delay.announcement in items
    ]


def account_acts(connection: Connection, now: datetime, wording: AuditWording) -> list[AccountAct]:
    """List the acts on accounts within the last day."""
    entries = audit_lists.latest(
        connection, account_alerts.REASONS, now.timestamp() - RECENT_SECONDS, RECENT_ACTS
    )
    names = actors.display_names(connection, [entry.actor for entry in entries], wording.t)
    people = (
        {account.actor: account for account in accounts.everyone(connection)} if entries else {}
    )
    return [
        AccountAct(
            act=wording.act(entry.act),
            subject=wording.subject(entry, {}, people),
            who=names[entry.actor],
            at=entry.at,
        )
        for entry in entries
    ]


def read_contents(connection: Connection, account: Account, now: datetime) -> HomeContents:
    """Collect the page's contents for an account."""
    midnight = datetime.combine(now.astimezone(WIB).date(), time(), WIB).timestamp()
    approves, writes = account.may("approve"), account.may("write")
    approved = announcement_lists.in_states(connection, "approved")
    to_approve = [
        item
        for item in announcement_lists.in_states(connection, "review")
        if _may_approve(connection, account, item)
    ]
    submitted = (
        announcement_lists.in_states(connection, "review", author=account.actor) if writes else []
    )
    return HomeContents(
        to_approve=to_approve,
        amendments=_amendments(
            connection,
            lambda proposal: proposal.actor != account.actor and proposal.release_at is None,
        )
        if approves
        else [],
        held_amendments=_amendments(connection, lambda proposal: proposal.release_at is not None),
        held=[item for item in approved if item.release_at is not None],
        returned=announcement_lists.in_states(connection, "returned", author=account.actor)
        if writes
        else [],
        stuck=[item for item in approved if item.release_at is None],
        asked=[item for item in submitted if item not in to_approve],
        drafts=announcement_lists.in_states(connection, "draft", author=account.actor)
        if writes
        else [],
        today=announcement_lists.since(connection, midnight),
        templates=templates.everything(connection)[:SHORTCUTS] if writes else [],
        late=find_overdue(connection, now.timestamp()),
        delayed=_delayed(connection, now),
    )


def _delayed(connection: Connection, now: datetime) -> list[LatePublication]:
    """List the announcements published late within the last day, newest first."""
    entries = audit_lists.latest(
        connection, (Act.LATE,), now.timestamp() - RECENT_SECONDS, RECENT_ACTS
    )
    items = announcement_lists.items(connection, [entry.subject for entry in entries])
    return [
        LatePublication(
            item=items[entry.subject],
            planned=datetime.fromisoformat(str(entry.detail["planned"])).timestamp(),
        )
        for entry in entries
        if entry.subject in items
    ]


def _may_approve(connection: Connection, account: Account, item: Item) -> bool:
    return account.may("approve") and (
        item.training or account.actor not in drafts.editors(connection, item.id)
    )


def _amendments(
    connection: Connection, selects: Callable[[Proposal], bool]
) -> list[PendingProposal]:
    proposals = [proposal for proposal in drafts.proposals(connection) if selects(proposal)]
    items = announcement_lists.items(connection, [proposal.announcement for proposal in proposals])
    return [
        PendingProposal(proposal=proposal, item=items[proposal.announcement])
        for proposal in proposals
        if proposal.announcement in items
    ]
