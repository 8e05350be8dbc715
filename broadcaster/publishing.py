"""Publishing: freeze, sign, store and outbox in one transaction; scheduling, correcting and taking
back.

Each function with a Connection is one transaction, to be run through `Database.write`; it does
nothing but SQL and pure work.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from broadcaster import announcements, filling, freezing, lateness, reasons, second_person
from broadcaster.announcements import (
    Act,
    CheckedAnnouncement,
    NotAllowed,
    Role,
    State,
    bound_of,
    content_hash,
    may,
)
from broadcaster.app import App
from broadcaster.fields import Fields, InvalidAnnouncement, Problem
from broadcaster.signing import Signer, draw_code
from broadcaster.store import announcements as rows
from broadcaster.store import audit, media, nudges
from broadcaster.store.announcements import Announcement, EditionRow
from channels.base import hyperlinks
from channels.base.contract import Edition, Site, Topic
from channels.base.rendering import moment_text
from subscribers.areas import AreaTree

DUE_AT_ONCE = 20
"""Schedules that one call of `publish_due` takes at most."""


@dataclass(frozen=True, kw_only=True)
class Press:
    """What every publication needs: the map, the key, the city's names, the channels that are open
    now.
    """

    tree: AreaTree
    signer: Signer
    site: Site
    topics: Sequence[Topic]
    code_prefix: str
    push_channels: tuple[str, ...]
    pull_channels: tuple[str, ...]
    link_hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, app: App) -> "Press":
        """The press of the running program."""
        return cls(
            tree=app.tree,
            signer=app.signer,
            site=app.site,
            topics=app.settings.topics,
            code_prefix=app.settings.code_prefix,
            push_channels=app.open_push,
            pull_channels=tuple(name for name in app.pull if app.loaded.is_open(name)),
            link_hosts=app.settings.link_hosts,
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel that an announcement may name."""
        return self.push_channels + self.pull_channels

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Where links may lead: our own site and the hosts that the city named; empty: anywhere."""
        return (*self.link_hosts, hyperlinks.host_of(self.site.base_url)) if self.link_hosts else ()

    def check(self, fields: Fields, now: datetime) -> CheckedAnnouncement:
        """Hold fields against the rules; raises InvalidAnnouncement."""
        return announcements.check(fields, **self._rules, now=now)

    def examine(
        self, raw: Mapping[str, Any], now: datetime, *, corrected: Announcement | None = None
    ) -> CheckedAnnouncement:
        """Read fields and hold them against the rules, all refusals at once; raises
        InvalidAnnouncement. `corrected`: of what.
        """
        since = corrected.began if corrected is not None else None
        return announcements.examine(raw, **self._rules, now=now, since=since)

    @property
    def _rules(self) -> dict[str, Any]:
        return {
            "tree": self.tree,
            "topics": self.topics,
            "channels": self.channels,
            "link_hosts": self.allowed_hosts,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What is safely stored; `edition` and `number` once it is published."""

    id: str
    code: str
    url: str
    status: State
    edition: int | None = None
    number: int | None = None
    channels: tuple[str, ...] = ()
    """Push channels by which it goes; their lane is "emergency" or "routine"."""
    lane: str = "routine"


# --- new and stored announcements -----------------------------------------------------------------------


def save_draft(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    *,
    actor: str,
    now: datetime,
    announcement_id: str | None = None,
    role: Role = "author",
) -> Stored:
    """Store a draft with its code, or change a stored announcement (which drops its approval).
    Raises NotAllowed.
    """
    row = _put(
        connection,
        press,
        checked,
        "edit",
        role=role,
        actor=actor,
        now=now,
        announcement_id=announcement_id,
    )
    note(connection, now, actor, "edit", row, role)
    return stored_as(press, row)


def schedule(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    *,
    actor: str,
    now: datetime,
    announcement_id: str | None = None,
    role: Role = "grant",
) -> Stored:
    """Store an announcement to be published at its `publish_at`; no edition yet. Raises NotAllowed,
    InvalidAnnouncement.
    """
    if checked.fields.publish_at is None:
        raise InvalidAnnouncement(
            [Problem(field="publish_at", reason="Belum diisi.", remedy="Tulis kapan akan terbit.")]
        )
    row = _put(
        connection,
        press,
        checked,
        "schedule",
        role=role,
        actor=actor,
        now=now,
        announcement_id=announcement_id,
    )
    note(
        connection,
        now,
        actor,
        "schedule",
        row,
        role,
        publish_at=checked.fields.publish_at.isoformat(),
    )
    return stored_as(press, row)


def unschedule(
    connection: Connection,
    press: Press,
    announcement_id: str,
    *,
    actor: str,
    now: datetime,
    role: Role,
) -> Stored:
    """Take an announcement off the schedule; it stays approved. Raises NotAllowed."""
    row = held(connection, announcement_id)
    fields = row.fields.model_copy(update={"publish_at": None})
    row = moved(connection, row, "unschedule", role, now, fields=fields, publish_at=None)
    note(connection, now, actor, "unschedule", row, role)
    return stored_as(press, row)


def publish(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    *,
    actor: str,
    now: datetime,
    announcement_id: str | None = None,
    role: Role = "grant",
) -> Stored:
    """Publish at once, or schedule when `publish_at` is given: the whole promise in one
    transaction. Raises NotAllowed.
    """
    if checked.fields.publish_at is not None:
        return schedule(
            connection,
            press,
            checked,
            actor=actor,
            now=now,
            announcement_id=announcement_id,
            role=role,
        )
    row = _put(
        connection,
        press,
        checked,
        "publish",
        role=role,
        actor=actor,
        now=now,
        announcement_id=announcement_id,
    )
    return _released(connection, press, row, checked, actor=actor, role=role, now=now)


def publish_stored(
    connection: Connection,
    press: Press,
    announcement_id: str,
    *,
    actor: str,
    now: datetime,
    role: Role = "grant",
) -> Stored:
    """Publish a stored announcement now, once however often it is asked. Raises NotAllowed,
    InvalidAnnouncement.
    """
    row = held(connection, announcement_id)
    may(row.state, "publish", role)
    checked = press.check(row.fields.model_copy(update={"publish_at": None}), now)
    row = moved(
        connection,
        row,
        "publish",
        role,
        now,
        fields=checked.fields,
        published_at=now.timestamp(),
        note="",
    )
    return _released(connection, press, row, checked, actor=actor, role=role, now=now)


async def publish_now(
    app: App,
    checked: CheckedAnnouncement,
    *,
    actor: str,
    announcement_id: str | None = None,
    role: Role = "grant",
) -> Stored:
    """`publish`, then ring at once for every channel by which it goes; returns once it is safely
    stored.
    """
    stored = await app.database.write(
        publish,
        Press.of(app),
        checked,
        actor=actor,
        now=app.clock(),
        announcement_id=announcement_id,
        role=role,
    )
    await ring(app, stored)
    return stored


async def ring(app: App, stored: Stored) -> None:
    """Tell the workers, after the commit, that there is work; were the ring lost, the sweeper would
    find it.
    """
    for channel in stored.channels:
        await app.queue.ring(channel, stored.lane)


# --- by the clock ---------------------------------------------------------------------------------------


def publish_due(connection: Connection, press: Press, *, now: datetime) -> list[Stored]:
    """Publish what is due, each once however many processes ask; what came too late or no longer
    holds waits for a person.
    """
    published: list[Stored] = []
    released: list[Announcement] = []
    missed: list[Announcement] = []
    for row in rows.due(connection, now.timestamp(), DUE_AT_ONCE):
        checked = _still_holds(connection, press, row, now)
        if why := _lapsed(connection, press, row, checked):
            lapse(connection, press, row, why, now)
        elif isinstance(checked, str):
            missed.append(moved(connection, row, "miss", "clock", now, note=checked))
        else:
            went = moved(
                connection,
                row,
                "publish",
                "clock",
                now,
                fields=checked.fields,
                published_at=now.timestamp(),
            )
            published.append(_release(connection, press, went, checked, now))
            released.append(went)
    for row in missed:
        lateness.tell_missed(connection, row, now)
        note(connection, now, "clock", "miss", row, "clock", why=row.note)
    for stored, row in zip(published, released, strict=True):
        audit.append(
            connection,
            at=now,
            actor="clock",
            act="publish",
            subject=stored.id,
            detail=_said(stored),
        )
        lateness.tell_late(connection, row, lateness.planned_at(row.publish_at), now)
    return published


def _still_holds(
    connection: Connection, press: Press, row: Announcement, now: datetime
) -> CheckedAnnouncement | str:
    """The announcement as it may be published now, or why a person must look at it."""
    planned = lateness.planned_at(row.publish_at)
    if lateness.is_stale(planned, now):
        return lateness.why_stale(planned)
    try:
        filling.require_filled(connection, row.fields, row.blanks)
        return press.check(row.fields.model_copy(update={"publish_at": None}), now)
    except InvalidAnnouncement as refused:
        return f"Jadwal {moment_text(planned)} tidak dijalankan. {' '.join(str(problem) for problem in refused.problems)}"


def _lapsed(
    connection: Connection, press: Press, row: Announcement, checked: CheckedAnnouncement | str
) -> str:
    """Why nobody stands behind a schedule any more, in words; "" while somebody does."""
    if row.bound and isinstance(checked, CheckedAnnouncement) and row.bound != bound_of(checked):
        return "Isi atau wilayahnya tidak lagi sama dengan yang disetujui."
    return second_person.lapsed(connection, row, tree=press.tree, city=press.site.city)


def lapse(
    connection: Connection, press: Press, row: Announcement, why: str, now: datetime
) -> Announcement:
    """Put what was approved back into review, because nobody stands behind it any more: its people
    read why.
    """
    planned = row.fields.publish_at
    fields = (
        row.fields.model_copy(update={"publish_at": None})
        if planned and planned <= now
        else row.fields
    )
    bound = row.bound or bound_of(
        announcements.as_it_stands(fields, tree=press.tree, topics=press.topics)
    )
    row = moved(
        connection,
        row,
        "lapse",
        "clock",
        now,
        fields=fields,
        bound=bound,
        approved_by="",
        approved_at=None,
        release_at=None,
        publish_at=None,
        note=f"Tidak jadi terbit. {why} Perlu persetujuan lagi.",
    )
    people = second_person.people_of(connection, row, tree=press.tree, city=press.site.city)
    nudges.add(connection, people, row.id, "lapsed", now.timestamp())
    note(connection, now, "clock", "lapse", row, "clock", why=why)
    return row


def end_expired(connection: Connection, now: datetime) -> list[str]:
    """Move announcements whose time is over from published to ended; their ids."""
    over = [
        moved(connection, row, "end", "clock", now)
        for row in rows.ended(connection, now.timestamp())
    ]
    for row in over:
        note(connection, now, "clock", "end", row, "clock")
    return [row.id for row in over]


# --- after publishing -------------------------------------------------------------------------------------


def correct(
    connection: Connection,
    press: Press,
    announcement_id: str,
    checked: CheckedAnnouncement,
    *,
    reason: str,
    actor: str,
    now: datetime,
    role: Role = "grant",
) -> Stored:
    """Publish the next edition, to everyone the earlier ones may have reached too. Raises
    NotAllowed, InvalidAnnouncement.
    """
    reason = reasons.read_public(connection, reason, link_hosts=press.allowed_hosts)
    if checked.fields.publish_at is not None:
        problem = Problem(
            field="publish_at", reason="Ralat terbit sekarang juga.", remedy="Hapus publish_at."
        )
        raise InvalidAnnouncement([problem])
    row, previous = _published(connection, announcement_id, "correct", role)
    if checked.fields == row.fields:
        raise NotAllowed("Isi ralat sama dengan yang sudah terbit. Ubah dulu yang salah.")
    frozen = freezing.freeze(
        checked,
        site=press.site,
        announcement=row.id,
        code=row.code,
        at=now,
        number=previous.number + 1,
        change="correction",
        reason=reason,
        first=previous.edition.first_published_at,
        urgent=previous.edition.emergency,
    )
    chosen = _joined(tuple(previous.channels.split()), checked.fields.channels)
    row = moved(connection, row, "correct", role, now, fields=checked.fields)
    went = rows.supersede_runs(connection, row.id, "Digantikan ralat.")
    going = tuple(
        name for name in press.push_channels if not chosen or name in chosen or name in went
    )
    stored = _issue(
        connection, press, row, frozen, chosen=chosen, going=going, now=now, follows=previous.id
    )
    content = content_hash(checked.fields, [area.code for area in checked.areas])
    detail = _said(stored, role=role, reason=reason, content=content)
    audit.append(connection, at=now, actor=actor, act="correct", subject=row.id, detail=detail)
    return stored


def withdraw(
    connection: Connection,
    press: Press,
    announcement_id: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    role: Role = "grant",
) -> Stored:
    """Publish the edition that takes the announcement back, to everyone it may have reached. Raises
    NotAllowed.
    """
    reason = reasons.read_public(connection, reason, link_hosts=press.allowed_hosts)
    row, previous = _published(connection, announcement_id, "withdraw", role)
    frozen = freezing.withdrawal(previous.edition, reason=reason, at=now)
    row = moved(connection, row, "withdraw", role, now)
    went = rows.supersede_runs(connection, row.id, "Pengumuman dicabut.")
    going = tuple(name for name in press.push_channels if name in went)
    stored = _issue(
        connection,
        press,
        row,
        frozen,
        chosen=tuple(previous.channels.split()),
        going=going,
        now=now,
        follows=previous.id,
    )
    audit.append(
        connection,
        at=now,
        actor=actor,
        act="withdraw",
        subject=row.id,
        detail=_said(stored, role=role, reason=reason),
    )
    return stored


def preview_edition(
    checked: CheckedAnnouncement, *, site: Site, now: datetime, prefix: str = "CMH"
) -> Edition:
    """The edition that publishing now would freeze; its id and code are drawn but not stored."""
    return freezing.freeze(
        checked, site=site, announcement=new_id(now), code=draw_code(prefix), at=now
    )


def new_id(now: datetime) -> str:
    """A fresh id of an announcement: 32 hex digits that sort by time (48 bits of milliseconds, 80
    random bits).
    """
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


# --- pieces -----------------------------------------------------------------------------------------------


def _put(
    connection: Connection,
    press: Press,
    checked: CheckedAnnouncement,
    act: Act,
    *,
    role: Role,
    actor: str,
    now: datetime,
    announcement_id: str | None,
) -> Announcement:
    """The announcement with these fields in the state that follows `act`: a new one, or the stored
    one changed.
    """
    fields, at = checked.fields, now.timestamp()
    values: dict[str, Any] = {
        "publish_at": fields.publish_at.timestamp() if fields.publish_at else None,
        "published_at": at if act == "publish" else None,
    }
    if announcement_id is not None:
        return moved(
            connection,
            held(connection, announcement_id),
            act,
            role,
            now,
            fields=fields,
            note="",
            **values,
        )
    state = may("draft", act, role)
    filling.require_filled_step(connection, act, fields)
    row = Announcement(
        id=new_id(now),
        code="",
        state=state,
        fields=fields,
        created_at=at,
        updated_at=at,
        created_by=actor,
        note="",
        **values,
    )
    return rows.insert_announcement(connection, row, lambda: draw_code(press.code_prefix))


def held(connection: Connection, announcement_id: str) -> Announcement:
    """The announcement, kept from other writers; raises NotAllowed when there is none."""
    row = rows.locked(connection, announcement_id)
    if row is None:
        raise NotAllowed("Pengumuman ini tidak ada.")
    return row


def moved(
    connection: Connection, row: Announcement, act: Act, role: Role, now: datetime, **values: Any
) -> Announcement:
    """The announcement after `act`, moved by a conditional update; raises NotAllowed."""
    if row.training and act in ("publish", "schedule"):
        raise NotAllowed("Pengumuman latihan ini tidak pernah dikirim.")
    state = may(row.state, act, role)
    filling.require_filled_step(connection, act, values.get("fields", row.fields), row.blanks)
    if not rows.move(connection, row, state, now.timestamp(), **values):
        raise NotAllowed(
            "Orang lain baru saja mengubah pengumuman ini. Muat ulang, lalu periksa lagi."
        )
    return replace(row, state=state, updated_at=now.timestamp(), **values)


def _published(
    connection: Connection, announcement_id: str, act: Act, role: Role
) -> tuple[Announcement, EditionRow]:
    """The announcement, held, with its newest edition; raises NotAllowed when there is none or it
    was taken back.
    """
    row = held(connection, announcement_id)
    may(row.state, act, role)
    previous = rows.newest_edition(connection, announcement_id)
    if previous is None:
        raise NotAllowed("Pengumuman ini belum pernah terbit.")
    if previous.withdrawn:
        at = moment_text(previous.edition.published_at)
        raise NotAllowed(f"Pengumuman ini sudah dicabut pada {at}.")
    return row, previous


def _released(
    connection: Connection,
    press: Press,
    row: Announcement,
    checked: CheckedAnnouncement,
    *,
    actor: str,
    role: Role,
    now: datetime,
) -> Stored:
    stored = _release(connection, press, row, checked, now)
    bound = content_hash(checked.fields, [area.code for area in checked.areas])
    detail = _said(stored, role=role, content=bound)
    audit.append(connection, at=now, actor=actor, act="publish", subject=row.id, detail=detail)
    return stored


def _release(
    connection: Connection,
    press: Press,
    row: Announcement,
    checked: CheckedAnnouncement,
    now: datetime,
) -> Stored:
    """The first edition and its runs."""
    frozen = freezing.freeze(checked, site=press.site, announcement=row.id, code=row.code, at=now)
    chosen = checked.fields.channels
    going = tuple(name for name in press.push_channels if not chosen or name in chosen)
    return _issue(connection, press, row, frozen, chosen=chosen, going=going, now=now)


def _issue(
    connection: Connection,
    press: Press,
    row: Announcement,
    frozen: Edition,
    *,
    chosen: tuple[str, ...],
    going: tuple[str, ...],
    now: datetime,
    follows: int | None = None,
) -> Stored:
    """Sign and store an edition with its runs; `chosen` are the channels it names, `going` the push
    channels it takes.
    """
    frozen = media.measured(connection, frozen, press.site)
    concerned = press.tree.concerned(area.code for area in frozen.areas)
    edition_id = rows.insert_edition(
        connection, frozen, signer=press.signer, channels=chosen, concerned=concerned, at=now
    )
    lane = rows.open_runs(connection, edition_id, going, follows)
    stored = stored_as(press, row)
    return replace(stored, edition=edition_id, number=frozen.number, channels=going, lane=lane)


def stored_as(press: Press, row: Announcement) -> Stored:
    """How a stored announcement is named to whoever asked for it."""
    return Stored(id=row.id, code=row.code, url=press.site.permalink(row.code), status=row.state)


def _joined(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """The channels of a correction: never fewer than before; none named means all."""
    return tuple(dict.fromkeys(before + after)) if before and after else ()


def _said(stored: Stored, **more: Any) -> dict[str, Any]:
    """What the audit keeps of a publication."""
    return {
        "code": stored.code,
        "edition": stored.edition,
        "number": stored.number,
        "channels": stored.channels,
        **more,
    }


def note(
    connection: Connection,
    now: datetime,
    actor: str,
    act: Act,
    row: Announcement,
    role: Role,
    **more: Any,
) -> None:
    """Write an act into the audit log; the last of its transaction."""
    detail = {"code": row.code, "state": row.state, "role": role, **more}
    audit.append(connection, at=now, actor=actor, act=act, subject=row.id, detail=detail)
