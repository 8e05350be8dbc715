"""Staff for tests: people of every role, signed in to a running site over HTTP."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broadcaster.app import App
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, AccountRole
from broadcaster.store import accounts, sessions
from support import desk
from support.browsing import Answer, Running

PASSWORD = "lima kata acak sekali"
_HASH = credentials.hash_password(PASSWORD)

NOTICE: Mapping[str, Any] = desk.NOTICE


def person(name: str, *roles: AccountRole, **values: Any) -> Account:
    """Return an account that is not stored yet."""
    return Account(
        id=0, name=name, roles=roles or ("author",), **{"full_name": name.title(), **values}
    )


async def hire(app: App, name: str, *roles: AccountRole, **values: Any) -> Account:
    """Store an account whose password is PASSWORD."""
    at = app.clock().timestamp()
    return await app.database.write(
        lambda connection: accounts.add(
            connection, person(name, *roles, **values), password=_HASH, at=at
        )
    )


@dataclass(kw_only=True)
class Browser:
    """Browser of a person at the newsroom: it keeps the session and sends the token of its forms."""

    site: Running
    account: Account
    cookie: str
    csrf: str
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Answer:
        """Open a page."""
        return await self.site.ask(
            path, headers={"Cookie": f"redaksi={self.cookie}", **self.headers, **headers}
        )

    async def post(self, path: str, data: Any = None, **headers: str) -> Answer:
        """Send a form with the token of the session."""
        all_headers = {
            "Cookie": f"redaksi={self.cookie}",
            "Origin": self.site.url,
            "X-CSRF-Token": self.csrf,
            **self.headers,
            **headers,
        }
        return await self.site.ask(path, "POST", data=data or {}, headers=all_headers)


async def signed_in(site: Running, name: str, *roles: AccountRole, **values: Any) -> Browser:
    """Hire a new person and return the browser in which they are signed in."""
    account = await hire(site.app, name, *roles, **values)
    return await browser(site, account)


async def browser(site: Running, account: Account, way: str = "password") -> Browser:
    """Return a browser in which this person is signed in."""
    at = site.clock().timestamp()
    cookie = await site.app.database.write(
        lambda connection: sessions.start(
            connection, account.id, way=way, agent="uji", place="127.0.0.1", at=at
        )
    )
    session = await site.app.database.read(sessions.find, cookie, at)
    assert session is not None
    return Browser(site=site, account=account, cookie=cookie, csrf=session.csrf)


def form_token(html: str) -> str:
    """Return the token in a page's form."""
    match = re.search(r'name="csrf" value="([^"]+)"', html)
    assert match, "the page has no form"
    return match[1]
