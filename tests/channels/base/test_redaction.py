"""Redacted words of providers: they name nobody, and still say what was wrong."""

import pytest

from channels.base.redaction import redacted


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "Undeliverable to +6281298765432 or ID.77123456, see 131026",
            "Undeliverable to … or …, see 131026",
        ),
        ("chat 5512345678 not found", "chat … not found"),
        ("number 0812-9876-5432 or 62 812 9876 5432", "number … or …"),
        ("unknown message wamid.HBgNNjI4MTI5ODc2NTQzMhUCABEYEg==", "unknown message …"),
        ("<siti@rw07.example>: user unknown", "[alamat] user unknown"),
        ("5.7.1 203.0.113.5 is blocked, code 131026", "5.7.1 203.0.113.5 is blocked, code 131026"),
    ],
)
def test_what_could_name_a_recipient_is_left_out(words: str, expected: str) -> None:
    assert redacted(words) == expected


def test_the_recipients_domain_is_left_out_and_other_hosts_stay() -> None:
    words = "mx.Rw07.example says: see https://help.provider.example about rw07.example"
    assert (
        redacted(words, "rw07.example")
        == "mx.[domain] says: see https://help.provider.example about [domain]"
    )
