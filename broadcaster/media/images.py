"""Images that staff upload: identified by content, decoded within bounds, and encoded anew in
the sizes that channels need. Pure.
"""

import hashlib
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageCms

from broadcaster.domain.refusal_codes import PictureCode
from broadcaster.domain.refusals import Refusal

UPLOAD_BYTES = 10 * 1024 * 1024
"""Largest upload in bytes; enforced while it is read (media/library.py), and as the limit of the
upload routes.
"""
PIXELS = 40_000_000
"""Most pixels that are decoded; the header of the file tells before anything is unpacked."""
LEAST_SIDE = 64
"""Least pixels of the shorter side: a smaller picture shows nothing."""
MOST_RATIO = 20
"""Largest ratio of the long side to the short one: messengers refuse longer strips."""
MOST_SCANS = 100
"""Most scans of a progressive JPEG: cameras make ten; each of thousands would cost a full
decoding.
"""
MOST_PROFILE = 4 * 1024 * 1024
"""Largest colour profile that is read, in bytes."""
QUALITY = 85

VARIANTS: Mapping[str, tuple[int, int]] = {
    "web": (1600, 1600),
    "pesan": (1280, 1280),
    "layar": (1920, 1080),
    "kecil": (480, 480),
}
"""Bounding box (width, height) of each variant: pages and mail, messengers, screens, thumbnails.
Nothing is ever enlarged.
"""
_BOX = max(side for box in VARIANTS.values() for side in box)

_MAGIC = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transposition for each EXIF orientation."""
_ORIENTATION = 0x0112


class BadPicture(Refusal):
    """The upload is not a usable picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A re-encoded picture: `files` by variant, each a JPEG; `id` is derived from exactly these
    bytes; width and height are those of `web`.
    """

    id: str
    width: int
    height: int
    files: Mapping[str, bytes]


def read(data: bytes) -> Picture:
    """Decode an upload into an upright picture on white, in sRGB, without any metadata. Raises
    BadPicture.

    Only pixels are copied, nothing that was appended to the file or hidden in it. Takes up to
    two seconds and 700 MB at the limit: media/decoder_process.py calls it where that harms
    nobody.
    """
    require_size(data)
    kind = kind_of(data)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _require_sound(image, data)
            return _written(_upright(image))
    except (BadPicture, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        raise BadPicture(PictureCode.PICTURE_TOO_LARGE, limit=PIXELS // 1_000_000) from bomb
    except Exception as broken:  # a decoder may raise anything at all on a hostile or cut file
        raise BadPicture(PictureCode.PICTURE_BROKEN) from broken


def require_size(data: bytes) -> None:
    """Raise BadPicture for an upload that is too heavy to examine."""
    if len(data) > UPLOAD_BYTES:
        raise BadPicture(PictureCode.PICTURE_TOO_HEAVY, limit=UPLOAD_BYTES // 1024**2)


def kind_of(data: bytes) -> str:
    """Detect JPEG, PNG or WEBP by the first bytes, whatever the file name. Raises BadPicture."""
    for kind, magic in _MAGIC.items():
        if magic.match(data):
            return kind
    if data.startswith((b"GIF87a", b"GIF89a")):
        raise BadPicture(PictureCode.PICTURE_GIF)
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        raise BadPicture(PictureCode.PICTURE_HEIC)
    raise BadPicture(PictureCode.PICTURE_UNKNOWN)


def _require_sound(image: Image.Image, data: bytes) -> None:
    """Refuse by the header of the file alone, before any pixel is unpacked. Raises BadPicture."""
    width, height = image.size
    if width * height > PIXELS:
        raise BadPicture(PictureCode.PICTURE_TOO_LARGE, limit=PIXELS // 1_000_000)
    if min(width, height) < LEAST_SIDE:
        raise BadPicture(PictureCode.PICTURE_TOO_SMALL, limit=LEAST_SIDE)
    if max(width, height) > MOST_RATIO * min(width, height):
        raise BadPicture(PictureCode.PICTURE_TOO_NARROW)
    if image.format in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise BadPicture(PictureCode.PICTURE_MOVING)
    if image.format not in ("PNG", "WEBP") and data.count(b"\xff\xda") > MOST_SCANS:
        raise BadPicture(PictureCode.PICTURE_SCANS)


def _upright(image: Image.Image) -> Image.Image:
    """Return the upright pixels, in RGB, scaled down to the largest box."""
    small = _fitted(image.size, (_BOX, _BOX))
    image.draft(image.mode, small)  # a JPEG is decoded at half or a quarter where that is enough
    image.load()
    profile, turn = (
        image.info.get("icc_profile") or b"",
        _TURNS.get(image.getexif().get(_ORIENTATION, 1)),
    )
    pixels = _plain_mode(image)
    pixels = (
        pixels.resize(small, Image.Resampling.LANCZOS, reducing_gap=3.0)
        if pixels.size != small
        else pixels
    )
    pixels = _in_srgb(_on_white(pixels), profile)
    return pixels.transpose(turn) if turn is not None else pixels


def _plain_mode(image: Image.Image) -> Image.Image:
    """Convert to a mode in which resizing averages colours: no palette, no single bits, no
    16-bit samples.
    """
    if image.mode.startswith(("I", "F")):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("P", "PA") or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("L") if image.mode == "1" else image


def _on_white(image: Image.Image) -> Image.Image:
    """Flatten transparency onto white."""
    if image.mode not in ("RGBA", "LA", "RGBa", "La"):
        return image
    clear = image.convert("RGBA")
    ground = Image.new("RGB", clear.size, "white")
    ground.paste(clear, mask=clear.getchannel("A"))
    return ground


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB by the embedded profile; an unreadable profile is ignored."""
    if profile and len(profile) <= MOST_PROFILE and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            turned = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return turned if turned is not None else image.convert("RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return image.convert("RGB")
    return image.convert("RGB")


def _written(image: Image.Image) -> Picture:
    files = {name: _jpeg(image, _fitted(image.size, box)) for name, box in VARIANTS.items()}
    width, height = _fitted(image.size, VARIANTS["web"])
    digest = hashlib.sha256(b"".join(files[name] for name in VARIANTS)).hexdigest()
    return Picture(id=digest[:32], width=width, height=height, files=files)


def _jpeg(image: Image.Image, size: tuple[int, int]) -> bytes:
    # pasted into a new image: Pillow would copy a comment along with the image
    fresh = Image.new("RGB", size)
    fresh.paste(image.resize(size, Image.Resampling.LANCZOS) if image.size != size else image)
    out = io.BytesIO()
    # full colour resolution: many pictures of a city are text on a coloured ground
    fresh.save(out, "JPEG", quality=QUALITY, subsampling="4:4:4", progressive=True, optimize=True)
    return out.getvalue()


def _fitted(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Scale a size down to fit a box, with the same aspect ratio; never up."""
    scale = min(box[0] / size[0], box[1] / size[1], 1.0)
    return max(1, math.floor(size[0] * scale + 0.5)), max(1, math.floor(size[1] * scale + 0.5))
