"""Kelurahan grouped by kecamatan, for forms and pages."""

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
    """Group every kelurahan by its kecamatan."""
    return [
        Group(kecamatan=kecamatan, kelurahan=app.tree.children(kecamatan))
        for kecamatan in app.tree.kecamatan
    ]
