"""Link the account to a chat that receives nudges, and unlink it.

The page shows a one-time code, with the address and the QR code that send it.
"""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.staff import chat_linking, contact
from broadcaster.store.accounts import REACHED_BY
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.base.qr_codes import qr
from broadcaster.web.staff import frame
from channels.base.contract import PushChannel
from channels.base.staff_messages import InvitationChannel

ACCOUNT = "/redaksi/akun"


@dataclass(frozen=True, kw_only=True)
class NudgeChannel:
    """Channel that can carry nudges to staff, with this person's `address` on it ("": none yet).

    `invites`: True if the address comes from the chat itself; otherwise it is typed on the account
    page.
    """

    name: str
    label: str
    address: str
    invites: bool

    @property
    def linked(self) -> bool:
        """True if nudges go there."""
        return bool(self.address)


def nudge_channels(request: Request) -> list[NudgeChannel]:
    """List the channels for `_nudge_settings.html`, which names them `nudge_ways`."""
    app, account = app_of(request), account_of(request)
    channels = [
        app.push[name] for name in REACHED_BY if name in app.push and contact.can_notify(app, name)
    ]
    return [
        NudgeChannel(
            name=channel.name,
            label=channel.label,
            address=str(getattr(account, channel.name)),
            invites=isinstance(channel, InvitationChannel),
        )
        for channel in channels
    ]


async def begin(request: Request) -> Response:
    """Issue a one-time code and show it; it cannot be shown again."""
    app = app_of(request)
    channel = _inviting(app)
    one_time_code = await app.database.write(chat_linking.begin, frame.desk_of(request), app.vault)
    address = (
        await channel.invitation(one_time_code) if isinstance(channel, InvitationChannel) else ""
    )
    return frame.page(
        request,
        "link_chat.html",
        label=channel.label,
        word=one_time_code,
        address=address,
        code=qr(address) if address else "",
        minutes=int(chat_linking.HOLDS.total_seconds() // 60),
        back=ACCOUNT,
    )


async def unlink(request: Request) -> Response:
    """Unlink the chat."""
    app = app_of(request)
    await app.database.write(chat_linking.unlink, frame.desk_of(request), _inviting(app).name)
    return RedirectResponse(f"{ACCOUNT}?selesai=lepas", 303)


def _inviting(app: App) -> PushChannel:
    """Find the open channel on which people must write first. Raises 404 if there is none."""
    for name in REACHED_BY:
        channel = app.push.get(name)
        if (
            channel is not None
            and isinstance(channel, InvitationChannel)
            and contact.can_notify(app, name)
        ):
            return channel
    raise HTTPException(404)
