"""How a correction takes the place of messages that stand in a chat: edited where Telegram lets us,
else marked and removed.
"""

import asyncio
import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

import structlog
from telegram import Bot, error

from channels.base.redaction import redacted
from channels.base.telegram_bot.bot_api import Pictures, as_caption, as_media, with_link
from channels.base.telegram_bot.errors import NO_TEXT, NOT_FOUND, NOT_MODIFIED

TRIES = 3
"""Times that an old message is edited after an emergency has gone out anew."""
WAIT_SECONDS = 0.5
"""Wait before the second try, doubled before the third."""

log = structlog.get_logger(__name__)


class Became(Enum):
    """What became of a message that a correction corrects."""

    EDITED = auto()
    """It shows the new words."""
    GONE = auto()
    """Nothing stands there any more."""
    LEFT = auto()
    """It cannot show the new words: they go out anew, and this one goes."""


def _settled(problem: error.BadRequest) -> Became | None:
    """What a refused edit says of the message: it shows this already, or is gone; None where it
    says nothing of either.
    """
    description = problem.message.lower()
    if NOT_MODIFIED in description:
        return Became.EDITED
    return Became.GONE if re.search(NOT_FOUND, description) else None


class Editor:
    """Edits and removes the messages of one bot."""

    def __init__(self, bot: Bot, pictures: Pictures) -> None:
        self._bot, self._pictures = bot, pictures

    async def edit(self, arguments: Mapping[str, Any], mark: str) -> Became:
        """Put the new picture and words, or words alone, in place of a message; `mark` goes below a
        photo that must go.
        """
        media = await self._edit_media(arguments) if "photo" in arguments else None
        return media or await self._edit_text(
            with_link(arguments) if "photo" in arguments else arguments, mark
        )

    async def edit_patiently(self, arguments: Mapping[str, Any], mark: str) -> Became:
        """Edit, again after a fault that passes: the new words are out already, so nothing else
        would repeat it.
        """
        for wait in (WAIT_SECONDS * 2**number for number in range(TRIES - 1)):
            try:
                return await self.edit(arguments, mark)
            except error.BadRequest:
                raise
            except (error.NetworkError, error.RetryAfter) as problem:
                log.info("telegram_edit_again", description=redacted(str(problem)))
                await asyncio.sleep(wait)
        return await self.edit(arguments, mark)

    async def remove(self, chat: int, number: int) -> None:
        """Delete a message; one that stays (after 48 hours Telegram deletes nothing) has its mark."""
        try:
            await self._bot.delete_message(chat, number)
        except error.TelegramError as problem:
            log.info("telegram_message_stays", description=redacted(str(problem)))

    async def _edit_media(self, arguments: Mapping[str, Any]) -> Became | None:
        """Put the picture there, on a text too; None where the words must do without it."""
        name = self._pictures.name(arguments["photo"])
        if not name:
            return None
        try:
            await self._bot.edit_message_media(**as_media(arguments, name))
        except error.BadRequest as problem:
            if (became := _settled(problem)) is not None:
                return became
            self._pictures.refused(arguments["photo"], problem)
            return None
        return Became.EDITED

    async def _edit_text(self, arguments: Mapping[str, Any], mark: str) -> Became:
        try:
            await self._bot.edit_message_text(**arguments)
        except error.BadRequest as problem:
            if (became := _settled(problem)) is not None:
                return became
            if NO_TEXT in problem.message.lower():
                await self._mark({**arguments, "text": mark})
            # whatever else keeps it from being edited, the words go out anew, where what is wrong with them or the chat is told
            return Became.LEFT
        return Became.EDITED

    async def _mark(self, arguments: Mapping[str, Any]) -> None:
        """Replace the words below a photo: whatever happens next, what it showed is marked."""
        try:
            await self._bot.edit_message_caption(**as_caption(arguments))
        except error.BadRequest as problem:
            if NOT_MODIFIED not in problem.message.lower():
                log.info("telegram_photo_not_marked", description=redacted(problem.message))
