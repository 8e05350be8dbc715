"""Site whose staff can be notified: the stand-in mail server and Bot API of the demo, on loopback,
whose inboxes tests read.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from broadcaster.domain.accounts import Account, AccountRole
from broadcaster.newsroom import notifications
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing.press import Press
from broadcaster.simulation import serving
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.smtp import SmtpStandIn, received_parts
from broadcaster.store.staff_tables import nudge
from support import inboxes
from support.browsing import CREDENTIALS, Running, running
from support.sending import table
from support.staffing import Browser, signed_in

RINA_CHAT, DEWI_CHAT = 7_000_000_001, 7_000_000_002


@dataclass(kw_only=True)
class PostOffice:
    """Site with a mail server and a bot, and the messages that reached staff."""

    site: Running
    mail: SmtpStandIn
    bot: BotApi

    async def hire(self, name: str, *roles: AccountRole, **values: Any) -> Browser:
        """Hire a person with a mail address, signed in."""
        return await signed_in(
            self.site, name, *roles, **{"email": f"{name}@contoh.example", **values}
        )

    async def act(
        self, person: Browser | Account, use_case: Any, *args: Any, **options: Any
    ) -> Any:
        """Run a use case as a person."""
        account = person if isinstance(person, Account) else person.account
        desk = Desk(press=Press.of(self.site.app), account=account, now=self.site.clock())
        return await self.site.app.database.write(use_case, desk, *args, **options)

    async def work(self) -> int:
        """Run the workers of both lanes once; returns how many nudges they took."""
        return sum(
            [await notifications.send_due(self.site.app, urgent=urgent) for urgent in (True, False)]
        )

    async def writes(self, chat: int, text: str) -> str:
        """Have a person write to the bot; returns its last answer."""
        assert await self.bot.writes(chat, text) == 200
        await inboxes.apply_and_answer(self.site.app)
        return self.bot.inbox(chat)[-1].text

    def pass_time(self, **duration: float) -> None:
        """Advance the clock."""
        self.site.clock.now += timedelta(**duration)

    def letters(self, name: str) -> list[dict[str, str]]:
        """Return a person's inbox, oldest first."""
        return [received_parts(mail.raw) for mail in self.mail.inbox(f"{name}@contoh.example")]

    def subjects(self, name: str) -> list[str]:
        """Return only the subjects."""
        return [letter["subject"] for letter in self.letters(name)]

    def rows(self) -> list[Any]:
        """Return every nudge as it is stored."""
        return table(self.site.app, nudge)


@asynccontextmanager
async def post_office(
    database_url: str, folder: Path, **settings: str
) -> AsyncIterator[PostOffice]:
    """Serve a site with a mail server and a bot of its own."""
    mail, bot = SmtpStandIn(record=True), BotApi(record=True)
    async with mail.running() as smtp, serving.running(bot.app) as api:
        variables = {"EMAIL_URL": smtp, "TELEGRAM_API_URL": api, **settings}
        async with running(database_url, folder, limits=None, **variables) as site:
            secret = CREDENTIALS["TELEGRAM_WEBHOOK_SECRET"]
            bot.webhook = {"url": f"{site.url}/webhook/telegram", "secret_token": secret}
            yield PostOffice(site=site, mail=mail, bot=bot)
