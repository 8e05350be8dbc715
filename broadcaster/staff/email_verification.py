"""Verification of a person's own mail address by a code sent to it.

Without it an author could have drafts sent to any stranger in the city's name, since trial sends
need no approval. The pending request is not stored: the page carries it, sealed.
"""

import secrets

import msgspec

from broadcaster.app import App
from broadcaster.domain.accounts import BadAccount
from broadcaster.domain.actor import StaffActor
from broadcaster.domain.credentials import new_password
from broadcaster.domain.refusal_codes import AccountCode
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
    """The code could not be sent at the moment: try again."""


class VerificationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Pending request carried by the page: account, new address, time (epoch seconds) and the code
    that confirms it.
    """

    account: int
    at: float
    code: str
    mail: str


async def send_code(app: App, actor: StaffActor, mail: str) -> bytes:
    """Send a code to an address validated by `accounts.read_mail`.

    Returns the sealed request, which the page carries until the code is entered. Raises NotSent.
    """
    channel = next(
        (
            name
            for name in REACHED_BY
            if contact.can_reach(app, name) and not isinstance(app.push[name], InvitationChannel)
        ),
        None,
    )
    if channel is None:
        raise NotSent(AccountCode.MAIL_CLOSED)
    request = VerificationRequest(
        account=actor.account.id, at=actor.at, code=new_password()[:9], mail=mail
    )
    values = {
        "person": one_line(actor.account.full_name),
        "code": request.code,
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
    if not isinstance(await contact.send(app, channel, mail, note), Receipt):
        raise NotSent(AccountCode.MAIL_NOT_SENT)
    return app.vault.seal(_SEAL, msgspec.json.encode(request).decode())


def confirmed(vault: Vault, actor: StaffActor, sealed: bytes, code: str) -> str:
    """Return the address confirmed by this code.

    Raises BadAccount if the code is wrong or expired, or the request another person's.
    """
    try:
        request = msgspec.json.decode(vault.open(_SEAL, sealed), type=VerificationRequest)
    except (SealBroken, msgspec.DecodeError) as error:
        raise BadAccount(AccountCode.MAIL_CODE_EXPIRED) from error
    if request.account != actor.account.id or not 0 <= actor.at - request.at <= HOLDS_SECONDS:
        raise BadAccount(AccountCode.MAIL_CODE_EXPIRED)
    given = "".join(character for character in code.lower() if character.isalnum())
    if not secrets.compare_digest(given.encode(), request.code.replace("-", "").encode()):
        raise BadAccount(AccountCode.MAIL_CODE_WRONG)
    return request.mail
