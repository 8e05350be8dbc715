"""Invariants of every run, whatever happened in it: after its end, and while it goes on."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from broadcaster.domain.deliveries import PENDING, SENDING, STATES
from broadcaster.store import ledger
from faults.city import City, Key, concerned
from faults.providers import uncertain

ARRIVED = ("sent", "delivered", "read")
UNSENT = ("skipped", "cancelled", "expired")
OPEN = ("pending", "sending")


@dataclass
class Watcher:
    """Poller of the progress while a run goes on: "done" or 100 % must never be seen while a row is
    open.
    """

    city: City
    looks: int = 0
    lies: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Poll until cancelled; a database that is away is polled later."""
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
        """Return a false claim of the progress; "" if it is true."""
        progress = ledger.progress(connection, announcement)
        if progress.sending != "done" and progress.percent < 100:
            return ""
        # read after the progress: only a row opened in between could be seen here, and nothing
        # reopens a closed row
        query = text(
            "SELECT count(*) FROM delivery d JOIN edition e ON e.id = d.edition"
            f" WHERE e.announcement = :id AND e.newest AND d.state IN ({PENDING}, {SENDING})"
        )
        open_rows = connection.execute(query, {"id": announcement}).scalar_one()
        return (
            f"{mark} is said to be {progress.sending}, {progress.percent} %, while {open_rows} rows are open"
            if open_rows
            else ""
        )


@dataclass
class InvariantCheck:
    """Comparison of the rows with the record of a finished run; `allowed` is how many messages its
    kills may have left uncertain.
    """

    city: City
    allowed: int
    rows: dict[str, list[Any]] = field(default_factory=dict)
    doubles: dict[str, int] = field(default_factory=dict)
    names: dict[tuple[str, int], str] = field(default_factory=dict)

    def violations(self) -> list[str]:
        """Return every violated invariant."""
        database = self.city.app.database
        self.names = self.city.addresses()
        for mark, stored in self.city.published.items():
            self.rows[mark] = database.read_now(_rows, stored.edition)
            self.doubles[mark] = database.read_now(_doubles, stored.edition)
        violations = [*self._sums()]
        for mark in self.city.published:
            violations += [
                f"{mark}: {violation}"
                for violation in (*self._everybody(mark), *self._each(mark), *self._copies(mark))
            ]
        return violations + self._letters() + self.city.supervisor.complaints + self._surprises()

    def _everybody(self, mark: str) -> Iterator[str]:
        """Check that each subscribed address has exactly one row, and that it is final."""
        wanted = concerned(self.city.areas[mark])
        rows = [(row.channel, self.names[row.channel, row.address]) for row in self.rows[mark]]
        if (missing := len(wanted - set(rows))) and not self._superseded(mark):
            yield f"{missing} of {len(wanted)} addresses have no row"
        if len(rows) != len(set(rows)):
            yield f"{len(rows) - len(set(rows))} addresses have more than one row"
        if strangers := len(set(rows) - wanted):
            yield f"{strangers} rows are of addresses that it does not concern"
        counts = Counter(STATES[row.state] for row in self.rows[mark])
        if open_rows := sum(counts[state] for state in OPEN):
            yield f"{open_rows} rows are open: {dict(counts)}"

    def _superseded(self, mark: str) -> bool:
        """True if a correction may have come before all rows of the first edition were made."""
        return mark == "pertama" and "ralat" in self.city.published

    def _each(self, mark: str) -> Iterator[str]:
        """Check that each row says what the provider saw."""
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
        """Check that duplicates are at most those that the ledger admits."""
        copies = self.city.providers.record.copies(mark)
        extra = Counter({key: count - 1 for key, count in copies.items() if count > 1})
        if (doubled := sum(extra.values())) > self.doubles[mark]:
            yield f"{doubled} duplicates were recorded, {self.doubles[mark]} are admitted: {_by_channel(extra)}"

    def _sums(self) -> Iterator[str]:
        """Check that the admitted duplicates are at most the messages that were marked at the
        kills, and those that providers left without an answer.
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
        """Check that a repeated email keeps its Message-ID."""
        ids: dict[tuple[str, str], set[str]] = defaultdict(set)
        for message in self.city.providers.record.taken:
            if message.channel == "email":
                ids[message.edition, message.to].add(message.mark)
        changed = sum(1 for marks in ids.values() if len(marks) > 1)
        return [f"{changed} repeated emails changed their Message-ID"] if changed else []

    def _surprises(self) -> list[str]:
        return [] if self.city.supervisor.excused else self.city.supervisor.surprises

    async def api_violations(self) -> list[str]:
        """Check that the API shows a recount of the rows."""
        violations = []
        newest = {stored.id: mark for mark, stored in self.city.published.items()}
        for mark in newest.values():
            counted, answer = self._counted(mark), await self.city.api_answer(mark)
            while (again := self._counted(mark)) != counted:  # a late receipt moved a row between
                counted, answer = again, await self.city.api_answer(mark)
            claimed = {
                channel: {k: n for k, n in counts.items() if n}
                for channel, counts in answer["deliveries"].items()
            }
            if answer["sending"] != "done":
                violations.append(f"{mark}: shown as {answer['sending']}")
            if claimed != counted:
                violations.append(f"{mark}: shown {claimed}, counted {counted}")
            if answer["possible_duplicates"] != self.doubles[mark]:
                violations.append(
                    f"{mark}: {answer['possible_duplicates']} possible duplicates shown, {self.doubles[mark]} kept"
                )
        return violations

    def _counted(self, mark: str) -> dict[str, dict[str, int]]:
        """Count the rows of an edition by channel and state."""
        counted: dict[str, dict[str, int]] = {
            channel: {} for channel in self.city.published[mark].channels
        }
        for row in self.city.app.database.read_now(_rows, self.city.published[mark].edition):
            of = counted[row.channel]
            of[STATES[row.state]] = of.get(STATES[row.state], 0) + 1
        return counted


def _rows(connection: Connection, edition: int | None) -> list[Any]:
    query = text(
        "SELECT channel, address, state, reason, uncertain FROM delivery WHERE edition = :edition"
    )
    return list(connection.execute(query, {"edition": edition}).all())


def _doubles(connection: Connection, edition: int | None) -> int:
    query = text("SELECT coalesce(sum(possible_duplicates), 0) FROM slice WHERE edition = :edition")
    return int(connection.execute(query, {"edition": edition}).scalar_one())


def _by_channel(extra: Counter[Key]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for (channel, _address), count in extra.items():
        sums[channel] += count
    return dict(sums)
