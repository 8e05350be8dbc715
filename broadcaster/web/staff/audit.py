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
from broadcaster.web.staff.audit_words import AuditWording, FieldChange, Subject
from channels.base.moments import WIB

ADDRESS = "/redaksi/audit"
MEDIA: dict[Form, str] = {"csv": "text/csv", "jsonl": "application/jsonl"}
ALARMS = frozenset({Act.BREAK_GLASS})
"""Acts that are highlighted for every actor."""


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """A row on the page; `alarm` highlights it."""

    line: AuditLine
    who: str
    act: str
    subject: Subject
    changes: list[FieldChange]
    more: list[tuple[str, str]]
    exact: str
    alarm: bool


@dataclass(frozen=True, kw_only=True)
class AuditView:
    """Data of the page, read in one transaction."""

    page: AuditPage
    actors: list[tuple[str, str]]
    acts: list[tuple[str, str]]
    shown: list[AuditRow]
    head: str


async def show(request: Request) -> Response:
    """Show the page."""
    app = app_of(request)
    wording = AuditWording(app, frame.words_of(request), pages.lang_of(request))
    text = request.query_params.get("setelah", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
    filters = await _filters(request)
    view = await app.database.read(_view, filters, before, wording)
    query = request.query_params
    older = (
        pages.address_with(request, setelah=str(view.page.following)) if view.page.following else ""
    )
    copies = [(form, pages.address_at(request, f"{ADDRESS}.{form}")) for form in MEDIA]
    return frame.page(
        request,
        "audit.html",
        log=view,
        wanted=filters,
        query=query,
        older=older,
        copies=copies,
        newest=pages.address_with(request, setelah="") if before else "",
        filtered=filters != AuditFilter(),
    )


async def export(request: Request) -> Response:
    """Stream every row that matches the page's filters as a file; the export itself is audited."""
    app = app_of(request)
    form: Form = "csv" if request.url.path.endswith(".csv") else "jsonl"
    filters = await _filters(request)
    if request.method != "HEAD":
        await app.database.write(audit_export.note_export, actor_of(request), filters, form)
    name = f"audit-{app.clock().astimezone(WIB):%Y%m%d-%H%M}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines = audit_export.exported(app.database, filters, form)
    return StreamingResponse(lines, media_type=f"{MEDIA[form]}; charset=utf-8", headers=headers)


async def _filters(request: Request) -> AuditFilter:
    """Read the filters: an announcement by id or code, any other subject as the log stores it."""
    query = request.query_params
    subject = query.get("perihal", "").strip()[:200]
    known = await app_of(request).database.read(identify, subject) if subject else None
    return AuditFilter(
        actor=query.get("siapa", ""),
        act=query.get("tindakan", ""),
        subject=known or subject,
        since=_midnight(query.get("dari", "")),
        until=_midnight(query.get("sampai", ""), days=1),
    )


def _midnight(text: str, *, days: int = 0) -> float | None:
    """Return the start of a day ("2026-11-25", WIB) plus `days`, in epoch seconds.

    Returns None if `text` is no date.
    """
    try:
        return datetime.combine(
            date.fromisoformat(text) + timedelta(days=days), time(), WIB
        ).timestamp()
    except (ValueError, OverflowError):
        return None


def _view(
    connection: Connection, filters: AuditFilter, before: int, wording: AuditWording
) -> AuditView:
    page = audit_lists.page(connection, filters, before=before)
    all_actors, acts = audit_lists.actors(connection), audit_lists.acts(connection)
    names = actors.display_names(
        connection, [*all_actors, *(line.entry.actor for line in page.lines)], wording.t
    )
    subjects = [line.entry.subject for line in page.lines]
    items = announcement_lists.items(
        connection, [subject for subject in subjects if len(subject) == 32]
    )
    people = {account.actor: account for account in accounts.everyone(connection)}
    return AuditView(
        page=page,
        actors=sorted(
            ((actor, names[actor]) for actor in all_actors), key=lambda pair: pair[1].casefold()
        ),
        acts=sorted(((act, wording.act(act)) for act in acts), key=lambda pair: pair[1].casefold()),
        shown=[
            AuditRow(
                line=line,
                who=names[line.entry.actor],
                act=wording.act(line.entry.act),
                subject=wording.subject(line.entry, items, people),
                changes=wording.changes(line),
                more=wording.more(line),
                exact=audit_export.time_text(line.entry.at),
                alarm=_alarming(line),
            )
            for line in page.lines
        ],
        head=audit.head(connection),
    )


def _alarming(line: AuditLine) -> bool:
    """True if the act bypassed the second person, or changed the actor's own roles."""
    return line.entry.act in ALARMS or (
        bool(line.entry.detail.get("own")) and "roles" in line.after
    )
