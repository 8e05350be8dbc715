"""One's own chat for nudges: a one-time code with the address and QR code that send it, and letting
go of the chat again.
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
class NudgeWay:
    """One channel by which staff can be told; `address` is this person's there, `linked` whether
    they gave one.

    `invites`: the address comes from the chat itself; of others it is typed on the account's page.
    """

    name: str
    label: str
    address: str
    invites: bool

    @property
    def linked(self) -> bool:
        """Whether nudges go there."""
        return bool(self.address)


def ways_of(request: Request) -> list[NudgeWay]:
    """What the account's page shows by `_nudge_settings.html` (as `nudge_ways`)."""
    app, account = app_of(request), account_of(request)
    able = [
        app.push[name] for name in REACHED_BY if name in app.push and contact.can_notify(app, name)
    ]
    return [
        NudgeWay(
            name=channel.name,
            label=channel.label,
            address=str(getattr(account, channel.name)),
            invites=isinstance(channel, InvitationChannel),
        )
        for channel in able
    ]


async def begin(request: Request) -> Response:
    """A fresh code, shown this once."""
    app = app_of(request)
    channel = _inviting(app)
    word = await app.database.write(chat_linking.begin, frame.desk_of(request), app.vault)
    address = await channel.invitation(word) if isinstance(channel, InvitationChannel) else ""
    return frame.page(
        request,
        "link_chat.html",
        label=channel.label,
        word=word,
        address=address,
        code=qr(address) if address else "",
        minutes=int(chat_linking.HOLDS.total_seconds() // 60),
        back=ACCOUNT,
    )


async def unlink(request: Request) -> Response:
    """Let go of the chat."""
    app = app_of(request)
    await app.database.write(chat_linking.unlink, frame.desk_of(request), _inviting(app).name)
    return RedirectResponse(f"{ACCOUNT}?selesai=lepas", 303)


def _inviting(app: App) -> PushChannel:
    """The open channel whose people write first; raises 404 where there is none."""
    for name in REACHED_BY:
        channel = app.push.get(name)
        if (
            channel is not None
            and isinstance(channel, InvitationChannel)
            and contact.can_notify(app, name)
        ):
            return channel
    raise HTTPException(404)
