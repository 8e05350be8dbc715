"""Staff features of a bot: notes in a private chat, and the link that opens it."""

from telegram import Bot, error

from channels.base.outcomes import Outcome
from channels.base.staff_messages import Note, ReplyChannel


class StaffChat:
    """Mixin for a bot's channel."""

    _bot: Bot
    _name = ""

    async def notify(self: ReplyChannel, address: str, note: Note) -> Outcome:
        """Send a note as a message."""
        return await self.answer(address, f"{note.subject}\n\n{note.text}")

    async def invitation(self, word: str) -> str:
        """Return the deep link; the bot's name is fetched once."""
        try:
            self._name = self._name or str((await self._bot.get_me()).username or "")
        except error.TelegramError:
            return ""
        return f"https://t.me/{self._name}?start={word}" if self._name else ""
