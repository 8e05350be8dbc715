"""The newsroom: drafts, review by a second person, the hold before an announcement goes out, and
what follows publication.

Each function with a Connection is one transaction, to be run through `Database.write`. What an
announcement may be, and who may move it, stands in announcements.py; here stands who of the staff
that is, and what they leave behind.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from broadcaster import announcements, publishing, reasons, second_person
from broadcaster.accounts import Account, Right
from broadcaster.announcements import CheckedAnnouncement, NotAllowed, OwnWork, Role, bound_of, may
from broadcaster.fields import Fields, InvalidAnnouncement, Problem, changed, read_leniently
from broadcaster.publishing import Press, Stored, held, moved
from broadcaster.releasing import publish_held as publish_held
from broadcaster.signing import draw_code
from broadcaster.store import accounts, audit, drafts, nudges
from broadcaster.store import announcements as rows
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import Version, VersionAct
from broadcaster.vouching import bound_anew, examined, still_bound

HOLD = timedelta(seconds=30)
"""Between approval and publication of what is no emergency: time to call it back."""
FORM_BYTES = 64 * 1024
"""Bytes of a form as JSON: the longest announcement in three languages, and its channels' own
words, are half of it.
"""
EDITABLE: tuple[announcements.State, ...] = ("draft", "returned", "review", "approved", "scheduled")
"""States in which the form may be changed; each change voids review and approval."""

OWN_STATES = ("draft", "returned")
"""States in which nobody is asked to approve it: its author may mend whatever was chosen by
mistake.
"""

Form = Mapping[str, Any]
"""What was typed: the names of `Fields`, each value as the page sends it (texts, lists, mappings)."""


class Outdated(NotAllowed):
    """Somebody else, or another tab, changed it meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            "Pengumuman ini sudah diubah di tempat lain. Muat ulang, lalu ulangi perubahan Anda."
        )


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Who acts, when, and from where; `seconds` of the hold can be shorter in tests."""

    press: Press
    account: Account
    now: datetime
    place: str = ""
    hold: timedelta = HOLD

    @property
    def at(self) -> float:
        """Epoch seconds."""
        return self.now.timestamp()


# --- drafts -------------------------------------------------------------------------------------------


def save(
    connection: Connection,
    desk: Desk,
    form: Form,
    *,
    announcement_id: str | None = None,
    version: int | None = None,
    training: bool = False,
    act: VersionAct = "edit",
    apart: bool = False,
) -> Announcement:
    """Store a form as it stands, complete or not; an approval is void. Raises NotAllowed, Outdated,
    InvalidAnnouncement.

    `apart`: what stood there stays a version of its own, however little it differs.
    """
    require(desk, "write")
    text = form_text(form)
    fields = read_leniently(form)[0]
    if announcement_id is None:
        return _begin(connection, desk, form, text, fields, training=training)
    row = held(connection, announcement_id)
    if row.form == text:
        return row
    if version is not None and version != row.version:
        raise Outdated
    if desk.account.actor in drafts.returners(connection, row.id):
        raise NotAllowed("Anda mengembalikan pengumuman ini, jadi orang lain yang memperbaikinya.")
    _holds_for(desk, row)
    if row.state not in OWN_STATES:
        _require_hold(desk, replace(row, fields=fields))
    bound = "" if row.state in OWN_STATES else bound_anew(desk.press, form, desk.now)
    _keep_original(connection, row)
    before, values = row, {**_UNAPPROVED, "bound": bound, "form": text, "version": row.version + 1}
    row = moved(connection, row, "edit", "author", desk.now, fields=fields, **values)
    if _keep(connection, desk, row, form, act, apart=apart) or before.state in (
        "approved",
        "scheduled",
    ):
        _note(
            connection,
            desk,
            "edit",
            row,
            was=before.state,
            number=row.version,
            **changed(before.fields, fields),
        )
    if before.state in ("approved", "scheduled") and row.bound:
        _ask(connection, desk, row, desk.press.check(fields, desk.now))
    return row


def _begin(
    connection: Connection, desk: Desk, form: Form, text: str, fields: Fields, *, training: bool
) -> Announcement:
    row = Announcement(
        id=publishing.new_id(desk.now),
        code="",
        state=may("draft", "edit", "author"),
        fields=fields,
        created_at=desk.at,
        updated_at=desk.at,
        publish_at=None,
        published_at=None,
        created_by=desk.account.actor,
        note="",
        training=training,
        form=text,
        version=1,
    )
    stored = rows.insert_announcement(connection, row, lambda: draw_code(desk.press.code_prefix))
    _keep(connection, desk, stored, form, "edit")
    _note(connection, desk, "create", stored)
    return stored


def restore(
    connection: Connection,
    desk: Desk,
    announcement_id: str,
    number: int,
    *,
    version: int | None = None,
) -> Announcement:
    """Put an earlier version back as the newest one; `version` is the newest that was seen. Raises
    NotAllowed, Outdated.
    """
    earlier = drafts.version(connection, announcement_id, number)
    if earlier is None:
        raise NotAllowed("Versi ini tidak ada.")
    return save(
        connection,
        desk,
        earlier.form,
        announcement_id=announcement_id,
        version=version,
        act="restore",
    )


def duplicate(
    connection: Connection, desk: Desk, announcement_id: str, *, training: bool = False
) -> Announcement:
    """A new draft with the same words and areas, without times; that of an exercise is one. Raises
    NotAllowed.
    """
    row = held(connection, announcement_id)
    timeless = {
        name: value
        for name, value in form_of(row).items()
        if name not in ("effective", "expires", "publish_at")
    }
    copy = save(connection, desk, timeless, training=training or row.training)
    rows.carry_blanks(connection, copy.id, row.blanks)
    return replace(copy, blanks=row.blanks)


def archive(connection: Connection, desk: Desk, announcement_id: str) -> Announcement:
    """Put away what is over or will never be published. Raises NotAllowed."""
    row = held(connection, announcement_id)
    _holds_for(desk, row)
    row = moved(connection, row, "archive", _role(desk), desk.now)
    _note(connection, desk, "archive", row)
    return row


# --- four eyes ----------------------------------------------------------------------------------------


def submit(
    connection: Connection, desk: Desk, announcement_id: str, *, version: int | None = None
) -> Announcement:
    """Ask a second person: what is bound now is what they approve. Raises InvalidAnnouncement with
    everything to mend.
    """
    require(desk, "write")
    row = held(connection, announcement_id)
    if version is not None and version != row.version:
        raise Outdated
    may(row.state, "submit", "author")
    checked = examined(desk.press, form_of(row), desk.now)
    require_cover(desk, checked)
    row = moved(
        connection,
        row,
        "submit",
        "author",
        desk.now,
        fields=checked.fields,
        bound=bound_of(checked),
        note="",
        submitted_by=desk.account.actor,
        submitted_at=desk.at,
        version=row.version + 1,
    )
    _keep(connection, desk, row, form_of(row), "submit")
    _ask(connection, desk, row, checked)
    _note(connection, desk, "submit", row, content=row.bound)
    return row


def approve(
    connection: Connection,
    desk: Desk,
    announcement_id: str,
    *,
    seen: str,
    version: int,
    read: bool = False,
) -> Stored:
    """Approve what was seen (its `bound`): routine news after the hold, a schedule at its time, an
    emergency at once.

    `read`: the person said that text and area of an emergency were read. Raises NotAllowed,
    Outdated, InvalidAnnouncement.
    """
    desk, row, checked = _judged(connection, desk, announcement_id)
    may(row.state, "approve", "approver")
    if version != row.version:
        raise Outdated
    if row.training:
        return _rehearse(connection, desk, row, seen=seen, checked=checked)
    editors = drafts.editors(connection, row.id) | {row.submitted_by}
    announcements.approve(
        row.state,
        editors=editors,
        approver=desk.account.actor,
        seen=seen,
        current=still_bound(row, checked),
    )
    second_person.require_independent(connection, desk.account, editors, desk.now)
    if checked.fields.level == "emergency" and not read:
        raise NotAllowed("Baca isi dan wilayahnya, lalu nyatakan bahwa Anda sudah membacanya.")
    approved = {"approved_by": desk.account.actor, "approved_at": desk.at, "note": ""}
    at_once = checked.fields.level == "emergency"
    release = None if at_once or checked.fields.publish_at else (desk.now + desk.hold).timestamp()
    row = moved(connection, row, "approve", "approver", desk.now, **approved, release_at=release)
    _note(connection, desk, "approve", row, content=row.bound)
    if checked.fields.publish_at is not None:
        return publishing.schedule(
            connection,
            desk.press,
            checked,
            actor=desk.account.actor,
            now=desk.now,
            announcement_id=row.id,
            role="approver",
        )
    if at_once:
        return publishing.publish_stored(
            connection, desk.press, row.id, actor=desk.account.actor, now=desk.now, role="approver"
        )
    return publishing.stored_as(desk.press, row)


def _rehearse(
    connection: Connection,
    desk: Desk,
    row: Announcement,
    *,
    seen: str,
    checked: CheckedAnnouncement,
) -> Stored:
    """The end of an exercise: approved, by its author too, and sent to nobody."""
    announcements.approve(
        row.state,
        editors=(),
        approver=desk.account.actor,
        seen=seen,
        current=still_bound(row, checked),
    )
    approved = {"approved_by": desk.account.actor, "approved_at": desk.at}
    row = moved(
        connection,
        row,
        "rehearse",
        "approver",
        desk.now,
        note="Latihan selesai. Tidak ada yang dikirim.",
        **approved,
    )
    _note(connection, desk, "rehearse", row)
    return publishing.stored_as(desk.press, row)


def call_back(connection: Connection, desk: Desk, announcement_id: str) -> Announcement:
    """Take an approved announcement back within its hold: nothing was sent. Raises NotAllowed."""
    row = held(connection, announcement_id)
    _holds_for(desk, row)
    row = moved(
        connection,
        row,
        "call_back",
        _role(desk),
        desk.now,
        release_at=None,
        approved_by="",
        approved_at=None,
    )
    _note(connection, desk, "call_back", row)
    return row


def send_back(
    connection: Connection, desk: Desk, announcement_id: str, reason: str
) -> Announcement:
    """Return it to its author, who reads why. Raises NotAllowed, InvalidAnnouncement."""
    return _decide(connection, desk, announcement_id, "send_back", reason)


def reject(connection: Connection, desk: Desk, announcement_id: str, reason: str) -> Announcement:
    """Refuse it for good. Raises NotAllowed, InvalidAnnouncement."""
    return _decide(connection, desk, announcement_id, "reject", reason)


def _decide(
    connection: Connection, desk: Desk, announcement_id: str, act: announcements.Act, reason: str
) -> Announcement:
    require(desk, "approve")
    why = reasons.read(reason)
    row = held(connection, announcement_id)
    _holds_for(desk, row)
    if desk.account.actor in drafts.editors(connection, row.id) and not row.training:
        raise OwnWork(
            "Penyusun tidak dapat memutuskan pengumumannya sendiri. Minta orang lain memeriksanya."
        )
    row = moved(
        connection, row, act, "approver", desk.now, note=why, bound="", version=row.version + 1
    )
    if act == "send_back":
        _keep(connection, desk, row, form_of(row), "send_back")
    author = accounts.acting(connection, row.submitted_by)
    nudges.add(
        connection, author, row.id, "returned" if act == "send_back" else "rejected", desk.at
    )
    _note(connection, desk, act, row, reason=why)
    return row


# --- publishing ---------------------------------------------------------------------------------------


def publish_approved(connection: Connection, desk: Desk, announcement_id: str) -> Stored:
    """Publish an approved announcement now, without waiting for its hold or after a missed
    schedule. Raises NotAllowed.
    """
    desk, row, checked = _judged(connection, desk, announcement_id)
    still_bound(row, checked)
    editors = drafts.editors(connection, row.id) | {row.submitted_by}
    if desk.account.actor in editors:
        raise OwnWork(
            "Penyusun tidak dapat menerbitkan pengumumannya sendiri. Minta orang lain memeriksanya."
        )
    second_person.require_independent(connection, desk.account, editors, desk.now)
    return publishing.publish_stored(
        connection, desk.press, row.id, actor=desk.account.actor, now=desk.now, role="approver"
    )


def unschedule(connection: Connection, desk: Desk, announcement_id: str) -> Stored:
    """Take an announcement off the schedule; it stays approved and waits for a person. Raises
    NotAllowed.
    """
    row = held(connection, announcement_id)
    _holds_for(desk, row)
    return publishing.unschedule(
        connection,
        desk.press,
        announcement_id,
        actor=desk.account.actor,
        now=desk.now,
        role=_role(desk),
    )


def break_glass(
    connection: Connection,
    desk: Desk,
    announcement_id: str,
    *,
    reason: str,
    allowed: bool,
    version: int | None = None,
) -> Stored:
    """One person publishes an emergency alone, where the city allows it: every pengelola is
    alarmed.

    `version`: what this person saw. Raises NotAllowed, Outdated.
    """
    if not allowed:
        raise NotAllowed(
            "Satu orang tidak dapat menerbitkan sendiri di sini. Minta penyetuju memeriksanya."
        )
    why = reasons.read(reason)
    row = held(connection, announcement_id)
    if version is not None and version != row.version:
        raise Outdated
    checked = examined(desk.press, form_of(row), desk.now)
    if checked.fields.level != "emergency":
        raise NotAllowed("Hanya peringatan darurat yang dapat diterbitkan oleh satu orang.")
    require(desk, "write")
    require_cover(desk, checked)
    alone = publishing.publish(
        connection,
        desk.press,
        checked,
        actor=desk.account.actor,
        now=desk.now,
        announcement_id=row.id,
        role="breaker",
    )
    alarmed = accounts.with_role(connection, "admin")
    others = second_person.watchers(connection, {desk.account.actor})
    nudges.add(
        connection,
        {one.id: one for one in (*alarmed, *others)}.values(),
        row.id,
        "break_glass",
        desk.at,
    )
    _note(connection, desk, "break_glass", replace(row, state=alone.status), reason=why)
    return alone


def require_steering(connection: Connection, desk: Desk, announcement_id: str) -> None:
    """Raises NotAllowed unless the person may pause, resume, stop and repeat this announcement's
    sending.
    """
    require(desk, "steer")
    _require_hold(desk, held(connection, announcement_id))


# --- pieces -------------------------------------------------------------------------------------------


def form_text(form: Form) -> str:
    """A form as it is stored; raises InvalidAnnouncement when it is too long."""
    text = json.dumps(form, ensure_ascii=False, sort_keys=True)
    if len(text.encode()) > FORM_BYTES:
        raise InvalidAnnouncement(
            [
                Problem(
                    field="body",
                    reason="Terlalu panjang untuk disimpan.",
                    remedy="Persingkat isinya.",
                )
            ]
        )
    return text


def form_of(row: Announcement) -> dict[str, Any]:
    """What the composer shows: the form as typed, else the fields of what came another way, or was
    corrected since.
    """
    return (
        dict(json.loads(row.form))
        if row.form and row.published_at is None
        else row.fields.model_dump(mode="json", exclude_defaults=True)
    )


def _judged(
    connection: Connection, desk: Desk, announcement_id: str
) -> tuple[Desk, Announcement, CheckedAnnouncement]:
    """The announcement, held, as it may be published now, before somebody who may judge it; a
    missed schedule is none.
    """
    desk = replace(desk, account=second_person.as_of_now(connection, desk.account))
    require(desk, "approve")
    row = held(connection, announcement_id)
    missed = (
        row.state == "approved"
        and row.fields.publish_at is not None
        and row.fields.publish_at <= desk.now
    )
    checked = desk.press.check(
        row.fields.model_copy(update={"publish_at": None}) if missed else row.fields, desk.now
    )
    require_cover(desk, checked)
    return desk, row, checked


_UNAPPROVED: Mapping[str, Any] = {
    "approved_by": "",
    "approved_at": None,
    "release_at": None,
    "publish_at": None,
}
"""What an edit does to approval."""


def require(desk: Desk, right: Right) -> None:
    """Raises NotAllowed unless one of the person's roles has the right."""
    if not desk.account.may(right):
        raise NotAllowed("Peran Anda tidak mengizinkan ini. Minta pengelola menambah peran Anda.")


def _role(desk: Desk) -> Role:
    return "approver" if desk.account.may("approve") else "author"


def _holds_for(desk: Desk, row: Announcement) -> None:
    """Whether an announcement that is there is this person's to touch: within what they hold for,
    or their own draft still.
    """
    if not desk.account.may("approve"):
        require(desk, "write")
    if row.state not in OWN_STATES or row.created_by != desk.account.actor:
        _require_hold(desk, row)


def _require_hold(desk: Desk, row: Announcement) -> None:
    codes = second_person.codes_of(row.fields, desk.press.tree)
    if not desk.account.covers(row.fields.agency or desk.press.site.city, codes):
        raise NotAllowed(_NOT_YOURS)


def require_cover(desk: Desk, checked: CheckedAnnouncement) -> None:
    """Raises NotAllowed unless the announcement lies within what the person holds for."""
    agency = checked.fields.agency or desk.press.site.city
    if not desk.account.covers(agency, [area.code for area in checked.areas]):
        raise NotAllowed(_NOT_YOURS)


_NOT_YOURS = "Perangkat daerah atau wilayah pengumuman ini di luar tugas Anda. Minta orang yang bertugas di sana."


def _ask(
    connection: Connection, desk: Desk, row: Announcement, checked: CheckedAnnouncement
) -> None:
    who = judges(connection, desk, checked, drafts.editors(connection, row.id))
    nudges.add(connection, who, row.id, "review", desk.at)


def judges(
    connection: Connection, desk: Desk, checked: CheckedAnnouncement, editors: Collection[str]
) -> list[Account]:
    """Everyone who may approve it."""
    agency = checked.fields.agency or desk.press.site.city
    return second_person.able(connection, agency, [area.code for area in checked.areas], editors)


def _keep(
    connection: Connection,
    desk: Desk,
    row: Announcement,
    form: Form,
    act: VersionAct,
    *,
    apart: bool = False,
) -> bool:
    version = Version(
        announcement=row.id,
        number=row.version,
        at=desk.at,
        actor=desk.account.actor,
        act=act,
        form=form,
    )
    return drafts.keep(connection, version, apart=apart)


def _keep_original(connection: Connection, row: Announcement) -> None:
    """Keep what came another way than by the composer, before it is written over there for the
    first time.
    """
    if drafts.newest(connection, row.id) is None:
        original = Version(
            announcement=row.id,
            number=row.version,
            at=row.created_at,
            actor=row.created_by,
            act="edit",
            form=form_of(row),
        )
        drafts.keep(connection, original)


def _note(connection: Connection, desk: Desk, act: str, row: Announcement, **more: Any) -> None:
    """Into the audit log: who, what, from where, and the state after."""
    detail = {"code": row.code, "state": row.state, "from": desk.place, **more}
    audit.append(
        connection, at=desk.now, actor=desk.account.actor, act=act, subject=row.id, detail=detail
    )
