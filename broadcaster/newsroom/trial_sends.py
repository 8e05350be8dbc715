"""Trial sends: a draft sent to its writer alone, as residents will get it, marked "[UJI]", by the
channels' own send.

A trial is no edition: it has no ledger row, no resident gets it, and its links to stop or confirm
belong to nobody.
"""

import asyncio
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec
import structlog

from broadcaster.app import App
from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import require
from broadcaster.domain.audit_acts import Act
from broadcaster.newsroom import forms, previews
from broadcaster.newsroom.desk import Desk
from broadcaster.runtime.logs import describe_error
from broadcaster.staff.contact import addresses_of, can_notify
from broadcaster.store import audit
from broadcaster.store.accounts import REACHED_BY
from broadcaster.store.announcements import Announcement
from broadcaster.store.custody import is_held
from channels.base.contract import (
    BadAddress,
    Deferred,
    Edition,
    Halted,
    Outcome,
    Receipt,
    Refused,
    Wording,
)

log = structlog.get_logger(__name__)

MARK = "[UJI]"
SEND_SECONDS = 20.0
"""Seconds that one channel may take."""


class TrialOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Outcome on one channel; `problem` is the failure's name and the provider's code, "" if it was
    accepted.
    """

    name: str
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class TrialChannel:
    """Trial on one channel as its person sees it. `attempt` is None if it was not tried for want of
    an address.
    """

    name: str
    label: str
    address: str
    attempt: TrialOutcome | None

    @property
    def sent(self) -> bool:
        """True if the provider accepted it."""
        return self.attempt is not None and not self.attempt.problem


async def send(app: App, desk: Desk, row: Announcement) -> list[TrialOutcome]:
    """Send the stored form to its writer on each channel that reaches them. Raises NotAllowed
    without the right to write.
    """
    require(desk, "write")
    edition = trial_edition(app, row)
    places = addresses_of(app, desk.account)
    reached = [name for name in _able(app) if places.get(name)]
    attempts = await asyncio.gather(
        *(_attempt(app, name, places[name], edition) for name in reached)
    )
    sent = sorted(attempt.name for attempt in attempts if not attempt.problem)
    await app.database.write(
        audit.append,
        desk,
        Act.TEST_SEND,
        row.id,
        code=row.code,
        version=row.version,
        sent=sent,
    )
    return list(attempts)


def tried(app: App, account: Account, attempts: Collection[TrialOutcome]) -> list[TrialChannel]:
    """Return every channel that could reach this person, with its outcome."""
    places, by_name = addresses_of(app, account), {attempt.name: attempt for attempt in attempts}
    return [
        TrialChannel(
            name=name,
            label=app.push[name].label,
            address=places.get(name, ""),
            attempt=by_name.get(name),
        )
        for name in _able(app)
    ]


def trial_edition(app: App, row: Announcement) -> Edition:
    """Return the draft as an edition, marked in every title; it has its own key, so that mail
    programs never merge two.
    """
    edition = previews.draft_edition(
        app, forms.form_of(row), announcement=f"uji{secrets.token_hex(14)}", code=row.code
    )
    return msgspec.structs.replace(
        edition, wordings=_marked(edition.wordings), overrides=_marked(edition.overrides)
    )


def _marked(wordings: Mapping[str, Wording]) -> dict[str, Wording]:
    return {
        name: msgspec.structs.replace(words, title=f"{MARK} {words.title}")
        for name, words in wordings.items()
    }


def _able(app: App) -> list[str]:
    return [name for name in REACHED_BY if name in app.push and can_notify(app, name)]


async def _attempt(app: App, name: str, address: str, edition: Edition) -> TrialOutcome:
    outcome = await _outcome(app, name, address, edition)
    if isinstance(outcome, Receipt):
        return TrialOutcome(name=name)
    return TrialOutcome(
        name=name, problem=f"{type(outcome).__name__} {getattr(outcome, 'code', '')}".strip()
    )


async def _outcome(app: App, name: str, address: str, edition: Edition) -> Outcome:
    """Render, personalise and send as a worker does; every error becomes an outcome."""
    channel = app.push[name]
    if await app.database.read(is_held):
        return Halted(code="not at home")
    try:
        to = previews.sample_recipient(edition, app.loaded.modules[name].parse_address(address))
        message = channel.personalise(channel.render(edition.on(name), "id"), to)
        async with asyncio.timeout(SEND_SECONDS):
            async for result in channel.send([message], may_write=lambda: True):
                return result.outcome
    except BadAddress:
        return Refused(reason="address_dead", code="address")
    except TimeoutError:
        return Deferred(code="slow", uncertain=True)
    except Exception as error:  # noqa: BLE001  other channels go on
        log.error("trial_failed", channel=name, error=describe_error(error))
        return Deferred(code=type(error).__name__)
    return Deferred(code="unwritten")
