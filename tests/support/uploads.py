"""Uploads for tests, made on demand: honest pictures of every kind, and harmful files."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from PIL import Image

SCRIPT = b"<script>alert(document.domain)</script>"
PAGE = b"<!doctype html><html><body>" + SCRIPT + b"</body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="600">' + SCRIPT + b"</svg>"
GPS = {0x010F: "Kamera Rahasia", 0x010E: "Rumah Ibu Siti", 0x9003: "2026:11:25 07:43:00"}


def scene(width: int = 900, height: int = 600, mode: str = "RGB") -> Image.Image:
    """Draw four quarters: red, green, blue and white, clockwise from the top left corner."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    image.paste("lime", (width // 2, 0, width, height // 2))
    image.paste("blue", (width // 2, height // 2, width, height))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Encode the image as a file of that kind."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def photo(width: int = 900, height: int = 600, **options: Any) -> bytes:
    """Return a JPEG."""
    return encoded(scene(width, height), **options)


def noise(width: int, height: int) -> bytes:
    """Return the JPEG that packs worst."""
    return encoded(Image.effect_noise((width, height), 100).convert("RGB"), quality=70)


def tagged() -> bytes:
    """Return a JPEG with all the metadata it may carry: EXIF with a place, a comment, XMP, an
    embedded thumbnail of sorts.
    """
    exif = Image.Exif()
    for tag, value in GPS.items():
        exif[tag] = value
    exif.get_ifd(0x8825)[1] = "S"
    exif.get_ifd(0x8825)[2] = (6.0, 52.0, 21.5)
    return photo(
        exif=exif.tobytes(), comment=b"catatan rahasia", xmp=b"<x:xmpmeta>rahasia xmp</x:xmpmeta>"
    )


def turned(orientation: int) -> bytes:
    """Return a JPEG that asks to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return photo(exif=exif.tobytes())


def archive() -> bytes:
    """Return a ZIP with a page in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("index.html", PAGE.decode())
    return out.getvalue()


def polyglots() -> Mapping[str, bytes]:
    """Return files that are a picture to one reader and something else to another."""
    jpeg, png = photo(), encoded(scene(), "PNG")
    text = b"tEXtComment\x00" + PAGE
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return {
        "jpeg and zip": jpeg + archive(),
        "jpeg and page": jpeg + PAGE,
        "jpeg with a page as comment": photo(comment=PAGE),
        "png with a page in a text chunk": png[:33] + chunk + png[33:],
        "png and page": png + PAGE,
        "webp and page": encoded(scene(), "WEBP") + PAGE,
    }


def bomb(width: int = 8_000, height: int = 6_300) -> bytes:
    """Return a PNG of some kilobytes that unpacks to 50 megapixels."""
    return encoded(Image.new("1", (width, height)), "PNG")


def lying_head(width: int, height: int) -> bytes:
    """Return a PNG whose head names another size than its data has."""
    png = encoded(scene(), "PNG")
    head = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:]


def moving(kind: str) -> bytes:
    """Return an animated picture."""
    first, second = scene(), scene().transpose(Image.Transpose.ROTATE_180)
    return encoded(first, kind, save_all=True, append_images=[second], duration=200)


def endless() -> bytes:
    """Return a progressive JPEG that repeats its last pass a thousand times."""
    jpeg = photo(progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * 1_000 + jpeg[-2:]
