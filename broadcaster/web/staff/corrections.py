"""Corrections and withdrawals: one person proposes, seeing the differences; another decides."""

import hmac
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain.accounts import Account
from broadcaster.domain.fields import VERDICTS, Fields, read_leniently
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import corrections
from broadcaster.publishing import publications
from broadcaster.runtime.i18n import Words, words
from broadcaster.runtime.refusal_words import WordedProblem
from broadcaster.store import announcements, drafts
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.drafts import DraftVersion, Proposal
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.base.form_values import text_of
from broadcaster.web.staff import actors, frame, refusals
from broadcaster.web.staff.announcement_page import find_announcement
from broadcaster.web.staff.approval_right import ApprovalRight, approval_right
from broadcaster.web.staff.correction_form import (
    corrected,
    fingerprint,
    proposed_values,
    published_values,
    typed_values,
)
from broadcaster.web.staff.differences import FieldDifference, differences

Change = Literal["correction", "withdrawal"]
CONFIRMATIONS = {
    "diajukan": ("asked",),
    "dibatalkan": ("asked",),
    "disetujui": ("held", "out"),
    "ditolak": ("", "out"),
    "ditarik": ("", "out"),
}
"""Confirmations, each with the states (see `_proposal_state`) in which the page may show it.

Keys below "staff.send.said.".
"""
PATHS: Mapping[Change, str] = {"correction": "ralat", "withdrawal": "cabut"}


@dataclass(frozen=True, kw_only=True)
class FormContents:
    """Contents of the form, with its problems or differences."""

    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    changes: Sequence[FieldDifference] | None = None
    seen: str = ""
    problems: Sequence[WordedProblem] = ()
    refusal: str = ""
    status: int = 200


async def show_correction(request: Request) -> Response:
    """Show the correction form, or the pending proposal."""
    return await _show(request, "correction", FormContents())


async def show_withdrawal(request: Request) -> Response:
    """Show the withdrawal form, or the pending proposal."""
    return await _show(request, "withdrawal", FormContents())


async def correct(request: Request) -> Response:
    """Show the differences first; propose once the form comes back as it was shown with them."""
    row, sent = await find_announcement(request), await request.form()
    app, desk, reason = app_of(request), frame.desk_of(request), text_of(sent, "reason")
    form = corrected(row, sent, request)
    contents = FormContents(values=typed_values(form, sent), reason=reason)
    digest = fingerprint(form, reason)
    try:
        if not hmac.compare_digest(text_of(sent, "seen").encode(), digest.encode()):
            checked, _reason = await app.database.read(
                corrections.examine_correction, desk, row, form, reason=reason
            )
            changes = _changes(request, row.fields, checked.fields)
            if not changes:
                raise NotAllowed(StepCode.SAME_AS_PUBLISHED)
            return await _show(
                request, "correction", replace(contents, changes=changes, seen=digest)
            )
        await app.database.write(corrections.propose_correction, desk, row.id, form, reason=reason)
    except (InvalidAnnouncement, NotAllowed) as error:
        return await _refused(request, "correction", contents, error)
    return _redirect(row, "correction", "diajukan")


async def show_again(request: Request) -> Response:
    """Show again a correction that was opened in an earlier session; proposes nothing."""
    row, sent = await find_announcement(request), await request.form()
    values = typed_values(corrected(row, sent, request), sent)
    contents = FormContents(
        values=values, reason=text_of(sent, "reason"), problems=(frame.stale(request),), status=403
    )
    return await _show(request, "correction", contents)


async def withdraw(request: Request) -> Response:
    """Propose a withdrawal."""
    row, sent = await find_announcement(request), await request.form()
    desk, reason = frame.desk_of(request), text_of(sent, "reason")
    try:
        await app_of(request).database.write(
            corrections.propose_withdrawal, desk, row.id, reason=reason
        )
    except (InvalidAnnouncement, NotAllowed) as error:
        return await _refused(request, "withdrawal", FormContents(reason=reason), error)
    return _redirect(row, "withdrawal", "diajukan")


async def approve(request: Request) -> Response:
    """Approve the proposal; it is published at once, or after the hold."""
    app, row, sent = app_of(request), await find_announcement(request), await request.form()
    waiting = await app.database.read(drafts.proposed, row.id)
    try:
        stored = await app.database.write(
            corrections.approve, frame.desk_of(request), row.id, seen=text_of(sent, "seen")
        )
    except (InvalidAnnouncement, NotAllowed) as error:
        return await _refused(request, _change(waiting), FormContents(), error)
    if stored.edition is None:
        return _redirect(row, _change(waiting), "disetujui")
    await publications.ring(app, stored)
    return RedirectResponse(f"/redaksi/pengiriman/{row.id}?selesai={PATHS[_change(waiting)]}", 303)


async def call_back(request: Request) -> Response:
    """Cancel an approval during the hold."""
    return await _decide(
        request, lambda c, desk, row: corrections.call_back(c, desk, row.id), "dibatalkan"
    )


async def refuse(request: Request) -> Response:
    """Reject the proposal, with a reason."""
    sent = await request.form()
    return await _decide(
        request,
        lambda c, desk, row: corrections.refuse(c, desk, row.id, text_of(sent, "reason")),
        "ditolak",
    )


async def take_back(request: Request) -> Response:
    """Withdraw the proposal; only its author may."""
    return await _decide(
        request, lambda c, desk, row: corrections.take_back(c, desk, row.id), "ditarik"
    )


def _unpublished(
    connection: Connection, row: Announcement, newest: EditionRow | None, account: Account
) -> DraftVersion | None:
    """Find this person's latest correction if it was never published."""
    last = drafts.newest(connection, row.id)
    if last is None or newest is None or last.act != "correct" or last.actor != account.actor:
        return None
    is_out = last.at < math.floor(newest.published_at) or read_leniently(last.form)[0] == row.fields
    return None if is_out else last


def _changes(request: Request, before: Fields, after: Fields) -> list[FieldDifference]:
    app = app_of(request)
    changes = differences(before, after, tree=app.tree, topics=app.settings.topics)
    # a correction is published when it is approved, so its schedule does not count
    return [change for change in changes if change.name != "publish_at"]


# --- responses ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """Stored data about an announcement's corrections.

    `unused` is this person's latest correction if it was never published.
    """

    newest: EditionRow | None
    waiting: Proposal | None
    people: Mapping[str, str]
    unused: DraftVersion | None

    @property
    def after(self) -> Fields | None:
        """Fields after the pending correction; None if there is none."""
        if self.waiting is None or self.waiting.change != "correction":
            return None
        return read_leniently(self.waiting.form)[0]


def _stored(connection: Connection, row: Announcement, account: Account, t: Words) -> _Stored:
    waiting = drafts.proposed(connection, row.id)
    names = [waiting.actor, waiting.approved_by] if waiting else []
    newest = announcements.newest_edition(connection, row.id)
    return _Stored(
        newest=newest,
        waiting=waiting,
        people=actors.display_names(connection, names, t),
        unused=_unpublished(connection, row, newest, account),
    )


async def _approval_right(request: Request, row: Announcement, stored: _Stored) -> ApprovalRight:
    desk = frame.desk_of(request)
    writers = {stored.waiting.actor} if stored.waiting is not None else set()
    return await app_of(request).database.read(
        approval_right,
        desk.press,
        row,
        desk.account,
        writers,
        desk.now,
        frame.words_of(request),
        stored.after,
    )


async def _show(request: Request, change: Change, contents: FormContents) -> Response:
    app, row, t = app_of(request), await find_announcement(request), words(pages.lang_of(request))
    stored = await app.database.read(_stored, row, account_of(request), t)
    newest, waiting, people, unused = stored.newest, stored.waiting, stored.people, stored.unused
    right, after = await _approval_right(request, row, stored), stored.after
    if newest is None:
        raise HTTPException(404)
    if waiting is not None and waiting.change != change and request.method == "GET":
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/{PATHS[waiting.change]}", 303)
    proposed = waiting if waiting is not None and waiting.change == change else None
    chosen = row.fields.channels
    confirmation = request.query_params.get("selesai", "")
    again = unused is not None and "pakai" in request.query_params
    values = contents.values or (
        proposed_values(row, unused.form)
        if unused is not None and again
        else published_values(row.fields)
    )
    return frame.page(
        request,
        "corrections.html",
        status=contents.status,
        row=row,
        change=change,
        shown=contents,
        newest=newest,
        waiting=proposed,
        values=values,
        unused=unused is not None and not again and not contents.values,
        proposer=people[proposed.actor] if proposed else "",
        approver=people[proposed.approved_by] if proposed else "",
        left=_seconds_left(proposed, app.clock()),
        right=right,
        changes=_changes(request, row.fields, after)
        if proposed and after is not None
        else contents.changes,
        mine=proposed is not None and proposed.actor == account_of(request).actor,
        topics=app.settings.topics,
        tree=app.tree,
        verdicts=VERDICTS,
        marked=_marked(request, values["areas"] if change == "correction" else ()),
        pushed=[app.push[name].label for name in app.open_push if not chosen or name in chosen],
        pulled=[app.pull[name].label for name in app.pull if not chosen or name in chosen],
        said=(
            confirmation
            if _proposal_state(proposed, newest) in CONFIRMATIONS.get(confirmation, ())
            else ""
        ),
    )


def _seconds_left(proposed: Proposal | None, now: datetime) -> int:
    """Return the seconds until an approved proposal is published; 0 if none is approved."""
    if proposed is None or not proposed.release_at:
        return 0
    return max(round(proposed.release_at - now.timestamp()), 0)


def _proposal_state(proposed: Proposal | None, newest: EditionRow) -> str:
    """Return the proposal's state as CONFIRMATIONS names it.

    "out" means that none is pending and one was published before.
    """
    if proposed is None:
        return "out" if newest.number > 1 else ""
    return "asked" if proposed.release_at is None else "held"


def _marked(request: Request, names: Sequence[str]) -> set[str]:
    """Return the slugs of the checked areas."""
    return {
        area.slug for area in (app_of(request).tree.get(name) for name in names) if area is not None
    }


async def _decide(
    request: Request, act: Callable[[Connection, Any, Announcement], None], done: str
) -> Response:
    app, row, desk = app_of(request), await find_announcement(request), frame.desk_of(request)
    change = _change(await app.database.read(drafts.proposed, row.id))
    try:
        await app.database.write(lambda connection: act(connection, desk, row))
    except (InvalidAnnouncement, NotAllowed) as error:
        return await _refused(request, change, FormContents(), error)
    return _redirect(row, change, done)


async def _refused(
    request: Request,
    change: Change,
    contents: FormContents,
    error: InvalidAnnouncement | NotAllowed,
) -> Response:
    problems: tuple[WordedProblem, ...] = ()
    refusal = ""
    if isinstance(error, InvalidAnnouncement):
        problems = refusals.worded(error.problems, frame.words_of(request))
    else:
        refusal = frame.sentence(request, error)
    status = 422 if problems else frame.status_of(error)
    return await _show(
        request, change, replace(contents, problems=problems, refusal=refusal, status=status)
    )


def _change(waiting: Proposal | None) -> Change:
    return waiting.change if waiting is not None else "correction"


def _redirect(row: Announcement, change: Change, done: str) -> Response:
    return RedirectResponse(f"/redaksi/pengumuman/{row.id}/{PATHS[change]}?selesai={done}", 303)
