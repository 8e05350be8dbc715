"""Look-up of an address typed on the command line, on every channel where it is valid."""

from collections.abc import Iterator

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.runtime.i18n import words
from broadcaster.runtime.refusal_words import sentence
from channels.base.contract import BadAddress
from subscribers import residents
from subscribers.residents import AddressRow


async def find_all(app: App, text: str, channel: str = "") -> list[AddressRow]:
    """Return the subscribed addresses that the text denotes. Raises Failed if there are none."""
    rows = [
        row
        for name, parsed in _readings(app, text, channel)
        if (row := await app.database.read(residents.find, app.vault, name, parsed))
    ]
    if not rows:
        raise Failed("Alamat itu tidak terdaftar.")
    return rows


def _readings(app: App, address: str, channel: str) -> Iterator[tuple[str, str]]:
    """Yield the channels on which the text is an address, each with the address's canonical form.

    Raises Failed for an unknown channel.
    """
    for name in (channel,) if channel else tuple(app.push):
        if name not in app.push:
            raise Failed(f"Kanal {name!r} tidak ada. Yang ada: {', '.join(sorted(app.push))}.")
        try:
            yield name, app.loaded.modules[name].parse_address(address)
        except ValueError as error:
            if channel:
                raise refused_address(error) from error


def refused_address(error: ValueError) -> Failed:
    """Return the failure that says why a channel does not take the text as an address."""
    refusal = error if isinstance(error, BadAddress) else BadAddress(str(error))
    return Failed(sentence(refusal, words("id")))
