"""The composer: one form, five previews that move with it; every save is a version, and the rules
are asked at the end.
"""

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
from broadcaster.newsroom import previews as previewing
from broadcaster.newsroom.forms import EDITABLE, Outdated, form_of
from broadcaster.runtime.refusal_words import WordedProblem
from broadcaster.store.announcements import Announcement
from broadcaster.web.base.area_groups import groups
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import (
    audience_estimate,
    checks,
    frame,
    once,
    pictures,
    refusals,
    saving,
    trial_send,
)
from broadcaster.web.staff import form as forms
from broadcaster.web.staff.announcement import found
from channels.base.contract import SUMMARY_LIMIT, TITLE_LIMIT, Edition, Level
from channels.base.pictures import own_path, own_picture
from subscribers.areas import Area

FORM_BYTES = 128 * 1024
"""Bytes of the composer's form as a browser sends it."""
LIMITS = {"title": TITLE_LIMIT, "summary": SUMMARY_LIMIT, "body": BODY_LIMIT}
"""Code points of each field, as fields.py refuses more."""
NOBODY, NO_CODE = "0" * 32, "CMH-????-??"
"""What stands in previews before the first save draws a code."""
ANCHORS = {
    "title": "judul", "summary": "ringkasan", "body": "teks", "instruction": "petunjuk", "areas": "wilayah",
    "category": "kategori",
    "level": "tingkat", "kind": "jenis", "link": "tautan", "expires": "sampai", "effective": "mulai", "publish_at": "jadwal",
    "agency": "opd", "channels": "kanal", "claim": "klaim", "verdict": "putusan", "fact": "fakta", "evidence": "bukti",
    "image": "gambar", "image_alt": "alt", "overrides": "kanal",
    "translations.en.title": "en-judul", "translations.en.summary": "en-ringkasan", "translations.en.body": "en-isi",
    "translations.en.instruction": "en-petunjuk", "translations.su.title": "su-judul", "translations.su.summary": "su-ringkasan",
    "translations.su.body": "su-isi", "translations.su.instruction": "su-petunjuk",
}  # fmt: skip
"""Where on the page a refused field stands."""
FOLDS = {
    "urgent": {"instruction"},
    "more": {"link", "publish_at", "channels", "image", "image_alt"},
    "kinds": {"kind", "claim", "verdict", "seen_at", "fact", "evidence"},
}
"""Fields that lie folded away until they are used or refused."""
OVERWRITE = "timpa"
"""The button by which a person chooses to write over what another stored; its value names the
version that was shown.
"""
ADJUSTMENTS = {
    "sesuaikan": channel_overrides.adjust,
    "otomatis": channel_overrides.make_automatic,
    "diperiksa": channel_overrides.agree,
}
"""What the buttons of one channel do to the form; their value is "sesuaikan:telegram"."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A kelurahan on the grid."""

    area: Area
    column: int
    row: int
    group: int


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """A channel with words of its own; `says` are those that it can say at all."""

    name: str
    label: str
    says: Collection[str]


async def begin(request: Request) -> Response:
    """An empty composer; ?latihan=1 begins an exercise."""
    return await _page(request, None, {}, training=bool(request.query_params.get("latihan")))


async def create(request: Request) -> Response:
    """The first save."""
    data = await request.form()
    form, training = forms.read(data), bool(data.get("latihan"))
    wanted = str(data.get("aksi", ""))
    try:
        form |= await pictures.uploaded_image(request, data)
        row = await saving.create(request, data, _adjusted(form, wanted), training=training)
    except (InvalidAnnouncement, NotAllowed) as refused:
        made = await saving.find_created(request, data) if isinstance(refused, Outdated) else None
        return await _refused(request, made, form, data, refused)
    return await _next(request, row, data, wanted)


async def edit(request: Request) -> Response:
    """The composer with what is stored."""
    row = await found(request)
    if row.state not in EDITABLE:
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}", 303)
    return await _page(request, row, form_of(row), training=row.training)


async def save(request: Request) -> Response:
    """Save, and go on to the check where that button was pressed; nothing typed is lost where it is
    refused.
    """
    row, data = await found(request), await request.form()
    form, wanted = forms.read(data), str(data.get("aksi", ""))
    try:
        form |= await pictures.uploaded_image(request, data)
        act, _, seen = wanted.partition(":")
        over, version = (
            act == OVERWRITE,
            saving.parse_version(seen) if act == OVERWRITE else saving.version_of(data),
        )
        row = await saving.update(request, row, _adjusted(form, wanted), version, apart=over)
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _refused(request, row, form, data, refused)
    return await _next(request, row, data, wanted)


async def _refused(
    request: Request,
    row: Announcement | None,
    form: dict[str, Any],
    data: Mapping[str, Any],
    refused: InvalidAnnouncement | NotAllowed,
) -> Response:
    """The composer as it was typed, and why not; where somebody else was faster, with their text
    beside it.
    """
    both = (
        await saving.find_conflict(request, row.id, form)
        if row is not None and isinstance(refused, Outdated)
        else None
    )
    training = row.training if row is not None else bool(data.get("latihan"))
    return await _page(
        request,
        row,
        form,
        training=training,
        problems=_said(request, refused),
        status=422,
        sent=data,
        both=both,
    )


async def show_again(request: Request) -> Response:
    """The form as it was sent, for a session that began after it was opened; nothing is stored."""
    row, data = (
        (await found(request) if "id" in request.path_params else None),
        await request.form(),
    )
    training, problems = (
        (row.training if row is not None else bool(data.get("latihan"))),
        [frame.stale(request)],
    )
    if row is not None and saving.version_of(data) != row.version:
        problems += _said(request, Outdated())
    return await _page(
        request, row, forms.read(data), training=training, problems=problems, status=403, sent=data
    )


async def begin_autosave(request: Request) -> Response:
    """The first save of a page that goes on being written; answers where it is kept from now on."""
    data = await request.form()
    return await _autosaved(
        request, saving.create(request, data, forms.read(data), training=bool(data.get("latihan")))
    )


async def autosave(request: Request) -> Response:
    """Save from a page that goes on being written; answers the version to name next time, or why
    not.
    """
    row, data = await found(request), await request.form()
    return await _autosaved(
        request, saving.update(request, row, forms.read(data), saving.version_of(data))
    )


async def _autosaved(request: Request, saving: Awaitable[Announcement]) -> Response:
    try:
        row = await saving
    except (InvalidAnnouncement, NotAllowed) as refused:
        problem = " ".join(problem.reason for problem in _said(request, refused))
        return JSONResponse({"problem": problem, "conflict": isinstance(refused, Outdated)}, 409)
    said = frame.words_of(request)(
        "staff.compose.saved", at=frame.clock_text(app_of(request).clock())
    )
    return JSONResponse(
        {
            "version": row.version,
            "said": said,
            "code": row.code,
            "place": f"/redaksi/pengumuman/{row.id}",
        }
    )


async def preview(request: Request) -> Response:
    """The previews alone, of what the form holds now; nothing is stored. 400 for what is no code."""
    data = await request.form()
    code = str(data.get("kode") or NO_CODE)
    if code != NO_CODE and normalise_code(code, code.partition("-")[0]) != code:
        raise HTTPException(400)
    shown = await _shown(request, forms.read(data), str(data.get("id", "")), code, data)
    return frame.page(request, "previews.html", row=None, **shown)


async def letter(request: Request) -> Response:
    """The stored form's mail as a document of its own, framed by our page; any part that is a
    document.
    """
    row, app = await found(request), app_of(request)
    form = form_of(row)
    for pushed in (
        await previewing.beside(
            lambda: previewing.look(app, form, announcement=row.id, code=row.code)
        )
    ).pushed:
        if pushed.name == request.path_params["channel"] and "html" in pushed.parts:
            return frame.framed(pushed.parts["html"])
    raise HTTPException(404)


def _adjusted(form: dict[str, Any], wanted: str) -> dict[str, Any]:
    act, _, channel = wanted.partition(":")
    return ADJUSTMENTS[act](form, channel) if act in ADJUSTMENTS else form


async def _next(
    request: Request, row: Announcement, data: Mapping[str, Any], wanted: str
) -> Response:
    """Where a save leads: to the check before submitting, if nothing must be mended first, or back
    to the composer.
    """
    there = f"/redaksi/pengumuman/{row.id}"
    act, _, channel = wanted.partition(":")
    if act == "uji":
        return await trial_send.send_draft(request, row, data)
    if act == "periksa":
        looked = await checks.of(request, form := form_of(row), row.id)
        if looked.problems:
            return await _page(
                request, row, form, training=row.training, problems=looked.problems, status=422
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
    both: saving.Conflict | None = None,
) -> Response:
    """The page; `sent` is the form that is shown again, `both` what somebody else stored meanwhile."""
    app = app_of(request)
    announcement, code = (row.id, row.code) if row is not None else ("", NO_CODE)
    tried = row is not None or sent is not None
    shown = await _shown(request, form, announcement, code, {"dicoba": "1"} if tried else {})
    used = {name for name, value in form.items() if value} | {problem.field for problem in problems}
    seen: int | str = row.version if row is not None else ""
    if sent is not None:
        seen = max(saving.version_of(sent), 0)
    return frame.page(
        request,
        "compose.html",
        status=status,
        row=row,
        seen=seen,
        tried=tried,
        sent_id=once.id_of(sent or {}),
        both=both,
        form=forms.shown(form),
        training=training,
        problems=problems,
        anchors=ANCHORS,
        levels=get_args(Level),
        topics=app.settings.topics,
        agencies=account_of(request).agencies or await audience_estimate.agencies(app),
        verdicts=VERDICTS,
        groups=groups(app),
        places=places(request),
        channels=[*app.push.values(), *app.pull.values()],
        limits=LIMITS,
        unfolded=_unfolded(form, used),
        broken={problem.field for problem in problems},
        megabytes=UPLOAD_BYTES // 1024**2,
        adjusted=_own_words(app, form, shown["previews"].edition),
        saved="tersimpan" in request.query_params and not problems,
        **shown,
    )


def _unfolded(form: Mapping[str, Any], used: Collection[str]) -> set[str]:
    urgent = {"urgent"} if form.get("level") == "emergency" else set()
    return urgent | {name for name, fields in FOLDS.items() if fields & set(used)}


async def _shown(
    request: Request, form: dict[str, Any], announcement: str, code: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    """What the column of previews shows."""
    app = app_of(request)
    lang = str(data.get("pratinjau") or "id")
    spoken = ["id", *(form.get("translations") or {})]
    lang, known = lang if lang in spoken else "id", announcement or NOBODY
    previews = await previewing.beside(
        lambda: previewing.look(app, form, announcement=known, code=code, lang=lang)
    )
    chosen = tuple(
        name for name in form.get("channels") or () if name in app.push or name in app.pull
    )
    return {
        "previews": previews,
        "reach": await audience_estimate.of(request, previews.edition, chosen),
        "spoken": spoken,
        "preview_lang": lang,
        "placed": bool(form.get("areas")),
        "checks": await checks.of(request, form, announcement, tried=bool(data.get("dicoba"))),
        "outdated": channel_overrides.outdated(form),
        "editing": True,
        "picture": thumbnail(app, previews.edition),
    }


def thumbnail(app: App, edition: Edition) -> str:
    """The path of a small copy of the edition's picture, where it is one of ours; a foreign one is
    not loaded by our pages.
    """
    picture = own_picture(edition, app.site)
    return own_path(picture, app.site, "kecil") if picture is not None else ""


def _own_words(app: App, form: dict[str, Any], edition: Edition) -> list[Adjusted]:
    """The channels with words of their own, and which words each of them says."""
    labels = app.labels
    return [
        Adjusted(name=name, label=labels[name], says=previewing.words_said(app, name, edition))
        for name in form.get("overrides") or {}
        if name in labels
    ]


def places(request: Request) -> list[Place]:
    """The kelurahan on their grid, by row and column; `group` numbers the kecamatan."""
    listed = [
        Place(area=area, column=area.tile[0], row=area.tile[1], group=number)
        for number, group in enumerate(groups(app_of(request)))
        for area in group.kelurahan
        if area.tile is not None
    ]
    return sorted(listed, key=lambda place: (place.row, place.column))


def _said(request: Request, refused: Refusal | InvalidAnnouncement) -> Sequence[WordedProblem]:
    """What is wrong; where somebody else was faster, the page still holds what was typed, and
    loading it again would not.
    """
    t = frame.words_of(request)
    if isinstance(refused, Outdated):
        return (WordedProblem(field="", reason=t("staff.conflict.kept")),)
    return refusals.of(refused, t)
