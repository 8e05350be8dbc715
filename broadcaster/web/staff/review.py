"""The check before submitting, and what a second person decides: the same previews, the reach, and
one button for each act.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain import channel_overrides
from broadcaster.domain.fields import Fields, InvalidAnnouncement, Override, Problem, Translation
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom import drafts as newsroom
from broadcaster.newsroom import forms, release, review
from broadcaster.newsroom import previews as previewing
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing import publications
from broadcaster.publishing.press import Stored
from broadcaster.runtime.i18n import Words
from broadcaster.store import drafts
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import DraftVersion
from broadcaster.web.base.authorization import app_of
from broadcaster.web.staff import actors, audience_estimate, checks, frame, once, refusals
from broadcaster.web.staff.announcement import found
from broadcaster.web.staff.compose import thumbnail
from broadcaster.web.staff.judging import Judgement, judgement

UseCase = Callable[[Connection, Desk, str, Any], Any]
"""A transaction: the desk, the announcement's id and what the form says."""

VERSIONS = 5
"""The newest, named beside the text; their own page shows more."""
PROSE = ("title", "summary", "body", "instruction")
"""Words of a language or of a channel, in reading order."""
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
"""What else residents may read or be led to."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """The words of a language, or those of one channel (`label`); by name of field, as they were
    typed.
    """

    lang: str
    label: str
    words: Mapping[str, str]


def spoken(app: App, fields: Fields) -> list[Spoken]:
    """Every set of words that is approved: previews cut some of them, and speak one language."""
    labels = app.labels
    return [
        Spoken(lang="id", label="", words=_words(fields)),
        *(
            Spoken(lang=lang, label="", words=_words(words))
            for lang, words in fields.translations.items()
        ),
        *(
            Spoken(lang="id", label=labels.get(name, name), words=_words(words))
            for name, words in fields.overrides.items()
        ),
    ]


def _words(words: Fields | Translation | Override) -> dict[str, str]:
    return {name: text for name in PROSE if (text := getattr(words, name, None))}


def facts(fields: Fields) -> dict[str, str]:
    """Addresses, and what a clarification claims, by name of field."""
    given = {name: getattr(fields, name) for name in FACTS}
    return {
        name: "\n".join(value) if isinstance(value, tuple) else str(value)
        for name, value in given.items()
        if value
    }


SAID = {"dibatalkan": "review", "dikembalikan": "returned", "jadwal": "approved"}
"""Acts of which the page says that they were done, while the announcement is still as they left it."""


async def show(request: Request) -> Response:
    """The page."""
    return await _page(request, await found(request))


async def _page(
    request: Request,
    row: Announcement,
    problems: tuple[Problem, ...] = (),
    status: int = 200,
    *,
    reason: str = "",
) -> Response:
    app = app_of(request)
    form = forms.form_of(row)
    previews = await previewing.beside(
        lambda: previewing.look(app, form, announcement=row.id, code=row.code)
    )
    versions, names = await app.database.read(_people, row, frame.words_of(request))
    judged = await app.database.read(_judgement, frame.desk_of(request), row)
    looked = (
        await checks.of(request, form, row.id) if row.state in forms.EDITABLE else checks.NOTHING
    )
    if not problems and row.state in ("draft", "returned"):
        problems = looked.problems
    left = round(row.release_at - app.clock().timestamp()) if row.release_at is not None else 0
    return frame.page(
        request,
        "review.html",
        status=status,
        row=row,
        previews=previews,
        problems=problems,
        versions=versions,
        checks=looked,
        editing=False,
        placed=True,
        picture=thumbnail(app, previews.edition),
        outdated=channel_overrides.outdated(form),
        spoken=(),
        preview_lang="id",
        spoken_words=spoken(app, row.fields),
        more_facts=facts(row.fields),
        reach=await audience_estimate.of(request, previews.edition, row.fields.channels),
        judges=judged.may,
        judged=judged,
        left=max(left, 0),
        names=names,
        reason=reason,
        said=_done(request, row) if not problems else "",
        sending=f"/redaksi/pengiriman/{row.id}" if row.published_at else "",
        break_glass=app.settings.break_glass and row.fields.level == "emergency",
    )


def _judgement(connection: Connection, desk: Desk, row: Announcement) -> Judgement:
    writers = drafts.editors(connection, row.id) | {row.submitted_by}
    return judgement(connection, desk.press, row, desk.account, writers, desk.now)


def _people(
    connection: Connection, row: Announcement, t: Words
) -> tuple[list[DraftVersion], Mapping[str, str]]:
    """The versions, and everybody's name."""
    versions = drafts.history(connection, row.id, limit=VERSIONS)
    named = [row.submitted_by, row.approved_by, *(version.actor for version in versions)]
    return versions, actors.spoken(connection, named, t)


def _done(request: Request, row: Announcement) -> str:
    said = request.query_params.get("selesai", "")
    return said if SAID.get(said) == row.state else ""


def decided(
    act: UseCase, *, to: str = "", makes: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of one act: do it, ring where something was published, and go to `to` below the
    announcement's address.

    `makes`: it makes another announcement.
    """

    async def endpoint(request: Request) -> Response:
        app, row, data = app_of(request), await found(request), await request.form()
        desk, kind = frame.desk_of(request), request.url.path.rsplit("/", 1)[-1]
        try:
            done = await once.write(
                request,
                data,
                kind,
                lambda c: act(c, desk, row.id, data),
                lambda made: str(made.id),
                makes=makes,
            )
        except (InvalidAnnouncement, NotAllowed) as refused:
            problems, reason = (
                refusals.of(refused, frame.words_of(request)),
                str(data.get("alasan", "")),
            )
            return await _page(
                request,
                await found(request),
                problems,
                status=frame.status_of(refused),
                reason=reason,
            )
        if isinstance(done.made, Stored):
            await publications.ring(app, done.made)
        return RedirectResponse(f"/redaksi/pengumuman/{done.result}{to}", 303)

    return endpoint


def _number(data: Any, name: str) -> int:
    text = str(data.get(name, ""))
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _seen(data: Any) -> int | None:
    """Read the version that was seen; None where a page of an older version names none."""
    return _number(data, "versi") if data.get("versi") else None


submit = decided(
    lambda c, desk, id_, data: review.submit(c, desk, id_, version=_number(data, "versi")),
    to="/periksa",
)
approve = decided(
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
send_back = decided(
    lambda c, desk, id_, data: review.send_back(c, desk, id_, str(data.get("alasan", ""))),
    to="/periksa?selesai=dikembalikan",
)
reject = decided(
    lambda c, desk, id_, data: review.reject(c, desk, id_, str(data.get("alasan", ""))),
    to="?selesai=ditolak",
)
call_back = decided(
    lambda c, desk, id_, _data: review.call_back(c, desk, id_), to="/periksa?selesai=dibatalkan"
)
unschedule = decided(
    lambda c, desk, id_, _data: release.unschedule(c, desk, id_), to="/periksa?selesai=jadwal"
)
publish = decided(lambda c, desk, id_, _data: release.publish_approved(c, desk, id_), to="/periksa")
archive = decided(
    lambda c, desk, id_, _data: newsroom.archive(c, desk, id_), to="?selesai=diarsipkan"
)
duplicate = decided(
    lambda c, desk, id_, _data: newsroom.duplicate(c, desk, id_), to="/tulis", makes=True
)
restore = decided(
    lambda c, desk, id_, data: newsroom.restore(
        c, desk, id_, _number(data, "nomor"), version=_seen(data)
    ),
    to="/tulis",
)


async def break_glass(request: Request) -> Response:
    """One person alone publishes an emergency, where the city allows it."""
    allowed = app_of(request).settings.break_glass
    act = decided(
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
