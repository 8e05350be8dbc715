"""The composer: a form with live previews. Every save is a version; the rules are checked last."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain import channel_overrides
from broadcaster.domain.codes import normalise_code
from broadcaster.domain.fields import BODY_LIMIT, VERDICTS
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement, Refusal
from broadcaster.media.images import UPLOAD_BYTES
from broadcaster.newsroom import previews
from broadcaster.newsroom.forms import EDITABLE, Outdated, form_of
from broadcaster.runtime.refusal_words import WordedProblem
from broadcaster.store.announcements import Announcement
from broadcaster.web.base.area_groups import groups
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.base.framed_documents import framed
from broadcaster.web.staff import (
    audience_estimate,
    checks,
    compose_form,
    frame,
    idempotent_forms,
    pictures,
    refusals,
    saving,
    trial_send,
)
from broadcaster.web.staff.announcement_page import find_announcement
from channels.base.contract import SUMMARY_LIMIT, TITLE_LIMIT, Edition, Level
from channels.base.pictures import own_path, own_picture
from subscribers.areas import Area

FORM_BYTES = 128 * 1024
"""Maximum size in bytes of the composer's form, as sent by a browser."""
LIMITS = {"title": TITLE_LIMIT, "summary": SUMMARY_LIMIT, "body": BODY_LIMIT}
"""Maximum code points of each field; domain.fields refuses more."""
NOBODY, NO_CODE = "0" * 32, "CMH-????-??"
"""Placeholder id and code for previews before the first save assigns real ones."""
ANCHORS = {
    "title": "judul", "summary": "ringkasan", "body": "teks", "instruction": "petunjuk",
    "areas": "wilayah", "category": "kategori", "level": "tingkat", "kind": "jenis",
    "link": "tautan", "expires": "sampai", "effective": "mulai", "publish_at": "jadwal",
    "agency": "opd", "channels": "kanal", "claim": "klaim", "verdict": "putusan",
    "fact": "fakta", "evidence": "bukti", "image": "gambar", "image_alt": "alt",
    "overrides": "kanal",
    "translations.en.title": "en-judul", "translations.en.summary": "en-ringkasan",
    "translations.en.body": "en-isi", "translations.en.instruction": "en-petunjuk",
    "translations.su.title": "su-judul", "translations.su.summary": "su-ringkasan",
    "translations.su.body": "su-isi", "translations.su.instruction": "su-petunjuk",
}  # fmt: skip
"""Fragment identifiers of the form's fields, for links from problems."""
FOLDS = {
    "urgent": {"instruction"},
    "more": {"link", "publish_at", "channels", "image", "image_alt"},
    "kinds": {"kind", "claim", "verdict", "seen_at", "fact", "evidence"},
}
"""Fields that are collapsed until they are filled in or refused."""
OVERWRITE = "timpa"
"""Button that overwrites a colleague's version; its value is "timpa:<the version shown>"."""
ADJUSTMENTS = {
    "sesuaikan": channel_overrides.adjust,
    "otomatis": channel_overrides.make_automatic,
    "diperiksa": channel_overrides.agree,
}
"""Changes to the form by a channel's buttons, whose values are such as "sesuaikan:telegram"."""


@dataclass(frozen=True, kw_only=True)
class GridTile:
    """A kelurahan on the grid."""

    area: Area
    column: int
    row: int
    group: int


@dataclass(frozen=True, kw_only=True)
class AdjustedChannel:
    """A channel with overridden text; `says` are the fields that it uses."""

    name: str
    label: str
    says: Collection[str]


async def begin(request: Request) -> Response:
    """Show an empty composer; ?latihan=1 begins a training announcement."""
    return await _page(request, None, {}, training=bool(request.query_params.get("latihan")))


async def create(request: Request) -> Response:
    """Store the first version."""
    data = await request.form()
    form, training = compose_form.read(data), bool(data.get("latihan"))
    button = str(data.get("aksi", ""))
    try:
        form |= await pictures.uploaded_image(request, data)
        row = await saving.create(request, data, _adjusted(form, button), training=training)
    except (InvalidAnnouncement, NotAllowed) as error:
        existing = await saving.find_created(request, data) if isinstance(error, Outdated) else None
        return await _refused(request, existing, form, data, error)
    return await _next(request, row, data, button)


async def edit(request: Request) -> Response:
    """Show the composer with the stored form; redirects if it is no longer editable."""
    row = await find_announcement(request)
    if row.state not in EDITABLE:
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}", 303)
    return await _page(request, row, form_of(row), training=row.training)


async def save(request: Request) -> Response:
    """Save a new version and follow the button that was clicked; a refusal keeps the typed form."""
    row, data = await find_announcement(request), await request.form()
    form, button = compose_form.read(data), str(data.get("aksi", ""))
    try:
        form |= await pictures.uploaded_image(request, data)
        act, _, shown_version = button.partition(":")
        over = act == OVERWRITE
        version = saving.parse_version(shown_version) if over else saving.version_of(data)
        row = await saving.update(request, row, _adjusted(form, button), version, apart=over)
    except (InvalidAnnouncement, NotAllowed) as error:
        return await _refused(request, row, form, data, error)
    return await _next(request, row, data, button)


async def _refused(
    request: Request,
    row: Announcement | None,
    form: dict[str, Any],
    data: Mapping[str, Any],
    error: InvalidAnnouncement | NotAllowed,
) -> Response:
    """Show the typed form with the reasons; on an edit conflict, beside the stored version."""
    conflict = (
        await saving.find_conflict(request, row.id, form)
        if row is not None and isinstance(error, Outdated)
        else None
    )
    training = row.training if row is not None else bool(data.get("latihan"))
    return await _page(
        request,
        row,
        form,
        training=training,
        problems=_problems(request, error),
        status=422,
        sent=data,
        conflict=conflict,
    )


async def show_again(request: Request) -> Response:
    """Show again a form that was opened in an earlier session; stores nothing."""
    row = await find_announcement(request) if "id" in request.path_params else None
    data = await request.form()
    training = row.training if row is not None else bool(data.get("latihan"))
    problems = [frame.stale(request)]
    if row is not None and saving.version_of(data) != row.version:
        problems += _problems(request, Outdated())
    return await _page(
        request,
        row,
        compose_form.read(data),
        training=training,
        problems=problems,
        status=403,
        sent=data,
    )


async def begin_autosave(request: Request) -> Response:
    """Autosave a new announcement; the JSON answer names its address."""
    data = await request.form()
    return await _autosaved(
        request,
        saving.create(request, data, compose_form.read(data), training=bool(data.get("latihan"))),
    )


async def autosave(request: Request) -> Response:
    """Autosave; the JSON answer holds the version for the next save, or the problem."""
    row, data = await find_announcement(request), await request.form()
    return await _autosaved(
        request, saving.update(request, row, compose_form.read(data), saving.version_of(data))
    )


async def _autosaved(request: Request, stored: Awaitable[Announcement]) -> Response:
    try:
        row = await stored
    except (InvalidAnnouncement, NotAllowed) as error:
        problem = " ".join(problem.reason for problem in _problems(request, error))
        return JSONResponse({"problem": problem, "conflict": isinstance(error, Outdated)}, 409)
    saved_at = frame.clock_text(app_of(request).clock())
    return JSONResponse(
        {
            "version": row.version,
            "said": frame.words_of(request)("staff.compose.saved", at=saved_at),
            "code": row.code,
            "place": f"/redaksi/pengumuman/{row.id}",
        }
    )


async def preview(request: Request) -> Response:
    """Render the previews of the submitted form; stores nothing. 400 if the code is malformed."""
    data = await request.form()
    code = str(data.get("kode") or NO_CODE)
    if code != NO_CODE and normalise_code(code, code.partition("-")[0]) != code:
        raise HTTPException(400)
    values = await _preview_values(
        request, compose_form.read(data), str(data.get("id", "")), code, data
    )
    return frame.page(request, "previews.html", row=None, **values)


async def html_part(request: Request) -> Response:
    """Serve a channel's HTML part of the stored form as a document for a frame; 404 without one."""
    row, app = await find_announcement(request), app_of(request)
    form = form_of(row)
    rendered = await previews.beside(
        lambda: previews.of_form(app, form, announcement=row.id, code=row.code)
    )
    for pushed in rendered.pushed:
        if pushed.name == request.path_params["channel"] and "html" in pushed.parts:
            return framed(pushed.parts["html"])
    raise HTTPException(404)


def _adjusted(form: dict[str, Any], button: str) -> dict[str, Any]:
    act, _, channel = button.partition(":")
    return ADJUSTMENTS[act](form, channel) if act in ADJUSTMENTS else form


async def _next(
    request: Request, row: Announcement, data: Mapping[str, Any], button: str
) -> Response:
    """Follow the button of a save: a trial message, the review if no problem is left, or the
    composer.
    """
    there = f"/redaksi/pengumuman/{row.id}"
    act, _, channel = button.partition(":")
    if act == "uji":
        return await trial_send.send_draft(request, row, data)
    if act == "periksa":
        checked = await checks.of(request, form := form_of(row), row.id)
        if checked.problems:
            return await _page(
                request, row, form, training=row.training, problems=checked.problems, status=422
            )
        return RedirectResponse(f"{there}/periksa", 303)
    place = f"#ganti-{quote(channel)}" if act == "sesuaikan" else ""
    return RedirectResponse(f"{there}/tulis?tersimpan=1{place}", 303)


async def _page(
    request: Request,
    row: Announcement | None,
    form: dict[str, Any],
    *,
    training: bool,
    problems: Sequence[WordedProblem] = (),
    status: int = 200,
    sent: Mapping[str, Any] | None = None,
    conflict: saving.Conflict | None = None,
) -> Response:
    """Render the page; `sent` is the submitted form if it is shown again."""
    app = app_of(request)
    announcement, code = (row.id, row.code) if row is not None else ("", NO_CODE)
    tried = row is not None or sent is not None
    preview_values = await _preview_values(
        request, form, announcement, code, {"dicoba": "1"} if tried else {}
    )
    broken = {problem.field for problem in problems}
    in_use = {name for name, value in form.items() if value} | broken
    return frame.page(
        request,
        "compose.html",
        status=status,
        row=row,
        seen=_base_version(row, sent),
        tried=tried,
        sent_id=idempotent_forms.id_of(sent or {}),
        both=conflict,
        form=compose_form.field_values(form),
        training=training,
        problems=problems,
        anchors=ANCHORS,
        levels=get_args(Level),
        topics=app.settings.topics,
        agencies=account_of(request).agencies or await audience_estimate.agencies(app),
        verdicts=VERDICTS,
        groups=groups(app),
        places=grid_tiles(request),
        channels=[*app.push.values(), *app.pull.values()],
        limits=LIMITS,
        unfolded=_unfolded(form, in_use),
        broken=broken,
        megabytes=UPLOAD_BYTES // 1024**2,
        adjusted=_own_words(app, form, preview_values["previews"].edition),
        saved="tersimpan" in request.query_params and not problems,
        **preview_values,
    )


def _base_version(row: Announcement | None, sent: Mapping[str, Any] | None) -> int | str:
    """Return the version that the form was begun from; "" for a new announcement."""
    if sent is not None:
        return max(saving.version_of(sent), 0)
    return row.version if row is not None else ""


def _unfolded(form: Mapping[str, Any], in_use: Collection[str]) -> set[str]:
    urgent = {"urgent"} if form.get("level") == "emergency" else set()
    return urgent | {name for name, fields in FOLDS.items() if fields & set(in_use)}


async def _preview_values(
    request: Request, form: dict[str, Any], announcement: str, code: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the template values of the preview column."""
    app = app_of(request)
    lang = str(data.get("pratinjau") or "id")
    languages = ["id", *(form.get("translations") or {})]
    lang, known = lang if lang in languages else "id", announcement or NOBODY
    rendered = await previews.beside(
        lambda: previews.of_form(app, form, announcement=known, code=code, lang=lang)
    )
    chosen = tuple(
        name for name in form.get("channels") or () if name in app.push or name in app.pull
    )
    return {
        "previews": rendered,
        "reach": await audience_estimate.of(request, rendered.edition, chosen),
        "spoken": languages,
        "preview_lang": lang,
        "placed": bool(form.get("areas")),
        "checks": await checks.of(request, form, announcement, tried=bool(data.get("dicoba"))),
        "outdated": channel_overrides.outdated(form),
        "editing": True,
        "picture": thumbnail(app, rendered.edition),
    }


def thumbnail(app: App, edition: Edition) -> str:
    """Return the thumbnail path of the edition's picture; "" if it is not hosted here."""
    picture = own_picture(edition, app.site)
    return own_path(picture, app.site, "kecil") if picture is not None else ""


def _own_words(app: App, form: dict[str, Any], edition: Edition) -> list[AdjustedChannel]:
    """List the channels with overridden text."""
    labels = app.labels
    return [
        AdjustedChannel(name=name, label=labels[name], says=previews.words_said(app, name, edition))
        for name in form.get("overrides") or {}
        if name in labels
    ]


def grid_tiles(request: Request) -> list[GridTile]:
    """List the kelurahan of the grid by row and column; `group` numbers the kecamatan."""
    listed = [
        GridTile(area=area, column=area.tile[0], row=area.tile[1], group=number)
        for number, group in enumerate(groups(app_of(request)))
        for area in group.kelurahan
        if area.tile is not None
    ]
    return sorted(listed, key=lambda tile: (tile.row, tile.column))


def _problems(request: Request, error: Refusal | InvalidAnnouncement) -> Sequence[WordedProblem]:
    """Word the problems; a conflict says that the page still holds the typed text.

    The usual advice to reload would lose it.
    """
    t = frame.words_of(request)
    if isinstance(error, Outdated):
        return (WordedProblem(field="", reason=t("staff.conflict.kept")),)
    return refusals.of(error, t)
