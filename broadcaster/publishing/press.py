"""The press: settings of the city that every publication needs, and the stored result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broadcaster.app import App
from broadcaster.domain import rules
from broadcaster.domain.fields import Fields
from broadcaster.domain.lifecycle import State
from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.domain.signatures import Signer
from broadcaster.store.announcements import Announcement
from channels.base import hyperlinks
from channels.base.contract import Site, Topic
from subscribers.areas import AreaTree


@dataclass(frozen=True, kw_only=True)
class Press:
    """Settings that every publication needs: areas, signing key, names of the city, open
    channels.
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
        """Return the press of the running program."""
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
        """Return every channel that an announcement may name."""
        return self.push_channels + self.pull_channels

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Return the hosts that links may lead to: our own site and those the city named; empty:
        any host.
        """
        return (*self.link_hosts, hyperlinks.host_of(self.site.base_url)) if self.link_hosts else ()

    def check(self, fields: Fields, now: datetime) -> CheckedAnnouncement:
        """Check fields against the rules; raises InvalidAnnouncement."""
        return rules.check(fields, **self._rules, now=now)

    def examine(
        self, raw: Mapping[str, Any], now: datetime, *, corrected: Announcement | None = None
    ) -> CheckedAnnouncement:
        """Read fields and check them against the rules, all refusals at once; raises
        InvalidAnnouncement.

        `corrected` is the announcement that the fields correct.
        """
        since = corrected.began if corrected is not None else None
        return rules.examine(raw, **self._rules, now=now, since=since)

    @property
    def _rules(self) -> dict[str, Any]:
        return {
            "tree": self.tree,
            "topics": self.topics,
            "channels": self.channels,
            "link_hosts": self.allowed_hosts,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnnouncement:
    """An announcement that is safely stored; `edition` and `number` once it is published."""

    id: str
    code: str
    url: str
    status: State
    edition: int | None = None
    number: int | None = None
    channels: tuple[str, ...] = ()
    """Push channels that it uses; their lane is "emergency" or "routine"."""
    lane: str = "routine"


def stored_as(press: Press, row: Announcement) -> StoredAnnouncement:
    """Describe a stored announcement to the caller."""
    return StoredAnnouncement(
        id=row.id, code=row.code, url=press.site.permalink(row.code), status=row.state
    )
