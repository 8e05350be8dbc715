"""Change of the notification address, confirmed by a code sent to the new address."""

import base64

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.domain import accounts
from broadcaster.domain.accounts import BadAccount
from broadcaster.domain.actor import StaffActor
from broadcaster.staff import email_verification, own_account
from broadcaster.staff.email_verification import NotSent
from broadcaster.store import form_acts
from broadcaster.web.base import csrf
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.form_values import bytes_of, text_of
from broadcaster.web.staff import account, frame, idempotent_forms
from broadcaster.web.staff.account import done, own_actor


async def change(request: Request) -> Response:
    """Send a code to the new address, once per form.

    An empty or unchanged address is stored at once.
    """
    app, actor, form = app_of(request), own_actor(request), await request.form()
    typed = text_of(form, "kabar")
    try:
        mail = accounts.read_mail(typed)
        if mail in ("", actor.account.email):
            await app.database.write(own_account.change_mail, app.vault, actor, mail)
            return done("kabar")
        return await _send(request, actor, mail, idempotent_forms.id_of(form) or csrf.fresh_id())
    except BadAccount as error:
        return await account.page(
            request,
            problem=frame.sentence(request, error),
            mail=typed,
            status=503 if isinstance(error, NotSent) else 422,
        )


async def _send(request: Request, actor: StaffActor, mail: str, form: str) -> Response:
    """Send the code unless this form already did. Raises NotSent when the mail fails."""
    app, t = app_of(request), frame.words_of(request)
    key = f"mail {form} {app.vault.lookup('mail form', mail).hex()}"
    earlier = await app.database.read(form_acts.find, actor.account.id, key)
    if earlier is None and not request.app.state.limits.letters.take(str(actor.account.id)):
        return await account.page(
            request, problem=t("staff.account.mail.often"), mail=mail, status=429
        )
    earlier = await app.database.write(form_acts.take, actor.account.id, key, actor.at)
    if earlier is not None and not earlier.result:
        return await account.page(
            request, problem=t("staff.trial.going.advice"), mail=mail, status=409
        )
    if earlier is not None:
        return _code_form(request, mail, earlier.result)
    try:
        sealed_text = base64.urlsafe_b64encode(
            await email_verification.send_code(app, actor, mail)
        ).decode()
    except NotSent:
        await app.database.write(form_acts.forget, actor.account.id, key)
        raise
    await app.database.write(form_acts.keep, actor.account.id, key, sealed_text)
    return _code_form(request, mail, sealed_text)


async def confirm(request: Request) -> Response:
    """Store the address if the typed code is right."""
    app, actor, form = app_of(request), own_actor(request), await request.form()
    sealed_text = text_of(form, "mulai")
    try:
        mail = email_verification.confirmed(
            app.vault, actor, bytes_of(form, "mulai"), text_of(form, "kode")
        )
    except BadAccount as error:
        return _code_form(
            request, text_of(form, "kabar"), sealed_text, problem=frame.sentence(request, error)
        )
    await app.database.write(own_account.change_mail, app.vault, actor, mail)
    return done("kabar")


def _code_form(request: Request, mail: str, sealed_text: str, *, problem: str = "") -> Response:
    status = 422 if problem else 200
    return frame.page(
        request, "account_mail.html", status=status, mail=mail, begun=sealed_text, problem=problem
    )
