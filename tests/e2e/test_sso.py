"""Single sign-on in a real browser, the provider on another site: cookies come back, and no rule of
our own stands in the way.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support import page_complaints
from support.oidc_provider import running_provider
from support.signing_on import SITI, City, opened
from support.staffing import hire

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def city(sqlite_url: str, tmp_path: Path) -> AsyncIterator[City]:
    """Serve the site, with a provider that browsers take for another site."""
    with running_provider("localhost") as provider:
        async with opened(sqlite_url, tmp_path, provider) as started:
            yield started


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_in_by_one_button_and_out_on_both_sides(
    city: City, chromium: Any, scripts: bool, width: int
) -> None:
    await hire(city.site.app, "dewi", "admin")
    page = await chromium.new_page(
        viewport={"width": width, "height": 900}, java_script_enabled=scripts
    )
    complaints: list[str] = []
    page_complaints.gather(page, complaints, staff=True)
    await page.goto(f"{city.site.url}/redaksi/pengumuman?tab=draf")
    await page.get_by_role("link", name="Masuk dengan akun Pemkot").click()
    await page.wait_for_url(f"{city.site.url}/redaksi/pengumuman?tab=draf")
    assert await page.get_by_text("Siti Aminah").is_visible()
    await page.get_by_role("button", name="Keluar").click()
    await page.wait_for_url(f"{city.site.url}/redaksi/masuk?keluar=1")
    assert await page.get_by_text("Anda sudah keluar.").is_visible()
    assert city.provider.asked()["/end_session"] == 1
    city.behave(claims={**SITI, "roles": []})
    await page.get_by_role("link", name="Masuk dengan akun Pemkot").click()
    assert await page.get_by_role("heading", name="Akun Anda belum punya peran").is_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert [complaint for complaint in complaints if "403" not in complaint] == []
    await page.context.close()
