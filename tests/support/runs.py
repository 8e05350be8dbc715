"""Runs of a program under test: their slices, and the editions that follow the first."""

from typing import Any

from broadcaster.app import App
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.retry_policy import UNCERTAIN_LIMIT
from broadcaster.publishing import corrections
from broadcaster.publishing.press import Press
from broadcaster.store import slices
from broadcaster.store.leases import Holder
from broadcaster.store.slices import Claim
from broadcaster.store.tables import run
from support.sending import table
from support.world import notice


def run_of(app: App, edition: int | None, channel: str = "email") -> Any:
    """Return the run of an edition on a channel."""
    return next(row for row in table(app, run) if (row.edition, row.channel) == (edition, channel))


def claim_slice(app: App, holder: Holder, *, reopen_wait: float = 0) -> Claim:
    """Claim a slice of routine email; raises AssertionError when none is due."""
    claim = app.database.write_now(
        slices.claim_slice,
        channel="email",
        lane="routine",
        holder=holder,
        reopen_wait=reopen_wait,
        uncertain_limit=UNCERTAIN_LIMIT,
    )
    assert claim is not None
    return claim


def correct(app: App, announcement: str, **changes: Any) -> int:
    """Publish a correction, a notice with these changes; return its edition."""
    press, now = Press.of(app), app.clock()
    stored = app.database.write_now(
        corrections.correct,
        press,
        announcement,
        press.examine(notice(**{"title": "Air PDAM mati sampai 16.00", **changes}), now),
        reason="Jam salah.",
        actor=NamedActor(name="t", now=now),
    )
    assert stored.edition is not None
    return stored.edition


def withdraw(app: App, announcement: str) -> int:
    """Withdraw an announcement; return the edition that says so."""
    stored = app.database.write_now(
        corrections.withdraw,
        Press.of(app),
        announcement,
        reason="Batal.",
        actor=NamedActor(name="t", now=app.clock()),
    )
    assert stored.edition is not None
    return stored.edition
