"""Links as browsers and messengers see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.hyperlinks import host_of, hosts_in, hosts_of, within


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://jahat.com/x", "jahat.com"),
        ("https:///jahat.com", "jahat.com"),
        ("https:jahat.com", "jahat.com"),
        ("https:\\\\jahat.com\\x", "jahat.com"),
        ("HTTP:/jahat.com", "jahat.com"),
        ("//jahat.com/x", "jahat.com"),
        ("/\\jahat.com", "jahat.com"),
        ("ht\ttps://ja\nhat.com", "jahat.com"),
        (" https://jahat.com", "jahat.com"),
        ("https://cimahikota.go.id@jahat.com/", "jahat.com"),
        ("https://jahat.com\\@cimahikota.go.id/", "jahat.com"),
        ("https://jahat.com#@cimahikota.go.id", "jahat.com"),
        ("https://jahat.com:8443/", "jahat.com"),
        ("https://JAHAT.com./", "jahat.com"),
        ("https://cimahikota.go.id%2ejahat.com/", "cimahikota.go.id.jahat.com"),
        ("https://ｊａｈａｔ。ｃｏｍ/", "jahat.com"),
        ("https://cimahik\u043eta.go.id/", "xn--cimahikta-62h.go.id"),
        ("http://192.0.2.7/x", "192.0.2.7"),
        ("http://[2001:db8::1]/x", "2001:db8::1"),
        ("tg:resolve?domain=jahat", "tg:"),
        ("ftp://jahat.com/x", "jahat.com"),
        ("/p/CMH-7K4Q-2M", ""),
        ("#lokasi", ""),
        ("jadwal.pdf", ""),
    ],
)
def test_a_link_leads_where_a_browser_would_go(link: str, host: str) -> None:
    assert host_of(link) == host


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("Daftar di jahat.com.", ["jahat.com"]),
        ("Daftar di (jahat.com), *jahat.com* atau _jahat.com_", ["jahat.com"] * 3),
        ("Daftar di jahat.com:8080", ["jahat.com"]),
        ("Daftar di https:jahat.com", ["jahat.com"]),
        ("Daftar di https:///jahat.com!", ["jahat.com"]),
        ("Daftar di ja\u200bhat.com", ["jahat.com"]),
        ("Daftar di t.me/jahat", ["t.me"]),
        ("Daftar di jahat.toko/x", ["jahat.toko"]),
        ("Daftar di xn--80ak6aa92e.com", ["xn--80ak6aa92e.com"]),
        ("Daftar di bansos.ninja", ["bansos.ninja"]),
        ("Buka 192.0.2.7 sekarang", ["192.0.2.7"]),
        ("Buka whatsapp://send?text=x atau tg:resolve?domain=x", ["send", "tg:"]),
        ("Kirim ke mailto:dinas@jahat.com", ["jahat.com"]),
        ("Lihat https://cimahikota.go.id\\@jahat.com", ["cimahikota.go.id", "jahat.com"]),
    ],
)
def test_messengers_link_more_than_what_begins_with_https(text: str, hosts: list[str]) -> None:
    assert list(hosts_in(text)) == hosts


@pytest.mark.parametrize(
    ("link", "hosts"),
    [
        ("mailto:dinas@cimahikota.go.id?cc=lain@jahat.com", {"cimahikota.go.id", "jahat.com"}),
        ("mailto:a@jahat.com?cc=b@cimahikota.go.id", {"cimahikota.go.id", "jahat.com"}),
        ("mailto:a%40jahat.com", {"jahat.com"}),
        ("mailto:", {"mailto:"}),
        ("https://jahat.com", {"jahat.com"}),
        ("/p/CMH-7K4Q-2M", set()),
    ],
)
def test_a_mail_link_leads_to_every_address_in_it(link: str, hosts: set[str]) -> None:
    assert hosts_of(link) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "Masuk di :portal@jahat.com", "admin!:x@jahat.com", "a!:b@jahat.com", "foo@jahat.com/masuk", "foo@jahat.com:8443",
        "foo@jahat.com?x=1", "_.jahat.com", "x.-a.jahat.com", "Lihat ➡️.jahat.com/x",
    ],
)  # fmt: skip
def test_what_is_no_plain_mail_address_is_a_link_of_its_host(text: str) -> None:
    assert any(within(host, ("jahat.com",)) for host in hosts_in(text))


@pytest.mark.parametrize("text", ["➡️.ws/x", "www.🤙.tk:1", "M.Me", "A.Co", "m.me", "S.Com"])
def test_names_of_emoji_and_short_names_are_links(text: str) -> None:
    assert list(hosts_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "Drs. Budi Santoso, M.Si., S.Farm, A.Md",
        "Pukul 08.00-14.00, tanggal 25.11.2026, Jl.Amir No.12, a.n. Wali Kota, s.d. selesai",
        "Bantuan Rp1.200.100.250 dan 10.000.000.000 liter",
        "Surat ke info@contoh.example, telepon tel:112 atau 0812-9000-0101",
        "Air mati.Warga diminta menampung air",
        "Berkas denah.pdf dan jadwal.xlsx",
        "Rasio 3/4, pukul 08.00/09.00, RW.05",
    ],
)
def test_ordinary_words_are_no_links(text: str) -> None:
    assert list(hosts_in(text)) == []


def test_a_host_lies_within_the_names_of_the_city_and_nothing_that_only_resembles_them() -> None:
    city = ("cimahikota.go.id",)
    assert within("cimahikota.go.id", city)
    assert within("dinkes.cimahikota.go.id", city)
    assert not within("bukancimahikota.go.id", city)
    assert not within("cimahikota.go.id.jahat.com", city)


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    for host in hosts_in(text):
        assert host
    host_of(text)


@pytest.mark.parametrize(
    "piece",
    [
        "حnh",
        "漢î名",
        "a.",
        "a@",
        "x",
        "-.",
        "@",
        "a.b@c.d:",
        "➡️.",
        "_.a",
        "https:",
        "a@a.",
        "é😀",
        "a-",
    ],
)
def test_a_long_text_of_any_script_costs_little(piece: str) -> None:
    # a pattern with a choice inside a repetition would never finish
    list(hosts_in(piece * 8_000))
    host_of(piece * 8_000)
