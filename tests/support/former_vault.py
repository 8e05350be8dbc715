"""The vault of the version before addresses were found in any case."""

import base64

from broadcaster.runtime import secret_key
from subscribers.vault import Vault
from support.world import SECRET


class FormerVault(Vault):
    """A vault that finds addresses only in the spelling in which they came."""

    def address_lookup(self, channel: str, address: str) -> bytes:
        """Return the lookup of this very spelling."""
        return self.lookup(channel, address)


def former_vault() -> FormerVault:
    """Return the former vault with the key of the programs under test."""
    return FormerVault(secret_key.derive(base64.b64decode(SECRET), "addresses"))
