"""What must be true after every run, whatever happened in it; and what must never be seen while it
goes on.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from broadcaster.domain.deliveries import STATES
from broadcaster.store import ledger
from faults.city import City, Key, concerned
from faults.providers import uncertain

ARRIVED = ("sent", "delivered", "read")
UNSENT = ("skipped", "cancelled", "expired")
OPEN = ("pending", "sending")


@dataclass
class Watcher:
    """Looks at the progress again and again while a run goes on: "done" or 100 % must never be seen
    while a row is open.
    """

    city: City
    looks: int = 0
    lies: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Until cancelled; a database that is away is looked at later."""
        while True:
            for mark, stored in list(self.city.published.items()):
                try:
                    lie = await self.city.app.database.read(self.look, mark, stored.id)
                except DBAPIError:
                    continue
                self.looks += 1
                if lie:
                    self.lies.append(lie)
            await asyncio.sleep(0.05)

    def look(self, connection: Connection, mark: str, announcement: str) -> str:
        """What is said that is not so; "" where all is true."""
        progress = ledger.progress(connection, announcement)
        if progress.sending != "done" and progress.percent < 100:
            return ""
        # looked at after the progress: only what was opened between could be seen here, and nothing opens a row that is closed
        found = text(
            "SELECT count(*) FROM delivery d JOIN edition e ON e.id = d.edition"
            " WHERE e.announcement = :id AND e.newest AND d.state IN (0, 1)"
        )
        still = connection.execute(found, {"id": announcement}).scalar_one()
        return (
            f"{mark} is said to be {progress.sending}, {progress.percent} %, while {still} rows are open"
            if still
            else ""
        )


@dataclass
class Inquest:
    """The rows and the record of a finished run, held against each other; `allowed` is what its
    kills may have left uncertain.
    """

    city: City
    allowed: int
    rows: dict[str, list[Any]] = field(default_factory=dict)
    doubles: dict[str, int] = field(default_factory=dict)
    names: dict[tuple[str, int], str] = field(default_factory=dict)

    def violations(self) -> list[str]:
        """Everything that is not as promised."""
        database = self.city.app.database
        self.names = self.city.addresses()
        for mark, stored in self.city.published.items():
            self.rows[mark] = database.read_now(_rows, stored.edition)
            self.doubles[mark] = database.read_now(_doubles, stored.edition)
        found = [*self._sums()]
        for mark in self.city.published:
            found += [
                f"{mark}: {what}"
                for what in (*self._everybody(mark), *self._each(mark), *self._copies(mark))
            ]
        return found + self._letters() + self.city.supervisor.complaints + self._surprises()

    def _everybody(self, mark: str) -> Iterator[str]:
        """Each subscribed address has exactly one row, and it is final."""
        wanted = concerned(self.city.areas[mark])
        rows = [(row.channel, self.names[row.channel, row.address]) for row in self.rows[mark]]
        if (missing := len(wanted - set(rows))) and not self._superseded(mark):
            yield f"{missing} of {len(wanted)} addresses have no row"
        if len(rows) != len(set(rows)):
            yield f"{len(rows) - len(set(rows))} addresses have more than one row"
        if strangers := len(set(rows) - wanted):
            yield f"{strangers} rows are of addresses that it does not concern"
        counts = Counter(STATES[row.state] for row in self.rows[mark])
        if still := sum(counts[state] for state in OPEN):
            yield f"{still} rows are open: {dict(counts)}"

    def _superseded(self, mark: str) -> bool:
        """A correction may come before all rows of the first edition were made."""
        return mark == "pertama" and "ralat" in self.city.published

    def _each(self, mark: str) -> Iterator[str]:
        """What a row says is what the provider saw."""
        copies = self.city.providers.record.copies(mark)
        wrong: Counter[str] = Counter()
        for row in self.rows[mark]:
            state, count = (
                STATES[row.state],
                copies[row.channel, self.names[row.channel, row.address]],
            )
            if state in ARRIVED and count == 0:
                wrong[f"{row.channel} {state} but never accepted (LOST)"] += 1
            if state in UNSENT and count > 0:
                wrong[f"{row.channel} {state} but accepted"] += 1
            if state not in (*ARRIVED, *OPEN) and not row.reason:
                wrong[f"{row.channel} {state} without a reason"] += 1
        known = {(row.channel, self.names[row.channel, row.address]) for row in self.rows[mark]}
        if unknown := sum(1 for key in copies if key not in known):
            wrong["addresses got it without a row"] = unknown
        return (f"{count} x {what}" for what, count in wrong.items())

    def _copies(self, mark: str) -> Iterator[str]:
        """Duplicates are at most those that the ledger admits."""
        copies = self.city.providers.record.copies(mark)
        extra = Counter({key: count - 1 for key, count in copies.items() if count > 1})
        if (doubled := sum(extra.values())) > self.doubles[mark]:
            yield f"{doubled} duplicates were recorded, {self.doubles[mark]} are admitted: {_by_channel(extra)}"

    def _sums(self) -> Iterator[str]:
        """What is admitted is at most what was marked at the kills, and what providers left without
        an answer.
        """
        played = sum(harm for _channel, _kind, harm in uncertain(self.city.providers))
        lost = sum(
            part.log.read_text(errors="replace").count('"lease_lost"')
            for part in self.city.supervisor.parts.values()
        )
        bound = self.allowed + played + 250 * lost
        if (admitted := sum(self.doubles.values())) > bound:
            yield f"{admitted} possible duplicates are admitted, but only {bound} messages were uncertain"

    def _letters(self) -> list[str]:
        """An email that is repeated keeps its Message-ID."""
        ids: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in self.city.providers.record.taken:
            if one.channel == "email":
                ids[one.edition, one.to].add(one.mark)
        changed = sum(1 for found in ids.values() if len(found) > 1)
        return [f"{changed} repeated emails changed their Message-ID"] if changed else []

    def _surprises(self) -> list[str]:
        return [] if self.city.supervisor.excused else self.city.supervisor.surprises

    async def shown(self) -> list[str]:
        """What the API shows is a recount of the rows."""
        found = []
        newest = {stored.id: mark for mark, stored in self.city.published.items()}
        for mark in newest.values():
            counted, shown = self._counted(mark), await self.city.shown(mark)
            while (again := self._counted(mark)) != counted:  # a late receipt moved a row between
                counted, shown = again, await self.city.shown(mark)
            claimed = {
                channel: {k: n for k, n in counts.items() if n}
                for channel, counts in shown["deliveries"].items()
            }
            if shown["sending"] != "done":
                found.append(f"{mark}: shown as {shown['sending']}")
            if claimed != counted:
                found.append(f"{mark}: shown {claimed}, counted {counted}")
            if shown["possible_duplicates"] != self.doubles[mark]:
                found.append(
                    f"{mark}: {shown['possible_duplicates']} possible duplicates shown, {self.doubles[mark]} kept"
                )
        return found

    def _counted(self, mark: str) -> dict[str, dict[str, int]]:
        """The rows of an edition by channel and state."""
        counted: dict[str, dict[str, int]] = {
            channel: {} for channel in self.city.published[mark].channels
        }
        for row in self.city.app.database.read_now(_rows, self.city.published[mark].edition):
            of = counted[row.channel]
            of[STATES[row.state]] = of.get(STATES[row.state], 0) + 1
        return counted


def _rows(connection: Connection, edition: int | None) -> list[Any]:
    found = text(
        "SELECT channel, address, state, reason, uncertain FROM delivery WHERE edition = :edition"
    )
    return list(connection.execute(found, {"edition": edition}).all())


def _doubles(connection: Connection, edition: int | None) -> int:
    found = text("SELECT coalesce(sum(possible_duplicates), 0) FROM slice WHERE edition = :edition")
    return int(connection.execute(found, {"edition": edition}).scalar_one())


def _by_channel(extra: Counter[Key]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for (channel, _address), count in extra.items():
        sums[channel] += count
    return dict(sums)
