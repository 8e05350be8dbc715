"""The audit log over HTTP: who did what, before and after; filters, pages, copies; for pengelola
alone.
"""

import csv
import io
import json
import re
from functools import partial

import pytest
from sqlalchemy import Connection, event

from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.newsroom import drafts, review, templates
from broadcaster.runtime.i18n import words
from broadcaster.store import audit, audit_lists
from broadcaster.store.audit_lists import AuditFilter
from broadcaster.store.database import Database
from broadcaster.web.staff import actors
from support import acting
from support.browsing import Clock, Running
from support.staffing import NOTICE, signed_in

act = partial(acting.act, place="203.0.113.9")
ROW = re.compile(r'<li class="line[^"]*" value="(\d+)">')


def row_numbers(page: str) -> list[int]:
    """Return the numbers of the rows on a page."""
    return [int(number) for number in ROW.findall(page)]


def fill(connection: Connection, count: int) -> None:
    """Append so many acts of a machine."""
    for number in range(count):
        audit.append(
            connection,
            NamedActor(name="token:situs", now=Clock()()),
            Act.SUBSCRIBER,
            "",
            n=number,
        )


async def test_a_row_says_who_what_when_from_where_and_what_changed(site: Running) -> None:
    ani, rina = await signed_in(site, "ani", "admin"), await signed_in(site, "rina", "author")
    row = await act(rina, drafts.save, NOTICE)
    await act(rina, review.submit, row.id)
    page = (await ani.get("/redaksi/audit")).text
    assert row_numbers(page) == [2, 1]
    assert f'href="/redaksi/pengumuman/{row.id}">Air PDAM mati di Cibabat</a>' in page
    for word in ("Diajukan", "Draf dibuat", "Rina", "dari 203.0.113.9", row.code, row.bound):
        assert word in page
    assert re.search(r"<del>.*?Draf</del>.*?<ins>.*?Menunggu persetujuan</ins>", page)
    assert await site.app.database.read(audit.head) in page


async def test_an_act_by_a_page_says_from_where(site: Running) -> None:
    ani, dewi = await signed_in(site, "ani", "admin"), await signed_in(site, "dewi", "approver")
    announcement = await site.publish(channels="email")
    answer = await dewi.post(f"/redaksi/pengiriman/{announcement.id}/jeda", {"alasan": "Salah jam"})
    assert answer.status == 303
    (entry,) = [
        row
        for row in await site.app.database.read(audit.about, announcement.id)
        if row.act == "pause"
    ]
    assert entry.detail["from"] == "127.0.0.1"
    assert "dari 127.0.0.1" in (await ani.get("/redaksi/audit?tindakan=pause")).text


async def test_the_log_is_filtered_by_who_act_announcement_and_days(site: Running) -> None:
    ani, rina = await signed_in(site, "ani", "admin"), await signed_in(site, "rina", "author")
    water = await act(rina, drafts.save, NOTICE)
    other = await act(rina, drafts.save, {**NOTICE, "title": "Vaksin gratis"})
    await act(rina, review.submit, water.id)
    await site.app.database.write(fill, 1)
    for query, numbers in (
        ("", [4, 3, 2, 1]),
        ("siapa=staff:rina", [3, 2, 1]),
        ("siapa=token:situs", [4]),
        ("tindakan=create", [2, 1]),
        (f"perihal={water.code}", [3, 1]),
        (f"perihal={other.id}&siapa=staff:rina", [2]),
        ("dari=2026-11-25&sampai=2026-11-25&tindakan=submit", [3]),
        ("sampai=2026-11-24", []),
        ("dari=bukan&perihal=%27;--", []),
        ("dari=bukan&setelah=x", [4, 3, 2, 1]),
        ("setelah=3", [2, 1]),
    ):
        page = (await ani.get(f"/redaksi/audit?{query}")).text
        assert row_numbers(page) == numbers, query
    assert (
        "Tidak ada catatan yang cocok" in (await ani.get("/redaksi/audit?tindakan=tidakada")).text
    )
    page = (await ani.get("/redaksi/audit?siapa=staff:rina")).text
    assert '<option value="staff:rina" selected>Rina</option>' in page
    assert '<option value="subscriber">Pelanggan ditambah atau diubah</option>' in page
    assert 'href="/redaksi/audit.csv?siapa=staff:rina"' in page


async def test_pages_go_on_where_the_last_one_ended(site: Running) -> None:
    ani = await signed_in(site, "ani", "admin")
    await site.app.database.write(fill, 120)
    seen: list[int] = []
    path = "/redaksi/audit"
    while path:
        page = (await ani.get(path)).text
        seen += row_numbers(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == list(range(120, 0, -1))


async def test_what_is_in_the_log_is_shown_as_text(site: Running) -> None:
    ani = await signed_in(site, "ani", "admin")
    hostile = "<script>alert(1)</script>"

    def write(connection: Connection) -> None:
        detail = {
            "before": {hostile: hostile},
            "after": {"mail": hostile},
            hostile: [hostile, {"a": 1}],
            "n": None,
            "ok": True,
            "state": hostile,
        }
        audit.append(
            connection, NamedActor(name=hostile, now=Clock()()), hostile, hostile, **detail
        )

    await site.app.database.write(write)
    page = await ani.get("/redaksi/audit")
    assert page.status == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


async def test_copies_carry_the_whole_chain_and_are_logged(site: Running) -> None:
    ani, rina = await signed_in(site, "ani", "admin"), await signed_in(site, "rina", "author")
    row = await act(rina, drafts.save, {**NOTICE, "title": "Air"})
    await act(rina, review.submit, row.id)
    lines = await ani.get("/redaksi/audit.jsonl")
    assert lines.headers["Content-Type"].startswith("application/jsonl")
    assert re.fullmatch(
        r'attachment; filename="audit-20261125-\d{4}\.jsonl"', lines.headers["Content-Disposition"]
    )
    assert lines.headers["Cache-Control"] == "no-store"
    entries = [json.loads(line) for line in lines.text.splitlines()]
    assert [entry["act"] for entry in entries] == ["create", "submit", "audit_export"]
    assert (entries[1]["state_before"], entries[1]["detail"]["state"]) == ("draft", "review")
    assert entries[1]["previous"] == entries[0]["digest"]
    table = await ani.get(f"/redaksi/audit.csv?perihal={row.code}")
    assert table.headers["Content-Type"].startswith("text/csv")
    table_rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(entry["act"], entry["before"], entry["after"]) for entry in table_rows] == [
        ("create", "", '{"state":"draft"}'),
        ("submit", '{"state":"draft"}', '{"state":"review"}'),
    ]
    exports = [
        entry
        for entry in await site.app.database.read(audit.about, "audit")
        if entry.act == "audit_export"
    ]
    assert [(entry.actor, entry.detail["form"]) for entry in exports] == [
        ("staff:ani", "jsonl"),
        ("staff:ani", "csv"),
    ]
    assert exports[1].detail["wanted"] == {"subject": row.id}


async def test_a_spreadsheet_gets_no_formula(site: Running) -> None:
    ani = await signed_in(site, "ani", "admin")
    await site.app.database.write(
        lambda connection: audit.append(
            connection, NamedActor(name="=1+1", now=Clock()()), "@x", "-2"
        )
    )
    (first, *_) = csv.DictReader(io.StringIO((await ani.get("/redaksi/audit.csv")).text))
    assert (first["actor"], first["act"], first["subject"]) == ("'=1+1", "'@x", "'-2")


@pytest.mark.parametrize("path", ["/redaksi/audit", "/redaksi/audit.csv", "/redaksi/audit.jsonl"])
async def test_only_pengelola_read_the_log(site: Running, path: str) -> None:
    rina = await signed_in(site, "rina", "author", "approver", "screens")
    assert (await rina.get(path)).status == 403
    assert (await site.ask(path)).status == 303
    assert await site.app.database.read(audit.verify) == 0


# --- the listing itself, on both databases --------------------------------------------------------


def test_pages_chunks_and_names_are_the_same_on_both_databases(database: Database) -> None:
    database.write_now(fill, 5)
    database.write_now(
        lambda connection: audit.append(
            connection, NamedActor(name="cli", now=Clock()()), Act.EDIT, "s"
        )
    )
    page = database.read_now(audit_lists.page, AuditFilter(), limit=4)
    assert len(page.lines) == 4
    rest = database.read_now(audit_lists.page, AuditFilter(), before=page.following, limit=4)
    assert (len(rest.lines), rest.following) == (2, 0)
    first = database.read_now(audit_lists.chunk, AuditFilter(actor="token:situs"), 0, 3)
    more = database.read_now(
        audit_lists.chunk, AuditFilter(actor="token:situs"), first[-1].entry.id, 3
    )
    assert [line.entry.detail["n"] for line in (*first, *more)] == [0, 1, 2, 3, 4]
    assert database.read_now(audit_lists.actors) == ["cli", "token:situs"]
    assert database.read_now(audit_lists.acts) == ["edit", "subscriber"]


def test_a_state_is_compared_with_the_last_one_recorded(database: Database) -> None:
    def write(connection: Connection) -> None:
        for detail in (
            {"state": "draft"},
            {"why": 'berkata "state":"review"'},
            {"state": "review"},
            {"state": "review"},
        ):
            audit.append(connection, NamedActor(name="a", now=Clock()()), Act.EDIT, "s", **detail)

    database.write_now(write)
    lines = database.read_now(audit_lists.chunk, AuditFilter(), 0)
    assert [(dict(line.before), dict(line.after)) for line in lines] == [
        ({}, {"state": "draft"}),
        ({}, {}),
        ({"state": "draft"}, {"state": "review"}),
        ({}, {}),
    ]


def test_names_are_looked_up_by_the_index_however_long_the_log(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    database.write_now(fill, 3)
    statements: list[str] = []
    event.listen(
        database.reader_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: statements.append(statement),
    )
    database.read_now(audit_lists.acts)
    (statement,) = [sql for sql in statements if sql.startswith("WITH")]
    steps = database.read_now(
        lambda connection: [
            str(row[-1]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
        ]
    )
    assert not [step for step in steps if step.startswith("SCAN audit")], steps
    database.close()


async def test_actors_of_one_kind_can_be_told_apart(site: Running) -> None:
    names = await site.app.database.read(
        actors.display_names, ["simulasi", "simulasi:air", "clock"], words("id")
    )
    assert names == {
        "simulasi": "simulasi",
        "simulasi:air": "simulasi (air)",
        "clock": "jadwal otomatis",
    }


async def test_templates_tokens_and_pictures_are_named_as_people_know_them(site: Running) -> None:
    ani, rina = await signed_in(site, "ani", "admin"), await signed_in(site, "rina", "author")
    row = await act(rina, drafts.save, NOTICE)
    template = await act(rina, templates.keep, row.id, "Air & pipa")
    await act(rina, templates.rename, template.id, "Pipa bocor")
    await act(rina, templates.delete, template.id)

    def append_machine_acts(connection: Connection) -> None:
        audit.append(
            connection,
            NamedActor(name="cli", now=Clock()()),
            Act.TOKEN_ADD,
            "token:situs",
            scopes=["read"],
        )
        audit.append(
            connection, NamedActor(name="cli", now=Clock()()), Act.UPLOAD, "a1" * 16, bytes=7
        )

    await site.app.database.write(append_machine_acts)
    page = (await ani.get("/redaksi/audit")).text
    for label in (
        "Templat Air &amp; pipa",
        "Templat Pipa bocor",
        "Token situs",
        f'href="/media/{"a1" * 16}/web.jpg">Gambar</a>',
    ):
        assert label in page, label
    assert "template:" not in page
    assert "token:situs" not in page
