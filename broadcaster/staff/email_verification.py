"""A mail address of one's own counts once a code that was sent there has come back.

Else whoever writes could have drafts, under the city's name, sent to any stranger: nobody approves
a draft before it is tried. What is asked for stands nowhere until then: the page carries it,
sealed.
"""

import secrets

import msgspec

from broadcaster.app import App
from broadcaster.domain.accounts import BadAccount
from broadcaster.domain.actor import StaffActor
from broadcaster.domain.credentials import new_password
from broadcaster.staff import contact
from broadcaster.store.accounts import REACHED_BY
from channels.base.contract import Receipt
from channels.base.rendering import fill, one_line
from channels.base.staff_messages import InvitationChannel, Note
from subscribers.vault import SealBroken, Vault

HOLDS_SECONDS = 900.0
"""Lifetime of a code."""
_SEAL = "new mail"


class NotSent(BadAccount):
    """The code could not be sent just now: try again."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The request that the page carries: account, new address, time (epoch seconds), and the code
    that proves it.
    """

    account: int
    at: float
    code: str
    mail: str


async def send_code(app: App, actor: StaffActor, mail: str) -> bytes:
    """Send a code to an address that `accounts.read_mail` gave; what the page carries until it
    comes back. Raises NotSent.
    """
    channel = next(
        (
            name
            for name in REACHED_BY
            if contact.able(app, name) and not isinstance(app.push[name], InvitationChannel)
        ),
        None,
    )
    if channel is None:
        raise NotSent("Email belum dibuka di sini, jadi alamatnya tidak dapat dikonfirmasi.")
    asked = Asked(account=actor.account.id, at=actor.at, code=new_password()[:9], mail=mail)
    values = {
        "person": one_line(actor.account.full_name),
        "code": asked.code,
        "site": app.site,
        "training": False,
    }
    account_page = f"{app.site.base_url.rstrip('/')}/redaksi/akun"
    text = fill(
        "account/address.id.txt",
        {**values, "account_page": account_page, "minutes": int(HOLDS_SECONDS // 60)},
    )
    subject, _, body = text.partition("\n")
    note = Note(key=f"alamat.{secrets.token_hex(8)}", subject=subject.strip(), text=body.strip())
    if not isinstance(await contact.tell(app, channel, mail, note), Receipt):
        raise NotSent("Kode belum dapat dikirim ke alamat itu. Periksa alamatnya, lalu coba lagi.")
    return app.vault.seal(_SEAL, msgspec.json.encode(asked).decode())


def confirmed(vault: Vault, actor: StaffActor, sealed: bytes, code: str) -> str:
    """The address whose code came back; raises BadAccount where it is wrong, too late, or somebody
    else's.
    """
    try:
        asked = msgspec.json.decode(vault.open(_SEAL, sealed), type=Asked)
    except (SealBroken, msgspec.DecodeError) as error:
        raise BadAccount(_AGAIN) from error
    if asked.account != actor.account.id or not 0 <= actor.at - asked.at <= HOLDS_SECONDS:
        raise BadAccount(_AGAIN)
    given = "".join(character for character in code.lower() if character.isalnum())
    if not secrets.compare_digest(given.encode(), asked.code.replace("-", "").encode()):
        raise BadAccount("Kodenya salah. Ketik kode dari email yang baru kami kirim.")
    return asked.mail


_AGAIN = "Kode itu sudah kedaluwarsa. Simpan alamatnya sekali lagi."
