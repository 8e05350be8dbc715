"""A site whose staff can be told: the stand-in mail server and Bot API of the demo, on loopback,
that tests look into.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from broadcaster.domain.accounts import Account, AccountRole
from broadcaster.inbound import inbox
from broadcaster.inbound.replies import ReplySender
from broadcaster.newsroom import notifications
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing.press import Press
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.serving import running as serving
from broadcaster.simulation.smtp import SmtpStandIn, received_parts
from broadcaster.store.staff_tables import nudge
from support.browsing import CREDENTIALS, Running, running
from support.sending import table
from support.staffing import Browser, signed_in

RINA_CHAT, DEWI_CHAT = 7_000_000_001, 7_000_000_002


@dataclass(kw_only=True)
class PostOffice:
    """The site, and what reached staff."""

    site: Running
    mail: SmtpStandIn
    bot: BotApi

    async def hire(self, name: str, *roles: AccountRole, **values: Any) -> Browser:
        """Somebody with a mail address, signed in."""
        return await signed_in(
            self.site, name, *roles, **{"email": f"{name}@contoh.example", **values}
        )

    async def act(
        self, person: Browser | Account, use_case: Any, *args: Any, **options: Any
    ) -> Any:
        """Have a person do something."""
        account = person if isinstance(person, Account) else person.account
        desk = Desk(press=Press.of(self.site.app), account=account, now=self.site.clock())
        return await self.site.app.database.write(use_case, desk, *args, **options)

    async def work(self) -> int:
        """What the workers of both lanes do; how many nudges they took."""
        return sum(
            [await notifications.send_due(self.site.app, urgent=urgent) for urgent in (True, False)]
        )

    async def writes(self, chat: int, text: str) -> str:
        """Somebody writes to the bot; what it answers last."""
        assert await self.bot.writes(chat, text) == 200
        answerer = ReplySender(self.site.app)
        await inbox.apply_due(self.site.app, answerer)
        await answerer.settle()
        return self.bot.inbox(chat)[-1].text

    def pass_time(self, **duration: float) -> None:
        """So much time goes by."""
        self.site.clock.now += timedelta(**duration)

    def letters(self, name: str) -> list[dict[str, str]]:
        """What is in somebody's inbox, the oldest first."""
        return [received_parts(mail.raw) for mail in self.mail.inbox(f"{name}@contoh.example")]

    def subjects(self, name: str) -> list[str]:
        """The subjects alone."""
        return [letter["subject"] for letter in self.letters(name)]

    def rows(self) -> list[Any]:
        """Every nudge as it is stored."""
        return table(self.site.app, nudge)


@asynccontextmanager
async def post_office(
    database_url: str, folder: Path, **settings: str
) -> AsyncIterator[PostOffice]:
    """A site with a mail server and a bot of its own."""
    mail, bot = SmtpStandIn(record=True), BotApi(record=True)
    async with mail.running() as smtp, serving(bot.app) as api:
        variables = {"EMAIL_URL": smtp, "TELEGRAM_API_URL": api, **settings}
        async with running(database_url, folder, limits=None, **variables) as site:
            secret = CREDENTIALS["TELEGRAM_WEBHOOK_SECRET"]
            bot.webhook = {"url": f"{site.url}/webhook/telegram", "secret_token": secret}
            yield PostOffice(site=site, mail=mail, bot=bot)
