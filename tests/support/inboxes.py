"""Inboxes of the stand-in providers, read alike for each push channel."""

from broadcaster.simulation.providers import Providers
from broadcaster.simulation.smtp import received_parts


def messages(providers: Providers, channel: str, address: str) -> list[dict[str, str]]:
    """Return the messages of an address as they stand now, oldest first, by part."""
    if channel == "whatsapp":
        return [dict(message.parts) for message in providers.graph.inbox(address)]
    if channel == "telegram":
        return [dict(message.parts) for message in providers.bot.inbox(int(address))]
    return [received_parts(mail.raw) for mail in providers.mail.inbox(address)]
