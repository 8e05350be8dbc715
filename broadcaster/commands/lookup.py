"""Look-up of the announcement that a command is about."""

from typing import Annotated

import typer

from broadcaster.commands.errors import Failed
from broadcaster.commands.reading import Readable
from broadcaster.delivery.status import identify

ID = Annotated[str, typer.Argument(help="Id atau kode pengumuman.")]


async def find_id(app: Readable, key: str) -> str:
    """Return the id of the announcement with this id or code. Raises Failed if there is none."""
    announcement = await app.database.read(identify, key)
    if announcement is None:
        raise Failed(
            f"Pengumuman {key} tidak ditemukan. "
            "Lihat id atau kodenya pada keluaran `broadcaster publish`."
        )
    return announcement
