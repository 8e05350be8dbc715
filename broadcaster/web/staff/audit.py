"""The audit page: rows with their changes, filters, pages, and exports."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from broadcaster.delivery.status import identify
from broadcaster.domain.audit_acts import Act
from broadcaster.staff import audit_export
from broadcaster.staff.audit_export import Form
from broadcaster.store import accounts, announcement_lists, audit, audit_lists
from broadcaster.store.audit_lists import AuditFilter, AuditLine, AuditPage
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import actor_of, app_of
from broadcaster.web.staff import actors, frame
from broadcaster.web.staff.audit_words import Change, Subject, Told
from channels.base.moments import WIB

ADDRESS = "/redaksi/audit"
MEDIA: dict[Form, str] = {"csv": "text/csv", "jsonl": "application/jsonl"}
ALARMS = frozenset({Act.BREAK_GLASS})
"""Acts that stand out, whoever did them."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A row on the page; `alarm`: it stands out."""

    line: AuditLine
    who: str
    act: str
    subject: Subject
    changes: list[Change]
    more: list[tuple[str, str]]
    exact: str
    alarm: bool


@dataclass(frozen=True, kw_only=True)
class Sight:
    """All that the page needs of the database."""

    page: AuditPage
    actors: list[tuple[str, str]]
    acts: list[tuple[str, str]]
    shown: list[Shown]
    head: str


async def show(request: Request) -> Response:
    """The page."""
    app, told = (
        app_of(request),
        Told(app_of(request), frame.words_of(request), pages.lang_of(request)),
    )
    text = request.query_params.get("setelah", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
    wanted = await _wanted(request)
    sight = await app.database.read(_look, wanted, before, told)
    asked = request.query_params
    older = (
        pages.address_with(request, setelah=str(sight.page.following))
        if sight.page.following
        else ""
    )
    copies = [(form, pages.address_at(request, f"{ADDRESS}.{form}")) for form in MEDIA]
    return frame.page(
        request,
        "audit.html",
        sight=sight,
        wanted=wanted,
        query=asked,
        older=older,
        copies=copies,
        newest=pages.address_with(request, setelah="") if before else "",
        filtered=wanted != AuditFilter(),
    )


async def export(request: Request) -> Response:
    """The rows that the page's filters leave, all of them, as a file; written piece by piece.
    Taking it is itself noted.
    """
    app = app_of(request)
    form: Form = "csv" if request.url.path.endswith(".csv") else "jsonl"
    wanted = await _wanted(request)
    if request.method != "HEAD":
        await app.database.write(audit_export.note_export, actor_of(request), wanted, form)
    name = f"audit-{app.clock().astimezone(WIB):%Y%m%d-%H%M}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines = audit_export.exported(app.database, wanted, form)
    return StreamingResponse(lines, media_type=f"{MEDIA[form]}; charset=utf-8", headers=headers)


async def _wanted(request: Request) -> AuditFilter:
    """The filters; an announcement is named by its id or code, anything else by the subject as the
    log has it.
    """
    asked = request.query_params
    about = asked.get("perihal", "").strip()[:200]
    known = await app_of(request).database.read(identify, about) if about else None
    return AuditFilter(
        actor=asked.get("siapa", ""),
        act=asked.get("tindakan", ""),
        subject=known or about,
        since=_midnight(asked.get("dari", "")),
        until=_midnight(asked.get("sampai", ""), days=1),
    )


def _midnight(text: str, *, days: int = 0) -> float | None:
    """The beginning of a day ("2026-11-25", WIB), so many days later; what is no date does not
    restrict.
    """
    try:
        return datetime.combine(
            date.fromisoformat(text) + timedelta(days=days), time(), WIB
        ).timestamp()
    except (ValueError, OverflowError):
        return None


def _look(connection: Connection, wanted: AuditFilter, before: int, told: Told) -> Sight:
    page = audit_lists.page(connection, wanted, before=before)
    everybody, acts = audit_lists.actors(connection), audit_lists.acts(connection)
    names = actors.spoken(
        connection, [*everybody, *(line.entry.actor for line in page.lines)], told.t
    )
    subjects = [line.entry.subject for line in page.lines]
    items = announcement_lists.items(
        connection, [subject for subject in subjects if len(subject) == 32]
    )
    people = {one.actor: one for one in accounts.everyone(connection)}
    return Sight(
        page=page,
        actors=sorted(
            ((actor, names[actor]) for actor in everybody), key=lambda one: one[1].casefold()
        ),
        acts=sorted(((act, told.act(act)) for act in acts), key=lambda one: one[1].casefold()),
        shown=[
            Shown(
                line=line,
                who=names[line.entry.actor],
                act=told.act(line.entry.act),
                subject=told.subject(line.entry, items, people),
                changes=told.changes(line),
                more=told.more(line),
                exact=audit_export.time_text(line.entry.at),
                alarm=_alarming(line),
            )
            for line in page.lines
        ],
        head=audit.head(connection),
    )


def _alarming(line: AuditLine) -> bool:
    """Check whether one person alone sent something out, or changed their own roles."""
    return line.entry.act in ALARMS or (
        bool(line.entry.detail.get("own")) and "roles" in line.after
    )
