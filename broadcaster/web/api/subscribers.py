"""One subscriber, added or changed exactly as a row of the CSV import would."""

import csv
import io

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.fields import InvalidAnnouncement, Problem
from broadcaster.store import audit
from broadcaster.web.api.requests import as_json, read_model, read_object, refusing
from broadcaster.web.api.schemas import NewSubscriber
from broadcaster.web.base.authorization import app_of, token_actor
from subscribers import importing
from subscribers.importing import BadRow, Row

COLUMNS = (
    "channel",
    "address",
    "areas",
    "topics",
    "language",
    "consent_source",
    "consent_at",
    "subscriber",
)


@refusing
async def add(request: Request) -> Response:
    """201 for a new address, 200 for one that was known; the answer never repeats the address."""
    app = app_of(request)
    row = _row(app, read_model(NewSubscriber, await read_object(request)))
    actor = token_actor(request)

    def act(connection: Connection) -> str:
        done = importing.import_rows(
            connection, app.vault, app.tree, [row], app.clock().timestamp()
        )
        result = next(iter(done))
        channel = row.subscription.channel
        audit.append(connection, actor, Act.SUBSCRIBER, "", channel=channel, result=result)
        return result

    result = await app.database.write(act)
    return as_json({"result": result}, 201 if result == "new" else 200)


def _row(app: App, given: NewSubscriber) -> Row:
    """The row, by the rules of the CSV; raises InvalidAnnouncement."""
    topics = tuple(topic.slug for topic in app.settings.topics)
    parsers = {name: app.loaded.modules[name].parse_address for name in app.push}
    read = next(
        importing.read_rows(_lines(given), app.tree, topics, parsers, now=app.clock().timestamp())
    )
    if isinstance(read, BadRow):
        raise InvalidAnnouncement(
            Problem(field=bad.column, reason=bad.reason, remedy="Perbaiki, lalu kirim lagi.")
            for bad in read.problems
        )
    return read


def _lines(given: NewSubscriber) -> list[str]:
    cells = [getattr(given, name) for name in COLUMNS]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_cell(cell) for cell in cells])
    return [",".join(COLUMNS), line.getvalue()]


def _cell(value: str | list[str]) -> str:
    """One line, whatever was given: a line break would be another row. A list's names may have
    spaces in them.
    """
    return " ".join((";".join(value) if isinstance(value, list) else value).split())
