"""Staff for tests: people of every role, signed in to a running site over HTTP."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broadcaster.app import App
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, AccountRole
from broadcaster.store import accounts, sessions
from support.browsing import Answer, Running

PASSWORD = "lima kata acak sekali"
_HASH = credentials.hash_password(PASSWORD)

NOTICE: Mapping[str, Any] = {
    "title": "Air PDAM mati di Cibabat",
    "body": "Tampung air sekarang. Truk tangki menunggu di kantor kelurahan sampai sore.",
    "areas": ["cibabat", "pasirkaliki"],
    "category": "gangguan-layanan",
    "expires": "2026-11-25 14:00",
}


def person(name: str, *roles: AccountRole, **values: Any) -> Account:
    """An account that is not stored yet."""
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
    """One person's browser at the newsroom: keeps the session, sends the token of its forms."""

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
        """Send a form of ours."""
        sent = {
            "Cookie": f"redaksi={self.cookie}",
            "Origin": self.site.url,
            "X-CSRF-Token": self.csrf,
            **self.headers,
            **headers,
        }
        return await self.site.ask(path, "POST", data=data or {}, headers=sent)


async def signed_in(site: Running, name: str, *roles: AccountRole, **values: Any) -> Browser:
    """A browser in which a new person is signed in."""
    account = await hire(site.app, name, *roles, **values)
    return await browser(site, account)


async def browser(site: Running, account: Account, way: str = "password") -> Browser:
    """A browser in which this person is signed in."""
    at = site.clock().timestamp()
    cookie = await site.app.database.write(
        lambda connection: sessions.start(
            connection, account.id, way=way, agent="uji", place="127.0.0.1", at=at
        )
    )
    found = await site.app.database.read(sessions.find, cookie, at)
    assert found is not None
    return Browser(site=site, account=account, cookie=cookie, csrf=found.csrf)


def form_token(html: str) -> str:
    """The token in a page's form."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, "the page has no form"
    return found[1]
