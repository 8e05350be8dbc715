"""Imports of areas: replace the tree or add outlines, audited in the same transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.store import audit
from subscribers import areas


async def import_areas(app: App, document: Mapping[str, Any], *, file: str, actor: Actor) -> bool:
    """Replace the tree of areas, or add outlines from GeoJSON; True if it was the tree. Raises
    BadAreas.

    `file` is the SHA-256 of the given file.
    """
    outlines = document.get("type") == "FeatureCollection"

    def transaction(connection: Connection) -> None:
        tree = (
            areas.add_outlines(connection, document)
            if outlines
            else areas.replace_tree(connection, document)
        )
        count = len(tree.outlines) if outlines else len(tree.all())
        act = Act.AREAS_OUTLINE if outlines else Act.AREAS_REPLACE
        audit.append(connection, actor, act, "areas", file=file, count=count)

    await app.database.write(transaction)
    return not outlines
