"""The route table: every row names its access rule, and the rule is enforced."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yarl

from broadcaster.web import routes
from broadcaster.web.base.authorization import Access, Row
from support.browsing import Running, bearer, running

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
FIXED = (*routes.RESIDENTS, *routes.MACHINES, *routes.API, *routes.DEMO)
ANY_HOST = re.compile(r"""(?:src|href|action|url\()=?["']?(?:https?:)?//([^/"']+)""")


def example_path(row: Row) -> str:
    """Return the row's path with something in each of its places."""
    return re.sub(r"\{\w+(:path)?\}", "contoh", row.path)


async def test_every_route_declares_who_may_use_it(site: Running) -> None:
    table = routes.table(site.app)
    assert {row.access for row in table} <= set(get_args(Access))
    assert len(table) > len(FIXED)


async def test_nothing_is_routed_beyond_the_table(site: Running) -> None:
    listed = {(row.path, method) for row in routes.table(site.app) for method in row.methods}
    assert len(listed) == sum(len(row.methods) for row in routes.table(site.app)), (
        "a method of a path stands there twice"
    )


@pytest.mark.parametrize(
    "row", [row for row in FIXED if row.access.startswith("token:")], ids=lambda row: row.path
)
async def test_an_api_route_wants_a_token_with_its_scope(site: Running, row: Row) -> None:
    path, method = example_path(row), row.methods[0]
    answer = await site.ask(path, method)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await site.ask(path, method, headers=bearer("siaran_salah"))).status == 401
    assert (await site.ask(path, method, headers={"Authorization": "Basic abc"})).status == 401
    scope = row.access.removeprefix("token:")
    other = await site.token(*({"read", "write", "publish"} - {scope}))
    assert (await site.ask(path, method, headers=bearer(other))).status == 403
    right = await site.token(scope)
    assert (await site.ask(path, method, headers=bearer(right))).status not in {401, 403}


@pytest.mark.parametrize(
    "row",
    [row for row in FIXED if row.access == "demo"],
    ids=lambda row: f"{row.methods} {row.path}",
)
async def test_the_demos_pages_do_not_exist_outside_it(site: Running, row: Row) -> None:
    for method in row.methods:
        assert (await site.ask(example_path(row), method)).status == 404


@pytest.mark.parametrize(
    "row",
    [row for row in FIXED if row.access in {"public", "demo"} and "POST" in row.methods],
    ids=lambda row: row.path,
)
async def test_a_form_of_another_site_changes_nothing(demo: Running, row: Row) -> None:
    forged_headers = [
        {},
        {"Origin": "https://jahat.example"},
        {"Origin": "null"},
        {"Origin": demo.url},
    ]
    for headers in forged_headers:
        answer = await demo.ask(
            example_path(row),
            "POST",
            data={"csrf": "tebakan"},
            headers={**headers, "Cookie": "formulir=lain"},
        )
        assert answer.status == 403, headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
async def test_a_wrong_method_is_refused_with_those_that_are_right(
    site: Running, method: str
) -> None:
    answer = await site.ask("/privasi", method)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


async def test_the_methods_of_both_rows_of_a_path_are_named(site: Running) -> None:
    answer = await site.ask("/webhook/telegram", "DELETE")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


PAGES = [
    "/",
    "/daftar",
    "/cek",
    "/cek?kode=x",
    "/privasi",
    "/api/v1/",
    "/tidak-ada",
    "/?wilayah=x",
    "/berhenti/x",
]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_carries_the_exact_policy_and_loads_nothing_from_elsewhere(
    site: Running, path: str
) -> None:
    announcement = await site.publish()
    for url in (path, f"/p/{announcement.code}"):
        answer = await site.ask(url)
        assert answer.headers["Content-Security-Policy"] == CSP
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
        assert "geolocation=()" in answer.headers["Permissions-Policy"]
        assert "Server" not in answer.headers
        assert " style=" not in answer.text
        assert "<style" not in answer.text
        assert not re.search(r"\son\w+=", answer.text)
        assert not re.search(r"<script(?![^>]* src=)", answer.text)
        resources = re.findall(
            r"""<(?:link rel="(?:stylesheet|icon|preload)|script|img)[^>]+?(?:href|src)="([^"]+)""",
            answer.text,
        )
        assert resources
        assert all(address.startswith("/static/") for address in resources)


@pytest.mark.parametrize(
    "path", ["/feed/cibabat.rss", "/healthz", "/metrics", "/static/site.css", "/api/v1/areas", "/x"]
)
async def test_every_other_answer_carries_the_headers_too(site: Running, path: str) -> None:
    answer = await site.ask(path)
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_https_sites_insist_on_https(sqlite_url: str, tmp_path: Path) -> None:
    async with running(
        sqlite_url, tmp_path, BROADCASTER_BASE_URL="https://info.cimahi.example"
    ) as site:
        assert "max-age=31536000" in (await site.ask("/")).headers["Strict-Transport-Security"]


async def test_http_sites_do_not(site: Running) -> None:
    assert "Strict-Transport-Security" not in (await site.ask("/")).headers


async def test_the_simulation_is_announced_on_every_page(demo: Running, site: Running) -> None:
    for path in ("/", "/daftar", "/cek", "/privasi", "/tidak-ada"):
        page = (await demo.ask(path)).text
        assert page.index("Mode simulasi.") < page.index("</header>")
        assert "Mode simulasi." not in (await site.ask(path)).text


async def test_a_slash_too_many_is_taken_away_without_a_word_of_the_host(site: Running) -> None:
    for host in ("evil.example", "127.0.0.1"):
        answer = await site.ask(
            "/layar/cibabat/?a=%0D%0Ab", headers={"Host": host, "X-Forwarded-Proto": "javascript"}
        )
        assert answer.status == 307
        assert answer.headers["Location"] == "/layar/cibabat?a=%0D%0Ab"


@pytest.mark.parametrize(
    "path", ["//evil.example/", "//evil.example//", "/tidak-ada/", "/%5Cevil.example/", "//daftar/"]
)
async def test_what_is_not_ours_redirects_nowhere(site: Running, path: str) -> None:
    async with site.session.get(
        yarl.URL(site.url + path, encoded=True), allow_redirects=False
    ) as answer:
        assert answer.status == 404
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{"Host": "["}, {"Origin": "http://["}, {"Host": "[", "Origin": "http://["}]
)
async def test_a_form_with_unreadable_origin_is_refused(
    demo: Running, headers: dict[str, str]
) -> None:
    assert (await demo.ask("/simulasi/lagi", "POST", headers=headers)).status == 403


async def test_no_form_leads_to_another_site(site: Running) -> None:
    for path in ("/cek", "/layar/cibabat"):
        assert re.search(
            r"form-action '(self|none)'", (await site.ask(path)).headers["Content-Security-Policy"]
        )
