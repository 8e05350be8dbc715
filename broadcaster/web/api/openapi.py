"""The OpenAPI 3.1 document, generated from the route table and the models in
`broadcaster.web.api.schemas`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.runtime.version import version
from broadcaster.web.api.schemas import ProblemDetails
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import Operation, Row, app_of
from broadcaster.web.base.http_cache import CachedResponse, prepare, serve

PREFIX = "/api/v1/"
_PARAMETER = re.compile(r"\{(\w+)\}")
_REFERENCE = "#/components/schemas/{model}"


async def show(request: Request) -> Response:
    """Serve the document."""
    rows: tuple[Row, ...] = request.app.state.rows
    return serve(
        request, _cached_document(rows, app_of(request).site.base_url), cache_control=pages.PUBLIC
    )


@cache
def _cached_document(rows: tuple[Row, ...], base_url: str) -> CachedResponse:
    text = msgspec.json.encode(document(rows, base_url))
    return prepare(
        text, media_type="application/json", headers={"Access-Control-Allow-Origin": "*"}
    )


@cache
def document(rows: tuple[Row, ...], base_url: str) -> Mapping[str, Any]:
    """Build the document from the rows that declare an operation."""
    described = [row for row in rows if row.operation is not None]
    models = {
        model
        for row in described
        if row.operation
        for model in (row.operation.body, row.operation.answer)
        if model
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Siaran Cimahi",
            "version": version(),
            "description": (
                "Announcements of the city: written once, sent by every channel. "
                "Errors are RFC 9457 problem details."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base_url}],
        "paths": _paths(described),
        "components": {
            "schemas": _schemas({*models, ProblemDetails}),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "broadcaster token add",
                }
            },
        },
    }


def _paths(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        for method in row.methods:
            paths.setdefault(row.path, {})[method.lower()] = _operation(row, method)
    return paths


def _operation(row: Row, method: str) -> dict[str, Any]:
    operation = row.operation or Operation(summary="")
    scope = row.access.removeprefix("token:") if row.access.startswith("token:") else None
    described: dict[str, Any] = {
        "operationId": _operation_id(row.path, method),
        "summary": operation.summary,
        "responses": _responses(operation, scope),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(row.path)
    ]
    if operation.idempotent:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 200},
            }
        )
    if parameters:
        described["parameters"] = parameters
    if scope is not None:
        described["security"] = [{"token": []}]
        described["description"] = f"Needs a token with scope {scope}."
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(operation.body)}},
        }
    return described


def _responses(operation: Operation, scope: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        answer["content"] = {"application/json": {"schema": _reference(operation.answer)}}
    problem = {
        "description": "Refused.",
        "content": {"application/problem+json": {"schema": _reference(ProblemDetails)}},
    }
    refusals = [
        "429",
        *(["401", "403"] if scope else []),
        *(["400", "413", "422"] if operation.body else []),
    ]
    return {
        str(operation.status): answer,
        **dict.fromkeys(sorted(refusals), problem),
        "default": problem,
    }


def _operation_id(path: str, method: str) -> str:
    words = re.findall(r"[a-zA-Z]+", path.removeprefix(PREFIX))
    return "_".join([method.lower(), *words])


def _component(model: type) -> str:
    """Return the name of a model's schema, by which clients know it: its title if it has one."""
    title = model.model_config.get("title") if issubclass(model, BaseModel) else None
    return title or model.__name__


def _reference(model: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=_component(model))}


def _schemas(models: Collection[type]) -> Mapping[str, Any]:
    """Return the schemas by name. A model with a title must not be a field of another model, since
    fields are referenced by their class.
    """
    pairs = [
        (model, "validation")
        for model in sorted(models, key=lambda model: model.__name__)
        if issubclass(model, BaseModel)
    ]
    # mypy cannot tell that the mode is one of its literals
    _, schema = models_json_schema(pairs, ref_template=_REFERENCE)  # type: ignore[arg-type]
    components = {model.__name__: _component(model) for model in models}
    named = ((components.get(name, name), item) for name, item in schema["$defs"].items())
    return dict(sorted(named))
