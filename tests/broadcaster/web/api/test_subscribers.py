"""Single subscribers through the API: the rules of a CSV row, and an address that is never
repeated.
"""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, text

from support.browsing import Running

PATH = "/api/v1/subscribers"
ROW = {
    "channel": "email",
    "address": "rahasia@contoh.example",
    "areas": "cibabat cimahi-utara",
    "topics": ["kesehatan"],
    "language": "id",
    "consent_source": "formulir kelurahan",
    "consent_at": "2026-11-03T09:00",
}


async def subscriptions(site: Running) -> list[tuple[str, str]]:
    """Return topics and area of every subscription."""

    def read(connection: Connection) -> list[tuple[str, str]]:
        query = text(
            "SELECT a.topics, s.area FROM address a JOIN subscription s ON s.address = a.id ORDER BY s.area"
        )
        return [(row.topics.strip(), row.area) for row in connection.execute(query)]

    return await site.app.database.read(read)


async def test_a_new_subscriber_is_confirmed_for_the_areas_and_topics_given(site: Running) -> None:
    token = await site.token("write")
    answer = await site.post(PATH, ROW, token)
    assert answer.status == 201
    assert json.loads(answer.text) == {"result": "new"}
    assert await subscriptions(site) == [("kesehatan", "32.77.03"), ("kesehatan", "32.77.03.1002")]


async def test_the_same_row_again_changes_nothing_and_another_replaces_it(either: Running) -> None:
    token = await either.token("write")
    results = []
    for change in ({}, {}, {"areas": ["melong"], "topics": ""}):
        answer = await either.post(PATH, {**ROW, **change}, token)
        results.append((answer.status, json.loads(answer.text)["result"]))
    assert results == [(201, "new"), (200, "same"), (200, "changed")]
    assert await subscriptions(either) == [("", "32.77.01.1001")]


@pytest.mark.parametrize(
    "change",
    [
        {"areas": "lembang"},
        {"areas": ""},
        {"channel": "merpati"},
        {"address": "bukan-alamat"},
        {"consent_source": ""},
        {"consent_at": ""},
        {"consent_at": "kemarin"},
        {"consent_at": "2031-01-01T00:00"},
        {"topics": "gosip"},
        {"language": "fr"},
        {"channel": None},
        {"areas": {"x": 1}},
        {"lebih": "x"},
        {"consent_source": "formulir \ufffd"},
        dict.fromkeys(ROW, ""),
    ],
)
async def test_a_bad_row_is_refused_with_its_reason_and_nothing_is_stored(
    site: Running, change: dict[str, Any]
) -> None:
    token = await site.token("write")
    answer = await site.post(PATH, {**ROW, **change}, token)
    assert answer.status == 422, answer.text
    assert json.loads(answer.text)["problems"][0]["reason"]
    assert await subscriptions(site) == []


async def test_every_problem_is_reported_with_its_field(site: Running) -> None:
    token = await site.token("write")
    change = {
        "areas": ["Cibabat", "Cimahi"],
        "topics": ["gosip"],
        "consent_at": "2026-W45-2",
        "address": "x",
    }
    answer = await site.post(PATH, {**ROW, **change}, token)
    assert answer.status == 422
    problems = {
        problem["field"]: problem["reason"] for problem in json.loads(answer.text)["problems"]
    }
    assert sorted(problems) == ["address", "areas", "consent_at", "topics"]
    assert "Kota Cimahi (tulis: cimahi)" in problems["areas"]
    assert "nomor pekan" in problems["consent_at"]


async def test_the_interface_takes_what_a_file_may_hold(site: Running) -> None:
    token = await site.token("write")
    change = {
        "address": "Ibu Sari <Rahasia@contoh.example>",
        "areas": ["Kel. Cibeber", "Cigugur Tengah"],
        "topics": "Kesehatan;Bansos",
        "consent_at": "3 November 2026 09.00",
        "channel": "E-mail",
        "language": "Indonesia",
    }
    first = await site.post(PATH, {**ROW, **change}, token)
    assert (first.status, json.loads(first.text)) == (201, {"result": "new"})
    again = await site.post(
        PATH, {**ROW, **change, "address": "mailto:rahasia@contoh.example"}, token
    )
    assert (again.status, json.loads(again.text)) == (200, {"result": "same"})
    assert {area for _, area in await subscriptions(site)} == {"32.77.01.1005", "32.77.02.1002"}


@pytest.mark.parametrize("areas", [";", [";", "|"], "", []])
async def test_no_area_is_refused_however_it_is_written(
    site: Running, areas: str | list[str]
) -> None:
    answer = await site.post(PATH, {**ROW, "areas": areas}, await site.token("write"))
    assert answer.status == 422
    assert "Wilayah kosong" in answer.text


async def test_a_refusal_has_a_code_and_speaks_the_language_of_the_caller(site: Running) -> None:
    token = await site.token("write")
    row = {**ROW, "address": "rahasia"}
    answer = await site.post(PATH, row, token, **{"Accept-Language": "en"})
    assert json.loads(answer.text)["problems"] == [
        {
            "field": "address",
            "code": "email_malformed",
            "reason": "An e-mail address looks like this: nama@contoh.id",
            "remedy": "Correct it and send it again.",
        }
    ]


async def test_a_line_break_or_quote_never_makes_another_row(site: Running) -> None:
    token = await site.token("write")
    source = 'formulir"\nemail,lain@contoh.example,cimahi,,id,x,2026-11-03T09:00'
    assert (await site.post(PATH, {**ROW, "consent_source": source}, token)).status == 201
    assert {area for _, area in await subscriptions(site)} == {"32.77.03", "32.77.03.1002"}


async def test_a_spreadsheets_guard_is_taken_off_as_from_a_file(site: Running) -> None:
    token = await site.token("write")
    change = {"channel": "whatsapp", "address": "'+62 812 3456 7890"}
    assert (await site.post(PATH, {**ROW, **change}, token)).status == 201
    again = await site.post(PATH, {**ROW, **change, "address": "081234567890"}, token)
    assert json.loads(again.text) == {"result": "same"}


async def test_neither_answer_nor_audit_holds_the_address(site: Running) -> None:
    token = await site.token("write")
    answers = [
        await site.post(PATH, ROW, token),
        await site.post(PATH, {**ROW, "areas": "lembang"}, token),
    ]
    assert all("rahasia@" not in answer.text for answer in answers)

    def audited(connection: Connection) -> str:
        return " ".join(
            str(tuple(row))
            for row in connection.execute(text("SELECT actor, act, subject, detail FROM audit"))
        )

    assert "rahasia@" not in await site.app.database.read(audited)
    assert "token:uji 0" in await site.app.database.read(audited)
