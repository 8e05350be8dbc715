"""The CSV of subscribers: good rows are stored, bad rows reported with line and reason."""

import io
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from channels.base.address_codes import AddressCode
from channels.base.contract import BadAddress
from subscribers import consent, importing, store
from subscribers.areas import AreaTree
from subscribers.importing import BadFile, BadRow, Row, Tally, import_rows, read_rows, take_rows
from subscribers.subscriptions import read
from subscribers.vault import Vault
from support.subscriber_samples import GOOD, HEADER
from support.wording import words_of

NOW = 1_795_600_000.0
TREE = AreaTree.built_in()
TOPICS = ("kesehatan", "bansos", "cuaca")


def email(text: str) -> str:
    """Parse an address in place of a channel's parse_address."""
    if "@" not in text:
        raise BadAddress(AddressCode.EMAIL_MALFORMED)
    return text.lower()


PARSERS: dict[str, Callable[[str], str]] = {"email": email, "telegram": str}


def parsed(*lines: str, header: str = HEADER, now: float | None = None) -> list[Row | BadRow]:
    """Return the rows of a file of these lines, good and bad."""
    return list(
        read_rows([f"{line}\n" for line in (header, *lines)], TREE, TOPICS, PARSERS, now=now)
    )


def refusals(rows: Iterable[Row | BadRow]) -> list[tuple[int, str]]:
    """Return line and words of each bad row."""
    return [
        (row.line, " ".join(words_of(problem) for problem in row.problems))
        for row in rows
        if isinstance(row, BadRow)
    ]


def good(*lines: str, header: str = HEADER) -> list[Row]:
    """Return the rows of a file without a bad one."""
    rows = parsed(*lines, header=header)
    assert not [row for row in rows if isinstance(row, BadRow)]
    return [row for row in rows if isinstance(row, Row)]


def cells(**changes: str) -> str:
    """Return the good line with some cells changed."""
    row = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | changes
    return ",".join(row[name] for name in HEADER.split(","))


def test_a_row_is_read_whole() -> None:
    (row,) = good(
        "email,Rina@Contoh.Example,cibabat 32.77.01.1001,cuaca bansos,en,formulir RW 05,2026-11-03T09:00,warga-17",
        header=HEADER + ",subscriber",
    )
    wanted = row.subscription
    assert (row.line, wanted.channel, wanted.address) == (2, "email", "rina@contoh.example")
    assert (wanted.areas, wanted.topics, wanted.language) == (
        ("32.77.01.1001", "32.77.03.1002"),
        ("bansos", "cuaca"),
        "en",
    )
    assert (wanted.source, wanted.act, wanted.person, wanted.suppressed) == (
        "formulir RW 05",
        "imported",
        "warga-17",
        None,
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-03T09:00", 1_793_671_200.0), ("2026-11-03 09:00:00", 1_793_671_200.0), ("2026-11-03T02:00Z", 1_793_671_200.0),
        ("2026-11-03T03:00+01:00", 1_793_671_200.0), ("2026-11-03", 1_793_638_800.0),
    ],
)  # fmt: skip
def test_a_time_without_a_zone_is_western_indonesian(text: str, seconds: float) -> None:
    assert good(cells(consent_at=text))[0].subscription.consent_at == seconds


def test_an_empty_language_is_indonesian_and_case_does_not_matter() -> None:
    assert [
        row.subscription.language
        for row in good(cells(language=""), cells(language="EN", address="b@x.example"))
    ] == [
        "id",
        "en",
    ]
    assert good(cells(channel="Email"))[0].subscription.channel == "email"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (cells(channel="sms"), 'Kanal "sms" tidak dikenal. Yang ada: email, telegram.'),
        (cells(address="rina"), "Alamat email seperti ini: nama@contoh.id"),
        (cells(address=" "), "Alamat kosong."),
        (cells(areas="cibabet"), 'Wilayah "cibabet" tidak dikenal. Maksud Anda cibabat?'),
        (cells(areas=";|"), "Wilayah kosong: tulis slug atau kode, misalnya cibabat."),
        (cells(areas=""), "Wilayah kosong: tulis slug atau kode, misalnya cibabat."),
        (cells(topics="cuca"), 'Topik "cuca" tidak dikenal. Maksud Anda cuaca?'),
        (cells(language="fr"), 'Bahasa "fr" tidak dikenal. Yang ada: id, en, su.'),
        (cells(consent_source=""), "Tanpa bukti persetujuan: isi consent_source dan consent_at."),
        (cells(consent_at=""), "Tanpa bukti persetujuan: isi consent_source dan consent_at."),
        (
            cells(consent_at="3 November"),
            'Waktu "3 November" tidak terbaca: tulis seperti 2026-11-03T09:00.',
        ),
        (cells(consent_source="x" * 501), "Sel lebih dari 500 karakter."),
        ("email,rina@contoh.example", "Ada 2 kolom, seharusnya 7."),
        (GOOD + ",lebih", "Ada 8 kolom, seharusnya 7."),
        (
            'email,"rina@contoh.example,cibabat,,id,formulir,2026-11-03',
            "Tanda kutip tidak berpasangan.",
        ),
        (cells(address="ri\0na@contoh.example"), "Baris ini berisi karakter NUL."),
        (cells(address="rina\udce9@contoh.example"), "Baris ini bukan UTF-8."),
    ],
)
def test_a_bad_row_is_reported_with_its_reason_and_the_next_is_read(line: str, reason: str) -> None:
    rows = parsed(line, cells(address="dewi@contoh.example"))
    assert refusals(rows) == [(2, reason)]
    assert isinstance(rows[1], Row)


@pytest.mark.parametrize(
    "unseen",
    [
        "\u200b",
        "\u3164",
        "\uffa0",
        "\u2800",
        "\U000e0041",
        "\U00013441",
        "\u3000\xa0",
        "-",
        '"?, ."',
    ],
)
def test_what_shows_no_letter_proves_no_consent(unseen: str) -> None:
    refused = [(2, "Tanpa bukti persetujuan: isi consent_source dan consent_at.")]
    assert refusals(parsed(cells(consent_source=unseen))) == refused


@pytest.mark.parametrize("unseen", ["\u3164", "\u2800", "\U000e0041"])
def test_a_time_that_nobody_sees_is_none(unseen: str) -> None:
    refused = [(2, "Tanpa bukti persetujuan: isi consent_source dan consent_at.")]
    assert refusals(parsed(cells(consent_at=unseen))) == refused


def test_consent_of_the_future_is_refused_where_now_is_known() -> None:
    assert refusals(parsed(cells(consent_at="2026-12-01"), now=NOW)) == [
        (2, "Persetujuan bertanggal di masa depan: 2026-12-01.")
    ]
    assert isinstance(parsed(cells(consent_at="2026-11-01"), now=NOW)[0], Row)


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    rows = parsed(GOOD, "", "   ", "x", cells(address="dewi@contoh.example"))
    assert [row.line for row in rows] == [2, 5, 6]


def test_cells_may_be_quoted() -> None:
    (row,) = good(cells(consent_source='"formulir, kantor ""RW 05"""'))
    assert row.subscription.source == 'formulir, kantor "RW 05"'


def test_columns_may_stand_in_any_order_and_case() -> None:
    header = "Consent_At, consent_source,language,topics,areas,address,channel"
    (row,) = good("2026-11-03,formulir,id,,cibabat,rina@contoh.example,email", header=header)
    assert row.subscription.address == "rina@contoh.example"


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    rows = list(read_rows([f"\ufeff{HEADER}\r\n", f"{GOOD}\r\n"], TREE, TOPICS, PARSERS))
    assert isinstance(rows[0], Row)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace(",consent_at", ""), "kolom consent_at tidak ada"),
        (HEADER.replace("topics", "topic"), 'kolom "topic" tidak dikenal (maksud Anda topics?)'),
        (HEADER + ",topics", "kolom topics ada 2 kali"),
        (HEADER + ",NIK", 'kolom "NIK" tidak dikenal'),
        ("kanal," + HEADER, "kolom channel ada 2 kali (kanal, channel)"),
        (GOOD, "kolom channel tidak ada"),
    ],
)
def test_a_bad_header_is_reported_at_once(header: str, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        parsed(GOOD, header=header)
    assert message in str(caught.value)


@pytest.mark.parametrize("lines", [[], ["\n"], ["\ufeff\n", ",,,\n", "sep=;\n"]])
def test_an_empty_file_is_no_csv(lines: list[str]) -> None:
    with pytest.raises(BadFile, match="Berkas kosong"):
        list(read_rows(lines, TREE, TOPICS, PARSERS))


def test_a_file_in_another_encoding_is_reported(tmp_path: Any) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(f"{HEADER}\nemail,andré@contoh.example".encode("latin-1"))
    with path.open(encoding="utf-8") as lines, pytest.raises(BadFile, match="bukan UTF-8"):
        list(read_rows(lines, TREE, TOPICS, PARSERS))


def test_all_that_is_wrong_with_a_row_is_reported_at_once() -> None:
    (row,) = parsed(
        cells(
            channel="sms",
            areas="Lembang",
            topics="gosip",
            language="fr",
            consent_at="kemarin",
            consent_source="",
        )
    )
    assert isinstance(row, BadRow)
    assert [problem.column for problem in row.problems] == [
        "channel",
        "areas",
        "topics",
        "language",
        "consent_source",
    ]
    assert len(row.problems) == len({problem.code for problem in row.problems})
    assert row.cells[1] == "rina@contoh.example"


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("Kesehatan", ("kesehatan",)), ("bansos;cuaca", ("bansos", "cuaca")),
        ("Cuaca | Bansos / kesehatan", ("bansos", "cuaca", "kesehatan")),
        ("cuaca bansos", ("bansos", "cuaca")), ("semua", ()), ("DARURAT", ("darurat",)), (" ; ", ()),
        ("Bansos dan Cuaca", ("bansos", "cuaca")), ("Hanya darurat", ("darurat",)),
    ],
)  # fmt: skip
def test_topics_are_known_by_their_names_in_any_list(text: str, topics: tuple[str, ...]) -> None:
    assert good(cells(topics=text))[0].subscription.topics == topics


@pytest.mark.parametrize(
    ("text", "language"),
    [("Indonesia", "id"), ("Bahasa Sunda", "su"), ("English", "en"), ("INGGRIS", "en")],
)
def test_languages_have_names(text: str, language: str) -> None:
    assert good(cells(language=text))[0].subscription.language == language


def test_a_channel_is_known_however_it_is_spelt() -> None:
    assert [
        row.subscription.channel for row in good(cells(channel="E-mail"), cells(channel="E mail "))
    ] == ["email", "email"]


def test_spellings_of_one_mail_address_are_one_address_kept_as_first_written(
    conn: Connection, vault: Vault, look_up: Any
) -> None:
    parsers = {"email": str}

    def take(*addresses: str) -> dict[str, int]:
        lines = [f"{line}\n" for line in (HEADER, *(cells(address=text) for text in addresses))]
        rows = [row for row in read_rows(lines, TREE, TOPICS, parsers) if isinstance(row, Row)]
        assert [row.replaces for row in rows] == [None, *range(2, len(rows) + 1)]
        return import_rows(conn, vault, TREE, rows, NOW)

    assert take("Sari.B@contoh.example", "sari.b@contoh.example") == {"repeated": 1, "new": 1}
    assert take("SARI.B@contoh.example") == {"same": 1}
    row = look_up("sari.B@contoh.example")
    assert vault.open("email", row.cipher) == "Sari.B@contoh.example"


def test_a_later_row_of_the_same_address_is_noted() -> None:
    rows = good(
        GOOD,
        cells(address="dewi@contoh.example"),
        cells(address="RINA@contoh.example", areas="melong"),
    )
    assert [row.replaces for row in rows] == [None, None, 2]


@given(st.text(alphabet=st.characters(exclude_characters="\r\n"), max_size=80))
def test_no_line_stops_the_file(line: str) -> None:
    rows = parsed(line, GOOD)
    assert isinstance(rows[-1], Row)


@given(st.binary(max_size=80))
def test_no_bytes_stop_the_file(junk: bytes) -> None:
    text = io.TextIOWrapper(
        io.BytesIO(HEADER.encode() + b"\n" + junk + b"\n" + GOOD.encode()),
        "utf-8",
        "surrogateescape",
        newline="",
    )
    assert isinstance(list(read_rows(text, TREE, TOPICS, PARSERS))[-1], Row)


def take_in(conn: Connection, vault: Vault, *lines: str, header: str = HEADER) -> dict[str, int]:
    """Import these lines in one chunk."""
    return import_rows(conn, vault, TREE, good(*lines, header=header), NOW)


def test_a_row_with_consent_is_confirmed(conn: Connection, vault: Vault, look_up: Any) -> None:
    assert take_in(conn, vault, GOOD) == {"new": 1}
    row = look_up("rina@contoh.example")
    assert row.confirmed
    (proof,) = consent.history(conn, row.id)
    assert (proof["act"], proof["source"], proof["at"]) == ("imported", "formulir", 1_793_638_800.0)


def test_a_second_import_changes_nothing(conn: Connection, vault: Vault, look_up: Any) -> None:
    lines = [
        cells(address=f"warga{number}@contoh.example", areas="cibabat melong", topics="cuaca")
        for number in range(50)
    ]
    assert take_in(conn, vault, *lines) == {"new": 50}
    before = look_up("warga7@contoh.example")
    assert take_in(conn, vault, *lines) == {"same": 50}
    assert look_up("warga7@contoh.example") == before
    assert len(consent.history(conn, before.id)) == 1


def test_a_row_replaces_what_the_address_asked_for(
    conn: Connection, vault: Vault, look_up: Any
) -> None:
    take_in(conn, vault, GOOD)
    assert take_in(conn, vault, cells(areas="melong", topics="bansos", language="en")) == {
        "changed": 1
    }
    row = look_up("rina@contoh.example")
    assert (row.language, read(conn, row.id).areas, read(conn, row.id).topics) == (
        "en",
        ("32.77.01.1001",),
        ("bansos",),
    )


def test_a_row_never_revives_a_resident_who_stopped(
    conn: Connection, vault: Vault, look_up: Any
) -> None:
    take_in(conn, vault, GOOD)
    consent.stop(conn, look_up("rina@contoh.example").id, source="web", at=NOW)
    assert take_in(conn, vault, cells(areas="melong"), cells(address="dewi@contoh.example")) == {
        "suppressed": 1,
        "new": 1,
    }
    assert not look_up("rina@contoh.example").confirmed


def test_of_two_rows_of_one_address_the_later_counts(
    conn: Connection, vault: Vault, look_up: Any
) -> None:
    assert take_in(conn, vault, GOOD, cells(areas="melong")) == {"repeated": 1, "new": 1}
    assert look_up("rina@contoh.example").home == "32.77.01.1001"
    assert take_in(conn, vault, GOOD, cells(areas="melong")) == {"repeated": 1, "same": 1}


def test_rows_with_one_subscriber_are_one_person(
    conn: Connection, vault: Vault, look_up: Any
) -> None:
    lines = [
        cells(address="rina@contoh.example") + ",w17",
        cells(channel="telegram", address="77") + ",w17",
    ]
    assert take_in(conn, vault, *lines, header=HEADER + ",subscriber") == {"new": 2}
    assert look_up("rina@contoh.example").subscriber == look_up("77", "telegram").subscriber


def named(*people: str) -> list[Row]:
    """Return rows of addresses and their people: "rina:w17", or "rina:" without a name."""
    lines = [
        f"{cells(address=address + '@contoh.example')},{person}"
        for address, _, person in map(_partition, people)
    ]
    return good(*lines, header=HEADER + ",subscriber")


def _partition(text: str) -> tuple[str, str, str]:
    return text.partition(":")


@pytest.mark.parametrize(
    ("people", "count"),
    [
        (("rina:A", "rina:B"), 1),
        (("rina:", "rina:A"), 1),
        (("rina:A", "rina:"), 1),
        (("rina:A", "dewi:A", "rina:B"), 2),
        (("rina:A", "dewi:B", "rina:B"), 1),
        (("rina:A", "rina:", "dewi:A"), 1),
        (("rina:", "rina:", "dewi:"), 2),
        (("rina:A", "rina:B", "rina:A", "dewi:B"), 2),
    ],
)
def test_of_two_rows_of_one_address_the_later_says_whose_it_is(
    people: tuple[str, ...], count: int
) -> None:
    tally = Tally(tried=True)
    for row in named(*people):
        tally.take([row], ["new"])
    assert tally.people == count


def test_people_are_counted_as_they_are_stored_however_the_file_is_cut(
    conn: Connection, vault: Vault
) -> None:
    for people in product(("rina:", "rina:A", "rina:B", "dewi:", "dewi:A"), repeat=3):
        for size in (1, 2, 3):
            with conn.begin_nested() as transaction:
                rows, tally = named(*people), Tally()
                for start in range(0, 3, size):
                    chunk = rows[start : start + size]
                    tally.take(chunk, take_rows(conn, vault, TREE, chunk, NOW))
                counts = [
                    conn.scalar(select(func.count()).select_from(table))
                    for table in (store.address, store.subscriber)
                ]
                assert [tally.addresses, tally.people] == counts, (people, size)
                transaction.rollback()


def test_states_of_an_export_are_kept(conn: Connection, vault: Vault, look_up: Any) -> None:
    lines = [
        cells(address=f"{name}@contoh.example") + f",,{state}"
        for name, state in (
            ("a", ""),
            ("b", "confirmed"),
            ("c", "opted_out"),
            ("d", "address_dead"),
        )
    ]
    take_in(conn, vault, *lines, header=HEADER + ",subscriber,state")
    assert [look_up(f"{name}@contoh.example").reason for name in "abcd"] == [
        "",
        "",
        "opted_out",
        "address_dead",
    ]


def test_an_unconfirmed_row_of_an_export_is_left_out() -> None:
    rows = parsed(cells() + ",,unconfirmed", header=HEADER + ",subscriber,state")
    assert refusals(rows) == [(2, 'Alamat berstatus "unconfirmed" tidak diimpor.')]


def test_the_columns_are_those_of_the_documentation() -> None:
    assert ",".join(importing.REQUIRED) == HEADER
    assert importing.COLUMNS[:8] == (*importing.REQUIRED, "subscriber")
