"""Words of notifications: what happened, by whom, and the page on which the person acts."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.accounts import Account
from broadcaster.publishing import hold_ups
from broadcaster.runtime.i18n import words
from broadcaster.store import accounts, audit, drafts
from broadcaster.store.announcements import Announcement
from broadcaster.store.audit import AuditEntry
from broadcaster.store.nudges import Nudge
from channels.base.moments import moment_text
from channels.base.rendering import fill, one_line
from channels.base.staff_messages import Note

LEVELS = {"info": "Info", "important": "Penting", "emergency": "Darurat"}
PAGES = {
    "review": "/periksa",
    "correction": "/ralat",
    "withdrawal": "/cabut",
    "returned": "/tulis",
    "missed": "/periksa",
    "lapsed": "/periksa",
}
"""Page below the announcement's on which the person acts: by kind of proposal, else by reason."""
ASKING = ("review", "missed")
"""Reasons that may be about a proposed correction or withdrawal."""
PLACES = {"held_up": "pengiriman", "resumed": "pengiriman", "expired": "pengiriman"}
"""Sections whose page is used instead of the announcement's own."""


def note_for(
    connection: Connection,
    app: App,
    nudge: Nudge,
    about: Announcement | Account,
    person: Account,
    *,
    moved: bool,
) -> Note:
    """Write the notification for this person: the event, and the page to act on. No link in it acts
    by itself.

    `moved`: it also goes to a former address.
    """
    if isinstance(about, Account):
        text = _of_account(connection, app, nudge, about, person)
    else:
        text = _of_news(connection, app, nudge, about, person)
    subject, _, body = text.partition("\n")
    if moved:
        body = f"{body.strip()}\n\n{words('id')('staff.nudge.moved')}"
    return Note(
        key=f"redaksi.{nudge.id}.{int(nudge.at)}", subject=subject.strip(), text=body.strip()
    )


def _of_account(
    connection: Connection, app: App, nudge: Nudge, about: Account, person: Account
) -> str:
    """Write a notification about an account: the change, by whom and when."""
    t, site = words("id"), app.site.base_url.rstrip("/")
    if nudge.reason == "codes_stopped":
        own = {
            "person": one_line(person.full_name),
            "account_page": f"{site}/redaksi/akun",
            "site": app.site,
            "training": False,
        }
        return fill("nudge/codes_stopped.id.txt", own)
    entries = [
        entry
        for entry in audit.about(connection, about.actor)
        if entry.act == nudge.reason and entry.at == nudge.at
    ]
    doer = entries[-1].actor if entries else ""
    own_words = {"cli": "Perintah di server", "oidc": "Akun Pemkot", "": "Seseorang"}
    by = "oidc" if entries and entries[-1].detail.get("way") == "oidc" else doer
    return fill(
        "nudge/account.id.txt",
        {
            "person": one_line(person.full_name),
            "act": nudge.reason,
            "name": one_line(about.full_name),
            "login": about.name,
            "own": person.id == about.id,
            "who": own_words.get(by) or one_line(_named(connection, by)),
            "when": moment_text(datetime.fromtimestamp(nudge.at, UTC)),
            "roles": ", ".join(t(f"staff.role.{role}") for role in about.roles),
            "changed": ", ".join(_changed(entries[-1]))
            if nudge.reason == "account_change" and entries
            else "",
            "namesakes": ", ".join(
                f"{one_line(namesake.full_name)} ({namesake.name})"
                for namesake in accounts.namesakes(connection, about)
            ),
            "page": f"{site}/redaksi/pengguna/{about.id}" if person.may("manage") else "",
            "account_page": f"{site}/redaksi/akun",
            "site": app.site,
        },
    )


def _changed(entry: AuditEntry) -> list[str]:
    """Return the changed properties of an account in words; the name with the one before."""
    t, before = words("id"), entry.detail.get("before", {})
    known = [
        name
        for name in ("full_name", "roles", "agencies", "areas", "mail")
        if name in entry.detail.get("after", {})
    ]
    was = {"full_name": f" (dahulu {one_line(str(before.get('full_name', '')))})"}
    return [t(f"staff.audit.key.{name}") + was.get(name, "") for name in known]


def _of_news(
    connection: Connection, app: App, nudge: Nudge, row: Announcement, person: Account
) -> str:
    """Write a notification about an announcement that waits or was decided."""
    change, who, why = _story(connection, nudge, row)
    if nudge.reason in PLACES:
        why = hold_ups.story(connection, app, row.id)
    site = app.site.base_url.rstrip("/")
    below = PAGES.get(change if nudge.reason in ASKING and change else nudge.reason, "")
    areas = [
        area.label for area in (app.tree.get(name) for name in row.fields.areas) if area is not None
    ]
    return fill(
        f"nudge/{nudge.reason}.id.txt",
        {
            "person": one_line(person.full_name),
            "title": one_line(row.title),
            "level": LEVELS[row.fields.level],
            "emergency": row.fields.level == "emergency",
            "training": row.training,
            "areas": ", ".join(areas),
            "change": change,
            "who": who,
            "why": why,
            "page": f"{site}/redaksi/{PLACES.get(nudge.reason, 'pengumuman')}/{row.id}{below}",
            "account_page": f"{site}/redaksi/akun",
            "site": app.site,
        },
    )


def _story(connection: Connection, nudge: Nudge, row: Announcement) -> tuple[str, str, str]:
    """Return the kind of proposal or "", the actor's name, and the reason behind a nudge."""
    waiting = (
        drafts.proposed(connection, row.id)
        if nudge.reason in ASKING and row.state != "review"
        else None
    )
    if waiting is not None:
        why = (
            _lapse_of(connection, row, waiting.change)
            if nudge.reason == "missed"
            else waiting.reason
        )
        return waiting.change, _named(connection, waiting.actor), why
    if nudge.reason == "break_glass":
        broke = [entry for entry in audit.about(connection, row.id) if entry.act == "break_glass"]
        return (
            ("", _named(connection, broke[-1].actor), str(broke[-1].detail.get("reason", "")))
            if broke
            else ("", "", "")
        )
    if nudge.reason == "late":
        return "", "", _how_late(connection, row)
    if nudge.reason == "rejected" and row.state != "rejected":
        refused = [
            entry for entry in audit.about(connection, row.id) if entry.act.startswith("refuse_")
        ]
        last = refused[-1] if refused else None
        return (
            (last.act.removeprefix("refuse_"), "", str(last.detail.get("reason", "")))
            if last
            else ("correction", "", "")
        )
    return "", _named(connection, row.submitted_by) if nudge.reason == "review" else "", row.note


def _lapse_of(connection: Connection, row: Announcement, change: str) -> str:
    """Return why an approved proposal was not published."""
    entry = next(
        (
            entry
            for entry in reversed(audit.about(connection, row.id))
            if entry.act == f"lapse_{change}"
        ),
        None,
    )
    return str(entry.detail.get("why", "")) if entry is not None else ""


def _how_late(connection: Connection, row: Announcement) -> str:
    """Return the planned and the actual time of publication in words."""
    entry = next(
        (entry for entry in reversed(audit.about(connection, row.id)) if entry.act == "late"), None
    )
    if entry is None:
        return ""
    planned, went = (
        datetime.fromisoformat(str(entry.detail["planned"])),
        datetime.fromtimestamp(entry.at, UTC),
    )
    minutes = entry.detail["minutes"]
    return (
        f"Jadwalnya {moment_text(planned)}, terbit {moment_text(went)}: {minutes} menit kemudian."
    )


def _named(connection: Connection, actor: str) -> str:
    people = accounts.acting(connection, actor)
    return people[0].full_name if people else actor.partition(":")[2] or actor
