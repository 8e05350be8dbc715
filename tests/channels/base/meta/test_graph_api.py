"""Webhooks as Meta writes them: statuses, messages, preferences, alarms, and unreadable items."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from channels import whatsapp
from channels.base.contract import (
    AddressEvent,
    AlarmEvent,
    BadSignature,
    BadWebhook,
    Event,
    InboundEvent,
    Refused,
    Rejected,
    Skipped,
    StatusEvent,
)
from channels.base.tolerant_reading import Unreadable
from support import samples

SECRET, WORD = "rahasia-contoh", "kata-contoh"
ACCOUNT = "112000200"
NUMBER = "112000112"
METADATA = {"metadata": {"display_phone_number": "628110000112", "phone_number_id": NUMBER}}
SITI = "6281200000001"


def settings(**changes: Any) -> whatsapp.Settings:
    """Return the settings that webhooks need."""
    values = {
        "site": samples.site(),
        "phone_id": NUMBER,
        "app_secret": SECRET,
        "verify_token": WORD,
    }
    return whatsapp.Settings(**{**values, **changes})


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers that Meta sends with a body."""
    return {
        "x-hub-signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    }


def events_of(*changes: tuple[str, dict[str, Any]]) -> list[Event]:
    """Return the events of a webhook with these changes about our number."""
    return events_as_sent(*((field, {**METADATA, **value}) for field, value in changes))


def events_as_sent(
    *changes: tuple[str, dict[str, Any]], account: str = ACCOUNT, **more: Any
) -> list[Event]:
    """Return the events of a webhook with exactly these changes, under these settings."""
    listed = [{"field": field, "value": value} for field, value in changes]
    entry = {"id": account, "time": 1_795_600_000, "changes": listed}
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
    return events_in(whatsapp.WhatsApp(settings(**more)).parse_webhook(signed(body), body))


def events_in(parts: Iterable[Event | Unreadable]) -> list[Event]:
    """Return the parts that could be read."""
    return [part for part in parts if not isinstance(part, Unreadable)]


def parse_entries(*entries: Any) -> tuple[list[Event], list[Unreadable]]:
    """Return the events of a webhook with exactly these entries, and its unreadable parts."""
    body = msgspec.json.encode({"entry": entries})
    parts = whatsapp.WhatsApp(settings()).parse_webhook(signed(body), body)
    return events_in(parts), [part for part in parts if isinstance(part, Unreadable)]


def status(state: str, **more: Any) -> dict[str, Any]:
    """Return a status as Meta writes it."""
    values = {"id": "wamid.A", "status": state, "timestamp": "1795567380", "recipient_id": SITI}
    return {**values, "biz_opaque_callback_data": "e1.7.1", **more}


@pytest.mark.parametrize("state", ["sent", "delivered", "read"])
def test_a_status_names_the_delivery_and_its_state(state: str) -> None:
    assert events_of(("messages", {"statuses": [status(state, recipient_user_id="ID.77")]})) == [
        StatusEvent(
            dedupe=f"wamid.A:{state}",
            provider_id="wamid.A",
            address=SITI,
            delivery="e1.7.1",
            state=state,  # type: ignore[arg-type]
            at=datetime(2026, 11, 25, 0, 43, tzinfo=UTC),
            aliases=("ID.77",),
        )
    ]


def test_a_failed_status_means_what_its_code_means() -> None:
    errors = [
        {"code": 131026, "title": "Message undeliverable", "error_data": {"details": f"to {SITI}"}}
    ]
    foreign = [{"code": 130497, "title": "Restricted"}]
    listed = [
        status("failed", errors=errors),
        status("failed", errors=foreign, recipient_id="6581234567"),
    ]
    with capture_logs():
        events = events_of(("messages", {"statuses": [*listed, status("failed")]}))
    assert [event.failure for event in events if isinstance(event, StatusEvent)] == [
        Refused(reason="address_dead", code="131026", detail="to …"),
        Skipped(code="130497", detail="Restricted"),
        Rejected(code="no code"),
    ]


def test_a_timestamp_may_count_milliseconds_and_be_a_number() -> None:
    listed = [status("read", timestamp=1795567380), status("read", timestamp="1795567380500")]
    seconds, milliseconds = events_of(("messages", {"statuses": listed}))
    assert isinstance(seconds, StatusEvent)
    assert isinstance(milliseconds, StatusEvent)
    assert seconds.at == datetime(2026, 11, 25, 0, 43, tzinfo=UTC)
    assert milliseconds.at == datetime(2026, 11, 25, 0, 43, 0, 500_000, tzinfo=UTC)


def test_a_status_of_a_person_without_number_still_counts() -> None:
    (event,) = events_of(
        ("messages", {"statuses": [status("read", recipient_id=None, recipient_user_id="ID.77")]})
    )
    assert isinstance(event, StatusEvent)
    assert event.delivery == "e1.7.1"


def inbound(**fields: Any) -> dict[str, Any]:
    """Return a change with one message from Siti, her business-scoped id beside it."""
    message = {"from": SITI, "id": "wamid.IN", "timestamp": "1795567380", **fields}
    return {
        "contacts": [{"wa_id": SITI, "user_id": "ID.77", "profile": {"name": "S"}}],
        "messages": [message],
    }


@pytest.mark.parametrize(
    ("fields", "text", "payload"),
    [
        ({"type": "text", "text": {"body": "DAFTAR CIBABAT"}}, "DAFTAR CIBABAT", ""),
        ({"type": "button", "button": {"text": "Berhenti", "payload": "STOP"}}, "Berhenti", "STOP"),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "button_reply",
                    "button_reply": {"id": "kec:1", "title": "Ya"},
                },
            },
            "Ya",
            "kec:1",
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "list_reply",
                    "list_reply": {"id": "kel:2", "title": "Cibabat"},
                },
            },
            "Cibabat",
            "kel:2",
        ),
        ({"type": "image", "image": {"id": "9", "caption": "Ini apa?"}}, "Ini apa?", ""),
        ({"type": "audio", "audio": {"id": "9"}}, "", ""),
        ({"type": "unsupported", "errors": [{"code": 131051}]}, "", ""),
    ],
)
def test_what_a_resident_writes_or_presses(fields: dict[str, Any], text: str, payload: str) -> None:
    assert events_of(("messages", inbound(**fields))) == [
        InboundEvent(
            dedupe="wamid.IN",
            address=SITI,
            text=text,
            payload=payload,
            aliases=("ID.77",),
            at=datetime(2026, 11, 25, 0, 43, tzinfo=UTC),
        )
    ]


def test_a_message_may_carry_no_number() -> None:
    message = {
        "from_user_id": "ID.77",
        "id": "wamid.IN",
        "timestamp": "1795567380",
        "type": "text",
        "text": {"body": "STOP"},
    }
    (event,) = events_of(("messages", {"messages": [message]}))
    assert isinstance(event, InboundEvent)
    assert (event.address, event.text, event.aliases) == ("ID.77", "STOP", ())


@pytest.mark.parametrize("kind", ["reaction", "system"])
def test_reactions_and_system_notes_are_ignored(kind: str) -> None:
    assert events_of(("messages", inbound(type=kind, **{kind: {"emoji": "ok"}}))) == []


@pytest.mark.parametrize(("value", "state"), [("stop", "opted_out"), ("resume", "reachable")])
def test_a_preference_stops_or_resumes(value: str, state: str) -> None:
    wish = {
        "wa_id": SITI,
        "user_id": "ID.77",
        "category": "marketing_messages",
        "value": value,
        "timestamp": 1795567380,
    }
    (event,) = events_of(("user_preferences", {"user_preferences": [wish]}))
    assert isinstance(event, AddressEvent)
    assert (event.address, event.state, event.aliases) == (SITI, state, ("ID.77",))
    assert SITI not in event.dedupe


@pytest.mark.parametrize(
    "field",
    ["account_update", "phone_number_quality_update", "message_template_status_update", "security"],
)
def test_what_an_operator_must_know_is_an_alarm(field: str) -> None:
    value = {
        "event": "DISABLED",
        "message_template_name": "info_kelurahan",
        "reason": None,
        "nested": {},
    }
    (event,) = events_of((field, value))
    assert isinstance(event, AlarmEvent)
    assert (event.code, event.detail) == (
        field,
        "event: DISABLED, message_template_name: info_kelurahan",
    )


def test_an_error_of_the_number_is_an_alarm() -> None:
    (event,) = events_of(("messages", {"errors": [{"code": 130429, "title": "Rate limit hit"}]}))
    assert isinstance(event, AlarmEvent)
    assert (event.code, event.detail) == ("130429", "Rate limit hit")


def test_a_repeated_webhook_has_the_same_keys_and_another_has_others() -> None:
    def keys(event: str) -> list[str]:
        return [
            e.dedupe
            for e in events_of(
                ("account_update", {"event": event}), ("messages", inbound(type="text"))
            )
        ]

    assert keys("BAN") == keys("BAN")
    assert len({*keys("BAN"), *keys("UNBAN")}) == 3


def test_unknown_fields_types_and_statuses_are_acknowledged() -> None:
    assert (
        events_of(
            ("history", {"a": 1}), ("messages", {"statuses": [status("warning")]}), ("messages", {})
        )
        == []
    )


def test_an_unreadable_item_is_passed_over_and_its_neighbours_are_kept() -> None:
    broken: list[Any] = [
        None,
        7,
        {},
        {"id": 5},
        status("read", timestamp="soon"),
        status("read", timestamp=10**18),
    ]
    value = {**METADATA, "statuses": [status("sent"), *broken, status("read")], "messages": "none"}
    events, unreadable = parse_entries(
        {"id": ACCOUNT, "changes": [{"field": "messages", "value": value}]}
    )
    assert [event.dedupe for event in events] == ["wamid.A:sent", "wamid.A:read"]
    assert [part.where for part in unreadable] == ["messages.statuses"] * len(broken) + [
        "messages.messages"
    ]
    assert all(part.reason for part in unreadable)


BERHENTI = {
    "from": SITI,
    "id": "wamid.S",
    "timestamp": "1795567380",
    "type": "text",
    "text": {"body": "BERHENTI"},
}
GOOD = {"field": "messages", "value": {**METADATA, "messages": [BERHENTI]}}


@pytest.mark.parametrize(
    "bad",
    [
        {"field": "x", "value": None}, {"field": "x", "value": []}, {"field": "x", "value": "a"}, {"field": 7.5, "value": {}},
        {"field": None, "value": None}, None, [], 7, "x",
    ],
    ids=str,
)  # fmt: skip
def test_a_change_that_cannot_be_read_keeps_no_other_from_acting(bad: Any) -> None:
    for entries in (
        [{"id": ACCOUNT, "changes": [bad, GOOD]}],
        [{"changes": [bad]}, {"changes": [GOOD]}],
    ):
        events, unreadable = parse_entries(*entries)
        assert [event.dedupe for event in events] == ["wamid.S"]
        assert [part.where for part in unreadable] == ["changes"]


@pytest.mark.parametrize("bad", [None, [], 7, "x", {"changes": {}}, {"changes": "x"}], ids=str)
def test_an_entry_that_cannot_be_read_keeps_no_other_from_acting(bad: Any) -> None:
    events, unreadable = parse_entries(bad, {"id": ACCOUNT, "changes": [GOOD]})
    assert [event.dedupe for event in events] == ["wamid.S"]
    assert len(unreadable) == 1


@pytest.mark.parametrize(
    "about",
    [{"id": 7}, {"id": None}, {"id": []}, {"time": None}, {"time": "soon"}, {"time": 10**30}],
    ids=str,
)
def test_an_entry_acts_whatever_its_id_and_time_are(about: dict[str, Any]) -> None:
    events, _unreadable = parse_entries({**about, "changes": [GOOD]})
    assert [event.dedupe for event in events] == ["wamid.S"]


def test_an_entry_is_of_the_account_that_its_number_names() -> None:
    body = msgspec.json.encode(
        {"entry": [{"id": 7, "changes": [{"field": "security", "value": {"event": "x"}}]}]}
    )
    assert events_in(whatsapp.WhatsApp(settings(account_id="7")).parse_webhook(signed(body), body))


@pytest.mark.parametrize("errors", [None, "x", [None], [{"code": []}], {}], ids=str)
def test_a_status_whose_errors_cannot_be_read_keeps_its_state(errors: Any) -> None:
    (event,) = events_of(("messages", {"statuses": [status("failed", errors=errors)]}))
    assert isinstance(event, StatusEvent)
    assert event.state == "failed"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "button", "text": None, "button": {"text": "BERHENTI", "payload": None}},
        {"type": "button", "text": None, "button": {"text": "BERHENTI", "payload": 7.5}},
        {"type": "button", "text": None, "button": {"text": "BERHENTI", "payload": []}},
        {"button": "x"},
        {"interactive": {"button_reply": None}},
        {"interactive": []},
        {"type": None},
        {"type": 7},
        {"from_user_id": []},
        {"image": {"caption": {}}},
        {"timestamp": "soon"},
        {"timestamp": None},
        {"from": int(SITI)},
    ],
    ids=str,
)
def test_a_stop_acts_whatever_else_of_its_message_cannot_be_read(changes: dict[str, Any]) -> None:
    (event,) = events_of(
        ("messages", {"contacts": None, "messages": [{**BERHENTI, **changes}], "statuses": None})
    )
    assert isinstance(event, InboundEvent)
    assert (event.address, event.text) == (SITI, "BERHENTI")


@pytest.mark.parametrize(
    "changes",
    [{"timestamp": None}, {"timestamp": "soon"}, {"user_id": []}, {"wa_id": int(SITI)}],
    ids=str,
)
def test_a_preference_acts_whatever_else_of_it_cannot_be_read(changes: dict[str, Any]) -> None:
    (event,) = events_of(("user_preferences", {"user_preferences": [{**WISH, **changes}]}))
    assert isinstance(event, AddressEvent)
    assert (event.address, event.state) == (SITI, "opted_out")


def test_what_nests_too_deeply_keeps_no_other_from_acting() -> None:
    deep: Any = {}
    for _level in range(400):
        deep = {"a": [deep]}
    events, _unreadable = parse_entries(
        {"id": ACCOUNT, "changes": [{"field": "x", "value": deep}, GOOD]}
    )
    assert [event.dedupe for event in events] == ["wamid.S"]


def test_the_reason_of_an_unreadable_item_repeats_none_of_its_content() -> None:
    _events, unreadable = parse_entries(
        {
            "changes": [
                {
                    "field": "messages",
                    "value": {**METADATA, "messages": [{"id": [SITI], "text": SITI}]},
                }
            ]
        }
    )
    assert unreadable
    assert SITI not in str(unreadable)


ABOUT_OTHERS: tuple[dict[str, Any], ...] = (
    {"metadata": {"display_phone_number": "628110000999", "phone_number_id": "999"}},
    {"metadata": {"display_phone_number": "628110000112"}},
    {"metadata": {"phone_number_id": None}},
    {"metadata": [NUMBER]},
    {},
)
WISH = {"wa_id": SITI, "category": "marketing_messages", "value": "stop", "timestamp": 1795567380}
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("messages", {"statuses": [status("failed", errors=[{"code": 131026}]), status("delivered")]}),
    ("messages", inbound(type="text", text={"body": "STOP"})),
    ("messages", {"errors": [{"code": 130429}]}),
    ("user_preferences", {"user_preferences": [WISH]}),
)


@pytest.mark.parametrize("about", ABOUT_OTHERS)
@pytest.mark.parametrize(("field", "value"), CHANGES)
def test_changes_of_another_number_of_the_app_are_ignored(
    field: str, value: dict[str, Any], about: dict[str, Any]
) -> None:
    assert events_of((field, value))
    with capture_logs() as logs:
        assert events_as_sent((field, {**value, **about})) == []
    assert logs == [{"event": "graph_changes_of_others", "log_level": "warning", "count": 1}]


def test_changes_of_our_number_count_beside_those_of_another() -> None:
    foreign, own = (
        CHANGES[1][1] | ABOUT_OTHERS[0],
        CHANGES[0][1] | {"metadata": {"phone_number_id": int(NUMBER)}},
    )
    assert [type(event) for event in events_as_sent(("messages", foreign), ("messages", own))] == [
        StatusEvent,
        StatusEvent,
    ]


def test_without_a_number_of_our_own_all_changes_are_ignored() -> None:
    assert (
        events_as_sent(
            ("messages", CHANGES[0][1] | METADATA), ("messages", CHANGES[1][1]), phone_id=""
        )
        == []
    )


def test_an_alarm_of_another_account_is_dropped_once_we_know_ours() -> None:
    alarm = ("account_update", {"event": "DISABLED"})
    assert events_as_sent(alarm, account="7", account_id=ACCOUNT) == []
    assert len(events_as_sent(alarm, account_id=ACCOUNT)) == 1
    assert len(events_as_sent(alarm, account="7")) == 1


def test_statuses_of_our_answers_to_residents_are_ignored() -> None:
    reply_status = status("delivered", biz_opaque_callback_data="answer")
    assert [
        type(event)
        for event in events_of(("messages", {"statuses": [reply_status, status("read")]}))
    ] == [StatusEvent]


def test_many_changes_in_one_post_are_all_read() -> None:
    events = events_of(
        ("messages", {"statuses": [status("sent"), status("delivered")]}),
        ("messages", inbound(type="text", text={"body": "Halo"})),
        ("account_update", {"event": "X"}),
    )
    assert [type(event) for event in events] == [StatusEvent, StatusEvent, InboundEvent, AlarmEvent]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": "sha256="},
        signed(b"{}", "another"),
        signed(b'{"entry":[ ]}'),
    ],
)
def test_a_missing_or_wrong_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        whatsapp.WhatsApp(settings()).parse_webhook(headers, b'{"entry":[]}')


def test_the_head_of_a_genuine_webhook_is_let_through_and_another_is_not() -> None:
    channel = whatsapp.WhatsApp(settings())
    channel.precheck_webhook(signed(b"{}"))
    for value in ("", "sha256=", "sha256=" + "0" * 63, "sha256=" + "g" * 64, "sha1=" + "0" * 64):
        with pytest.raises(BadSignature):
            channel.precheck_webhook({"x-hub-signature-256": value})
    with pytest.raises(BadSignature):
        whatsapp.WhatsApp(settings(app_secret="")).precheck_webhook(signed(b"{}", ""))


def test_a_body_beyond_three_mebibytes_is_refused_though_signed() -> None:
    body = b'{"entry":[]}' + b" " * (3 * 1024 * 1024)
    with pytest.raises(BadSignature):
        whatsapp.WhatsApp(settings()).parse_webhook(signed(body), body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"entry":{}}', b"\xff\xfe", b"nonsense", b"[" * 100_000]
)
def test_a_signed_body_that_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(BadWebhook):
        whatsapp.WhatsApp(settings()).parse_webhook(signed(body), body)


def test_without_an_app_secret_no_webhook_is_believed() -> None:
    with pytest.raises(BadSignature):
        whatsapp.WhatsApp(settings(app_secret="")).parse_webhook(
            signed(b'{"entry":[]}', ""), b'{"entry":[]}'
        )


def test_the_handshake_is_answered_only_with_our_word() -> None:
    channel = whatsapp.WhatsApp(settings())
    right = {"hub.mode": "subscribe", "hub.verify_token": WORD, "hub.challenge": "1158201444"}
    assert channel.challenge(right) == "1158201444"
    assert channel.challenge({**right, "hub.verify_token": "salah"}) is None
    assert channel.challenge({**right, "hub.mode": "unsubscribe"}) is None
    assert channel.challenge({}) is None
    assert (
        whatsapp.WhatsApp(settings(verify_token="")).challenge({**right, "hub.verify_token": ""})
        is None
    )
