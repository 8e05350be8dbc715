"""Inboxes: those of the stand-in providers, read alike for each push channel, and the city's own."""

from broadcaster.app import App
from broadcaster.inbound import inbox
from broadcaster.inbound.replies import ReplySender
from broadcaster.simulation.providers import Providers
from broadcaster.simulation.smtp import received_parts


def messages(providers: Providers, channel: str, address: str) -> list[dict[str, str]]:
    """Return the messages of an address as they stand now, oldest first, by part."""
    if channel == "whatsapp":
        return [dict(message.parts) for message in providers.graph.inbox(address)]
    if channel == "telegram":
        return [dict(message.parts) for message in providers.bot.inbox(int(address))]
    return [received_parts(mail.raw) for mail in providers.mail.inbox(address)]


async def apply_and_answer(app: App) -> bool:
    """Apply one round of the city's inbox and wait for the answers; return what `apply_due` does."""
    answerer = ReplySender(app)
    applied = await inbox.apply_due(app, answerer)
    await answerer.settle()
    return applied
