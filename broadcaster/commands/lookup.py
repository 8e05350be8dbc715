"""The announcement that a command is about."""

from typing import Annotated

import typer

from broadcaster.commands.errors import Failed
from broadcaster.commands.reading import Readable
from broadcaster.delivery.status import identify

ID = Annotated[str, typer.Argument(help="Id atau kode pengumuman.")]


async def found_id(app: Readable, key: str) -> str:
    """The id of the announcement with this id or code; Failed when there is none."""
    found = await app.database.read(identify, key)
    if found is None:
        raise Failed(
            f"Pengumuman {key} tidak ditemukan. Lihat id atau kodenya pada keluaran `broadcaster publish`."
        )
    return found
