"""Imports of areas: the tree replaced or outlines added, audited in the same transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.store import audit
from subscribers import areas


async def import_areas(app: App, document: Mapping[str, Any], *, file: str, actor: str) -> bool:
    """Replace the tree of areas, or add outlines from GeoJSON; whether it was the tree. Raises
    BadAreas.

    `file` is the SHA-256 of what was given.
    """
    outlines = document.get("type") == "FeatureCollection"

    def transaction(connection: Connection) -> None:
        tree = (
            areas.add_outlines(connection, document)
            if outlines
            else areas.replace_tree(connection, document)
        )
        detail = {"file": file, "count": len(tree.outlines) if outlines else len(tree.all())}
        act = "areas_outline" if outlines else "areas_replace"
        audit.append(
            connection, at=app.clock(), actor=actor, act=act, subject="areas", detail=detail
        )

    await app.database.write(transaction)
    return not outlines
