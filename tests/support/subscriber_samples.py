"""Subscribers in tests: the CSV's header with one good line, and the areas of another city."""

from typing import Any

HEADER = "channel,address,areas,topics,language,consent_source,consent_at"
GOOD = "email,rina@contoh.example,cibabat,,id,formulir,2026-11-03"


def small_city(kecamatan: str = "Banjar", slug: str = "kecamatan-banjar") -> dict[str, Any]:
    """Return the document of another city, with the least that a document needs."""
    return {
        "city": {"code": "32.79", "name": "Kota Banjar", "short_name": "Banjar", "slug": "banjar"},
        "kecamatan": [{"code": "32.79.01", "name": kecamatan, "slug": slug, "parent": "32.79"}],
        "kelurahan": [
            {
                "code": "32.79.01.1001",
                "name": "Mekarsari",
                "slug": "mekarsari",
                "parent": "32.79.01",
            }
        ],
    }
