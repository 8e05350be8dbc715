"""Sign-in without a web server, for tests: the program's use cases, called from a browser of the
test's choice.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyotp

from broadcaster.app import App, open_app
from broadcaster.domain.accounts import Account
from broadcaster.runtime import config
from broadcaster.staff import second_factor, sign_in
from broadcaster.staff.sign_in import Outcome
from broadcaster.staff.sign_in_throttle import Browser
from broadcaster.store import accounts, audit, sessions
from broadcaster.store.audit import AuditEntry
from broadcaster.store.sessions import Session
from support.browsing import CREDENTIALS, Clock
from support.staffing import PASSWORD, hire

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
RECOVERY = "abcde-fghjk"
AT_HOME = Browser(address="203.0.113.9", agent="Firefox, Linux")


@dataclass(kw_only=True)
class Program:
    """Program without a web server, and what can be seen of it after a try."""

    app: App
    clock: Clock
    browser: Browser = field(default=AT_HOME)

    async def enter(self, name: str = "rina", password: str = PASSWORD) -> Outcome:
        """Submit name and password."""
        return await sign_in.enter_password(self.app, self.browser, name, password)

    async def type_code(self, half: Session, code: str) -> Outcome:
        """Submit the second factor."""
        return await second_factor.enter_code(self.app, self.browser, half, code)

    async def half(self) -> Session:
        """Submit the right password of a person with a second factor."""
        outcome = await self.enter()
        assert outcome.half
        return await self.session(outcome)

    async def session(self, outcome: Outcome) -> Session:
        """Return the session that was opened."""
        at = self.clock().timestamp()
        session = await self.app.database.read(sessions.find, outcome.cookie, at)
        assert session is not None
        return session

    async def audit(self, name: str = "rina") -> list[AuditEntry]:
        """Return the audit entries of a person, oldest first."""
        return await self.app.database.read(audit.about, f"staff:{name}")

    async def acts(self, name: str = "rina") -> list[str]:
        """Return only the acts."""
        return [entry.act for entry in await self.audit(name)]

    async def stored(self, account: Account) -> str:
        """Return the hash of a password."""
        return (await self.app.database.read(accounts.secrets_of, account.id))[0]

    async def secured(self) -> Account:
        """Create rina with a second factor."""
        rina = await hire(self.app, "rina", "author", email="rina@contoh.example")
        sealed = self.app.vault.seal("totp", SECRET)
        digest = self.app.vault.lookup("recovery", f"{rina.id}:{RECOVERY}")
        await self.app.database.write(accounts.set_totp, rina.id, sealed, [digest])
        return rina

    def code(self) -> str:
        """Return the code that the phone shows now."""
        return pyotp.TOTP(SECRET).at(int(self.clock().timestamp()))

    @asynccontextmanager
    async def hashing_held(self) -> AsyncIterator[None]:
        """Keep the password hasher busy for the length of the block."""
        free = threading.Event()
        held = asyncio.create_task(self.app.hasher.run(free.wait))
        await asyncio.sleep(0)
        try:
            yield
        finally:
            free.set()
            await held


@asynccontextmanager
async def opened(database_url: str, folder: Path, **settings: str) -> AsyncIterator[Program]:
    """Open the program on a fresh database."""
    environ = {
        **CREDENTIALS,
        "BROADCASTER_DATA_DIR": str(folder),
        "BROADCASTER_DATABASE_URL": database_url,
        "BROADCASTER_BASE_URL": "https://info.cimahi.example",
        "BROADCASTER_DOMAIN": "info.cimahi.example",
        **settings,
    }
    clock = Clock()
    async with open_app(config.read(environ), clock=clock) as app:
        yield Program(app=app, clock=clock)
