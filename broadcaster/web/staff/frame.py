"""Parts shared by the newsroom's pages: menu by rights, desk and refusals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.domain.accounts import Account, Right
from broadcaster.domain.lifecycle import OwnWork
from broadcaster.domain.refusals import InvalidAnnouncement, Refusal
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing.press import Press
from broadcaster.runtime import refusal_words
from broadcaster.runtime.i18n import Words, words
from broadcaster.runtime.refusal_words import WordedProblem
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of, client_of
from channels.base import moments


@dataclass(frozen=True, kw_only=True)
class MenuEntry:
    """An entry of the menu; `words` is a catalogue key."""

    address: str
    words: str
    right: Right = "read"


MENU: Sequence[MenuEntry] = (
    MenuEntry(address="/redaksi/", words="staff.nav.home"),
    MenuEntry(address="/redaksi/tulis", words="staff.nav.compose", right="write"),
    MenuEntry(address="/redaksi/pengumuman", words="staff.nav.list"),
    MenuEntry(address="/redaksi/darurat", words="staff.urgent.nav", right="write"),
    MenuEntry(address="/redaksi/pengiriman", words="staff.send.nav"),
    MenuEntry(address="/redaksi/kanal", words="staff.send.nav.channels"),
    MenuEntry(address="/redaksi/pengguna", words="staff.people.nav", right="manage"),
    MenuEntry(address="/redaksi/audit", words="staff.audit.nav", right="manage"),
)


def menu_for(account: Account) -> list[MenuEntry]:
    """List the menu entries that the account may open."""
    return [entry for entry in MENU if account.may(entry.right)]


def desk_of(request: Request) -> Desk:
    """Build the desk of a request: the account, the time and the client's address."""
    app = app_of(request)
    return Desk(
        press=Press.of(app), account=account_of(request), now=app.clock(), place=client_of(request)
    )


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Render a page of the newsroom; no cache may store it."""
    account = account_of(request)
    return pages.page(
        request,
        f"staff/{template}",
        status=status,
        cache_control=pages.PRIVATE,
        menu=menu_for(account),
        role_words=[f"staff.role.{role}" for role in account.roles],
        now=app_of(request).clock(),
        **values,
    )


def status_of(error: Exception) -> int:
    """Return the HTTP status of a refusal: 422 invalid, 403 own work, otherwise 409."""
    return (
        422
        if isinstance(error, InvalidAnnouncement)
        else 403
        if isinstance(error, OwnWork)
        else 409
    )


def words_of(request: Request) -> Words:
    """Return the catalogue of the visitor's language."""
    return words(pages.lang_of(request))


def sentence(request: Request, error: Refusal) -> str:
    """Word a refusal in the visitor's language."""
    return refusal_words.sentence(error, words_of(request))


def stale(request: Request) -> WordedProblem:
    """Return the problem of a form that was sent with an earlier session's token."""
    return WordedProblem(field="", reason=words_of(request)("staff.session.stale"))


def clock_text(moment: datetime) -> str:
    """Format a time of day, such as "07.42"."""
    return moments.clock(moment)
