"""Our own pictures as channels know them: one address, several sizes under it. Pure."""

import re

from channels.base.contract import Edition, Image, Site

FILE = re.compile(r"/media/(?P<id>[0-9a-f]{32})/(?P<variant>[a-z]{1,16})\.jpg")
"""Path of a picture that staff uploaded; what lies under it never changes."""
MEDIA_TYPE = "image/jpeg"


def path(picture_id: str, variant: str) -> str:
    """Where a size of a picture is served."""
    return f"/media/{picture_id}/{variant}.jpg"


def own_id(url: str, site: Site) -> str:
    """The id of the picture behind an address of our own site; empty for any other address."""
    base = site.base_url.rstrip("/")
    found = FILE.fullmatch(url[len(base) :]) if url.startswith(f"{base}/") else None
    return found["id"] if found else ""


def sized(url: str, site: Site, variant: str) -> str:
    """The address of another size of the same picture; a picture that is not ours has one size."""
    known = own_id(url, site)
    return f"{site.base_url.rstrip('/')}{path(known, variant)}" if known else url


def own_picture(edition: Edition, site: Site) -> Image | None:
    """The edition's picture where it is one of ours: checked, unchangeable, small enough for every
    platform.
    """
    return edition.image if edition.image is not None and own_id(edition.image.url, site) else None


def own_path(image: Image, site: Site, variant: str) -> str:
    """The path alone, for pages that are served by the same host under whatever name; raises
    ValueError for a foreign picture.
    """
    known = own_id(image.url, site)
    if not known:
        raise ValueError("not a picture of our own")
    return path(known, variant)
