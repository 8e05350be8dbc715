"""The OpenAPI document: generated from the route table, complete, and well-formed."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from broadcaster.web import routes
from support.browsing import NOTICE, Running, bearer


@pytest.fixture
async def document(site: Running) -> dict[str, Any]:
    """Return the document as served."""
    answer = await site.ask("/api/v1/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    content: dict[str, Any] = json.loads(answer.text)
    return content


def references(node: object) -> Iterator[str]:
    """Yield every $ref in a document."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_it_names_version_title_and_security(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"]
    assert document["info"]["version"]
    assert document["components"]["securitySchemes"]["token"] == {
        "type": "http",
        "scheme": "bearer",
        "description": "broadcaster token add",
    }


async def test_every_api_route_with_an_operation_is_described_and_no_other(
    document: dict[str, Any],
) -> None:
    described = {
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {
        (row.path, method) for row in routes.API if row.operation for method in row.methods
    }


async def test_a_schema_with_a_title_goes_by_it_whatever_its_class_is_called(
    document: dict[str, Any],
) -> None:
    answers = document["paths"]["/api/v1/announcements/{id}"]["get"]["responses"]
    schema = answers["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Announcement"}
    schemas = document["components"]["schemas"]
    assert "deliveries" in schemas["Announcement"]["properties"]
    assert list(schemas) == sorted(schemas)
    assert all(definition["title"] == name for name, definition in schemas.items())


async def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    targets = set(references(document))
    assert targets
    for reference in targets:
        assert reference.startswith("#/components/schemas/")
        assert reference.rsplit("/", 1)[1] in document["components"]["schemas"]


async def test_operations_are_whole(document: dict[str, Any]) -> None:
    names = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["security"] == [{"token": []}]
            in_path = set(re.findall(r"\{(\w+)\}", path))
            described = {
                parameter["name"]
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "path"
            }
            assert described == in_path
            assert {"401", "403", "429", "default"} <= set(operation["responses"])
            assert any(status.startswith("2") for status in operation["responses"])


async def test_the_fields_are_those_of_the_model(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["NewAnnouncement"]
    assert set(fields["required"]) == {"title", "body", "areas"}
    assert fields["properties"]["title"]["maxLength"] == 70
    assert {"publish", "expires", "instruction", "translations", "channels"} <= set(
        fields["properties"]
    )


async def test_answers_are_as_described(site: Running, document: dict[str, Any]) -> None:
    token = await site.token("write", "publish", "read")
    answer = json.loads(
        (await site.post("/api/v1/announcements", {**NOTICE, "publish": True}, token)).text
    )
    assert set(answer) == set(document["components"]["schemas"]["Published"]["properties"])
    progress = json.loads(
        (await site.ask(f"/api/v1/announcements/{answer['id']}", headers=bearer(token))).text
    )
    assert set(progress) == set(document["components"]["schemas"]["Announcement"]["properties"])


async def test_areas_name_code_slug_and_parent(site: Running) -> None:
    token = await site.token("read")
    areas = json.loads((await site.ask("/api/v1/areas", headers=bearer(token))).text)["areas"]
    assert len(areas) == 19
    assert areas[0]["code"] == "32.77"
    by_slug = {area["slug"]: area for area in areas}
    assert by_slug["kelurahan-cimahi"]["code"] == "32.77.02.1006"
    assert by_slug["cibabat"]["parent"] == by_slug["cimahi-utara"]["code"]


async def test_the_page_for_programmers_names_every_operation_and_pattern(site: Running) -> None:
    page = (await site.ask("/api/v1/")).text
    assert "/feed/{area}.rss" in page
    assert "/api/v1/openapi.json" in page
    for row in routes.API:
        if row.operation:
            assert row.path in page
