"""Replacement of messages in a chat by a correction: edited if Telegram allows it, else marked and
deleted.
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
"""Number of attempts to edit an old message after an emergency correction was sent anew."""
WAIT_SECONDS = 0.5
"""Seconds before the second attempt, doubled before the third."""

log = structlog.get_logger(__name__)


class EditResult(Enum):
    """Result of editing a message that a correction replaces."""

    EDITED = auto()
    """It shows the new text."""
    GONE = auto()
    """It no longer exists."""
    OUTDATED = auto()
    """It cannot show the new text, which is sent anew; this one is deleted."""


def _settled(problem: error.BadRequest) -> EditResult | None:
    """Interpret a refused edit: the message already shows the text, or is gone; None if neither."""
    description = problem.message.lower()
    if NOT_MODIFIED in description:
        return EditResult.EDITED
    return EditResult.GONE if re.search(NOT_FOUND, description) else None


class Editor:
    """Editor of one bot's messages: edits and deletes."""

    def __init__(self, bot: Bot, pictures: Pictures) -> None:
        self._bot, self._pictures = bot, pictures

    async def edit(self, arguments: Mapping[str, Any], mark: str) -> EditResult:
        """Replace a message by the new picture and text, or the text alone; `mark` is the caption
        of a photo that cannot stay.
        """
        media = await self._edit_media(arguments) if "photo" in arguments else None
        return media or await self._edit_text(
            with_link(arguments) if "photo" in arguments else arguments, mark
        )

    async def edit_patiently(self, arguments: Mapping[str, Any], mark: str) -> EditResult:
        """Edit, retrying after temporary errors: the new text is already out, so nothing else would
        retry it.
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
        """Delete a message; one that stays (Telegram deletes nothing after 48 hours) keeps its
        mark.
        """
        try:
            await self._bot.delete_message(chat, number)
        except error.TelegramError as problem:
            log.info("telegram_message_stays", description=redacted(str(problem)))

    async def _edit_media(self, arguments: Mapping[str, Any]) -> EditResult | None:
        """Set the picture, on a text message too; None if the text must be sent without it."""
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
        return EditResult.EDITED

    async def _edit_text(self, arguments: Mapping[str, Any], mark: str) -> EditResult:
        try:
            await self._bot.edit_message_text(**arguments)
        except error.BadRequest as problem:
            if (became := _settled(problem)) is not None:
                return became
            if NO_TEXT in problem.message.lower():
                await self._mark({**arguments, "text": mark})
            # whatever else prevents the edit, the text is sent anew, which reports faults of the
            # text or the chat
            return EditResult.OUTDATED
        return EditResult.EDITED

    async def _mark(self, arguments: Mapping[str, Any]) -> None:
        """Replace the caption of a photo, so that it is marked whatever happens next."""
        try:
            await self._bot.edit_message_caption(**as_caption(arguments))
        except error.BadRequest as problem:
            if NOT_MODIFIED not in problem.message.lower():
                log.info("telegram_photo_not_marked", description=redacted(problem.message))
