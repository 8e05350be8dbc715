"""The WhatsApp channel without I/O: template messages, addresses, and the meaning of answers and
errors.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from broadcaster.simulation.graph_templates import check_template, received_parts, registry
from channels import whatsapp
from channels.base import contract
from channels.base.contract import (
    Deferred,
    Edition,
    Failure,
    Halted,
    Outcome,
    Receipt,
    Refused,
    Rejected,
    Skipped,
)
from channels.base.http import FOREIGN
from channels.base.meta import graph_errors, message_templates
from channels.base.meta.answers import GraphError
from channels.base.rendering import TEMPLATES, utf16
from support import samples
from support.channel_samples import reworded
from support.wording import refuses, words_of

SITI = "6281200000001"
SCOPED = "ID.13491208655302741918"

LANGS = pytest.mark.parametrize("lang", ["id", "en"])
EDITIONS = pytest.mark.parametrize("edition", samples.editions().values(), ids=samples.editions())


def settings(**changes: Any) -> whatsapp.Settings:
    """Return settings that suffice to render."""
    return whatsapp.Settings(**{"site": samples.site(), "phone_id": "112000112", **changes})


def request_for(
    edition: Edition, lang: str = "id", *, address: str = SITI, **changes: Any
) -> dict[str, Any]:
    """Return the request that carries an edition to one address."""
    channel = whatsapp.WhatsApp(settings(**changes))
    outgoing = channel.personalise(channel.render(edition, lang), samples.recipient(address))
    return msgspec.json.decode(outgoing.payload, type=dict[str, Any])


def preview_of(edition: Edition, lang: str = "id", **changes: Any) -> dict[str, str]:
    """Return the preview of an edition."""
    channel = whatsapp.WhatsApp(settings(**changes))
    return channel.preview(
        channel.personalise(channel.render(edition, lang), samples.recipient(SITI))
    )


# --- the message --------------------------------------------------------------------------------


def test_an_announcement_goes_as_a_template_message_as_meta_specifies_it() -> None:
    def text(name: str, value: str) -> dict[str, str]:
        return {"type": "text", "parameter_name": name, "text": value}

    assert request_for(samples.notice()) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": SITI,
        "type": "template",
        "biz_opaque_callback_data": "e41.email.1029384.1",
        "template": {
            "name": "info_kelurahan",
            "language": {"policy": "deterministic", "code": "id"},
            "components": [
                {"type": "header", "parameters": [text("topik", "Gangguan layanan")]},
                {
                    "type": "body",
                    "parameters": [
                        text("judul", "Air PDAM mati di Cibabat, Rabu 25 Nov 08.00-14.00"),
                        text(
                            "ringkasan",
                            "Tampung air secukupnya sebelum pukul 07.00. Truk tangki ada di dua titik.",
                        ),
                        text("wilayah", "Kel. Cibabat, Kel. Pasirkaliki"),
                        text("waktu", "25 Nov 2026 08.00-14.00 WIB"),
                        text("opd", "Perumda Tirta"),
                        text("kode", "CMH-7K4Q-2M"),
                    ],
                },
                {
                    "type": "button",
                    "sub_type": "url",
                    "index": "0",
                    "parameters": [{"type": "text", "text": "CMH-7K4Q-2M"}],
                },
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "1",
                    "parameters": [{"type": "payload", "payload": "STOP"}],
                },
            ],
        },
    }


def test_a_component_without_variables_is_left_out() -> None:
    kinds = [
        component["type"] for component in request_for(samples.alert())["template"]["components"]
    ]
    assert kinds == ["body", "button", "button"]


def test_a_business_scoped_id_goes_as_recipient_and_never_as_number() -> None:
    request = request_for(samples.notice(), address=SCOPED)
    assert request["recipient"] == SCOPED
    assert "to" not in request


@EDITIONS
@LANGS
def test_only_address_and_delivery_differ_between_recipients(edition: Edition, lang: str) -> None:
    channel = whatsapp.WhatsApp(settings())
    message = channel.render(edition, lang)
    first = channel.personalise(message, samples.recipient(SITI, delivery="e1.1")).payload
    second = channel.personalise(
        message, samples.recipient("6281200000002", delivery="e1.2")
    ).payload
    assert first != second
    assert first.replace(SITI.encode(), b"6281200000002").replace(b"e1.1", b"e1.2") == second


def test_a_delivery_name_with_quotes_cannot_break_the_request() -> None:
    channel = whatsapp.WhatsApp(settings())
    message = channel.render(samples.notice(), "id")
    outgoing = channel.personalise(message, samples.recipient('1","to":"2', delivery='"},{"'))
    request = msgspec.json.decode(outgoing.payload)
    assert request["to"] == '1","to":"2'
    assert request["biz_opaque_callback_data"] == '"},{"'


@EDITIONS
@LANGS
@pytest.mark.parametrize("simulated", [False, True])
def test_the_preview_is_what_the_provider_shows(
    edition: Edition, lang: str, *, simulated: bool
) -> None:
    own = settings(site=samples.site(simulated=simulated))
    approved = registry([template.document for template in whatsapp.definitions(own)])
    request = request_for(edition, lang, site=own.site)
    assert received_parts(request, approved) == preview_of(edition, lang, site=own.site)


# --- which template -----------------------------------------------------------------------------


def test_emergencies_and_clarifications_have_templates_of_their_own() -> None:
    names = {
        name: request_for(edition)["template"]["name"]
        for name, edition in samples.editions().items()
    }
    assert names == {
        "notice": "info_kelurahan",
        "alert": "info_darurat",
        "clarification": "info_klarifikasi",
        "correction": "info_kelurahan",
        "withdrawal": "info_kelurahan",
        "picture": "info_kelurahan",
        "withdrawn_alert": "info_kelurahan",
    }


def test_the_first_template_carries_everything_when_it_is_the_only_one_named() -> None:
    for edition in samples.editions().values():
        assert request_for(edition, template="kabar_kota")["template"]["name"] == "kabar_kota"
    alert = preview_of(samples.alert(), template="kabar_kota")
    assert alert["header"] == "Kota Cimahi (PERINGATAN DARURAT)"
    assert "Lakukan sekarang: 1) Pindah ke tempat tinggi. 2) Matikan listrik." in alert["text"]
    clarification = preview_of(samples.clarification(), template="kabar_kota")
    assert clarification["header"] == "Kota Cimahi (Klarifikasi)"
    assert 'Hasil pemeriksaan: Hoaks. Kabar yang beredar: "Bansos' in clarification["text"]
    english = preview_of(samples.clarification(), "en", template="kabar_kota")
    assert 'What we found: Hoax. The message going around: "Bansos' in english["text"]


def test_a_template_for_emergencies_is_used_for_emergencies_only() -> None:
    names = {"template": "kabar", "template_emergency": "darurat"}
    assert request_for(samples.alert(), **names)["template"]["name"] == "darurat"
    assert request_for(samples.alert(level="important"), **names)["template"]["name"] == "kabar"
    assert request_for(samples.clarification(), **names)["template"]["name"] == "kabar"


def test_every_template_needed_is_named_once_in_each_language() -> None:
    def listed(**changes: Any) -> set[tuple[str, str]]:
        names = [
            (d.document["name"], d.document["language"])
            for d in whatsapp.definitions(settings(**changes))
        ]
        assert len(names) == len(set(names))
        return set(names)

    assert len(listed()) == 6
    assert listed(template="satu") == {("satu", "id"), ("satu", "en")}
    assert len(listed(template="satu", template_clarification="dua")) == 4


def test_a_withdrawn_emergency_tells_nobody_to_act() -> None:
    text = preview_of(
        samples.alert(change="withdrawal", reason="Air sudah surut", published_at=samples.WITHDRAWN)
    )
    assert text["header"] == "Kota Cimahi (Peringatan dicabut)"
    assert "[DICABUT] Banjir" in text["text"]
    assert (
        "Peringatan darurat ini tidak berlaku lagi. Air sudah surut. Abaikan kabar sebelumnya dengan kode ini."
        in text["text"]
    )
    assert "Berlaku: tidak lagi, dicabut 25 Nov 2026 09.40 WIB" in text["text"]
    assert "Matikan listrik" not in text["text"]


def test_a_withdrawn_clarification_does_not_repeat_the_claim() -> None:
    text = preview_of(samples.clarification(change="withdrawal", reason="Diperiksa ulang."))["text"]
    assert "Diperiksa ulang." in text
    assert "bit.example" not in text


def test_the_reason_of_a_correction_stands_first() -> None:
    values = preview_of(samples.correction())
    assert values["parameter.judul"].startswith("[RALAT] ")
    assert values["parameter.ringkasan"].startswith(
        "Air kembali pukul 16.00, bukan 14.00. Tampung air"
    )
    alert = preview_of(samples.alert(change="correction", reason="Posko pindah"))
    assert alert["parameter.judul"].startswith("[RALAT] ")
    assert alert["parameter.isi"].startswith("Posko pindah. Sungai Cimahi")
    clarification = preview_of(samples.clarification(change="correction", reason="Bukti baru"))
    assert clarification["parameter.fakta"].startswith("Bukti baru. Pendaftaran")


@pytest.mark.parametrize(
    ("level", "header"),
    [("important", "Kota Cimahi (Peringatan dini)"), ("info", "Kota Cimahi (Peringatan)")],
)
def test_an_early_warning_says_that_it_is_one(level: str, header: str) -> None:
    assert preview_of(samples.alert(level=level))["header"] == header


def test_an_announcement_without_summary_shows_the_beginning_of_its_text() -> None:
    values = preview_of(reworded(samples.notice(), summary=""))
    assert values["parameter.ringkasan"].startswith(
        "Perumda Tirta mengganti pipa induk di Jl. Amir Machmud."
    )


def test_steps_and_lists_stay_apart_on_one_line() -> None:
    steps = "1. Pindah ke lantai dua\n2. Matikan listrik\n3. Bawa surat penting"
    body = "Posko ada di:\n\n- SDN Cibabat 1\n- Balai RW 05"
    values = preview_of(
        reworded(
            samples.alert(change="correction", reason="Posko pindah"), instruction=steps, body=body
        )
    )
    assert (
        values["parameter.instruksi"]
        == "1) Pindah ke lantai dua. 2) Matikan listrik. 3) Bawa surat penting."
    )
    assert values["parameter.isi"] == "Posko pindah. Posko ada di: SDN Cibabat 1; Balai RW 05."
    early = preview_of(
        reworded(
            samples.alert(level="important"),
            instruction=steps,
            body=body,
            summary="Pindah sekarang.",
        )
    )
    assert early["parameter.ringkasan"] == (
        "Lakukan sekarang: 1) Pindah ke lantai dua. 2) Matikan listrik. 3) Bawa surat penting. Pindah sekarang."
    )


@pytest.mark.parametrize("count", [3, 15, 40, 120])
def test_a_long_list_of_steps_never_ends_with_a_number(count: int) -> None:
    steps = "\n".join(f"{number}. Bawa barang nomor {number}" for number in range(1, count + 1))
    for edition in (
        reworded(samples.alert(), instruction=steps),
        reworded(samples.notice(), body=steps, summary=""),
    ):
        values = preview_of(edition)
        text = values.get("parameter.instruksi") or values["parameter.ringkasan"]
        assert re.fullmatch(r"(?:\d+\) Bawa barang nomor \d+\. ?)+…?", text), text


def test_a_summary_that_the_text_begins_with_gives_way_to_the_text() -> None:
    edition = reworded(
        samples.notice(),
        summary="Air mati. Tampung air.",
        body="Air mati.\n\nTampung air.\n\nTruk menunggu.",
    )
    assert preview_of(edition)["parameter.ringkasan"] == "Air mati. Tampung air. Truk menunggu."
    cut_off = reworded(samples.notice(), summary="Perumda Tirta mengganti pipa induk di Jl. Amir…")
    assert preview_of(cut_off)["parameter.ringkasan"].startswith(
        "Perumda Tirta mengganti pipa induk di Jl. Amir Machmud. Air"
    )


# --- what Meta approves -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    whatsapp.definitions(settings()),
    ids=lambda d: f"{d.document['name']}.{d.document['language']}",
)
def test_our_templates_keep_the_rules_for_templates(template: Any) -> None:
    check_template(template.document)
    assert template.document["category"] == "UTILITY"
    assert template.document["message_send_ttl_seconds"] == (
        3600 if template.document["name"] == "info_darurat" else 43200
    )
    assert "<" not in msgspec.json.encode(template.document).decode()
    named = {
        name
        for kind in ("HEADER", "BODY")
        for name in message_templates.variables(template.text(kind))
    }
    assert named == set(template.parameters)
    assert set(template.flexible) < named


def test_the_names_in_the_template_files_are_those_used_without_settings() -> None:
    for kind, name in settings().names.items():
        for lang in ("id", "en"):
            raw = yaml.safe_load(
                (TEMPLATES / "whatsapp" / f"{kind}.{lang}.yaml").read_text(encoding="utf-8")
            )
            assert (raw["template"]["name"], raw["template"]["language"]) == (name, lang)


HOSTILE = st.text(
    st.sampled_from('ab é\U0001f30a*_~`\n\t\r\u2028\u202e\x00\ud800- .{}"\\<'), max_size=400
) | st.text(max_size=200)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_an_editor_types_becomes_legal_and_fits(title: str, body: str, other: str) -> None:
    words = {"title": title, "summary": other, "body": body, "instruction": other}
    for name in ("notice", "alert", "clarification"):
        edition = reworded(samples.editions()[name], **words)
        claim = edition.claim and msgspec.structs.replace(
            edition.claim, claim=body, fact=other, hoax_type=title
        )
        edition = msgspec.structs.replace(edition, claim=claim, agency=other, reason=title)
        request = request_for(edition)
        for component in request["template"]["components"][:-2]:
            for parameter in component["parameters"]:
                assert parameter["text"]
                assert not re.search(r"[\n\r\t\u2028\u202e\x00]| {2}", parameter["text"])
        values = preview_of(edition)
        assert utf16(values["text"]) <= 1024
        assert utf16(values["header"]) <= 60
        assert edition.code in values["text"]


@pytest.mark.parametrize("length", [1_000, 10_000])
def test_a_long_text_is_cut_after_a_sentence_says_so_and_keeps_code_and_link(length: int) -> None:
    sentences = "Air setinggi 80 cm di Jl. Amir Machmud. " * (length // 40)
    values = preview_of(reworded(samples.alert(), body=sentences))
    assert 900 < utf16(values["text"]) <= 1024
    assert values["parameter.isi"].endswith("Machmud. …")
    assert "Kode: CMH-9XQ2-TD." in values["text"]
    assert "https://info.cimahi.example/p/CMH-9XQ2-TD" in values["buttons"]


def test_long_instructions_leave_room_for_the_situation() -> None:
    values = preview_of(
        reworded(
            samples.alert(),
            instruction="Matikan listrik. " * 200,
            body="Sungai meluap. Posko di SDN Cibabat 1.",
        )
    )
    assert values["parameter.isi"] == "Sungai meluap. Posko di SDN Cibabat 1."
    assert values["parameter.instruksi"].endswith("listrik. …")
    assert utf16(values["text"]) <= 1024


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "081200000001",
        "0812-0000-0001",
        "0812 0000 0001",
        "+6281200000001",
        "+62 812-0000-0001",
        "+62 (0)812 0000 0001",
        "6281200000001",
        " 62 812 0000 0001 ",
        "+62.812.0000.0001",
        "0812\u20110000\u20110001",
        "0062 812 0000 0001",
        "\u202a+62 812-0000-0001\u202c",
        "(0812) 0000-0001",
        "'+6281200000001",
        "\u20180812 0000 0001",
        "81200000001",
        "812-0000-0001",
        "tel:+62-812-0000-0001",
        "0812/0000/0001",
        "0812_0000_0001",
        "\uff10\uff18\uff11\uff12 0000 0001",
        "+62\xa0812\u20090000\u200b0001",
        "6281200000001.0",
        "081200000001,00",
        '"081200000001"',
        '="081200000001"',
        "TEL:0812-0000-0001",
        "0812 0000 0001;",
        "[0812] 0000:0001",
        "~0812*0000*0001 #",
    ],
)
def test_an_indonesian_number_is_read_however_it_is_written(text: str) -> None:
    assert whatsapp.parse_address(text) == SITI


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0812-OOOO-0001", "tidak berisi huruf"),
        ("WA 0812-0000-0001", "tidak berisi huruf"),
        ("6.28123E+12", "dibulatkan Excel"),
        ("6,28123E+12", "dibulatkan Excel"),
        ("6E+12", "dibulatkan Excel"),
        ("0812-0000-0001 / 0812-0000-0002", "lebih dari satu nomor"),
    ],
)
def test_what_is_wrong_with_a_number_has_its_own_sentence(text: str, message: str) -> None:
    with refuses(contract.BadAddress, match=message) as refused:
        whatsapp.parse_address(text)
    assert "misalnya 0812-0000-0001" in words_of(refused.value)
    assert text not in words_of(refused.value)


def test_numbers_abroad_need_their_country_code() -> None:
    assert whatsapp.parse_address("+65 8123 4567") == "6581234567"
    with pytest.raises(contract.BadAddress):
        whatsapp.parse_address("8123 4567")


@pytest.mark.parametrize("text", [SCOPED, "MY.a1", f"ID.{'9' * 128}"])
def test_a_business_scoped_id_stays_as_it_is(text: str) -> None:
    assert whatsapp.parse_address(f" {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "0812",
            "081200000",
            "022-6654274",
            "+62226654274",
            "112",
            "62812",
            "08120000000123456",
            "++6281200000001",
        ),
        *(
            "siti@contoh.example",
            "ID.",
            f"ID.{'9' * 129}",
            "id.123",
            "ID.12_3",
            "+999123456789",
            "0812\u0660\u0660\u0660\u0660\u0660\u0660\u0661",
        ),
    ],
)
def test_what_is_no_number_is_refused_with_an_example_and_without_repeating_it(text: str) -> None:
    with refuses(contract.BadAddress, match="0812-0000-0001") as caught:
        whatsapp.parse_address(text)
    assert len(text) < 5 or text not in words_of(caught.value)


# --- errors: one test per row of the table ------------------------------------------------------

DEAD, GONE = Refused(reason="address_dead"), Refused(reason="opted_out")
THROTTLED = Deferred(throttle=True)
ALARMING = Deferred(retry_after=3600.0, throttle=True, alarm=True, about="either")
ACCOUNT, PERSON, DOWN = (
    Halted(about="either"),
    Halted(about="recipient"),
    Deferred(about="recipient"),
)
PAIR = Deferred(throttle=True, scope="address", retry_after=6.0)
TEMPLATE = Rejected(whole_edition=True)
ROWS: list[tuple[str, Sequence[int], Failure]] = [
    ("not on the platform, or our own number", [131026, 131021], DEAD),
    ("stopped marketing", [131050], GONE),
    ("cap per person, experiment", [131049, 130472], Skipped()),
    ("id not supported", [131062], Skipped()),
    ("country not allowed", [130497], PERSON),
    ("window of 24 hours closed", [131047], Skipped()),
    ("throughput", [4, 80007, 130429], THROTTLED),
    ("pair limit", [131056], PAIR),
    ("spam, quality, registration", [131048, 131064, 133016], ALARMING),
    ("down", [1, 2, 131000, 131016, 135000, 137000], DOWN),
    ("maintenance", [131057], Halted(resume="probe", about="either")),
    ("media", [131052, 131053], DOWN),
    ("token, permission", [0, 3, 10, 190, 200, 250, 299], ACCOUNT),
    ("access, policy block, test recipient", [131005, 368, 131030], PERSON),
    ("number", [33, 131037, 131045, 133000, 133004, 133010, 133015], ACCOUNT),
    ("lock, payment", [131031, 131042, 131044], ACCOUNT),
    ("parameter, type", [100, 131008, 131009, 131051], Rejected()),
    ("shape of the template", [132000, 132001, 132005, 132007, 132008, 132012, 132018], TEMPLATE),
    ("template paused, flow, marketing off", [132015, 132016, 132068, 132069, 131063], TEMPLATE),
]
CODES = [(code, failure) for _, codes, failure in ROWS for code in codes]


def outcome_of_code(
    code: int, *, status: int = 400, address: str = SITI, attempt: int = 1, **headers: str
) -> Outcome:
    """Return the outcome of an answer with this error code."""
    error = {
        "message": f"(#{code}) Something",
        "code": code,
        "error_data": {"details": "Rincian."},
        "type": "OAuthException",
    }
    http_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = msgspec.json.encode({"error": error})
    return graph_errors.outcome_of(status, http_headers, body, address=address, attempt=attempt)


@pytest.mark.parametrize(("what", "codes", "failure"), ROWS, ids=[row[0] for row in ROWS])
def test_each_row_of_the_error_table(what: str, codes: Sequence[int], failure: Failure) -> None:
    for code in codes:
        assert outcome_of_code(code) == contract_replace(failure, code=str(code), detail="Rincian.")


def contract_replace(failure: Failure, **changes: Any) -> Failure:
    """Return the failure with other fields."""
    fields = {name: getattr(failure, name) for name in failure.__slots__}
    return type(failure)(**{**fields, **changes})


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
def test_the_code_decides_and_not_the_status(status: int) -> None:
    assert isinstance(outcome_of_code(131026, status=status), Refused)
    assert outcome_of_code(131049, status=status) == Skipped(code="131049", detail="Rincian.")


def test_no_code_of_the_table_is_listed_twice() -> None:
    listed = [code for codes, _ in graph_errors.ERRORS for code in codes]
    assert len(listed) == len(set(listed))


def test_the_table_is_tested_in_full() -> None:
    tested = {code for code, _ in CODES}
    ranges = {*range(200, 300), *range(133000, 133016)}
    assert {code for codes, _ in graph_errors.ERRORS for code in codes} == tested | ranges


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Halted),
        (403, Halted),
        (302, Halted),
        (400, Rejected),
        (404, Rejected),
        (413, Rejected),
        (500, Deferred),
        (502, Deferred),
    ],
)
def test_an_unknown_code_is_judged_by_its_status_and_logged(status: int, kind: type) -> None:
    with capture_logs() as logs:
        outcome = outcome_of_code(999999, status=status)
    assert isinstance(outcome, kind)
    assert [entry["event"] for entry in logs] == (
        [] if status >= 500 else ["whatsapp_unknown_error"]
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"[]",
        b"null",
        b'{"error":"text"}',
        b'{"error":{"code":"x"}}',
    ],
)
@pytest.mark.parametrize(
    ("status", "kind"), [(502, Deferred), (429, Deferred), (403, Halted), (404, Rejected)]
)
def test_an_answer_that_cannot_be_read_is_judged_by_its_status(
    body: bytes, status: int, kind: type
) -> None:
    with capture_logs():
        outcome = graph_errors.outcome_of(status, {}, body, address=SITI)
    assert isinstance(outcome, kind)
    assert outcome.code == f"HTTP {status}"
    assert not getattr(outcome, "uncertain", False)
    assert getattr(outcome, "throttle", False) is (status == 429)


def test_a_country_not_allowed_halts_at_home_and_skips_abroad() -> None:
    assert isinstance(outcome_of_code(130497, address=SITI), Halted)
    assert isinstance(outcome_of_code(130497, address=SCOPED), Halted)
    assert isinstance(outcome_of_code(130497, address="6581234567"), Skipped)
    assert isinstance(outcome_of_code(130497, address="SG.123"), Skipped)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 6.0), (2, 24.0), (3, 96.0), (20, 3600.0)])
def test_the_pair_limit_waits_four_times_as_long_each_time(attempt: int, seconds: float) -> None:
    outcome = outcome_of_code(131056, attempt=attempt)
    assert isinstance(outcome, Deferred)
    assert (outcome.retry_after, outcome.scope, outcome.throttle) == (seconds, "address", True)


def test_a_throttle_waits_as_long_as_meta_asks() -> None:
    usage = '{"112":[{"type":"messaging","estimated_time_to_regain_access":0},{"estimated_time_to_regain_access": 5}]}'
    assert outcome_of_code(130429) == Deferred(throttle=True, code="130429", detail="Rincian.")
    for headers, seconds in (
        ({"Retry_After": "7"}, 7.0),
        ({"X_Business_Use_Case_Usage": usage}, 300.0),
    ):
        outcome = outcome_of_code(80007, status=429, **headers)
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after == seconds
    patient = outcome_of_code(131048, Retry_After="10")
    assert isinstance(patient, Deferred)
    assert patient.retry_after == 3600.0


def test_a_failure_repeats_no_number_that_the_provider_quoted() -> None:
    error = GraphError(
        code=131026, error_data={"details": f"Undeliverable to +{SITI} or {SCOPED}, see 131026"}
    )
    failure = graph_errors.failure_of(error, status=400, address=SITI)
    assert failure.detail == "Undeliverable to … or …, see 131026"


# --- receipts -----------------------------------------------------------------------------------


def accepted(**message: str) -> bytes:
    """Return an answer that accepts the message."""
    person = {"input": SITI, "wa_id": SITI, "user_id": SCOPED}
    return msgspec.json.encode(
        {
            "messaging_product": "whatsapp",
            "contacts": [person],
            "messages": [{"id": "wamid.A", **message}],
        }
    )


def test_a_receipt_names_the_message_and_the_further_ids_of_the_person() -> None:
    assert graph_errors.outcome_of(200, {}, accepted(), address=SITI) == Receipt(
        provider_id="wamid.A", aliases=(SCOPED,)
    )
    scoped = graph_errors.outcome_of(200, {}, accepted(message_status="accepted"), address=SCOPED)
    assert scoped == Receipt(provider_id="wamid.A", aliases=(SITI,))


def test_the_answer_to_another_message_is_no_receipt_of_ours() -> None:
    assert graph_errors.outcome_of(200, {}, accepted(), address="6281200000777") == FOREIGN


@pytest.mark.parametrize("held", ["held_for_quality_assessment", "paused"])
def test_a_held_message_is_accepted_and_says_why_it_waits(held: str) -> None:
    with capture_logs() as logs:
        outcome = graph_errors.outcome_of(200, {}, accepted(message_status=held), address=SITI)
    assert outcome == Receipt(provider_id="wamid.A", aliases=(SCOPED,), detail=held)
    assert logs == [{"event": "whatsapp_template_held", "log_level": "warning", "status": held}]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"ok", b'{"messages":[]}', b'{"messages":[{"id":""}]}', b'{"messages":{}}']
)
def test_success_without_a_message_id_is_uncertain(body: bytes) -> None:
    outcome = graph_errors.outcome_of(200, {}, body, address=SITI)
    assert isinstance(outcome, Deferred)
    assert outcome.uncertain
