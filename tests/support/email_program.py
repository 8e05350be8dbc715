"""A program with subscribers by email, whose mail server answers nobody."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from broadcaster.app import App
from support.world import program, subscribe, variables


@asynccontextmanager
async def email_program(
    database_url: str, folder: Path, people: Sequence[tuple[str, str]] = (), **settings: str
) -> AsyncIterator[App]:
    """Open the program with these (address, areas) subscribed by email; `settings` are added."""
    environ = variables(
        database_url,
        folder,
        EMAIL_URL="smtp://127.0.0.1:1",
        EMAIL_FROM="info@cimahi.example",
        **settings,
    )
    async with program(environ) as app:
        if people:
            await subscribe(app, "email", people)
        yield app
