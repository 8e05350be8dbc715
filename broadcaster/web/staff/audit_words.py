"""Wording of audit rows: the act, its subject, and each changed value before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from broadcaster.app import App
from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.i18n import Words
from broadcaster.store.announcement_lists import Item
from broadcaster.store.audit import AuditEntry
from broadcaster.store.audit_lists import AuditLine
from channels.base import pictures

HIDDEN = ("own",)
"""Details that the page shows elsewhere."""
FIRST = ("state", "full_name", "roles", "agencies", "areas", "mail")
"""Fields listed first, in this order; others follow by name."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The subject of an act; `address` is its page, "" if it has none."""

    text: str
    address: str = ""
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """A changed field, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class AuditWording:
    """Words audit rows in one language."""

    app: App
    t: Words
    lang: str

    def act(self, act: str) -> str:
        """Word the act; falls back to its code."""
        return self._first(f"staff.act.{act}", f"staff.audit.act.{act}") or act

    def subject(
        self, entry: AuditEntry, items: Mapping[str, Item], people: Mapping[str, Account]
    ) -> Subject:
        """Word the subject, with its page if there is one.

        Falls back to the name recorded with the entry, then to the stored subject.
        """
        subject = entry.subject
        if subject in items:
            item = items[subject]
            title = item.title if item.title != "-" else self.t("staff.untitled")
            return Subject(text=title, address=f"/redaksi/pengumuman/{item.id}", code=item.code)
        if subject in people:
            return Subject(
                text=people[subject].full_name, address=f"/redaksi/pengguna/{people[subject].id}"
            )
        if entry.act == Act.UPLOAD:
            return Subject(
                text=self.t("staff.audit.subject.picture"), address=pictures.path(subject, "web")
            )
        kind, _, name = subject.partition(":")
        if kind == "channel" and name in self.app.push:
            return Subject(text=self.app.push[name].label)
        if f"staff.audit.subject.{kind}" in self.t.keys and (
            known := str(entry.detail.get("name") or "") or name
        ):
            return Subject(text=self.t(f"staff.audit.subject.{kind}", name=known))
        return Subject(text=self._first(f"staff.audit.subject.{subject}") or subject)

    def changes(self, line: AuditLine) -> list[FieldChange]:
        """List the changed fields with both values."""
        before, after = line.before, line.after
        return [
            FieldChange(
                name=self.name(name),
                before=self._value(name, before.get(name)),
                after=self._value(name, after.get(name)),
            )
            for name in sorted(
                {*before, *after},
                key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name),
            )
        ]

    def more(self, line: AuditLine) -> list[tuple[str, str]]:
        """List the other details as pairs of name and value."""
        return [
            (self.name(name), self._value(name, value))
            for name, value in line.more.items()
            if name not in HIDDEN
        ]

    def name(self, name: str) -> str:
        """Word the name of a detail; falls back to its key."""
        return self._first(f"staff.audit.key.{name}") or name

    def _value(self, name: str, value: Any) -> str:
        """Word a detail's value; "" for None."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return self.t("staff.audit.yes" if value else "staff.audit.no")
        if name == "roles":
            return ", ".join(self._first(f"staff.role.{role}") or str(role) for role in value)
        if name in ("agencies", "areas"):
            return ", ".join(self._area(str(item)) for item in value) or self.t(
                f"staff.people.all.{name}"
            )
        if name in ("state", "level", "was"):
            return self._first(f"staff.{'level' if name == 'level' else 'state'}.{value}") or str(
                value
            )
        if name == "way":
            return self._first(f"staff.account.way.{value}") or str(value)
        if isinstance(value, list):
            return ", ".join(str(item) for item in value)
        return (
            str(value)
            if isinstance(value, str | int | float)
            else msgspec.json.encode(value).decode()
        )

    def _area(self, text: str) -> str:
        area = self.app.tree.get(text)
        return area.label if area is not None else text

    def _first(self, *keys: str) -> str:
        """Return the words of the first key in the catalogue; "" if none is."""
        return next((self.t(key) for key in keys if key in self.t.keys), "")
