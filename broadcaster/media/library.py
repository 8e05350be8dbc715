"""Pictures from the desk of staff to where residents fetch them: taken in, kept in every size,
given out, thrown away unused.
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
from broadcaster.media import decoder_process
from broadcaster.media.images import UPLOAD_BYTES, VARIANTS, BadPicture, Picture
from broadcaster.store import audit, media
from broadcaster.store.media import StoredPicture
from broadcaster.store.s3 import StoreDown
from channels.base import pictures

UNUSED_FOR = timedelta(days=7)
"""A picture that nothing names is thrown away so long after its last upload."""

_decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="picture")
"""One picture at a time for each process: its child may take a gigabyte."""


class Upload(Protocol):
    """What a form brought: Starlette's UploadFile, or any file that is read asynchronously."""

    async def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes."""


class NotKept(BadPicture):
    """The picture is good, but nothing could be stored just now: try again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A picture that is kept: `url` is what an announcement's `image` holds, `thumbnail` a path of
    our own site.
    """

    id: str
    url: str
    thumbnail: str
    width: int
    height: int


async def take(app: App, upload: Upload, *, actor: Actor) -> Stored:
    """Check, write anew and keep an upload in every size. Raises BadPicture, whose message is for
    the person who chose it.

    The same picture again is the same one.
    """
    picture = await _decoded(upload)
    try:
        for variant, body in picture.files.items():
            await app.depot.put(name_of(picture.id, variant), body)
    except StoreDown as down:
        raise NotKept(
            "Gambar belum dapat disimpan. Coba lagi sebentar; bila tetap gagal, hubungi pengelola."
        ) from down
    kept = await app.database.write(_remember, picture, actor)
    return stored_as(app, kept)


async def _decoded(upload: Upload) -> Picture:
    """The picture in an upload, which is taken into memory in its turn: those that wait stay on the
    disk. Raises BadPicture.
    """
    loop = asyncio.get_running_loop()

    def decode() -> Picture:
        data = asyncio.run_coroutine_threadsafe(upload.read(UPLOAD_BYTES + 1), loop).result()
        if not data:
            raise BadPicture("Berkasnya kosong. Pilih gambar lain.")
        return decoder_process.read(data)

    return await loop.run_in_executor(_decoder, decode)


def _remember(connection: Connection, picture: Picture, actor: Actor) -> StoredPicture:
    sizes = {variant: len(body) for variant, body in picture.files.items()}
    kept = StoredPicture(
        id=picture.id,
        width=picture.width,
        height=picture.height,
        sizes=sizes,
        at=actor.at,
        actor=actor.name,
    )
    if media.add(connection, kept):
        details = {"width": kept.width, "height": kept.height, "bytes": sizes["web"]}
        audit.append(connection, actor, Act.UPLOAD, kept.id, **details)
    return kept


def stored_as(app: App, kept: StoredPicture) -> Stored:
    """A kept picture as pages name it."""
    url = f"{app.site.base_url.rstrip('/')}{pictures.path(kept.id, 'web')}"
    return Stored(
        id=kept.id,
        url=url,
        thumbnail=pictures.path(kept.id, "kecil"),
        width=kept.width,
        height=kept.height,
    )


def name_of(picture_id: str, variant: str) -> str:
    """What a size of a picture is called in the depot."""
    return f"{picture_id}/{variant}.jpg"


async def file(app: App, picture_id: str, variant: str) -> bytes | None:
    """The bytes of one size; None for a picture that we do not know. Raises StoreDown."""
    if variant not in VARIANTS or await app.database.read(media.find, picture_id) is None:
        return None
    return await app.depot.get(name_of(picture_id, variant))


async def forget_unused(app: App) -> int:
    """Throw away what nobody used for a week; how many pictures went. Raises StoreDown; what is
    left goes next time.
    """
    count = 0
    for kept in await app.database.read(media.unused, (app.clock() - UNUSED_FOR).timestamp()):
        if await app.database.write(media.forget, kept):
            for variant in kept.sizes:
                await app.depot.delete(name_of(kept.id, variant))
            count += 1
    return count
