"""Acts of the newsroom that a test carries out without a page."""

from typing import Any

from broadcaster.newsroom.desk import Desk
from broadcaster.publishing.press import Press
from support.staffing import Browser


async def act(person: Browser, use_case: Any, *args: Any, place: str = "", **options: Any) -> Any:
    """Run a use case at the desk of a person, with `place` as their address."""
    app = person.site.app
    desk = Desk(press=Press.of(app), account=person.account, now=app.clock(), place=place)
    return await app.database.write(use_case, desk, *args, **options)
