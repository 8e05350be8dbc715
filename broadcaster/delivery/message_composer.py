"""Message composer: rendered messages personalised for the rows of one claimed slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from broadcaster.delivery.outcome_buffer import OutcomeBuffer
from broadcaster.delivery.sending_state import SendingState
from broadcaster.domain.deliveries import MarkedRow
from broadcaster.runtime.logs import describe_error
from broadcaster.store.slices import Claim
from channels.base.contract import Message, Outgoing, PushChannel
from subscribers.vault import SealBroken

log = structlog.get_logger(__name__)


class Unrenderable(Exception):
    """The edition cannot be rendered for this channel; the text says why, in words for staff."""


@dataclass(frozen=True, kw_only=True)
class MessageComposer:
    """Renders and personalises; rows without a message get their outcome through `outcomes`."""

    state: SendingState
    channel: PushChannel
    claim: Claim
    outcomes: OutcomeBuffer

    async def render(self, rows: Sequence[MarkedRow]) -> dict[str, Message]:
        """Return the message in each language of these rows. Raises Unrenderable."""
        edition = self.claim.edition
        languages = {row.language for row in rows}
        try:
            return {
                lang: await self.state.renders.message(edition, self.channel, lang)
                for lang in languages
            }
        except DBAPIError:
            self.outcomes.unwritten(rows)
            raise
        except Exception as error:  # reason: a broken template must not stop others
            name = self.channel.name
            log.error(
                "edition_unrenderable", edition=edition, channel=name, error=describe_error(error)
            )
            raise Unrenderable(f"Pesan tidak dapat dibuat ({type(error).__name__}).") from error

    async def outgoing(
        self,
        rows: Sequence[MarkedRow],
        messages: Mapping[str, Message],
        waiting: dict[int, MarkedRow],
    ) -> list[tuple[MarkedRow, Outgoing]]:
        """Return personal messages for the rows that may be written to now.

        Removes the others from `waiting`, the rows (by slot) whose outcome is still unknown.
        """
        composed = [
            (row, message)
            for row in rows
            if (message := self._compose(messages[row.language], row)) is not None
        ]
        if len(composed) < len(rows):
            for slot in waiting.keys() - {row.slot for row, _message in composed}:
                del waiting[slot]
        held = await self.state.pacing.held_back(
            self.channel, composed, emergency=self.claim.lane == "emergency"
        )
        for slot, outcome in held.items():
            self.outcomes.add(waiting.pop(slot), outcome)
        if not held:
            return composed
        return [(row, message) for row, message in composed if row.slot not in held]

    def _compose(self, message: Message, row: MarkedRow) -> Outgoing | None:
        name, edition = self.channel.name, self.claim.edition
        try:
            recipient = self.state.recipients.recipient(name, edition, row)
            return self.channel.personalise(message, recipient)
        except SealBroken as error:
            # damaged, or sealed with another key: not the resident's fault, so the row stays open
            log.error("address_not_opened", edition=edition, channel=name)
            self.outcomes.unopened(row, type(error).__name__)
            return None
        except (KeyError, ValueError) as error:
            # one bad row must not stop its slice
            code = type(error).__name__
            log.error("row_unreadable", edition=edition, channel=name, error=code)
            self.outcomes.unreadable(row, code)
            return None
