"""Staff at a database, where each act is one transaction."""

from typing import Any

from broadcaster.domain.accounts import Account
from broadcaster.newsroom import review
from broadcaster.newsroom.desk import Desk
from broadcaster.store import accounts, announcements, audit
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from support.desk import NOW, later, press


class Newsroom:
    """A newsroom with these people."""

    def __init__(self, database: Database, *people: Account) -> None:
        self.database = database
        self.people: dict[str, Account] = {}
        for account in people:
            self.hire(account)

    def hire(self, account: Account) -> None:
        """Add an account."""
        self.people[account.name] = self.database.write_now(
            accounts.add, account, at=NOW.timestamp()
        )

    def perform(self, act: Any, who: str, *args: Any, after: float = 0.0, **options: Any) -> Any:
        """Perform an act as this person, `after` seconds later than NOW."""
        desk = Desk(
            press=press(), account=self.people[who], now=later(seconds=after), place="127.0.0.1"
        )
        return self.database.write_now(act, desk, *args, **options)

    def approve(self, row: Announcement, who: str = "dewi", **options: Any) -> Any:
        """Approve exactly this version."""
        return self.perform(
            review.approve, who, row.id, seen=row.bound, version=row.version, **options
        )

    def stored(self, row: Announcement) -> Announcement:
        """Return the announcement as it is stored now."""
        current = self.database.read_now(announcements.find, row.id)
        assert current is not None
        return current

    def acts(self, row: Announcement) -> list[str]:
        """Return the acts that the audit log has of it, in order."""
        return [entry.act for entry in self.database.read_now(audit.about, row.id)]
