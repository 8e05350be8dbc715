"""Announcements made of awkward parts, the same for one seed; each edition has words that no other
text has.
"""

import random
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

KELURAHAN = (
    "cibabat", "pasirkaliki", "citeureup", "cipageran", "cibeber", "utama", "leuwigajah", "melong", "baros", "cigugur-tengah",
    "karangmekar", "setiamanah", "padasuka", "cibeureum", "kelurahan-cimahi",
)  # fmt: skip
LARGER = ("cimahi-utara", "cimahi-tengah", "cimahi-selatan", "cimahi")
TOPICS = ("gangguan-layanan", "kesehatan", "bansos", "acara", "cuaca", "lainnya")
PUSH, PULL = ("whatsapp", "telegram", "email"), ("feed", "display")

TITLES = (
    "Air <mati> & listrik padam, 5 < 6", "Tekan *123*4# lalu 2*3*4", "Ubah_nama_berkas *penting* ~kemarin~", '"Bansos" 100% & %s',
    "Rapat RT/RW 👨‍👩‍👧‍👦 di balai 🏠", "Jl. Amir Machmud (sisi utara) \\ ditutup", "تنبيه Siaga hujan",
    "Vaksin 2~3 dosis, É è ñ ü",
)  # fmt: skip
SENTENCES = (
    "Tekan *123*4# untuk pulsa, *808# untuk nomor sendiri, lalu 2*3*4.",
    "Kirim berkas ke dinas_sosial@contoh.example atau _berkas_lama_@contoh.example sebelum 17.00.",
    "Antrean 2~3 m dari pintu; suhu 30 < 37,5 & tekanan > 100; harga Rp1.500.000,-.",
    "Unduh di https://contoh.example/_berkas_/denah_(baru).pdf?a=1&b=*2* sekarang.",
    "**Penting** dan *miring* dan ***keduanya***, ~~bukan ini~~, `kode_tetap`.",
    "Hubungi [posko](tel:+62226654274), [surat](mailto:posko@contoh.example), [grup](whatsapp://send?text=a) atau 112.",
    "Lihat [denah](/media/denah.pdf), [jadwal](jadwal.pdf), [situs](//contoh.example/a), [bagian](#lokasi) dan ftp://contoh.example/x.",
    "Emoji 👩🏽‍🚒🚒🌊 dan tanda ✅; tanda petik \"ganda\" 'tunggal' «asing»; & &amp; &lt;b&gt; tetap.",
    "Nama panjang: Perumda_Tirta_Raharja_Cabang_Kota_Cimahi_Bagian_Pelayanan_Pelanggan_Terpadu.",
    "Arab: السلام عليكم; Sunda: wilujeng énjing, mangga; Jepang: 水が止まります。",
)
BLOCKS = (
    "1. Ambil KTP.\n2. Datang ke loket.\n   - loket A\n   - loket B\n3. Pulang.",
    "- satu\n- dua **tebal**\n- tiga [tautan](https://contoh.example/tiga)",
    "> Kutipan dari warga: \"kapan nyala?\"\n\nJawab: besok.",
    "# Judul di dalam isi\n\nDi bawahnya satu kalimat.",
    "| loket | jam |\n|---|---|\n| A | 08.00 |",
    "15. Butir lima belas\n16. Butir enam belas",
)  # fmt: skip
TAG = "abcdefghij"
KINDS = (
    "judul",
    "inti",
    "isi",
    "akhir",
    "tautan",
    "petunjuk",
    "gambar",
    "title",
    "body",
    "sendiri",
    "klaim",
    "fakta",
    "alasan",
)
_WORDS = re.compile(rf"(?:{'|'.join(KINDS)})[a-j]{{4}}|0000[0-9a-f]{{28}}")

Fields = Mapping[str, Any]


def word(kind: str, announcement: int, edition: int) -> str:
    """Return a word that stands in one edition alone, e.g. `judulaacb`."""
    return kind + "".join(TAG[int(digit)] for digit in f"{announcement:03}{edition}")


def words_of(announcement: int, edition: int) -> set[str]:
    """Return every word by which a text of this edition is found."""
    return {
        *(word(kind, announcement, edition) for kind in KINDS),
        picture_id(announcement, edition),
    }


def found_in(text: str) -> set[str]:
    """Return the words of any edition that stand in a text."""
    return set(_WORDS.findall(text.lower()))


def picture_id(announcement: int, edition: int) -> str:
    """Return the id of an edition's picture, as if staff had uploaded it."""
    return f"{announcement:016x}{edition:016x}"


class Writer:
    """Draws the words and the shape of editions; `base_url` is the site of our own pictures."""

    def __init__(self, seed: int, base_url: str) -> None:
        self.dice = random.Random(seed)  # reason: repeatable, no secret
        self._base_url = base_url

    def original(self, number: int) -> dict[str, Any]:
        """Return the fields of a first edition."""
        return self._worded(number, 1, self._shape())

    def correction(self, number: int, edition: int, before: Fields) -> dict[str, Any]:
        """Return the fields of a later edition: its words always differ; areas, level, picture,
        languages and channels often.
        """
        fresh = self._shape()
        unchanged = {
            name: before[name]
            for name in ("areas", "category", "channels")
            if name in before and self.dice.random() < 0.6
        }
        if self.dice.random() < 0.6:
            fresh["level"] = before["level"]
        return self._worded(number, edition, {**fresh, **unchanged})

    def _shape(self) -> dict[str, Any]:
        dice = self.dice
        level = dice.choices(("info", "important", "emergency"), (6, 3, 2))[0]
        shape: dict[str, Any] = {
            "areas": dice.sample(KELURAHAN, dice.choice((1, 1, 1, 2, 3)))
            if dice.random() < 0.85
            else [dice.choice(LARGER)],
            "category": dice.choice(TOPICS),
            "level": level,
        }
        if dice.random() < 0.15:
            shape["channels"] = [*dice.sample(PUSH, 2), *dice.sample(PULL, 1)]
        return shape

    def _worded(self, number: int, edition: int, shape: Mapping[str, Any]) -> dict[str, Any]:
        dice = self.dice
        urgent = shape["level"] == "emergency"
        kind = (
            "alert" if urgent else dice.choices(("notice", "alert", "clarification"), (6, 2, 1))[0]
        )
        fields: dict[str, Any] = {
            **shape,
            "kind": kind,
            "title": f"{dice.choice(TITLES)} {word('judul', number, edition)}",
            "body": self._body(number, edition),
        }
        if urgent or dice.random() < 0.3:
            fields["expires"] = (
                datetime.now(UTC) + timedelta(hours=dice.randint(12, 48))
            ).isoformat()
        if urgent or dice.random() < 0.2:
            fields["instruction"] = (
                f"1. {word('petunjuk', number, edition)} ke tempat tinggi.\n2. Matikan listrik, tekan *123#."
            )
        return fields | dict(self._extras(number, edition, kind))

    def _extras(self, number: int, edition: int, kind: str) -> Iterator[tuple[str, Any]]:
        dice = self.dice
        if dice.random() < 0.4:
            yield "summary", f"{word('inti', number, edition)}: 2~3 m, *808#, 5 < 6 & 7"
        if dice.random() < 0.5:
            yield "image", f"{self._base_url}/media/{picture_id(number, edition)}/web.jpg"
            yield "image_alt", f"Foto {word('gambar', number, edition)} <b>"
        if dice.random() < 0.3:
            yield "link", f"https://contoh.example/{word('tautan', number, edition)}?a=1&b=2"
        if dice.random() < 0.3:
            yield "translations", {"en": self._translation(number, edition)}
        if dice.random() < 0.15:
            yield (
                "overrides",
                {
                    dice.choice((*PUSH, *PULL)): {
                        "title": f"Khusus {word('sendiri', number, edition)}"
                    }
                },
            )
        if kind == "clarification":
            yield "claim", f"Kabar {word('klaim', number, edition)} lewat *808#"
            yield "verdict", "Hoaks"
            yield "fact", f"Yang benar {word('fakta', number, edition)}."
            yield "evidence", ["https://contoh.example/bukti_1"]

    def _translation(self, number: int, edition: int) -> dict[str, Any]:
        text = f"Dial *123*4# {word('body', number, edition)}. {self.dice.choice(SENTENCES)}"
        return {
            "title": f"Notice & <tag> {word('title', number, edition)}",
            "body": text,
            "instruction": "Move up.",
        }

    def _body(self, number: int, edition: int) -> str:
        dice = self.dice
        parts = [f"Kabar {word('isi', number, edition)} untuk warga. {dice.choice(SENTENCES)}"]
        parts += dice.sample(SENTENCES, dice.randint(0, 3)) + dice.sample(
            BLOCKS, dice.randint(0, 2)
        )
        if dice.random() < 0.15:
            parts += [" ".join(dice.choices(SENTENCES, k=60))]
        return "\n\n".join([*parts, f"Sekian {word('akhir', number, edition)}."])
