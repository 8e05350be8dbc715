"""Subscribers over the API, added or changed by the rules of the import."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
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
    """Add or change a subscriber: 201 for a new address, 200 for a known one.

    The answer never repeats the address.
    """
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
    """Parse the values as the import parses a row; raises InvalidAnnouncement."""
    topics = tuple(topic.slug for topic in app.settings.topics)
    parsers = {name: app.loaded.modules[name].parse_address for name in app.push}
    record = importing.record_of([_cell(getattr(given, name)) for name in COLUMNS])
    now = app.clock().timestamp()
    row = next(importing.read_records([record], COLUMNS, app.tree, topics, parsers, now=now))
    if isinstance(row, BadRow):
        raise InvalidAnnouncement(
            Problem(field=bad.column, code=bad.code, parameters=bad.parameters)
            for bad in row.problems
        )
    return row


def _cell(value: str | list[str]) -> str:
    """Join a value into one line; lists are separated by semicolons, as names may have spaces."""
    return " ".join((";".join(value) if isinstance(value, list) else value).split())
