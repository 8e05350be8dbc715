"""Versions of an announcement's form, so that no text is lost and its editors are known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from broadcaster.domain.text_losses import is_small, loss
from broadcaster.store.staff_tables import draft_version, proposal

TOGETHER_SECONDS = 600.0
"""Seconds within which a person's changes form one version: autosave would make hundreds of them.
"""
EDITING = ("edit", "submit", "restore")
"""Acts whose actors are editors: none of them approves."""

VersionAct = Literal["edit", "submit", "restore", "send_back", "correct"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftVersion:
    """A form as a person left it; `at` (epoch seconds) is when they began, `lost` the characters
    cut from it since.
    """

    announcement: str
    number: int
    at: float
    actor: str
    act: VersionAct
    form: Mapping[str, Any]
    lost: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A correction or withdrawal that waits for a second person; once approved it is held until
    `release_at`.
    """

    announcement: str
    change: Literal["correction", "withdrawal"]
    form: Mapping[str, Any]
    reason: str
    bound: str
    actor: str
    at: float
    approved_by: str = ""
    release_at: float | None = None


def keep(connection: Connection, version: DraftVersion, *, apart: bool = False) -> bool:
    """Store a version; an edit merges into this person's recent one if it loses no more than a
    typing correction would.

    `apart`: never merge. True if the version is a new row.
    """
    last = newest(connection, version.announcement)
    form = json.dumps(version.form, ensure_ascii=False, sort_keys=True)
    if last is not None and not apart and _belongs_to(version, last):
        same = (
            draft_version.c.announcement == version.announcement,
            draft_version.c.number == last.number,
        )
        lost = last.lost + loss(last.form, version.form)
        connection.execute(
            update(draft_version).where(*same).values(number=version.number, form=form, lost=lost)
        )
        return False
    connection.execute(
        insert(draft_version).values(
            announcement=version.announcement,
            number=version.number,
            at=version.at,
            actor=version.actor,
            act=version.act,
            form=form,
        )
    )
    return True


def history(
    connection: Connection, announcement: str, *, limit: int | None = None
) -> list[DraftVersion]:
    """List versions, newest first; at most `limit`, for there may be thousands, each as long as a
    form.
    """
    statement = (
        select(draft_version)
        .where(draft_version.c.announcement == announcement)
        .order_by(draft_version.c.number.desc())
    )
    return [_version(row) for row in connection.execute(statement.limit(limit))]


def version(connection: Connection, announcement: str, number: int) -> DraftVersion | None:
    """Find a version by its number."""
    place = (draft_version.c.announcement == announcement, draft_version.c.number == number)
    row = connection.execute(select(draft_version).where(*place)).one_or_none()
    return _version(row) if row is not None else None


def editors(connection: Connection, announcement: str) -> frozenset[str]:
    """Return everyone who has changed the form."""
    edits = (draft_version.c.announcement == announcement, draft_version.c.act.in_(EDITING))
    return frozenset(
        connection.execute(select(draft_version.c.actor).where(*edits).distinct()).scalars()
    )


def returners(connection: Connection, announcement: str) -> frozenset[str]:
    """Return everyone who has sent it back: they may not edit it, or nobody would be left to judge
    it.
    """
    returns = (draft_version.c.announcement == announcement, draft_version.c.act == "send_back")
    return frozenset(
        connection.execute(select(draft_version.c.actor).where(*returns).distinct()).scalars()
    )


# --- proposed corrections and withdrawals ---


def propose(connection: Connection, new: Proposal) -> bool:
    """Store a proposal; False if another waits already."""
    if proposed(connection, new.announcement) is not None:
        return False
    form = json.dumps(new.form, ensure_ascii=False, sort_keys=True)
    connection.execute(
        insert(proposal).values(
            announcement=new.announcement,
            change=new.change,
            form=form,
            reason=new.reason,
            bound=new.bound,
            actor=new.actor,
            at=new.at,
        )
    )
    return True


def proposed(connection: Connection, announcement: str) -> Proposal | None:
    """Find the proposal that waits for a second person."""
    row = connection.execute(
        select(proposal).where(proposal.c.announcement == announcement)
    ).one_or_none()
    return _proposal(row) if row is not None else None


def proposals(connection: Connection) -> list[Proposal]:
    """List all waiting proposals, oldest first."""
    return [_proposal(row) for row in connection.execute(select(proposal).order_by(proposal.c.at))]


def hold_proposal(
    connection: Connection, announcement: str, approved_by: str, release_at: float | None
) -> None:
    """Set who approved it and when it is released; "" and None: it needs approval again."""
    values = {"approved_by": approved_by, "release_at": release_at}
    connection.execute(
        update(proposal).where(proposal.c.announcement == announcement).values(values)
    )


def released(connection: Connection, at: float, limit: int) -> list[Proposal]:
    """List approved proposals whose hold is over, the earliest first."""
    over = (
        select(proposal)
        .where(proposal.c.release_at <= at)
        .order_by(proposal.c.release_at)
        .limit(limit)
    )
    return [_proposal(row) for row in connection.execute(over)]


def drop_proposal(connection: Connection, announcement: str) -> None:
    """Delete a proposal that was decided or taken back."""
    connection.execute(proposal.delete().where(proposal.c.announcement == announcement))


def _belongs_to(version: DraftVersion, last: DraftVersion) -> bool:
    young = version.at - last.at < TOGETHER_SECONDS
    same = last.actor == version.actor and last.act == version.act == "edit"
    return same and young and is_small(last.form, version.form, last.lost)


def newest(connection: Connection, announcement: str) -> DraftVersion | None:
    """Find the newest version."""
    newest_first = select(draft_version).where(draft_version.c.announcement == announcement)
    row = connection.execute(
        newest_first.order_by(draft_version.c.number.desc()).limit(1)
    ).one_or_none()
    return _version(row) if row is not None else None


def _version(row: Row[Any]) -> DraftVersion:
    return DraftVersion(
        announcement=row.announcement,
        number=row.number,
        at=row.at,
        actor=row.actor,
        act=row.act,
        form=json.loads(row.form),
        lost=row.lost,
    )


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        announcement=row.announcement,
        change=row.change,
        form=json.loads(row.form),
        reason=row.reason,
        bound=row.bound,
        actor=row.actor,
        at=row.at,
        approved_by=row.approved_by,
        release_at=row.release_at,
    )
