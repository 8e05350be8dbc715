"""Correcting and withdrawing what is published: one person proposes, with the differences before
them; another decides.
"""

import hmac
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain.accounts import Account
from broadcaster.domain.fields import VERDICTS, Fields, InvalidAnnouncement, Problem, read_leniently
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom import corrections
from broadcaster.publishing import publications
from broadcaster.runtime.i18n import Words, words
from broadcaster.store import announcements, drafts
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.drafts import DraftVersion, Proposal
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame, refusals
from broadcaster.web.staff.announcement import found
from broadcaster.web.staff.correction_form import (
    corrected,
    fingerprint,
    proposed_values,
    published_values,
    text_of,
    typed_values,
)
from broadcaster.web.staff.differences import Difference, differences
from broadcaster.web.staff.judging import Judgement, judgement

Change = Literal["correction", "withdrawal"]
SAID = {
    "diajukan": ("asked",),
    "dibatalkan": ("asked",),
    "disetujui": ("held", "out"),
    "ditolak": ("", "out"),
    "ditarik": ("", "out"),
}
"""What the page says was done, and how the proposal may stand while it says so; keys below
"staff.send.said.".
"""
PATHS: Mapping[Change, str] = {"correction": "ralat", "withdrawal": "cabut"}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What stands in the form, and what was said of it."""

    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    changes: Sequence[Difference] | None = None
    seen: str = ""
    problems: Sequence[Problem] = ()
    refusal: str = ""
    status: int = 200


async def show_correction(request: Request) -> Response:
    """The form, or the proposal that waits."""
    return await _show(request, "correction", Shown())


async def show_withdrawal(request: Request) -> Response:
    """The form, or the proposal that waits."""
    return await _show(request, "withdrawal", Shown())


async def correct(request: Request) -> Response:
    """First show the differences; a form that was seen with its differences is proposed."""
    row, sent = await found(request), await request.form()
    app, desk, reason = app_of(request), frame.desk_of(request), text_of(sent, "reason")
    form = corrected(row, sent, request)
    shown = Shown(values=typed_values(form, sent), reason=reason)
    seen = fingerprint(form, reason)
    try:
        if not hmac.compare_digest(text_of(sent, "seen").encode(), seen.encode()):
            checked, _why = await app.database.read(
                corrections.examine_correction, desk, row, form, reason=reason
            )
            changes = _changes(request, row.fields, checked.fields)
            if not changes:
                raise NotAllowed(words("id")("staff.send.same"))
            return await _show(request, "correction", replace(shown, changes=changes, seen=seen))
        await app.database.write(corrections.propose_correction, desk, row.id, form, reason=reason)
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, "correction", shown, refused)
    return _to(row, "correction", "diajukan")


async def show_again(request: Request) -> Response:
    """The correction as it was typed, for a session that began after it was opened; nothing is
    proposed.
    """
    row, sent = await found(request), await request.form()
    values = typed_values(corrected(row, sent, request), sent)
    shown = Shown(
        values=values, reason=text_of(sent, "reason"), problems=(frame.stale(request),), status=403
    )
    return await _show(request, "correction", shown)


async def withdraw(request: Request) -> Response:
    """Propose to take it back."""
    row, sent = await found(request), await request.form()
    desk, reason = frame.desk_of(request), text_of(sent, "reason")
    try:
        await app_of(request).database.write(
            corrections.propose_withdrawal, desk, row.id, reason=reason
        )
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, "withdrawal", Shown(reason=reason), refused)
    return _to(row, "withdrawal", "diajukan")


async def approve(request: Request) -> Response:
    """Approve what was proposed: it is held for a moment, or goes out at once."""
    app, row, sent = app_of(request), await found(request), await request.form()
    waiting = await app.database.read(drafts.proposed, row.id)
    try:
        stored = await app.database.write(
            corrections.approve, frame.desk_of(request), row.id, seen=text_of(sent, "seen")
        )
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, _change(waiting), Shown(), refused)
    if stored.edition is None:
        return _to(row, _change(waiting), "disetujui")
    await publications.ring(app, stored)
    return RedirectResponse(f"/redaksi/pengiriman/{row.id}?selesai={PATHS[_change(waiting)]}", 303)


async def call_back(request: Request) -> Response:
    """Take an approval back within the hold."""
    return await _decide(
        request, lambda c, desk, row: corrections.call_back(c, desk, row.id), "dibatalkan"
    )


async def refuse(request: Request) -> Response:
    """Turn it down, with a reason."""
    sent = await request.form()
    return await _decide(
        request,
        lambda c, desk, row: corrections.refuse(c, desk, row.id, text_of(sent, "reason")),
        "ditolak",
    )


async def take_back(request: Request) -> Response:
    """Its author no longer wants it."""
    return await _decide(
        request, lambda c, desk, row: corrections.take_back(c, desk, row.id), "ditarik"
    )


def _unpublished(
    connection: Connection, row: Announcement, newest: EditionRow | None, account: Account
) -> DraftVersion | None:
    """Find this person's last correction, if it was refused or taken back."""
    last = drafts.newest(connection, row.id)
    if last is None or newest is None or last.act != "correct" or last.actor != account.actor:
        return None
    is_out = last.at < math.floor(newest.published_at) or read_leniently(last.form)[0] == row.fields
    return None if is_out else last


def _changes(request: Request, before: Fields, after: Fields) -> list[Difference]:
    app = app_of(request)
    found = differences(before, after, tree=app.tree, topics=app.settings.topics)
    return [
        one for one in found if one.name != "publish_at"
    ]  # a correction is published when it is approved


# --- answers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """What the store knows of an announcement's corrections; `unused`: this person's last one, if
    it never went out.
    """

    newest: EditionRow | None
    waiting: Proposal | None
    people: Mapping[str, str]
    unused: DraftVersion | None

    @property
    def after(self) -> Fields | None:
        """The fields as the correction that waits would leave them."""
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
        people=actors.spoken(connection, names, t),
        unused=_unpublished(connection, row, newest, account),
    )


async def _judged(request: Request, row: Announcement, stored: _Stored) -> Judgement:
    desk = frame.desk_of(request)
    writers = {stored.waiting.actor} if stored.waiting is not None else set()
    return await app_of(request).database.read(
        judgement, desk.press, row, desk.account, writers, desk.now, stored.after
    )


async def _show(request: Request, change: Change, shown: Shown) -> Response:
    app, row, t = app_of(request), await found(request), words(pages.lang_of(request))
    stored = await app.database.read(_stored, row, account_of(request), t)
    newest, waiting, people, unused = stored.newest, stored.waiting, stored.people, stored.unused
    judged, after = await _judged(request, row, stored), stored.after
    if newest is None:
        raise HTTPException(404)
    if waiting is not None and waiting.change != change and request.method == "GET":
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/{PATHS[waiting.change]}", 303)
    proposed = waiting if waiting is not None and waiting.change == change else None
    chosen = row.fields.channels
    said = request.query_params.get("selesai", "")
    again = unused is not None and "pakai" in request.query_params
    values = shown.values or (
        proposed_values(row, unused.form)
        if unused is not None and again
        else published_values(row.fields)
    )
    left = (
        round(proposed.release_at - app.clock().timestamp())
        if proposed and proposed.release_at
        else 0
    )
    return frame.page(
        request,
        "amend.html",
        status=shown.status,
        row=row,
        change=change,
        shown=shown,
        newest=newest,
        waiting=proposed,
        values=values,
        unused=unused is not None and not again and not shown.values,
        proposer=people[proposed.actor] if proposed else "",
        approver=people[proposed.approved_by] if proposed else "",
        left=max(left, 0),
        judged=judged,
        changes=_changes(request, row.fields, after)
        if proposed and after is not None
        else shown.changes,
        mine=proposed is not None and proposed.actor == account_of(request).actor,
        topics=app.settings.topics,
        tree=app.tree,
        verdicts=VERDICTS,
        marked=_marked(request, values["areas"] if change == "correction" else ()),
        pushed=[app.push[one].label for one in app.open_push if not chosen or one in chosen],
        pulled=[app.pull[one].label for one in app.pull if not chosen or one in chosen],
        said=said if _standing(proposed, newest) in SAID.get(said, ()) else "",
    )


def _standing(proposed: Proposal | None, newest: EditionRow) -> str:
    """How a proposal stands, as SAID names it; "out": none waits, and one was published at some
    time.
    """
    if proposed is None:
        return "out" if newest.number > 1 else ""
    return "asked" if proposed.release_at is None else "held"


def _marked(request: Request, names: Sequence[str]) -> set[str]:
    """Slugs of the areas that are ticked."""
    return {
        area.slug for area in (app_of(request).tree.get(name) for name in names) if area is not None
    }


async def _decide(
    request: Request, act: Callable[[Connection, Any, Announcement], None], said: str
) -> Response:
    app, row, desk = app_of(request), await found(request), frame.desk_of(request)
    change = _change(await app.database.read(drafts.proposed, row.id))
    try:
        await app.database.write(lambda connection: act(connection, desk, row))
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, change, Shown(), refused)
    return _to(row, change, said)


async def _refused(
    request: Request, change: Change, shown: Shown, refused: InvalidAnnouncement | NotAllowed
) -> Response:
    given = refused.problems if isinstance(refused, InvalidAnnouncement) else ()
    problems = refusals.worded(given, frame.words_of(request))
    refusal = "" if problems else str(refused)
    status = 422 if problems else frame.status_of(refused)
    return await _show(
        request, change, replace(shown, problems=problems, refusal=refusal, status=status)
    )


def _change(waiting: Proposal | None) -> Change:
    return waiting.change if waiting is not None else "correction"


def _to(row: Announcement, change: Change, said: str) -> Response:
    return RedirectResponse(f"/redaksi/pengumuman/{row.id}/{PATHS[change]}?selesai={said}", 303)
