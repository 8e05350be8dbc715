"""Staff of the sample city (an author, an approver who is also administrator, an officer of the
disaster agency) and their announcement templates.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account
from broadcaster.store import accounts, templates

PASSWORD = "cimahi-demo"  # noqa: S105  shown on the demo's sign-in page; reaches no provider

PEOPLE = (
    Account(
        id=0, name="rina", full_name="Rina Marlina", roles=("author",), email="rina@contoh.example"
    ),
    Account(
        id=0,
        name="dewi",
        full_name="Dewi Lestari",
        roles=("approver", "admin"),
        email="dewi@contoh.example",
    ),
    Account(
        id=0,
        name="bpbd",
        full_name="Agus, BPBD",
        roles=("author", "approver", "screens"),
        email="bpbd@contoh.example",
    ),
)


def add_staff(connection: Connection, at: float) -> None:
    """Store the sample staff unless any account exists."""
    if accounts.exists(connection):
        return
    hashed = credentials.hash_password(PASSWORD)
    for person in PEOPLE:
        accounts.add(connection, person, password=hashed, at=at)


TEMPLATES: Mapping[str, Mapping[str, Any]] = {
    "Posyandu bulanan": {
        "title": "Posyandu RW .. Cibabat, (hari) 08.00-11.00",
        "summary": "Bawa balita dan buku KIA ke posyandu.",
        "body": (
            "Posyandu RW .. buka pada **(hari, tanggal)**, pukul 08.00 sampai 11.00 WIB, "
            "di (tempat).\n\n"
            "- Timbang dan ukur balita\n- Imunisasi lanjutan\n- Vitamin A\n\n"
            "Bawa buku KIA. Tidak dipungut biaya."
        ),
        "areas": ["cibabat"],
        "category": "kesehatan",
        "agency": "Puskesmas Cibabat",
    },
    "Air PDAM mati terencana": {
        "title": "Air PDAM mati di (wilayah), (hari) 08.00-14.00",
        "summary": "Tampung air secukupnya sebelum pukul 07.00.",
        "body": (
            "Perumda Tirta memperbaiki pipa di (jalan) pada **(hari, tanggal)**, "
            "pukul 08.00 sampai 14.00 WIB.\n\n"
            "Tampung air secukupnya. Truk tangki gratis tersedia di kantor kelurahan."
        ),
        "areas": ["cibabat", "pasirkaliki"],
        "category": "gangguan-layanan",
        "agency": "Perumda Tirta",
        "level": "important",
    },
    "Peringatan hujan lebat": {
        "title": "Waspada hujan lebat sampai (jam) WIB",
        "summary": "Jauhi tepi sungai dan pohon besar. Darurat: 112.",
        "body": (
            "BMKG memperkirakan hujan lebat disertai angin kencang di Kota Cimahi "
            "sampai pukul (jam) WIB.\n\n"
            "- Jauhi tepi sungai dan lereng\n- Jangan berteduh di bawah pohon\n"
            "- Simpan surat penting di tempat tinggi"
        ),
        "areas": ["cimahi"],
        "category": "cuaca",
        "agency": "BPBD",
        "level": "important",
        "kind": "alert",
    },
}
"""Announcement templates by name; authors fill in places and times."""


def add_templates(connection: Connection, at: float) -> None:
    """Store the sample templates unless any template exists."""
    if templates.everything(connection):
        return
    for name, form in TEMPLATES.items():
        templates.add(connection, name, form, actor=PEOPLE[0].actor, at=at)
