"""Review page: the check before submitting and the decision of a second person.

Both see the same previews and the same reach, with one button for each act.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain import channel_overrides
from broadcaster.domain.fields import Fields, Override, Translation
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import drafts, forms, previews, release, review
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing import publications
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.refusal_words import WordedProblem
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import DraftVersion, editors, history
from broadcaster.web.base.authorization import app_of
from broadcaster.web.staff import (
    actors,
    audience_estimate,
    checks,
    frame,
    idempotent_forms,
    refusals,
)
from broadcaster.web.staff.announcement_page import find_announcement
from broadcaster.web.staff.approval_right import ApprovalRight, approval_right
from broadcaster.web.staff.compose import thumbnail

UseCase = Callable[[Connection, Desk, str, Any], Any]
"""Function run in a transaction with the desk, the announcement's id and the form."""

VERSIONS = 5
"""Newest versions that are listed beside the text; the history page lists them all."""
PROSE = ("title", "summary", "body", "instruction")
"""Text fields of a language or of a channel, in reading order."""
FACTS = (
    "link",
    "image",
    "image_alt",
    "claim",
    "seen_at",
    "verdict",
    "hoax_type",
    "fact",
    "evidence",
)
"""Further fields that residents may read or follow."""


@dataclass(frozen=True, kw_only=True)
class LanguageText:
    """Text of one language, or of one channel if `label` is set; `words` by name of field, as
    typed.
    """

    lang: str
    label: str
    words: Mapping[str, str]


def approved_texts(app: App, fields: Fields) -> list[LanguageText]:
    """List every text that an approval covers; previews cut some and show one language only."""
    labels = app.labels
    return [
        LanguageText(lang="id", label="", words=_words(fields)),
        *(
            LanguageText(lang=lang, label="", words=_words(words))
            for lang, words in fields.translations.items()
        ),
        *(
            LanguageText(lang="id", label=labels.get(name, name), words=_words(words))
            for name, words in fields.overrides.items()
        ),
    ]


def _words(words: Fields | Translation | Override) -> dict[str, str]:
    return {name: text for name in PROSE if (text := getattr(words, name, None))}


def facts(fields: Fields) -> dict[str, str]:
    """Return the links, pictures and claims that are set, by name of field."""
    given = {name: getattr(fields, name) for name in FACTS}
    return {
        name: "\n".join(value) if isinstance(value, tuple) else str(value)
        for name, value in given.items()
        if value
    }


CONFIRMED = {"dibatalkan": "review", "dikembalikan": "returned", "jadwal": "approved"}
"""Acts that the page confirms, each while the announcement is still in the state that it left."""


async def show(request: Request) -> Response:
    """Show the page."""
    return await _page(request, await find_announcement(request))


async def _page(
    request: Request,
    row: Announcement,
    problems: tuple[WordedProblem, ...] = (),
    status: int = 200,
    *,
    reason: str = "",
) -> Response:
    app = app_of(request)
    form = forms.form_of(row)
    rendered = await previews.beside(
        lambda: previews.of_form(app, form, announcement=row.id, code=row.code)
    )
    versions, names = await app.database.read(_history, row, frame.words_of(request))
    right = await app.database.read(
        _approval_right, frame.desk_of(request), row, frame.words_of(request)
    )
    findings = (
        await checks.of(request, form, row.id) if row.state in forms.EDITABLE else checks.NOTHING
    )
    if not problems and row.state in ("draft", "returned"):
        problems = findings.problems
    left = round(row.release_at - app.clock().timestamp()) if row.release_at is not None else 0
    return frame.page(
        request,
        "review.html",
        status=status,
        row=row,
        previews=rendered,
        problems=problems,
        versions=versions,
        checks=findings,
        editing=False,
        placed=True,
        picture=thumbnail(app, rendered.edition),
        outdated=channel_overrides.outdated(form),
        spoken=(),
        preview_lang="id",
        spoken_words=approved_texts(app, row.fields),
        more_facts=facts(row.fields),
        reach=await audience_estimate.of(request, rendered.edition, row.fields.channels),
        may_approve=right.may,
        right=right,
        left=max(left, 0),
        names=names,
        reason=reason,
        said=_confirmed_act(request, row) if not problems else "",
        sending=f"/redaksi/pengiriman/{row.id}" if row.published_at else "",
        break_glass=app.settings.break_glass and row.fields.level == "emergency",
    )


def _approval_right(
    connection: Connection, desk: Desk, row: Announcement, t: Words
) -> ApprovalRight:
    writers = editors(connection, row.id) | {row.submitted_by}
    return approval_right(connection, desk.press, row, desk.account, writers, desk.now, t)


def _history(
    connection: Connection, row: Announcement, t: Words
) -> tuple[list[DraftVersion], Mapping[str, str]]:
    """Read the newest versions, and the names of all who are mentioned."""
    versions = history(connection, row.id, limit=VERSIONS)
    named = [row.submitted_by, row.approved_by, *(version.actor for version in versions)]
    return versions, actors.display_names(connection, named, t)


def _confirmed_act(request: Request, row: Announcement) -> str:
    act = request.query_params.get("selesai", "")
    return act if CONFIRMED.get(act) == row.state else ""


def decision(
    act: UseCase, *, to: str = "", makes: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """Build the endpoint of an act; it redirects to `to` below the announcement's address.

    A publication wakes the delivery at once. `makes`: True if the act makes another announcement.
    """

    async def endpoint(request: Request) -> Response:
        app, row, data = app_of(request), await find_announcement(request), await request.form()
        desk, kind = frame.desk_of(request), request.url.path.rsplit("/", 1)[-1]
        try:
            outcome = await idempotent_forms.write(
                request,
                data,
                kind,
                lambda c: act(c, desk, row.id, data),
                lambda made: str(made.id),
                makes=makes,
            )
        except (InvalidAnnouncement, NotAllowed) as error:
            problems, reason = (
                refusals.of(error, frame.words_of(request)),
                str(data.get("alasan", "")),
            )
            return await _page(
                request,
                await find_announcement(request),
                problems,
                status=frame.status_of(error),
                reason=reason,
            )
        if isinstance(outcome.made, StoredAnnouncement):
            await publications.ring(app, outcome.made)
        return RedirectResponse(f"/redaksi/pengumuman/{outcome.result}{to}", 303)

    return endpoint


def _number(data: Any, name: str) -> int:
    text = str(data.get(name, ""))
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _version_seen(data: Any) -> int | None:
    """Return the version that the form was made from; None if an older page did not send one."""
    return _number(data, "versi") if data.get("versi") else None


submit = decision(
    lambda c, desk, id_, data: review.submit(c, desk, id_, version=_number(data, "versi")),
    to="/periksa",
)
approve = decision(
    lambda c, desk, id_, data: review.approve(
        c,
        desk,
        id_,
        seen=str(data.get("dilihat", "")),
        version=_number(data, "versi"),
        read=bool(data.get("dibaca")),
    ),
    to="/periksa",
)
send_back = decision(
    lambda c, desk, id_, data: review.send_back(c, desk, id_, str(data.get("alasan", ""))),
    to="/periksa?selesai=dikembalikan",
)
reject = decision(
    lambda c, desk, id_, data: review.reject(c, desk, id_, str(data.get("alasan", ""))),
    to="?selesai=ditolak",
)
call_back = decision(
    lambda c, desk, id_, _data: review.call_back(c, desk, id_), to="/periksa?selesai=dibatalkan"
)
unschedule = decision(
    lambda c, desk, id_, _data: release.unschedule(c, desk, id_), to="/periksa?selesai=jadwal"
)
publish = decision(
    lambda c, desk, id_, _data: release.publish_approved(c, desk, id_), to="/periksa"
)
archive = decision(
    lambda c, desk, id_, _data: drafts.archive(c, desk, id_), to="?selesai=diarsipkan"
)
duplicate = decision(
    lambda c, desk, id_, _data: drafts.duplicate(c, desk, id_), to="/tulis", makes=True
)
restore = decision(
    lambda c, desk, id_, data: drafts.restore(
        c, desk, id_, _number(data, "nomor"), version=_version_seen(data)
    ),
    to="/tulis",
)


async def break_glass(request: Request) -> Response:
    """Publish an emergency without a second person, where the city allows it."""
    allowed = app_of(request).settings.break_glass
    act = decision(
        lambda c, desk, id_, data: release.break_glass(
            c,
            desk,
            id_,
            reason=str(data.get("alasan", "")),
            allowed=allowed,
            version=_number(data, "versi"),
        ),
        to="/periksa",
    )
    return await act(request)
