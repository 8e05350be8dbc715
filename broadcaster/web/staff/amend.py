"""Correcting and withdrawing what is published: one person proposes, with the differences before them; another decides."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster import amending, newsroom, overriding, publishing, reasons
from broadcaster.announcements import NotAllowed
from broadcaster.fields import Fields, InvalidAnnouncement, Problem, read_leniently
from broadcaster.newsroom import Form
from broadcaster.store import announcements as rows
from broadcaster.store import drafts
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.drafts import Proposal
from broadcaster.web import pages
from broadcaster.web.access import account_of, app_of
from broadcaster.web.staff import actors, frame, refusals
from broadcaster.web.staff import form as forms
from broadcaster.web.staff.differences import Difference, differences
from broadcaster.web.staff.reading import found
from broadcaster.wording import words
from channels.base.rendering import WIB

Change = Literal["correction", "withdrawal"]
TIMES = ("effective", "expires")
TYPED = ("title", "summary", "body", "instruction", "category", "agency", "link", "image", "image_alt", *TIMES)
"""Fields of the form that are one text each; areas are check-boxes."""
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
    desk, reason = frame.desk_of(request), _text(sent, "reason")
    form = corrected(row, sent, request)
    shown = Shown(values=_typed(form, sent), reason=reason)
    try:
        checked = amending.examined(desk, row, form)
        reasons.read(reason)
        seen = fingerprint(form, reason)
        if not hmac.compare_digest(_text(sent, "seen").encode(), seen.encode()):
            changes = _changes(request, row.fields, checked.fields)
            if not changes:
                raise NotAllowed(words("id")("staff.send.same"))
            return await _show(request, "correction", Shown(values=shown.values, reason=reason, changes=changes, seen=seen))
        await app_of(request).database.write(amending.propose_correction, desk, row.id, form, reason=reason)
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, "correction", shown, refused)
    return _to(row, "correction", "diajukan")


async def show_again(request: Request) -> Response:
    """The correction as it was typed, for a session that began after it was opened; nothing is proposed."""
    row, sent = await found(request), await request.form()
    values = _typed(corrected(row, sent, request), sent)
    problems = (frame.stale(request),)
    return await _show(request, "correction", Shown(values=values, reason=_text(sent, "reason"), problems=problems, status=403))


async def withdraw(request: Request) -> Response:
    """Propose to take it back."""
    row, sent = await found(request), await request.form()
    reason = _text(sent, "reason")
    try:
        await app_of(request).database.write(amending.propose_withdrawal, frame.desk_of(request), row.id, reason=reason)
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, "withdrawal", Shown(reason=reason), refused)
    return _to(row, "withdrawal", "diajukan")


async def approve(request: Request) -> Response:
    """Publish what was proposed."""
    app, row, sent = app_of(request), await found(request), await request.form()
    waiting = await app.database.read(drafts.proposed, row.id)
    try:
        stored = await app.database.write(amending.approve, frame.desk_of(request), row.id, seen=_text(sent, "seen"))
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, _change(waiting), Shown(), refused)
    await publishing.ring(app, stored)
    return RedirectResponse(f"/redaksi/pengiriman/{row.id}?selesai={PATHS[_change(waiting)]}", 303)


async def refuse(request: Request) -> Response:
    """Turn it down, with a reason."""
    sent = await request.form()
    return await _decide(request, lambda c, desk, row: amending.refuse(c, desk, row.id, _text(sent, "reason")), "ditolak")


async def take_back(request: Request) -> Response:
    """Its author no longer wants it."""
    return await _decide(request, lambda c, desk, row: amending.take_back(c, desk, row.id), "ditarik")


# --- the form -----------------------------------------------------------------------------------------


def corrected(row: Announcement, sent: FormData, request: Request) -> dict[str, Any]:
    """What is published with what was typed over it; areas keep the spelling in which they were published."""
    tree = app_of(request).tree
    form = row.fields.model_dump(mode="json", exclude_defaults=True)
    form |= {name: _text(sent, name) for name in TYPED}
    wanted = {value for value in sent.getlist("areas") if isinstance(value, str)}
    kept = [name for name in row.fields.areas if (area := tree.get(name)) is not None and area.slug in wanted]
    known = {area.slug for area in (tree.get(name) for name in kept) if area is not None}
    form["areas"] = [*kept, *(area.slug for area in tree.all() if area.slug in wanted - known)]
    form["translations"] = _translations(sent) if sent.get("translations") else {}
    if any(form.get(name) != (getattr(row.fields, name) or "") for name in overriding.WORDS):
        form.pop("overrides", None)  # they say what is being corrected
    return {name: value for name, value in form.items() if value not in ("", None, {})}


def fingerprint(form: Form, reason: str) -> str:
    """What the differences were shown of."""
    return hashlib.sha256(f"{newsroom.form_text(form)}\0{reason}".encode()).hexdigest()


def _typed(form: Form, sent: FormData) -> dict[str, Any]:
    """The form as it is shown again."""
    typed = {name: _text(sent, name) for name in TYPED}
    shown = forms.shown({"translations": _translations(sent)})["translations"]
    return {**typed, "areas": form["areas"], "translations": bool(sent.get("translations")), "words": shown}


def _translations(sent: FormData) -> dict[str, dict[str, str]]:
    """Every language that was written."""
    written = {lang: forms.translation(sent, lang) for lang in forms.LANGUAGES}
    return {lang: words for lang, words in written.items() if words}


def _published(fields: Fields) -> dict[str, Any]:
    """The form as it is first shown."""
    values: dict[str, Any] = {name: getattr(fields, name) or "" for name in TYPED}
    times = {name: getattr(fields, name) for name in TIMES}
    values |= {name: at.astimezone(WIB).strftime("%Y-%m-%dT%H:%M") if at else "" for name, at in times.items()}
    stored = {lang: words.model_dump(exclude_none=True) for lang, words in fields.translations.items()}
    return {
        **values,
        "areas": list(fields.areas),
        "translations": False,
        "words": forms.shown({"translations": stored})["translations"],
    }


def _changes(request: Request, before: Fields, after: Fields) -> list[Difference]:
    app = app_of(request)
    found = differences(before, after, tree=app.tree, topics=app.settings.topics)
    return [one for one in found if one.name != "publish_at"]  # a correction is published when it is approved


# --- answers ------------------------------------------------------------------------------------------


async def _show(request: Request, change: Change, shown: Shown) -> Response:
    app, row, t = app_of(request), await found(request), words(pages.lang_of(request))

    def look(connection: Connection) -> tuple[EditionRow | None, Proposal | None, str]:
        waiting = drafts.proposed(connection, row.id)
        name = actors.spoken(connection, [waiting.actor], t)[waiting.actor] if waiting else ""
        return rows.newest_edition(connection, row.id), waiting, name

    newest, waiting, name = await app.database.read(look)
    if newest is None:
        raise HTTPException(404)
    if waiting is not None and waiting.change != change and request.method == "GET":
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/{PATHS[waiting.change]}", 303)
    proposed = waiting if waiting is not None and waiting.change == change else None
    chosen = row.fields.channels
    said = request.query_params.get("selesai", "")
    return frame.page(
        request, "amend.html", status=shown.status, row=row, change=change, shown=shown, newest=newest, waiting=proposed,
        values=shown.values or _published(row.fields), proposer=name,
        changes=_changes(request, row.fields, read_leniently(proposed.form)[0]) if proposed and proposed.form else shown.changes,
        mine=proposed is not None and proposed.actor == account_of(request).actor, topics=app.settings.topics, tree=app.tree,
        marked=_marked(request, (shown.values or _published(row.fields))["areas"] if change == "correction" else ()),
        pushed=[app.push[one].label for one in app.open_push if not chosen or one in chosen],
        pulled=[app.pull[one].label for one in app.pull if not chosen or one in chosen],
        said=said if said in ("diajukan", "ditolak", "ditarik") else "",
    )  # fmt: skip


def _marked(request: Request, names: Sequence[str]) -> set[str]:
    """Slugs of the areas that are ticked."""
    return {area.slug for area in (app_of(request).tree.get(name) for name in names) if area is not None}


async def _decide(request: Request, act: Callable[[Connection, Any, Announcement], None], said: str) -> Response:
    app, row, desk = app_of(request), await found(request), frame.desk_of(request)
    change = _change(await app.database.read(drafts.proposed, row.id))
    try:
        await app.database.write(lambda connection: act(connection, desk, row))
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, change, Shown(), refused)
    return _to(row, change, said)


async def _refused(request: Request, change: Change, shown: Shown, refused: InvalidAnnouncement | NotAllowed) -> Response:
    given = refused.problems if isinstance(refused, InvalidAnnouncement) else ()
    problems = refusals.worded(given, frame.words_of(request))
    refusal = "" if problems else str(refused)
    status = 422 if problems else frame.status_of(refused)
    return await _show(
        request, change,
        Shown(values=shown.values, reason=shown.reason, problems=problems, refusal=refusal, status=status),
    )  # fmt: skip


def _change(waiting: Proposal | None) -> Change:
    return waiting.change if waiting is not None else "correction"


def _to(row: Announcement, change: Change, said: str) -> Response:
    return RedirectResponse(f"/redaksi/pengumuman/{row.id}/{PATHS[change]}?selesai={said}", 303)


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name, "")
    return value if isinstance(value, str) else ""
