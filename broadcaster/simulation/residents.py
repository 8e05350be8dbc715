"""Residents of the sample city: 12,480 fictitious people, the same each time, with addresses that
belong to nobody.

Phone numbers begin with +62 860, a range assigned to no Indonesian operator; mail addresses end in
the reserved `.example`; chat ids lie far above any that Telegram has issued.
"""

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from subscribers.areas import AreaTree

RESIDENTS: Final = 12_480
SEED = 3277
PHONE, CHAT, MAIL = "whatsapp", "telegram", "email"

SHARES = {
    "melong": 118, "cibeureum": 108, "utama": 58, "leuwigajah": 84, "cibeber": 56, "baros": 44,
    "cigugur-tengah": 86, "karangmekar": 32, "setiamanah": 44, "padasuka": 72,
    "kelurahan-cimahi": 24, "pasirkaliki": 34, "cibabat": 104, "citeureup": 72, "cipageran": 84,
}  # fmt: skip
"""Fictitious weights of the kelurahan in the population; they sum to about 1,000."""

_FIRST = (  # noqa: SIM905  names read best side by side
    "Ani Asep Ayu Bayu Cecep Dadan Dedi Dewi Dian Eka Elis Endang Euis Fitri Gilang Hana Hendra "
    "Iis Imas Indra Ira Jajang Kartika Lestari Lilis Maman Mira Nani Neng Nina Nunung Oman Putri "
    "Rahmat Ratna Rina Rudi Sari Siti Sri Tatang Tika Ujang Wati Wawan Yanti Yayan Yuli Yusuf Zahra"
).split()
_LAST = (  # noqa: SIM905  the same
    "Aditya Anggraeni Firmansyah Gunawan Handayani Hidayat Iskandar Kurnia Kusuma Lesmana Mulyani "
    "Nugraha Permana Pratama Purnama Rahayu Ramdani Rosdiana Saputra Setiawan Sopandi Sulastri "
    "Supriatna Suryana Wahyuni Wibowo Wijaya Wulandari"
).split()
_MAIL_HOSTS = ("surat.example", "pos.example", "warga.example", "kantor.example")
_TOPICS = ("gangguan-layanan", "kesehatan", "bansos", "acara", "lowongan", "cuaca", "keamanan")
_SOURCES = ("formulir web", "pesan DAFTAR", "loket kelurahan", "kode QR posyandu")

COLUMNS = (
    "channel",
    "address",
    "areas",
    "topics",
    "language",
    "consent_source",
    "consent_at",
    "subscriber",
)


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Resident whose phones and inbox the demo shows: one per kelurahan, subscribed to it alone."""

    name: str
    area: str
    phone: str
    chat: int
    mail: str


def phone(number: int) -> str:
    """Return the fictitious phone number of a resident as E.164 digits."""
    return f"62860{number:08}"


def spaced(digits: str) -> str:
    """Format a number as people write it: "+62 860-0000-0012"."""
    return f"+{digits[:2]} {digits[2:5]}-{digits[5:9]}-{digits[9:]}"


def chat(number: int) -> int:
    """Return the fictitious chat id of a resident."""
    return 4_000_000_000_000_000 + number


def neighbours() -> dict[str, Neighbour]:
    """Return one resident of each kelurahan, by the kelurahan's slug."""
    by_area = {}
    for number, area in enumerate(SHARES):
        name = f"{_FIRST[number * 7 % len(_FIRST)]} {_LAST[number * 5 % len(_LAST)]}"
        mail = f"{name.lower().replace(' ', '.')}@warga.example"
        by_area[area] = Neighbour(
            name=name, area=area, phone=phone(number), chat=chat(number), mail=mail
        )
    return by_area


def rows(tree: AreaTree, now: datetime) -> Iterator[tuple[str, ...]]:
    """Yield import rows in the order of COLUMNS: the neighbours on three channels each, then the
    other residents.
    """
    for number, neighbour in enumerate(neighbours().values()):
        for channel, address in (
            (PHONE, neighbour.phone),
            (CHAT, str(neighbour.chat)),
            (MAIL, neighbour.mail),
        ):
            yield (
                channel,
                address,
                neighbour.area,
                "",
                "id",
                "loket kelurahan",
                _day(now, 60),
                f"tetangga-{number}",
            )
    dice = random.Random(SEED)  # noqa: S311  the same city each time, no secret
    homes = dice.choices(list(SHARES), weights=list(SHARES.values()), k=RESIDENTS)
    parents = {tree[area].slug: _above(tree, area) for area in SHARES}
    for number in range(len(SHARES), RESIDENTS):
        yield from _resident(dice, number, homes[number], parents[homes[number]], now)


def csv_text(tree: AreaTree, now: datetime) -> str:
    """Return the rows as a CSV file for `broadcaster subscribers import`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(tree, now))
    return file.getvalue()


def _above(tree: AreaTree, area: str) -> str:
    return tree[tree[area].code.rpartition(".")[0]].slug


def _resident(
    dice: random.Random, number: int, home: str, above: str, now: datetime
) -> Iterator[tuple[str, ...]]:
    drawn = dice.random()
    areas = home
    if drawn < 0.07:
        areas = f"{home} {dice.choice([other for other in SHARES if other != home])}"
    elif drawn < 0.12:
        areas = above
    elif drawn < 0.18:
        areas = "cimahi"
    topics = (
        ""
        if dice.random() < 0.72
        else "darurat"
        if dice.random() < 0.12
        else " ".join(sorted(dice.sample(_TOPICS, 3)))
    )
    language = "en" if dice.random() < 0.03 else "id"
    rest = (
        areas,
        topics,
        language,
        dice.choice(_SOURCES),
        _day(now, dice.randint(2, 84)),
        f"warga-{number}",
    )
    first, last = dice.choice(_FIRST).lower(), dice.choice(_LAST).lower()
    addresses = {
        PHONE: phone(number),
        CHAT: str(chat(number)),
        MAIL: f"{first}.{last}.{number}@{dice.choice(_MAIL_HOSTS)}",
    }
    main = dice.choices((PHONE, CHAT, MAIL), weights=(66, 20, 14))[0]
    yield main, addresses[main], *rest
    if main != MAIL and dice.random() < 0.06:
        yield MAIL, addresses[MAIL], *rest


def _day(now: datetime, days: int) -> str:
    return (now - timedelta(days=days)).replace(microsecond=0).isoformat()
