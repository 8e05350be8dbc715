"""Site with the city's sign-on plugged in, for tests: the provider's conduct, and browsers that
walk through it.
"""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broadcaster.domain.accounts import Account
from broadcaster.store import accounts, audit
from support.browsing import Answer, Running, running
from support.oidc_provider import CLIENT, SECRET, RunningProvider

SITI = {
    "name": "Siti Aminah",
    "preferred_username": "Siti.Aminah",
    "email": "siti@cimahi.example",
    "roles": ["penyusun", "tamu"],
}


@dataclass(kw_only=True)
class City:
    """Site with the city's sign-on plugged in, and the provider behind it."""

    site: Running
    provider: RunningProvider

    def behave(self, **conduct: Any) -> None:
        """Set the provider's behaviour; Siti is who signs in there, at the site's own time."""
        returns = [f"{self.site.url}/redaksi/masuk/sso/{end}" for end in ("kembali", "keluar")]
        usual = {"claims": SITI, "now": self.site.clock().timestamp(), "returns": returns}
        self.provider.set(**{**usual, **conduct})

    def browser(self) -> "Visitor":
        """Return an empty browser."""
        return Visitor(site=self.site)

    async def sessions(self) -> int:
        """Count the sessions."""
        return await self.site.app.database.read(
            lambda c: c.exec_driver_sql("SELECT count(*) FROM session").scalar_one()
        )

    async def account(self, name: str) -> Account:
        """Return the account of this name."""
        account = await self.site.app.database.read(accounts.find, name)
        assert account is not None
        return account

    async def acts(self, name: str) -> list[str]:
        """Return the audited acts of a person, oldest first."""
        return [
            entry.act for entry in await self.site.app.database.read(audit.about, f"staff:{name}")
        ]

    async def change(self, name: str, **values: Any) -> None:
        """Change an account directly."""
        changed = dataclasses.replace(await self.account(name), **values)
        await self.site.app.database.write(accounts.change, changed)


@dataclass(kw_only=True)
class Visitor:
    """Browser that keeps cookies of the site."""

    site: Running
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> Answer:
        """Open an address of the site."""
        return self._keep(await self.site.ask(path, headers=self._headers()))

    async def post(self, path: str, csrf: str) -> Answer:
        """Send a form of the site."""
        headers = {**self._headers(), "Origin": self.site.url, "X-CSRF-Token": csrf}
        return self._keep(await self.site.ask(path, "POST", data={}, headers=headers))

    async def begin(self, query: str = "") -> str:
        """Follow the button of the sign-in page; returns the provider's address it leads to."""
        answer = await self.get(f"/redaksi/masuk/sso{query}")
        assert answer.status == 303
        return answer.headers["Location"]

    async def at_provider(self, address: str) -> str:
        """Sign in there; returns the address that it sends the browser back to."""
        answer = await self.site.ask(address)
        assert answer.status == 302, answer.text
        return answer.headers["Location"]

    async def walk(self, query: str = "") -> Answer:
        """Sign in from the button to the final page."""
        return await self.get(await self.at_provider(await self.begin(query)))

    def _headers(self) -> dict[str, str]:
        return (
            {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            if self.cookies
            else {}
        )

    def _keep(self, answer: Answer) -> Answer:
        self.cookies |= answer.cookies
        self.cookies = {name: value for name, value in self.cookies.items() if value}
        return answer


def settings(provider: RunningProvider, **more: str) -> dict[str, str]:
    """Return the three settings that plug the provider in, and others."""
    return {
        "OIDC_ISSUER": provider.url,
        "OIDC_CLIENT_ID": CLIENT,
        "OIDC_CLIENT_SECRET": SECRET,
        **more,
    }


@asynccontextmanager
async def opened(
    url: str, folder: Path, provider: RunningProvider, **more: str
) -> AsyncIterator[City]:
    """Serve the site under these settings."""
    async with running(url, folder, limits=None, **settings(provider, **more)) as site:
        city = City(site=site, provider=provider)
        city.behave()
        yield city
