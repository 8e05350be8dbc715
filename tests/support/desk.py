"""Press with fixed keys, announcements as staff write them, and one fixed time, for tests of
publishing.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, func, select

from broadcaster.domain.rules import CheckedAnnouncement
from broadcaster.domain.signatures import Signer
from broadcaster.publishing.press import Press
from broadcaster.runtime.settings import TOPICS
from broadcaster.store.database import Database
from channels.base.contract import Site
from channels.base.moments import WIB
from subscribers.areas import AreaTree

NOW = datetime(2026, 11, 25, 7, 43, 12, 345678, tzinfo=WIB)
"""When the tests publish: not a whole second, as in life."""

NOTICE: dict[str, Any] = {
    "title": "Air PDAM mati di Cibabat",
    "body": "Tampung air sekarang. Truk tangki menunggu di kantor kelurahan sampai sore.",
    "areas": ["cibabat", "pasirkaliki"],
    "category": "gangguan-layanan",
    "expires": "2026-11-25 14:00",
}
EMERGENCY: dict[str, Any] = {
    "title": "Banjir di Jl. Amir Machmud",
    "body": "Sungai Cimahi meluap.",
    "areas": ["cibabat"],
    "level": "emergency",
    "expires": "2026-11-25 10:00",
    "instruction": "Pindah ke tempat tinggi.",
}
CLARIFICATION: dict[str, Any] = {
    "title": "Pendaftaran bansos hanya di kantor kelurahan",
    "body": "Tautan yang beredar mencuri data Anda.",
    "areas": ["cimahi"],
    "kind": "clarification",
    "claim": "Bansos Rp1,5 juta lewat tautan",
    "verdict": "Hoaks",
    "fact": "Pendaftaran gratis di kantor kelurahan.",
    "evidence": ["https://info.cimahi.example/bukti"],
    "link": "https://info.cimahi.example/bansos",
    "translations": {
        "en": {"title": "Register only at your kelurahan", "body": "The link steals data."}
    },
}


def press(**changes: Any) -> Press:
    """Return the press of Kota Cimahi with three push and two pull channels open; `changes` replace
    parts.
    """
    parts: dict[str, Any] = {
        "tree": AreaTree.built_in(),
        "signer": Signer.from_seed(bytes(range(32))),
        "site": Site(base_url="https://info.cimahi.example"),
        "topics": TOPICS,
        "code_prefix": "CMH",
        "push_channels": ("whatsapp", "telegram", "email"),
        "pull_channels": ("feed", "display"),
    }
    return Press(**{**parts, **changes})


def checked(
    raw: dict[str, Any] = NOTICE, *, now: datetime = NOW, **changes: Any
) -> CheckedAnnouncement:
    """Return an announcement fit to be published; `changes` replace fields, None leaves one out."""
    return press().examine({**raw, **changes}, now)


def later(**duration: float) -> datetime:
    """Return the time this long after NOW."""
    return NOW + timedelta(**duration)


def count(database: Database, table: Table) -> int:
    """Count the rows of a table."""
    return int(
        database.read_now(
            lambda connection: connection.execute(
                select(func.count()).select_from(table)
            ).scalar_one()
        )
    )
