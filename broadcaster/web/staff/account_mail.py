"""Where one is written to: a new address counts once the code that was sent there has been typed."""

import base64
import binascii

from starlette.requests import Request
from starlette.responses import Response

from broadcaster import accounts as rules
from broadcaster import confirming, own_account
from broadcaster.accounts import BadAccount
from broadcaster.confirming import NotSent
from broadcaster.web.access import app_of
from broadcaster.web.staff import account, frame
from broadcaster.web.staff.account import done, owner_of, text_of


async def change(request: Request) -> Response:
    """Send a code to a new address; none at all, or the same one, is stored at once."""
    app, owner = app_of(request), owner_of(request)
    typed = text_of(await request.form(), "kabar")
    try:
        mail = rules.read_mail(typed)
        if mail in ("", owner.account.email):
            await app.database.write(own_account.change_mail, app.book, owner, mail)
            return done("kabar")
        letters, who = request.app.state.limits.letters, str(owner.account.id)
        if not letters.take(who):
            return await account.page(
                request, problem=frame.words_of(request)("staff.account.mail.often"), mail=typed, status=429
            )
        sealed = await confirming.send_code(app, owner, mail)
    except BadAccount as refused:
        return await account.page(request, problem=str(refused), mail=typed, status=503 if isinstance(refused, NotSent) else 422)
    return _asked(request, mail, base64.urlsafe_b64encode(sealed).decode())


async def confirm(request: Request) -> Response:
    """Store the address whose code has come."""
    app, owner, form = app_of(request), owner_of(request), await request.form()
    begun = text_of(form, "mulai")
    try:
        mail = confirming.confirmed(app.book, owner, _unpacked(begun), text_of(form, "kode"))
    except BadAccount as refused:
        return _asked(request, text_of(form, "kabar"), begun, problem=str(refused))
    await app.database.write(own_account.change_mail, app.book, owner, mail)
    return done("kabar")


def _unpacked(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _asked(request: Request, mail: str, begun: str, *, problem: str = "") -> Response:
    status = 422 if problem else 200
    return frame.page(request, "account_mail.html", status=status, mail=mail, begun=begun, problem=problem)
