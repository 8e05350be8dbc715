"""Hazards: the default title, instruction and duration of a warning. Pure.

Every sentence is an instruction that holds anywhere in the city; the place, the meeting point
and the hour are left to the writer. Sources: the public guidance of BNPB and BMKG on each
hazard, in our own words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Hazard:
    """A kind of hazard; PLACE in `title` marks where the writer names the place."""

    slug: str
    name: str
    title: str
    instruction: str
    lasts: timedelta
    category: str = "cuaca"


PLACE = "..."
"""Placeholder for the place in a title; a warning that still contains it cannot be submitted."""

_LISTED = (
    Hazard(
        slug="banjir",
        name="Banjir",
        title=f"Banjir di {PLACE}, pindah ke tempat tinggi",
        instruction=(
            "1. Pindah ke tempat tinggi sekarang.\n"
            "2. Matikan listrik bila aman.\n"
            "3. Jangan menyeberangi arus."
        ),
        lasts=timedelta(hours=3),
    ),
    Hazard(
        slug="longsor",
        name="Tanah longsor",
        title=f"Tanah longsor di {PLACE}, jauhi lereng",
        instruction=(
            "1. Jauhi lereng dan tebing.\n"
            "2. Ikuti petugas ke tempat aman.\n"
            "3. Jangan kembali sebelum ada kabar."
        ),
        lasts=timedelta(hours=6),
    ),
    Hazard(
        slug="gempa",
        name="Gempa bumi",
        title=f"Gempa terasa di {PLACE}, waspada gempa susulan",
        instruction=(
            "1. Keluar dari bangunan yang retak.\n"
            "2. Jauhi kaca, tiang, dan tembok.\n"
            "3. Waspada gempa susulan."
        ),
        lasts=timedelta(hours=6),
    ),
    Hazard(
        slug="kebakaran",
        name="Kebakaran",
        title=f"Kebakaran di {PLACE}, jauhi lokasi",
        instruction=(
            "1. Jauhi lokasi dan asap.\n"
            "2. Beri jalan mobil pemadam.\n"
            "3. Tutup pintu dan jendela bila rumah Anda dekat."
        ),
        lasts=timedelta(hours=3),
        category="lainnya",
    ),
    Hazard(
        slug="angin",
        name="Angin kencang, hujan lebat",
        title=f"Angin kencang di {PLACE}, tetap di dalam rumah",
        instruction=(
            "1. Tetap di dalam rumah.\n"
            "2. Jauhi pohon, papan iklan, dan kabel.\n"
            "3. Simpan barang yang mudah terbang."
        ),
        lasts=timedelta(hours=3),
    ),
    Hazard(
        slug="gas",
        name="Kebocoran gas atau bahan kimia",
        title=f"Kebocoran gas di {PLACE}, jangan nyalakan api",
        instruction=(
            "1. Jangan nyalakan api atau saklar.\n"
            "2. Menjauh, lawan arah angin.\n"
            "3. Tutup hidung dengan kain basah."
        ),
        lasts=timedelta(hours=3),
        category="lainnya",
    ),
    Hazard(
        slug="lain",
        name="Bahaya lain",
        title="",
        instruction="",
        lasts=timedelta(hours=3),
        category="lainnya",
    ),
)

HAZARDS: Mapping[str, Hazard] = {hazard.slug: hazard for hazard in _LISTED}
"""Hazards by slug, in display order."""
