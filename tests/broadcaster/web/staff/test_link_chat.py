"""The part of the account page that lists notification channels, as the page includes it."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from starlette.requests import Request

from broadcaster.runtime.i18n import words
from broadcaster.web.base import pages
from broadcaster.web.staff import link_chat
from support.browsing import Running
from support.staffing import hire


async def render_part(site: Running, **account: Any) -> str:
    """Render the part as this person sees it."""
    person = replace(await hire(site.app, "dewi", "approver"), **account)
    state = SimpleNamespace(app=site.app)
    scope = {
        "type": "http",
        "app": SimpleNamespace(state=state),
        "state": {"session": SimpleNamespace(account=person)},
    }
    channels = link_chat.nudge_channels(cast("Request", Request(scope)))
    template = pages.environment().get_template("staff/_nudge_settings.html")
    return template.render(
        nudge_ways=channels, account=person, csrf_token=lambda: "kode", t=words("id")
    )


async def test_it_names_each_way_and_offers_to_join_the_chat(site: Running) -> None:
    html = await render_part(site, email="dewi@contoh.example")
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html) == [
        ("Email", "dewi@contoh.example"),
        ("Telegram", "Belum ada"),
    ]
    assert re.findall(r'action="([^"]+)"', html) == ["/redaksi/akun/telegram"]
    assert 'value="kode"' in html


async def test_a_joined_chat_can_be_let_go_and_its_number_is_not_shown(site: Running) -> None:
    html = await render_part(site, telegram="7000000002")
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html) == [
        ("Email", "Belum ada"),
        ("Telegram", "Tersambung"),
    ]
    assert re.findall(r'action="([^"]+)"', html) == [
        "/redaksi/akun/telegram",
        "/redaksi/akun/telegram/lepas",
    ]
    assert "7000000002" not in html
