"""Addresses of our own pictures: one path, with several sizes below it. Pure."""

import re

from channels.base.edition import Edition, Image, Site

FILE = re.compile(r"/media/(?P<id>[0-9a-f]{32})/(?P<variant>[a-z]{1,16})\.jpg")
"""Path of an uploaded picture; its content never changes."""
MEDIA_TYPE = "image/jpeg"


def path(picture_id: str, variant: str) -> str:
    """Return the path of a size of a picture."""
    return f"/media/{picture_id}/{variant}.jpg"


def own_id(url: str, site: Site) -> str:
    """Return the id of the picture at an address of our own site; empty for any other address."""
    base = site.base_url.rstrip("/")
    match = FILE.fullmatch(url[len(base) :]) if url.startswith(f"{base}/") else None
    return match["id"] if match else ""


def sized(url: str, site: Site, variant: str) -> str:
    """Return the address of another size of the same picture; unchanged if the picture is not
    ours.
    """
    known = own_id(url, site)
    return f"{site.base_url.rstrip('/')}{path(known, variant)}" if known else url


def own_picture(edition: Edition, site: Site) -> Image | None:
    """Return the edition's picture if it is ours: checked, immutable, small enough for every
    platform.
    """
    return edition.image if edition.image is not None and own_id(edition.image.url, site) else None


def own_path(image: Image, site: Site, variant: str) -> str:
    """Return the path alone, for pages served by the same host under any name.

    Raises ValueError for a picture that is not ours.
    """
    known = own_id(image.url, site)
    if not known:
        raise ValueError("not a picture of our own")
    return path(known, variant)
