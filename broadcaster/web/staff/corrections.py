"""Correcting and withdrawing what is published: one person proposes, with the differences before
them; another decides.
"""

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain import channel_overrides
from broadcaster.domain.accounts import Account
from broadcaster.domain.fields import VERDICTS, Fields, InvalidAnnouncement, Problem, read_leniently
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom import corrections
from broadcaster.newsroom.forms import Form, form_text
from broadcaster.publishing import publications
from broadcaster.runtime.i18n import words
from broadcaster.store import announcements, drafts
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.drafts import Proposal, Version
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame, refusals
from broadcaster.web.staff import form as forms
from broadcaster.web.staff.announcement import found
from broadcaster.web.staff.differences import Difference, differences
from broadcaster.web.staff.judging import judgement
from channels.base.rendering import WIB

Change = Literal["correction", "withdrawal"]
TIMES = ("effective", "expires")
TYPED = (
    "title",
    "summary",
    "body",
    "instruction",
    "category",
    "agency",
    "link",
    "image",
    "image_alt",
    *TIMES,
)
"""Fields of the form that are one text each; areas are check-boxes."""
CLAIMED = ("claim", "seen_at", "verdict", "fact", "evidence")
"""What a clarification says besides; the form of any other announcement has none of it."""
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
    app, desk, reason = app_of(request), frame.desk_of(request), _text(sent, "reason")
    form = corrected(row, sent, request)
    shown = Shown(values=_typed(form, sent), reason=reason)
    seen = fingerprint(form, reason)
    try:
        if not hmac.compare_digest(_text(sent, "seen").encode(), seen.encode()):
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
    values = _typed(corrected(row, sent, request), sent)
    shown = Shown(
        values=values, reason=_text(sent, "reason"), problems=(frame.stale(request),), status=403
    )
    return await _show(request, "correction", shown)


async def withdraw(request: Request) -> Response:
    """Propose to take it back."""
    row, sent = await found(request), await request.form()
    desk, reason = frame.desk_of(request), _text(sent, "reason")
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
            corrections.approve, frame.desk_of(request), row.id, seen=_text(sent, "seen")
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
        lambda c, desk, row: corrections.refuse(c, desk, row.id, _text(sent, "reason")),
        "ditolak",
    )


async def take_back(request: Request) -> Response:
    """Its author no longer wants it."""
    return await _decide(
        request, lambda c, desk, row: corrections.take_back(c, desk, row.id), "ditarik"
    )


# --- the form -----------------------------------------------------------------------------------------


def corrected(row: Announcement, sent: FormData, request: Request) -> dict[str, Any]:
    """What is published with what was typed over it; areas keep the spelling in which they were
    published.
    """
    tree = app_of(request).tree
    form = row.fields.model_dump(mode="json", exclude_defaults=True)
    form |= {name: _text(sent, name) for name in TYPED}
    if row.fields.kind == "clarification":
        given = forms.read(sent)
        form |= {name: given.get(name, "") for name in CLAIMED if name in sent}
    wanted = {value for value in sent.getlist("areas") if isinstance(value, str)}
    kept = [
        name
        for name in row.fields.areas
        if (area := tree.get(name)) is not None and area.slug in wanted
    ]
    known = {area.slug for area in (tree.get(name) for name in kept) if area is not None}
    form["areas"] = [*kept, *(area.slug for area in tree.all() if area.slug in wanted - known)]
    form["translations"] = _translations(sent) if sent.get("translations") else {}
    if any(form.get(name) != (getattr(row.fields, name) or "") for name in channel_overrides.WORDS):
        form.pop("overrides", None)  # they say what is being corrected
    return {name: value for name, value in form.items() if value not in ("", None, {})}


def fingerprint(form: Form, reason: str) -> str:
    """What the differences were shown of."""
    return hashlib.sha256(f"{form_text(form)}\0{reason}".encode()).hexdigest()


def _typed(form: Form, sent: FormData) -> dict[str, Any]:
    """The form as it is shown again."""
    typed = {name: _text(sent, name) for name in TYPED}
    shown = forms.shown({"translations": _translations(sent)})["translations"]
    return {
        **typed,
        **_claimed(form),
        "areas": form["areas"],
        "translations": bool(sent.get("translations")),
        "words": shown,
    }


def _translations(sent: FormData) -> dict[str, dict[str, str]]:
    """Every language that was written."""
    written = {lang: forms.translation(sent, lang) for lang in forms.LANGUAGES}
    return {lang: words for lang, words in written.items() if words}


def _claimed(form: Form) -> dict[str, str]:
    """What is said of a claim, as the fields of the page hold it."""
    values = forms.shown(form)
    return {name: values[name] for name in CLAIMED}


def _published(fields: Fields) -> dict[str, Any]:
    """The form as it is first shown."""
    values: dict[str, Any] = {name: getattr(fields, name) or "" for name in TYPED}
    times = {name: getattr(fields, name) for name in TIMES}
    values |= {
        name: at.astimezone(WIB).strftime("%Y-%m-%dT%H:%M") if at else ""
        for name, at in times.items()
    }
    stored = {
        lang: words.model_dump(exclude_none=True) for lang, words in fields.translations.items()
    }
    return {
        **values,
        **_claimed(fields.model_dump(mode="json", exclude_defaults=True)),
        "areas": list(fields.areas),
        "translations": False,
        "words": forms.shown({"translations": stored})["translations"],
    }


def _proposed(row: Announcement, form: Form) -> dict[str, Any]:
    """The form as it was proposed before."""
    times = {name: forms.shown(form)[name] for name in TIMES}
    texts = {name: str(form.get(name) or "") for name in TYPED}
    return {
        **_published(row.fields),
        **texts,
        **times,
        **_claimed(form),
        "areas": list(form.get("areas") or ()),
        "translations": bool(form.get("translations")),
        "words": forms.shown(form)["translations"],
    }


def _unpublished(
    connection: Connection, row: Announcement, newest: EditionRow | None, account: Account
) -> Version | None:
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
    """The stored side of the page: the newest edition, what waits, and what was never published."""

    newest: EditionRow | None
    waiting: Proposal | None
    people: Mapping[str, str]
    unused: Version | None

    @property
    def editors(self) -> set[str]:
        """Whoever wrote what waits."""
        return {self.waiting.actor} if self.waiting else set()

    @property
    def after(self) -> Fields | None:
        """The fields as the waiting correction would leave them."""
        if self.waiting is None or self.waiting.change != "correction":
            return None
        return read_leniently(self.waiting.form)[0]


def _stored(connection: Connection, row: Announcement, account: Account, lang: str) -> _Stored:
    waiting = drafts.proposed(connection, row.id)
    people = [waiting.actor, waiting.approved_by] if waiting else []
    newest = announcements.newest_edition(connection, row.id)
    return _Stored(
        newest=newest,
        waiting=waiting,
        people=actors.spoken(connection, people, words(lang)),
        unused=_unpublished(connection, row, newest, account),
    )


async def _show(request: Request, change: Change, shown: Shown) -> Response:
    app, row, account = app_of(request), await found(request), account_of(request)
    stored = await app.database.read(_stored, row, account, pages.lang_of(request))
    newest, waiting, after = stored.newest, stored.waiting, stored.after
    if newest is None:
        raise HTTPException(404)
    if waiting is not None and waiting.change != change and request.method == "GET":
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/{PATHS[waiting.change]}", 303)
    desk = frame.desk_of(request)
    judged = await app.database.read(
        judgement, desk.press, row, desk.account, stored.editors, desk.now, after
    )
    proposed = waiting if waiting is not None and waiting.change == change else None
    values, unused = _values(request, row, stored.unused, shown)
    changes = shown.changes
    if proposed and after is not None:
        changes = _changes(request, row.fields, after)
    chosen = row.fields.channels
    said = request.query_params.get("selesai", "")
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
        unused=unused,
        proposer=stored.people[proposed.actor] if proposed else "",
        approver=stored.people[proposed.approved_by] if proposed else "",
        left=_seconds_left(proposed, app.clock()),
        judged=judged,
        changes=changes,
        mine=proposed is not None and proposed.actor == account.actor,
        topics=app.settings.topics,
        tree=app.tree,
        verdicts=VERDICTS,
        marked=_marked(request, values["areas"] if change == "correction" else ()),
        pushed=[app.push[one].label for one in app.open_push if not chosen or one in chosen],
        pulled=[app.pull[one].label for one in app.pull if not chosen or one in chosen],
        said=said if _standing(proposed, newest) in SAID.get(said, ()) else "",
    )


def _values(
    request: Request, row: Announcement, unused: Version | None, shown: Shown
) -> tuple[Mapping[str, Any], bool]:
    """Values of the form, and whether an unpublished correction is offered instead of them."""
    again = unused is not None and "pakai" in request.query_params
    if shown.values:
        return shown.values, False
    if unused is not None and again:
        return _proposed(row, unused.form), False
    return _published(row.fields), unused is not None


def _seconds_left(proposed: Proposal | None, now: datetime) -> int:
    """Seconds until an approved proposal is published."""
    if proposed is None or not proposed.release_at:
        return 0
    return max(round(proposed.release_at - now.timestamp()), 0)


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


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name, "")
    return value if isinstance(value, str) else ""
