"""The emergency form: hazard, areas, instruction. It goes straight to a second person for approval,
whose pages show an alert.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain.hazards import HAZARDS, Hazard
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import emergencies
from broadcaster.runtime.refusal_words import WordedProblem
from broadcaster.store import announcement_lists
from broadcaster.web.base.area_groups import groups
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import checks, compose_form, frame, idempotent_forms, refusals
from broadcaster.web.staff.compose import LIMITS, grid_tiles
from channels.base.moments import WIB

ANCHORS = {
    "title": "judul",
    "body": "keterangan",
    "instruction": "petunjuk",
    "areas": "wilayah",
    "expires": "sampai",
    "agency": "opd",
}
"""Fragment identifiers of the form's fields, for links from problems."""


async def show(request: Request) -> Response:
    """Show the choice of hazards; with ?bahaya=banjir, the form prefilled for that hazard."""
    hazard = HAZARDS.get(request.query_params.get("bahaya", ""))
    if hazard is None:
        return frame.page(request, "emergency_hazards.html", hazards=HAZARDS.values())
    return await _page(request, hazard, _prefilled(hazard, app_of(request).clock()))


async def submit(request: Request) -> Response:
    """Store the warning and submit it for approval in one transaction; a refusal shows the form
    again.
    """
    data = await request.form()
    hazard = _hazard(data)
    form = {**compose_form.read(data), "level": "emergency", "category": hazard.category}
    form.setdefault("body", f"{hazard.name}.")
    form["summary"] = emergencies.lead(str(form.get("instruction", "")))
    desk = frame.desk_of(request)
    try:
        submitted = await idempotent_forms.write(
            request,
            data,
            "warning",
            lambda c: emergencies.submit(c, desk, form),
            lambda row: row.id,
        )
    except (InvalidAnnouncement, NotAllowed) as error:
        problems, status = refusals.of(error, frame.words_of(request)), frame.status_of(error)
        return await _page(
            request, hazard, form, problems, status=status, sent_id=idempotent_forms.id_of(data)
        )
    return RedirectResponse(f"/redaksi/pengumuman/{submitted.result}/periksa", 303)


async def show_again(request: Request) -> Response:
    """Show again a form that was opened in an earlier session; stores nothing."""
    data = await request.form()
    problems = (frame.stale(request),)
    return await _page(
        request,
        _hazard(data),
        compose_form.read(data),
        problems,
        status=403,
        sent_id=idempotent_forms.id_of(data),
    )


async def alarm(request: Request) -> Response:
    """Render the alert of warnings that await this person's approval; every page includes it.

    It leaves out the warning whose page is open.
    """
    waiting = await app_of(request).database.read(
        announcement_lists.warnings_for, account_of(request).actor
    )
    segments = _path_segments(request.headers.get("hx-current-url", ""))
    return frame.page(
        request,
        "emergency_alert.html",
        warnings=[item for item in waiting if item.id not in segments],
    )


def _path_segments(address: str) -> list[str]:
    """Split an address's path; empty if the browser sent something that is no address."""
    try:
        return urlsplit(address).path.split("/")
    except ValueError:
        return []


def _hazard(data: Mapping[str, Any]) -> Hazard:
    return HAZARDS.get(str(data.get("bahaya", "")), HAZARDS["lain"])


def _prefilled(hazard: Hazard, now: datetime) -> dict[str, Any]:
    until = (now + hazard.lasts).astimezone(WIB).replace(second=0, microsecond=0)
    return {
        "title": hazard.title,
        "instruction": hazard.instruction,
        "expires": f"{until:%Y-%m-%d %H:%M}",
    }


async def _page(
    request: Request,
    hazard: Hazard,
    form: Mapping[str, Any],
    problems: Sequence[WordedProblem] = (),
    status: int = 200,
    *,
    sent_id: str = "",
) -> Response:
    return frame.page(
        request,
        "emergency.html",
        status=status,
        hazard=hazard,
        form=compose_form.field_values(form),
        sent_id=sent_id,
        problems=problems,
        anchors=ANCHORS,
        waits=await checks.waits(request),
        broken={problem.field for problem in problems},
        places=grid_tiles(request),
        groups=groups(app_of(request)),
        limits=LIMITS,
    )
