"""Corrections and withdrawals by staff: one person proposes, another approves; until then the
published text stays as it is.

Each function with a Connection is one transaction, to be run through `Database.write`.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain import rules
from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import NamedActor, require
from broadcaster.domain.fields import Fields, read_leniently
from broadcaster.domain.lifecycle import Action, NotAllowed, OwnWork, may
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.domain.rules import CheckedAnnouncement, approval_hash
from broadcaster.newsroom.approvals import require_own_picture
from broadcaster.newsroom.desk import Desk, require_cover, require_steering
from broadcaster.newsroom.forms import Form, form_text
from broadcaster.newsroom.proposal_acts import PROPOSAL_ACTS
from broadcaster.publishing import corrections, lateness, placeholder_check, reasons
from broadcaster.publishing.press import Press, StoredAnnouncement, stored_as
from broadcaster.publishing.schedule import DUE_AT_ONCE
from broadcaster.publishing.transitions import held
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.staff import second_person
from broadcaster.store import accounts, audit, drafts, nudges
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import DraftVersion, Proposal


def propose_correction(
    connection: Connection, desk: Desk, announcement_id: str, form: Form, *, reason: str
) -> Proposal:
    """Ask a second person to publish a corrected edition. Raises NotAllowed,
    InvalidAnnouncement.
    """
    row = held(connection, announcement_id)
    checked, why = examine_correction(connection, desk, row, form, reason=reason)
    form_text(form)
    bound = _bound(row, approval_hash(checked), why)
    proposal = Proposal(
        announcement=row.id,
        change="correction",
        form=form,
        reason=why,
        bound=bound,
        actor=desk.account.actor,
        at=desk.at,
    )
    if (waiting := _proposed_before(connection, proposal)) is not None:
        return waiting
    _keep_words(connection, desk, row, form)
    return _propose(connection, desk, row, proposal, checked)


def propose_withdrawal(
    connection: Connection, desk: Desk, announcement_id: str, *, reason: str
) -> Proposal:
    """Ask a second person to withdraw the announcement. Raises NotAllowed, InvalidAnnouncement."""
    why = reasons.read_public(connection, reason, link_hosts=desk.press.allowed_hosts)
    row = held(connection, announcement_id)
    checked = _as_published(desk.press, row)
    _require_open(desk, row, "withdraw", checked)
    proposal = Proposal(
        announcement=row.id,
        change="withdrawal",
        form={},
        reason=why,
        bound=_bound(row, "withdrawal", why),
        actor=desk.account.actor,
        at=desk.at,
    )
    return _proposed_before(connection, proposal) or _propose(
        connection, desk, row, proposal, checked
    )


def approve(
    connection: Connection, desk: Desk, announcement_id: str, *, seen: str
) -> StoredAnnouncement:
    """Approve the proposal whose bound is `seen`: it is published after the hold, for an emergency
    at once.

    Raises NotAllowed, InvalidAnnouncement.
    """
    desk = replace(desk, account=second_person.as_of_now(connection, desk.account))
    row, waiting = _decidable(connection, desk, announcement_id)
    if waiting.release_at is not None:
        if (waiting.approved_by, waiting.bound) == (desk.account.actor, seen):
            return stored_as(desk.press, row)  # clicked twice
        raise NotAllowed(StepCode.PROPOSAL_APPROVED)
    second_person.require_independent(connection, desk.account, {waiting.actor}, desk.now)
    if not hmac.compare_digest(seen.encode(), waiting.bound.encode()):
        raise NotAllowed(StepCode.PROPOSAL_CHANGED)
    may(row.state, "correct" if waiting.change == "correction" else "withdraw", "approver")
    checked = _still_bound(desk.press, row, waiting, desk.now)
    require_cover(desk, checked)
    waiting = replace(
        waiting, approved_by=desk.account.actor, release_at=(desk.now + desk.hold).timestamp()
    )
    if "emergency" in (row.fields.level, checked.fields.level):
        return _publish(connection, desk.press, waiting, checked, desk.now)
    drafts.hold_proposal(connection, row.id, waiting.approved_by, waiting.release_at)
    act = PROPOSAL_ACTS[waiting.change].approve
    audit.append(connection, desk, act, row.id, content=waiting.bound)
    return stored_as(desk.press, row)


def call_back(connection: Connection, desk: Desk, announcement_id: str) -> None:
    """Undo an approval within the hold: nothing was sent, and the proposal waits for a second
    person again. Raises NotAllowed.
    """
    require_steering(connection, desk, announcement_id)
    waiting = _waiting(connection, announcement_id)
    if waiting.release_at is None:
        raise NotAllowed(StepCode.PROPOSAL_UNAPPROVED)
    drafts.hold_proposal(connection, announcement_id, "", None)
    audit.append(connection, desk, PROPOSAL_ACTS[waiting.change].call_back, announcement_id)


def publish_held(
    connection: Connection, press: Press, *, now: datetime
) -> list[StoredAnnouncement]:
    """Publish every approved proposal whose hold is over, each once; those no longer valid wait for
    a second person again.
    """
    published: list[StoredAnnouncement] = []
    for waiting in drafts.released(connection, now.timestamp(), DUE_AT_ONCE):
        row, planned = (
            held(connection, waiting.announcement),
            lateness.planned_at(waiting.release_at),
        )
        if drafts.proposed(connection, row.id) != waiting:
            continue  # called back while we waited for the lock
        approved = replace(row, submitted_by=waiting.actor, approved_by=waiting.approved_by)
        why = second_person.lapsed(
            connection, approved, _changed(waiting), tree=press.tree, city=press.site.city
        )
        if not why and lateness.is_stale(planned, now):
            why = lateness.why_stale(planned)
            lateness.report_missed(connection, approved, now)
        try:
            if not why:
                with connection.begin_nested():
                    checked = _still_bound(press, row, waiting, now)
                    published.append(_publish(connection, press, waiting, checked, now))
                    lateness.report_late(connection, approved, planned, now)
        except (InvalidAnnouncement, NotAllowed) as error:
            why = " ".join(indonesian(error).split())
        if why:
            _ask_again(connection, press, row, waiting, why, now)
    return published


def _publish(
    connection: Connection,
    press: Press,
    waiting: Proposal,
    checked: CheckedAnnouncement,
    now: datetime,
) -> StoredAnnouncement:
    """Publish the next edition in the approver's name."""
    drafts.drop_proposal(connection, waiting.announcement)
    who: dict[str, Any] = {
        "actor": NamedActor(name=waiting.approved_by, now=now),
        "role": "approver",
        "reason": waiting.reason,
    }
    if waiting.change == "withdrawal":
        return corrections.withdraw(connection, press, waiting.announcement, **who)
    return corrections.correct(connection, press, waiting.announcement, checked, **who)


def _ask_again(
    connection: Connection,
    press: Press,
    row: Announcement,
    waiting: Proposal,
    why: str,
    now: datetime,
) -> None:
    """Return an approved proposal to review: reviewers are notified and the audit log says why."""
    drafts.hold_proposal(connection, row.id, "", None)
    able = _reviewers(connection, press, row, _changed(waiting), but=waiting.actor)
    nudges.add(connection, able, row.id, "review", now.timestamp())
    act = PROPOSAL_ACTS[waiting.change].lapse
    audit.append(connection, NamedActor.clock(now), act, row.id, why=why)


def refuse(connection: Connection, desk: Desk, announcement_id: str, reason: str) -> None:
    """Turn the proposal down; its author reads the reason. Raises NotAllowed,
    InvalidAnnouncement.
    """
    why = reasons.read(reason)
    _row, waiting = _decidable(connection, desk, announcement_id)
    drafts.drop_proposal(connection, announcement_id)
    nudges.add(
        connection, accounts.acting(connection, waiting.actor), announcement_id, "rejected", desk.at
    )
    act = PROPOSAL_ACTS[waiting.change].refuse
    audit.append(connection, desk, act, announcement_id, reason=why)


def take_back(connection: Connection, desk: Desk, announcement_id: str) -> None:
    """Drop the proposal at its author's request. Raises NotAllowed."""
    waiting = _waiting(connection, announcement_id)
    if waiting.actor != desk.account.actor:
        raise NotAllowed(StepCode.PROPOSAL_OF_OTHER)
    drafts.drop_proposal(connection, announcement_id)
    audit.append(connection, desk, PROPOSAL_ACTS[waiting.change].take_back, announcement_id)


def _keep_words(connection: Connection, desk: Desk, row: Announcement, form: Form) -> None:
    """Store the typed form as a version: a proposal that is refused or taken back is deleted."""
    last = drafts.newest(connection, row.id)
    number = max(row.version, last.number if last is not None else 0) + 1
    words = DraftVersion(
        announcement=row.id,
        number=number,
        at=desk.at,
        actor=desk.account.actor,
        act="correct",
        form=form,
    )
    drafts.keep(connection, words)


def _proposed_before(connection: Connection, proposal: Proposal) -> Proposal | None:
    """Return the same proposal by the same person if it waits already: the form was sent twice."""
    waiting = drafts.proposed(connection, proposal.announcement)
    same = waiting is not None and (waiting.actor, waiting.bound) == (
        proposal.actor,
        proposal.bound,
    )
    return waiting if same else None


def _propose(
    connection: Connection,
    desk: Desk,
    row: Announcement,
    proposal: Proposal,
    checked: CheckedAnnouncement,
) -> Proposal:
    if not drafts.propose(connection, proposal):
        raise NotAllowed(StepCode.PROPOSAL_WAITS)
    able = _reviewers(connection, desk.press, row, [checked.fields], but=desk.account.actor)
    nudges.add(connection, able, row.id, "review", desk.at)
    act = PROPOSAL_ACTS[proposal.change].propose
    audit.append(connection, desk, act, row.id, reason=proposal.reason, content=proposal.bound)
    return proposal


def _changed(waiting: Proposal) -> list[Fields]:
    """Return the fields that a correction publishes; none for a withdrawal, which changes
    no text.
    """
    return [read_leniently(waiting.form)[0]] if waiting.change == "correction" else []


def _reviewers(
    connection: Connection, press: Press, row: Announcement, changed: Sequence[Fields], *, but: str
) -> list[Account]:
    """Return everyone who may approve both the published and the proposed text, except
    one actor.
    """
    texts = [row.fields, *changed]
    return second_person.able_for_all(
        connection, texts, tree=press.tree, city=press.site.city, but={but}
    )


def examine_correction(
    connection: Connection, desk: Desk, row: Announcement, form: Form, *, reason: str
) -> tuple[CheckedAnnouncement, str]:
    """Check a correction and its public reason against every rule, collecting all refusals.

    Raises NotAllowed, InvalidAnnouncement.
    """
    problems: list[Problem] = []
    checked, why = None, ""
    try:
        checked = _examined(desk.press, row, form, desk.now)
        if checked.fields.image != row.fields.image:
            require_own_picture(desk.press, checked.fields)
        placeholder_check.require_filled(connection, checked.fields, row.blanks)
    except InvalidAnnouncement as error:
        problems += error.problems
    try:
        why = reasons.read_public(connection, reason, link_hosts=desk.press.allowed_hosts)
    except InvalidAnnouncement as error:
        problems += error.problems
    if problems or checked is None:
        raise InvalidAnnouncement(problems)
    _require_open(desk, row, "correct", checked)
    if checked.fields == row.fields:
        raise NotAllowed(StepCode.SAME_AS_PUBLISHED)
    return checked, why


def _require_open(
    desk: Desk, row: Announcement, action: Action, checked: CheckedAnnouncement
) -> None:
    """Raise NotAllowed unless this person may do this to the announcement now."""
    require(desk, "write")
    may(row.state, action, "approver")
    require_cover(desk, _as_published(desk.press, row))
    require_cover(desk, checked)


def _decidable(
    connection: Connection, desk: Desk, announcement_id: str
) -> tuple[Announcement, Proposal]:
    require(desk, "approve")
    row = held(connection, announcement_id)
    waiting = _waiting(connection, announcement_id)
    require_cover(desk, _as_published(desk.press, row))
    if waiting.actor == desk.account.actor:
        raise OwnWork(StepCode.OWN_PROPOSAL)
    return row, waiting


def _waiting(connection: Connection, announcement_id: str) -> Proposal:
    waiting = drafts.proposed(connection, announcement_id)
    if waiting is None:
        raise NotAllowed(StepCode.NO_PROPOSAL)
    return waiting


def _examined(press: Press, row: Announcement, form: Form, now: datetime) -> CheckedAnnouncement:
    """Check the corrected announcement, which has no schedule of its own."""
    return press.examine(
        {name: value for name, value in form.items() if name != "publish_at"}, now, corrected=row
    )


def _still_bound(
    press: Press, row: Announcement, waiting: Proposal, now: datetime
) -> CheckedAnnouncement:
    """Return the content to publish; raises NotAllowed if it is no longer what was proposed."""
    if waiting.change == "withdrawal":
        return _as_published(press, row)
    checked = _examined(press, row, waiting.form, now)
    if _bound(row, approval_hash(checked), waiting.reason) != waiting.bound:
        raise NotAllowed(StepCode.PROPOSAL_STALE)
    return checked


def _as_published(press: Press, row: Announcement) -> CheckedAnnouncement:
    """Return the published fields with their areas; whatever has expired since does not matter
    here.
    """
    return rules.resolve_names(row.fields, tree=press.tree, topics=press.topics)


def _bound(row: Announcement, content: str, reason: str) -> str:
    """Return the hash that an approval is bound to: the new text, its reason, and the published
    text it was compared with.
    """
    return hashlib.sha256(f"{row.fields.as_json()}\0{content}\0{reason}".encode()).hexdigest()
