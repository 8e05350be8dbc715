"""Sealing, finding and signing addresses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.vault import SealBroken, Vault

SECRET = b"0123456789abcdef0123456789abcdef"
VAULT = Vault(SECRET)
OTHER = Vault(b"another secret of 32 bytes......")
ids = st.integers(min_value=0, max_value=2**40 - 1)
words = st.text(st.characters(codec="utf-8"), max_size=60)


@given(words, words)
def test_a_sealed_address_opens_again(channel: str, address: str) -> None:
    assert VAULT.open(channel, VAULT.seal(channel, address)) == address


def test_the_same_address_is_sealed_differently_each_time() -> None:
    assert VAULT.seal("email", "rina@contoh.example") != VAULT.seal("email", "rina@contoh.example")


def test_a_sealed_address_does_not_show_the_address() -> None:
    assert b"rina" not in VAULT.seal("email", "rina@contoh.example")


def test_an_address_opens_only_under_its_own_channel() -> None:
    with pytest.raises(SealBroken):
        VAULT.open("telegram", VAULT.seal("email", "rina@contoh.example"))


def test_another_secret_opens_nothing() -> None:
    with pytest.raises(SealBroken):
        OTHER.open("email", VAULT.seal("email", "rina@contoh.example"))


@given(st.integers(min_value=0, max_value=40))
def test_one_changed_byte_breaks_the_seal(position: int) -> None:
    sealed = bytearray(VAULT.seal("email", "rina@contoh.example"))
    sealed[position % len(sealed)] ^= 1
    with pytest.raises(SealBroken):
        VAULT.open("email", bytes(sealed))


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x01" + b"x" * 12, b"plain text"])
def test_junk_is_no_sealed_address(junk: bytes) -> None:
    with pytest.raises(SealBroken):
        VAULT.open("email", junk)


def test_lookups_are_stable_short_and_keyed() -> None:
    lookup = VAULT.lookup("email", "rina@contoh.example")
    assert lookup == Vault(SECRET).lookup("email", "rina@contoh.example")
    assert len(lookup) == 16
    assert lookup != OTHER.lookup("email", "rina@contoh.example")


def test_the_same_text_in_two_channels_is_two_addresses() -> None:
    assert VAULT.lookup("telegram", "628120000") != VAULT.lookup("whatsapp", "628120000")


def test_channel_and_address_do_not_run_into_each_other() -> None:
    assert VAULT.lookup("email", "a") != VAULT.lookup("emaila", "")


@given(ids)
def test_a_token_names_its_address(address_id: int) -> None:
    token = VAULT.token(address_id)
    assert re.fullmatch("[a-z2-7]{32}", token)
    assert VAULT.read_token(token) == address_id


@given(
    ids, st.integers(min_value=0, max_value=31), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567")
)
def test_a_token_with_one_changed_letter_is_refused(
    address_id: int, position: int, letter: str
) -> None:
    token = VAULT.token(address_id)
    changed = token[:position] + letter + token[position + 1 :]
    assert VAULT.read_token(changed) == (address_id if changed == token else None)


@given(st.text(max_size=40))
def test_any_other_text_is_no_token(text: str) -> None:
    assert VAULT.read_token(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 32,
        "1" * 32,
        "a" * 31,
        "é" * 32,
        "a" * 33,
        "=" * 32,
        OTHER.token(7),
        VAULT.key(7) * 2,
    ],
)
def test_what_we_did_not_sign_is_no_token(text: str) -> None:
    assert VAULT.read_token(text) is None


def test_keys_are_stable_different_and_not_the_token() -> None:
    keys = {VAULT.key(number) for number in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch("[a-z2-7]{16}", key) for key in keys)
    assert VAULT.key(7) == Vault(SECRET).key(7)
    assert VAULT.key(7) != OTHER.key(7)
    assert VAULT.key(7) not in VAULT.token(7)


def test_a_reference_is_hashed_once() -> None:
    reference = VAULT.reference("warga-17")
    assert re.fullmatch("~[a-z2-7]{32}", reference)
    assert VAULT.reference(reference) == reference
    assert VAULT.reference("warga-18") != reference


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Vault(b"short")


def test_a_providers_id_is_kept_as_a_key_that_tells_nothing() -> None:
    key = VAULT.provider_key("whatsapp", "wamid.HBgNNjI4MTI5ODc2NTQzMhUCABEYEjAwMA==")
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", key)
    assert key == Vault(SECRET).provider_key(
        "whatsapp", "wamid.HBgNNjI4MTI5ODc2NTQzMhUCABEYEjAwMA=="
    )
    assert key != OTHER.provider_key("whatsapp", "wamid.HBgNNjI4MTI5ODc2NTQzMhUCABEYEjAwMA==")
    assert key != VAULT.provider_key("telegram", "wamid.HBgNNjI4MTI5ODc2NTQzMhUCABEYEjAwMA==")
    assert VAULT.provider_key("whatsapp", "") == ""


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_provider_calls_its_messages_different_ids_have_different_keys(
    first: str, second: str
) -> None:
    assert (VAULT.provider_key("whatsapp", first) == VAULT.provider_key("whatsapp", second)) == (
        first == second
    )


def test_a_repeated_event_has_the_same_key_and_nobody_else_can_compute_it() -> None:
    key = VAULT.dedupe_key("whatsapp", "update.1")
    assert key == Vault(SECRET).dedupe_key("whatsapp", "update.1")
    assert (
        len(
            {
                key,
                OTHER.dedupe_key("whatsapp", "update.1"),
                VAULT.dedupe_key("telegram", "update.1"),
            }
        )
        == 3
    )
