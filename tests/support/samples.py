"""Sample editions, recipients and areas of all channel tests: believable news of Cimahi, at one
fixed time.
"""

from datetime import date, datetime, timedelta, timezone
from typing import Any

import msgspec

from channels.base.contract import Area, Claim, Edition, Image, Recipient, Site, Topic, Wording

WIB = timezone(timedelta(hours=7), "WIB")
NOW = datetime(2026, 11, 25, 7, 43, tzinfo=WIB)
"""Publication time of the samples; no test reads the clock instead."""
WATER_OFF = datetime(2026, 11, 25, 8, 0, tzinfo=WIB)
WATER_BACK = datetime(2026, 11, 25, 14, 0, tzinfo=WIB)
WATER_BACK_LATE = datetime(2026, 11, 25, 16, 0, tzinfo=WIB)
FLOOD_ENDS = datetime(2026, 11, 25, 10, 0, tzinfo=WIB)
CORRECTED = datetime(2026, 11, 25, 9, 10, tzinfo=WIB)
WITHDRAWN = datetime(2026, 11, 25, 9, 40, tzinfo=WIB)

CITY = Area(code="32.77", name="Kota Cimahi", slug="cimahi")
CIMAHI_UTARA = Area(code="32.77.03", name="Cimahi Utara", slug="cimahi-utara")
CIBABAT = Area(code="32.77.03.1002", name="Cibabat", slug="cibabat")
PASIRKALIKI = Area(code="32.77.03.1001", name="Pasirkaliki", slug="pasirkaliki")
MELONG = Area(code="32.77.01.1001", name="Melong", slug="melong")
KELURAHAN_CIMAHI = Area(code="32.77.02.1006", name="Cimahi", slug="kelurahan-cimahi")

SERVICE = Topic(
    slug="gangguan-layanan", labels={"id": "Gangguan layanan", "en": "Service disruption"}
)
WEATHER = Topic(slug="cuaca", labels={"id": "Cuaca", "en": "Weather"})
AID = Topic(slug="bansos", labels={"id": "Bansos", "en": "Social aid"})

NOTICE_CODE = "CMH-7K4Q-2M"
ALERT_CODE = "CMH-9XQ2-TD"
CLARIFICATION_CODE = "CMH-3HWP-6R"

_NOTICE_ID = Wording(
    title="Air PDAM mati di Cibabat, Rabu 25 Nov 08.00-14.00",
    summary="Tampung air secukupnya sebelum pukul 07.00. Truk tangki ada di dua titik.",
    body=(
        "Perumda Tirta mengganti pipa induk di **Jl. Amir Machmud**. Air berhenti mengalir di Kelurahan Cibabat dan Pasirkaliki "
        "pada Rabu, 25 November 2026, pukul 08.00 sampai 14.00 WIB.\n\n"
        "Truk tangki air gratis menunggu di:\n\n"
        "- Kantor Kelurahan Cibabat\n"
        "- Lapangan RW 05, Jl. Pesantren No. 12\n\n"
        "Bawa ember atau jeriken sendiri. Air dapat keruh sekitar satu jam setelah mengalir kembali. "
        "Keterangan lain ada di [halaman Perumda Tirta](https://tirta.cimahi.example/gangguan)."
    ),
)
_NOTICE_EN = Wording(
    title="No tap water in Cibabat, Wed 25 Nov 08.00-14.00",
    summary="Store enough water before 07.00. Water trucks wait at two places.",
    body=(
        "Perumda Tirta is replacing a main pipe in **Jl. Amir Machmud**. There is no tap water in Cibabat and Pasirkaliki "
        "on Wednesday, 25 November 2026, from 08.00 to 14.00 WIB.\n\n"
        "Free water trucks wait at:\n\n"
        "- the Cibabat kelurahan office\n"
        "- the RW 05 field, Jl. Pesantren No. 12\n\n"
        "Bring your own bucket. The water may be cloudy for about an hour after it returns. "
        "More on the [Perumda Tirta page](https://tirta.cimahi.example/gangguan)."
    ),
)
_ALERT_ID = Wording(
    title="Banjir di Jl. Amir Machmud, pindah ke tempat tinggi",
    summary="Pindah ke SDN Cibabat 1. Telepon 112 bila terjebak.",
    body=(
        "Sungai Cimahi meluap. Air setinggi 80 cm di Jl. Amir Machmud dan terus naik.\n\n"
        "Posko pengungsian: SDN Cibabat 1, Jl. Pesantren No. 3. Petugas BPBD menjemput warga yang terjebak."
    ),
    instruction="1. Pindah ke tempat tinggi.\n2. Matikan listrik.\n3. Jangan menyeberangi arus.",
)
_ALERT_EN = Wording(
    title="Flood in Jl. Amir Machmud, move to higher ground",
    summary="Go to SDN Cibabat 1. Call 112 if you are trapped.",
    body=(
        "The Cimahi river has burst its banks. The water in Jl. Amir Machmud is 80 cm deep and rising.\n\n"
        "Shelter: SDN Cibabat 1, Jl. Pesantren No. 3. BPBD crews are picking up people who are trapped."
    ),
    instruction="1. Move to higher ground.\n2. Switch off the electricity.\n3. Do not cross flowing water.",
)
_CLARIFICATION_ID = Wording(
    title="Pendaftaran bansos hanya di kantor kelurahan",
    summary="Pesan tentang bansos Rp1,5 juta lewat tautan itu hoaks. Jangan isi data Anda.",
    body=(
        "Pesan berantai mengajak warga mendaftar bansos Rp1,5 juta lewat sebuah tautan. Tautan itu mencuri data. "
        "Pemerintah Kota Cimahi tidak pernah membuka pendaftaran bansos lewat tautan di pesan berantai.\n\n"
        "Sudah mengisi? Ganti kata sandi Anda, lalu lapor ke Jabar Saber Hoaks."
    ),
)
_CLARIFICATION_EN = Wording(
    title="Social aid: register only at your kelurahan office",
    summary="The message about Rp1.5 million through a link is a hoax. Do not enter your data.",
    body=(
        "A forwarded message invites people to register for Rp1.5 million of social aid through a link. The link steals data. "
        "The City of Cimahi never opens registration through a link in a forwarded message.\n\n"
        "Already filled it in? Change your password, then report it to Jabar Saber Hoaks."
    ),
)
_CLAIM = Claim(
    claim="Bansos Rp1,5 juta lewat tautan bit.example/bansos-cimahi",
    verdict="Hoaks",
    fact="Pendaftaran bansos hanya di kantor kelurahan, gratis, dengan membawa KTP.",
    seen_at="WhatsApp, 20 November 2026",
    hoax_type="konten palsu",
    evidence=("https://info.cimahi.example/bukti/bansos-2026",),
)


def notice(**changes: Any) -> Edition:
    """Return a water outage in Cibabat and Pasirkaliki, level info, id and en; `changes` replace
    fields.
    """
    edition = Edition(
        announcement="01935f2a7c3e7b1e9a4d5c6b7f8091a2",
        number=1,
        code=NOTICE_CODE,
        kind="notice",
        level="info",
        topic=SERVICE,
        agency="Perumda Tirta",
        areas=(CIBABAT, PASIRKALIKI),
        wordings={"id": _NOTICE_ID, "en": _NOTICE_EN},
        first_published_at=NOW,
        published_at=NOW,
        effective=WATER_OFF,
        expires=WATER_BACK,
    )
    return msgspec.structs.replace(edition, **changes)


def alert(**changes: Any) -> Edition:
    """Return a flood emergency in Cibabat with instructions, valid until 10.00; `changes` replace
    fields.
    """
    edition = Edition(
        announcement="01935f2b11d27c04b3e86f1a2c9d4e57",
        number=1,
        code=ALERT_CODE,
        kind="alert",
        level="emergency",
        topic=WEATHER,
        agency="BPBD Kota Cimahi",
        areas=(CIBABAT,),
        wordings={"id": _ALERT_ID, "en": _ALERT_EN},
        first_published_at=NOW,
        published_at=NOW,
        effective=NOW,
        expires=FLOOD_ENDS,
    )
    return msgspec.structs.replace(edition, **changes)


def clarification(**changes: Any) -> Edition:
    """Return a hoax about social aid, answered for the whole city; `changes` replace fields."""
    edition = Edition(
        announcement="01935f2c98a7738f8d1b0e5f6a7c2b34",
        number=1,
        code=CLARIFICATION_CODE,
        kind="clarification",
        level="important",
        topic=AID,
        agency="Dinas Sosial Kota Cimahi",
        areas=(CITY,),
        wordings={"id": _CLARIFICATION_ID, "en": _CLARIFICATION_EN},
        first_published_at=NOW,
        published_at=NOW,
        effective=NOW,
        claim=_CLAIM,
    )
    return msgspec.structs.replace(edition, **changes)


def correction() -> Edition:
    """Return edition 2 of the notice: the water returns at 16.00."""
    return notice(
        number=2,
        change="correction",
        reason="Air kembali pukul 16.00, bukan 14.00.",
        published_at=CORRECTED,
        expires=WATER_BACK_LATE,
        wordings={
            "id": msgspec.structs.replace(
                _NOTICE_ID,
                title="Air PDAM mati di Cibabat, Rabu 25 Nov 08.00-16.00",
                body=_NOTICE_ID.body.replace("14.00", "16.00"),
            ),
            "en": msgspec.structs.replace(
                _NOTICE_EN,
                title="No tap water in Cibabat, Wed 25 Nov 08.00-16.00",
                body=_NOTICE_EN.body.replace("14.00", "16.00"),
            ),
        },
    )


def withdrawal() -> Edition:
    """Return edition 2 of the notice: the work is called off."""
    return notice(
        number=2,
        change="withdrawal",
        reason="Pekerjaan pipa ditunda. Air tetap mengalir.",
        published_at=WITHDRAWN,
    )


PICTURE = Image(
    url="https://info.cimahi.example/media/5f0c6e2a91b84d7730cf5a1be4f29d86/web.jpg",
    alt="Peta: truk tangki air di Kantor Kelurahan Cibabat dan Lapangan RW 05",
    length=183_042,
    width=1600,
    height=1067,
)
"""A picture that staff uploaded."""


def picture() -> Edition:
    """Return the notice with a picture of our own."""
    return notice(image=PICTURE)


def withdrawn_alert() -> Edition:
    """Return edition 2 of the flood warning, as publishing makes it when the warning is withdrawn."""
    titles = {
        "id": "Cuaca: peringatan darurat 25 Nov 2026 07.43 WIB",
        "en": "Weather: emergency warning of 25 Nov 2026 07.43 WIB",
    }
    bodies = {
        "id": f"Pengumuman dengan kode {ALERT_CODE}, terbit 25 Nov 2026 07.43 WIB.",
        "en": f"The announcement with the code {ALERT_CODE}, published 25 Nov 2026 07.43 WIB.",
    }
    reason = "Salah kirim: sungai tidak meluap."
    return alert(
        number=2,
        change="withdrawal",
        urgent=True,
        reason=reason,
        published_at=WITHDRAWN,
        effective=WITHDRAWN,
        expires=None,
        wordings={
            lang: Wording(title=titles[lang], summary=reason, body=bodies[lang]) for lang in titles
        },
    )


def editions() -> dict[str, Edition]:
    """Return every sample by the name of its golden files."""
    return {
        "notice": notice(),
        "alert": alert(),
        "clarification": clarification(),
        "correction": correction(),
        "withdrawal": withdrawal(),
        "picture": picture(),
        "withdrawn_alert": withdrawn_alert(),
    }


def recipient(address: str, **changes: Any) -> Recipient:
    """Return a resident of Cibabat, subscribed on 3 November 2026; `changes` replace fields."""
    values: dict[str, Any] = {
        "delivery": "e41.email.1029384.1",
        "attempt": 1,
        "address": address,
        "area": CIBABAT,
        "since": date(2026, 11, 3),
        "token": "mfrggzdfmztwq2lknnwg23tpobyxe43u",
        "address_key": "k5xw2zlsoq4dgnbv",
    }
    return Recipient(**{**values, **changes})


def site(*, simulated: bool = False) -> Site:
    """Return the city's site as messages name it, on https."""
    return Site(base_url="https://info.cimahi.example", simulated=simulated)
