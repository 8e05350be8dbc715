"""Author, approver and times of the newest edition; a correction has its own. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from broadcaster.domain.audit_acts import Act
from broadcaster.newsroom.proposal_acts import PROPOSAL_ACTS, ProposalKind
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.audit import AuditEntry


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The publication of an edition.

    Times are epoch seconds, people are actors ("" if nobody approved), and `content` is the hash of
    the approved content.
    """

    at: float
    writer: str
    approver: str
    approved_at: float | None
    content: str


def publication(
    row: Announcement, newest: EditionRow | None, acts: Sequence[AuditEntry]
) -> Publication:
    """Find the publication of the newest edition.

    `acts` are the announcement's audit entries, oldest first.
    """
    last = next(
        (n for n in reversed(range(len(acts))) if newest is not None and _issued(acts[n], newest)),
        None,
    )
    if newest is None or newest.number == 1 or last is None:
        return _original(row, newest, acts)
    issued = acts[last]
    change: ProposalKind = "correction" if issued.act == Act.CORRECT else "withdrawal"
    began = next(
        (n for n in reversed(range(last)) if acts[n].act == PROPOSAL_ACTS[change].propose), None
    )
    proposed = acts[began] if began is not None else None
    approved = _latest(acts[began or 0 : last], PROPOSAL_ACTS[change].approve)
    by_approver = issued.detail.get("role") == "approver"
    return Publication(
        at=newest.published_at,
        writer=proposed.actor if by_approver and proposed is not None else issued.actor,
        approver=issued.actor if by_approver else "",
        approved_at=(
            approved.at if approved is not None and approved.actor == issued.actor else issued.at
        )
        if by_approver
        else None,
        content=str(issued.detail.get("content", "")),
    )


def _original(
    row: Announcement, newest: EditionRow | None, acts: Sequence[AuditEntry]
) -> Publication:
    contents = (
        str(entry.detail.get("content", ""))
        for entry in reversed(acts)
        if entry.act in (Act.PUBLISH, Act.APPROVE)
    )
    return Publication(
        at=newest.published_at if newest is not None else row.published_at or 0.0,
        writer=row.submitted_by or row.created_by,
        approver=row.approved_by,
        approved_at=row.approved_at,
        content=next((content for content in contents if content), row.bound),
    )


def _issued(entry: AuditEntry, newest: EditionRow) -> bool:
    return entry.act in (Act.CORRECT, Act.WITHDRAW) and entry.detail.get("edition") == newest.id


def _latest(acts: Sequence[AuditEntry], act: Act) -> AuditEntry | None:
    return next((entry for entry in reversed(acts) if entry.act == act), None)
