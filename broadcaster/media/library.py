"""Picture library: pictures that staff upload are stored in every size, served, and deleted when
unused.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.refusal_codes import PictureCode
from broadcaster.media import decoder_process
from broadcaster.media.images import UPLOAD_BYTES, VARIANTS, BadPicture, Picture
from broadcaster.store import audit, media
from broadcaster.store.media import PictureRow
from broadcaster.store.s3 import StoreDown
from channels.base import pictures

UNUSED_FOR = timedelta(days=7)
"""Time after its last upload at which an unreferenced picture is deleted."""

_decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="picture")
"""One picture at a time per process: its child may take a gigabyte."""


class Upload(Protocol):
    """An uploaded file: Starlette's UploadFile, or any file that is read asynchronously."""

    async def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""


class NotStored(BadPicture):
    """The picture is valid, but could not be stored just now: try again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredPicture:
    """A stored picture: `url` is the value for an announcement's `image`, `thumbnail` a path of
    our own site.
    """

    id: str
    url: str
    thumbnail: str
    width: int
    height: int


async def take(app: App, upload: Upload, *, actor: Actor) -> StoredPicture:
    """Check, re-encode and store an upload in every size. Raises BadPicture.

    The same picture uploaded again gets the same id.
    """
    picture = await _decoded(upload)
    try:
        for variant, body in picture.files.items():
            await app.depot.put(name_of(picture.id, variant), body)
    except StoreDown as down:
        raise NotStored(PictureCode.PICTURE_NOT_KEPT) from down
    row = await app.database.write(_remember, picture, actor)
    return stored_as(app, row)


async def _decoded(upload: Upload) -> Picture:
    """Decode an upload, read into memory only in its turn: waiting uploads stay on the disk.
    Raises BadPicture.
    """
    loop = asyncio.get_running_loop()

    def decode() -> Picture:
        data = asyncio.run_coroutine_threadsafe(upload.read(UPLOAD_BYTES + 1), loop).result()
        if not data:
            raise BadPicture(PictureCode.PICTURE_EMPTY)
        return decoder_process.read(data)

    return await loop.run_in_executor(_decoder, decode)


def _remember(connection: Connection, picture: Picture, actor: Actor) -> PictureRow:
    sizes = {variant: len(body) for variant, body in picture.files.items()}
    row = PictureRow(
        id=picture.id,
        width=picture.width,
        height=picture.height,
        sizes=sizes,
        at=actor.at,
        actor=actor.name,
    )
    if media.add(connection, row):
        details = {"width": row.width, "height": row.height, "bytes": sizes["web"]}
        audit.append(connection, actor, Act.UPLOAD, row.id, **details)
    return row


def stored_as(app: App, row: PictureRow) -> StoredPicture:
    """Describe a stored picture as pages name it."""
    url = f"{app.site.base_url.rstrip('/')}{pictures.path(row.id, 'web')}"
    return StoredPicture(
        id=row.id,
        url=url,
        thumbnail=pictures.path(row.id, "kecil"),
        width=row.width,
        height=row.height,
    )


def name_of(picture_id: str, variant: str) -> str:
    """Name a variant of a picture in the depot."""
    return f"{picture_id}/{variant}.jpg"


async def file(app: App, picture_id: str, variant: str) -> bytes | None:
    """Read one variant; None for an unknown picture or variant. Raises StoreDown."""
    if variant not in VARIANTS or await app.database.read(media.find, picture_id) is None:
        return None
    return await app.depot.get(name_of(picture_id, variant))


async def forget_unused(app: App) -> int:
    """Delete pictures that have been unused for a week; returns how many. Raises StoreDown; the
    rest is deleted next time.
    """
    count = 0
    for row in await app.database.read(media.unused, (app.clock() - UNUSED_FOR).timestamp()):
        if await app.database.write(media.forget, row):
            for variant in row.sizes:
                await app.depot.delete(name_of(row.id, variant))
            count += 1
    return count
