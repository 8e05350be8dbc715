"""Sending state of one process: rendered messages, recipients, breakers, the in-flight window."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from broadcaster.app import App
from broadcaster.delivery.in_flight import Window
from broadcaster.delivery.rate_limiter import Limiter
from broadcaster.delivery.reply_history import Replies
from broadcaster.delivery.throttling import Pacing
from broadcaster.domain.deliveries import MarkedRow
from broadcaster.domain.retry_policy import doubts_key
from broadcaster.store.announcements import edition_document
from broadcaster.store.database import Database
from broadcaster.store.leases import Holder, suspend_proof
from channels.base.contract import Area, Message, PushChannel, Recipient
from channels.base.moments import WIB
from subscribers.vault import Vault

WINDOW = 250
"""Rows of one process that may be marked and unsettled: what a kill can leave uncertain."""
RESERVED = 10
"""Places of the window that a channel leaves to each other one."""
RENDERED = 64
"""Rendered messages cached per process."""
DAYS = 4096
"""Days of consent cached as dates."""
COUNT_SECONDS = 1.0
"""Seconds that results may wait to be counted for the mass-suppression breaker; dead addresses are
counted at once.
"""


@dataclass(kw_only=True)
class RenderCache:
    """Cache of editions rendered for a channel and language."""

    database: Database
    _messages: dict[tuple[int, str, str], Message] = field(default_factory=dict)

    async def message(self, edition_id: int, channel: PushChannel, lang: str) -> Message:
        """Return the rendered edition, rendering it on first use."""
        key = (edition_id, channel.name, lang)
        if key not in self._messages:
            edition = await self.database.read(edition_document, edition_id)
            if len(self._messages) >= RENDERED:
                self._messages.pop(next(iter(self._messages)))
            self._messages[key] = channel.render(edition.on(channel.name), lang)
        return self._messages[key]


@dataclass(kw_only=True)
class Recipients:
    """Makes recipients of marked rows, and notices when the key no longer opens addresses."""

    vault: Vault
    areas: Mapping[str, Area]
    _unopened: dict[str, set[int]] = field(default_factory=dict)
    _days: dict[int, date] = field(default_factory=dict)

    def recipient(self, channel: str, edition_id: int, row: MarkedRow) -> Recipient:
        """Open a row's address. Raises SealBroken, or KeyError if its area no longer exists."""
        address = self.vault.open(channel, bytes.fromhex(row.sealed))
        self._unopened.pop(channel, None)
        token, key = self.vault.names(row.address)
        return Recipient(
            delivery=f"{edition_id}.{row.slot}.{row.attempt}",
            attempt=row.attempt,
            address=address,
            area=self.areas[row.area],
            since=self._day(row.consented_at),
            token=token,
            address_key=key,
            corrects=row.corrects,
        )

    def _day(self, at: float) -> date:
        """Return the date in WIB of epoch seconds."""
        number = int(at + 7 * 3600) // 86400
        if number not in self._days:
            if len(self._days) >= DAYS:
                self._days.clear()
            self._days[number] = datetime.fromtimestamp(at, WIB).date()
        return self._days[number]

    def key_is_doubtful(self, channel: str, address: int) -> bool:
        """Note an address that cannot be opened; True once several different ones came in a row."""
        unopened = self._unopened.setdefault(channel, set())
        unopened.add(address)
        if not doubts_key(len(unopened)):
            return False
        unopened.clear()
        return True


@dataclass(kw_only=True)
class Breakers:
    """Breakers of this process: the replies of providers, and results not yet counted."""

    replies: Replies = field(default_factory=Replies)
    _uncounted: dict[str, tuple[int, float]] = field(default_factory=dict)

    def results_to_count(self, channel: str, more: int, *, now: bool) -> int:
        """Return the results of this channel to add to the shared count.

        At most once a second unless `now`: transactions would wait for the shared row.
        """
        count, counted_at = self._uncounted.get(channel, (0, 0.0))
        clock = suspend_proof()
        if not now and clock - counted_at < COUNT_SECONDS:
            self._uncounted[channel] = count + more, counted_at
            return 0
        self._uncounted[channel] = 0, clock
        return count + more


@dataclass(frozen=True, kw_only=True)
class SendingState:
    """State that the senders of one process share; it knows none of them."""

    app: App
    holder: Holder
    limiter: Limiter
    pacing: Pacing
    window: Window
    renders: RenderCache
    recipients: Recipients
    breakers: Breakers

    @classmethod
    def of(cls, app: App, holder: Holder, workers: Callable[[], int]) -> "SendingState":
        """Begin with nothing rendered or in flight; `workers` counts the lane's processes."""
        limiter = Limiter(app.queue, workers)
        others = sum(map(app.loaded.is_open, app.push)) - 1
        areas = {
            area.code: Area(code=area.code, name=area.name, slug=area.slug)
            for area in app.tree.all()
        }
        return cls(
            app=app,
            holder=holder,
            limiter=limiter,
            pacing=Pacing(app, limiter),
            window=Window(WINDOW, reserved=RESERVED * max(0, others)),
            renders=RenderCache(database=app.database),
            recipients=Recipients(vault=app.vault, areas=areas),
            breakers=Breakers(),
        )
