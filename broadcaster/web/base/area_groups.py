"""All kelurahan by kecamatan, as forms and pages list them."""

from collections.abc import Sequence
from dataclasses import dataclass

from broadcaster.app import App
from subscribers.areas import Area


@dataclass(frozen=True, kw_only=True)
class Group:
    """A kecamatan with its kelurahan."""

    kecamatan: Area
    kelurahan: Sequence[Area]


def groups(app: App) -> list[Group]:
    """All kelurahan by kecamatan."""
    return [
        Group(kecamatan=kecamatan, kelurahan=app.tree.children(kecamatan))
        for kecamatan in app.tree.kecamatan
    ]
