"""What a bot does for staff: notes in their own chat, and the address by which they open it."""

from telegram import Bot, error

from channels.base.contract import Outcome
from channels.base.staff_messages import Answering, Note


class Chats:
    """Mixed into a bot's channel."""

    _bot: Bot
    _name = ""

    async def tell(self: Answering, address: str, note: Note) -> Outcome:
        """Send a note as a message."""
        return await self.answer(address, f"{note.subject}\n\n{note.text}")

    async def invitation(self, word: str) -> str:
        """The deep link; the bot's name is asked for once."""
        try:
            self._name = self._name or str((await self._bot.get_me()).username or "")
        except error.TelegramError:
            return ""
        return f"https://t.me/{self._name}?start={word}" if self._name else ""
