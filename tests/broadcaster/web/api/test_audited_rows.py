"""Every row of the API: what changes data leaves its row in the audit log."""

from typing import Any

import pytest
from sqlalchemy import Connection, text

from broadcaster.web import routes
from support.browsing import NOTICE, Running, bearer

RESIDENT = "wati@contoh.example"
ANNOUNCEMENT = routes.ANNOUNCEMENTS + "/{id}"
API_ACTS = {
    ("GET", "/api/v1/"): None,
    ("GET", "/api/v1/openapi.json"): None,
    ("GET", "/api/v1/areas"): None,
    ("GET", ANNOUNCEMENT): None,  # counts, never an address
    ("POST", routes.ANNOUNCEMENTS): ("publish",),
    ("POST", ANNOUNCEMENT + "/pause"): ("pause",),
    ("POST", ANNOUNCEMENT + "/resume"): ("resume",),
    ("POST", ANNOUNCEMENT + "/cancel"): ("cancel",),
    ("POST", ANNOUNCEMENT + "/retry-failed"): ("retry-failed", "retried"),
    ("POST", ANNOUNCEMENT + "/correct"): ("correct",),
    ("POST", ANNOUNCEMENT + "/withdraw"): ("withdraw",),
    ("POST", "/api/v1/subscribers"): ("subscriber",),
}
SUBSCRIBER = {
    "channel": "email", "address": RESIDENT, "areas": ["cibabat"], "language": "id", "consent_source": "loket",
    "consent_at": "2026-11-03T09:00",
}  # fmt: skip
BODIES: dict[str, Any] = {
    routes.ANNOUNCEMENTS: {**NOTICE, "publish": True},
    ANNOUNCEMENT + "/correct": {
        **NOTICE,
        "title": "Air mati di Cibabat sampai sore",
        "reason": "Jamnya berubah.",
    },
    ANNOUNCEMENT + "/withdraw": {"reason": "Airnya sudah mengalir lagi."},
    "/api/v1/subscribers": SUBSCRIBER,
}


def test_every_row_of_the_api_is_known_to_leave_its_rows_or_to_change_nothing() -> None:
    assert {(method, row.path) for row in routes.API for method in row.methods} == set(API_ACTS)


@pytest.mark.parametrize(("method", "path"), API_ACTS, ids=" ".join)
async def test_a_row_of_the_api_that_changes_leaves_its_row(
    site: Running, method: str, path: str
) -> None:
    token = await site.token("write", "publish", "read")
    announcement = await site.publish()
    if path.endswith("/resume"):
        assert (
            await site.post(
                path.replace("{id}", announcement.id).replace("resume", "pause"), {}, token
            )
        ).status == 200

    def read(connection: Connection) -> list[Any]:
        return list(
            connection.execute(
                text("SELECT actor, act, subject, detail FROM audit ORDER BY id")
            ).all()
        )

    before = await site.app.database.read(read)
    address = path.replace("{id}", announcement.id)
    if method == "GET":
        answer = await site.ask(address, headers=bearer(token))
    else:
        answer = await site.post(address, BODIES.get(path, {}), token)
    assert answer.status in (200, 201), answer.text
    rows = (await site.app.database.read(read))[len(before) :]
    assert tuple(row.act for row in rows) == (API_ACTS[method, path] or ())
    assert {row.actor for row in rows} <= {"token:uji 0"}
    assert RESIDENT not in str(rows)
