"""Templates of recurring notices: kept from an announcement, used for a new draft, renamed,
deleted. Each act is audited.

Each function with a Connection is one transaction, to be run through `Database.write`.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain.actor import require
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.fields import piled
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import NewsroomCode, StepCode
from broadcaster.domain.refusals import InvalidAnnouncement, Parameter, Problem
from broadcaster.newsroom import drafts, forms
from broadcaster.newsroom.desk import Desk
from broadcaster.newsroom.forms import Form
from broadcaster.publishing.transitions import held
from broadcaster.store import announcements, audit, templates
from broadcaster.store.announcements import Announcement
from broadcaster.store.templates import NameTaken, Template
from channels.base.legibility import has_letter
from channels.base.rendering import one_line

NAME_LIMIT = 60
"""Maximum code points of a template's name."""
MOST = 200
"""Maximum templates of a city: a list that people can still read."""
FINISHED = ("approved", "scheduled")
"""States of words that a second person approved: brackets in them are no blanks."""
TIMES = ("effective", "expires", "publish_at")
"""Fields that a template leaves open: the next use is on another day."""


def keep(connection: Connection, desk: Desk, announcement_id: str, name: str) -> Template:
    """Keep an announcement's form under a name. Raises NotAllowed, InvalidAnnouncement (field
    "name").
    """
    require(desk, "write")
    source = held(connection, announcement_id)
    form, finished = (
        timeless(forms.form_of(source)),
        source.state in FINISHED or source.published_at is not None,
    )
    if len(templates.everything(connection)) >= MOST:
        raise NotAllowed(StepCode.TEMPLATES_FULL, limit=MOST)
    new_name = read_name(name)
    try:
        identity = templates.add(
            connection, new_name, form, actor=desk.account.actor, at=desk.at, finished=finished
        )
    except NameTaken as error:
        raise _taken(new_name) from error
    template = _find(connection, identity)
    audit.append(
        connection,
        desk,
        Act.KEEP_TEMPLATE,
        template.subject,
        name=template.name,
        announcement=announcement_id,
    )
    return template


def use(connection: Connection, desk: Desk, template_id: int) -> Announcement:
    """Create a draft with the template's words and areas, and no times. Raises NotAllowed."""
    require(desk, "write")
    template = _find(connection, template_id)
    row = drafts.save(connection, desk, timeless(template.form))
    blanks = templates.blanks_text(template.blanks)
    announcements.carry_blanks(connection, row.id, blanks)
    audit.append(
        connection,
        desk,
        Act.USE_TEMPLATE,
        template.subject,
        name=template.name,
        announcement=row.id,
    )
    return replace(row, blanks=blanks)


def rename(connection: Connection, desk: Desk, template_id: int, name: str) -> Template:
    """Rename a template. Raises NotAllowed, InvalidAnnouncement (field "name")."""
    require(desk, "write")
    before, new_name = _find(connection, template_id), read_name(name)
    if new_name == before.name:
        return before
    try:
        templates.rename(connection, template_id, new_name, actor=desk.account.actor, at=desk.at)
    except NameTaken as error:
        raise _taken(new_name) from error
    after = _find(connection, template_id)
    audit.append(
        connection, desk, Act.RENAME_TEMPLATE, after.subject, name=after.name, was=before.name
    )
    return after


def delete(connection: Connection, desk: Desk, template_id: int) -> None:
    """Delete a template; drafts made from it stay. Raises NotAllowed."""
    require(desk, "write")
    template = _find(connection, template_id)
    templates.remove(connection, template_id)
    audit.append(connection, desk, Act.DELETE_TEMPLATE, template.subject, name=template.name)


def timeless(form: Form) -> dict[str, Any]:
    """Return a form without its times."""
    return {name: value for name, value in form.items() if name not in TIMES}


def read_name(text: str) -> str:
    """Return a name on one line. Raises InvalidAnnouncement."""
    name = one_line(text)
    if not has_letter(name):
        raise _refused(NewsroomCode.TEMPLATE_NAME_MISSING)
    if len(name) > NAME_LIMIT:
        raise _refused(NewsroomCode.TEMPLATE_NAME_TOO_LONG, length=len(name), limit=NAME_LIMIT)
    if (unreadable := piled("name", text)) is not None:
        raise InvalidAnnouncement([unreadable])
    return name


def _taken(name: str) -> InvalidAnnouncement:
    return _refused(NewsroomCode.TEMPLATE_NAME_TAKEN, name=name)


def _refused(code: NewsroomCode, **parameters: Parameter) -> InvalidAnnouncement:
    return InvalidAnnouncement([Problem(field="name", code=code, parameters=parameters)])


def _find(connection: Connection, template_id: int) -> Template:
    template = templates.find(connection, template_id)
    if template is None:
        raise NotAllowed(StepCode.NO_TEMPLATE)
    return template
