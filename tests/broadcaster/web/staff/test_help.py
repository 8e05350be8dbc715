"""Help: on every page in the same place, with the names of those who can help."""

from support.browsing import Running
from support.staffing import signed_in


async def test_help_is_one_link_away_on_every_page_and_names_who_helps(site: Running) -> None:
    await signed_in(site, "dewi", "admin", email="dewi@cimahi.example")
    rina = await signed_in(site, "rina", "author")
    for path in ("/redaksi/", "/redaksi/tulis", "/redaksi/pengiriman", "/redaksi/akun"):
        assert (await rina.get(path)).text.count('href="/redaksi/bantuan"') == 1
    page = await rina.get("/redaksi/bantuan")
    assert page.status == 200
    assert "ada 30 detik untuk menekan Batalkan" in page.text
    assert "Tidak ada yang menyetujui tulisannya sendiri" in page.text
    assert "staff.help." not in page.text
    assert "Dewi" in page.text
    assert "dewi@cimahi.example" not in page.text, "where somebody is nudged is their own"
