"""The public code, the canonical form and the signature, as properties."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.codes import ALPHABET, Choose, draw_code, normalise_code
from broadcaster.domain.signatures import Signer, canonical, decode, verify
from channels.base.contract import Claim, Edition, Image
from support import samples
from support.codes import is_code

ROOT = Path(__file__).resolve().parents[3]
SEED = bytes(range(32))
drawn = st.text(alphabet=ALPHABET, min_size=5, max_size=5)
codes = drawn.map(lambda five: draw_code("CMH", chooser(five)))
zones = st.sampled_from([UTC, samples.WIB, timezone(timedelta(hours=-3, minutes=-30))])
times = st.datetimes(
    min_value=datetime(2000, 1, 2),  # noqa: DTZ001  zones are drawn
    max_value=datetime(2199, 12, 30),  # noqa: DTZ001
    timezones=zones,
)
words = st.text(st.characters(codec="utf-8"), max_size=60)


def chooser(five: str) -> Choose:
    """Return a choice that draws these five letters in turn."""
    letters = iter(five)
    return lambda _alphabet: next(letters)


@st.composite
def editions(draw: st.DrawFn) -> Edition:
    """Draw a sample edition with times, words and optional parts of all kinds."""
    return msgspec.structs.replace(
        draw(st.sampled_from(list(samples.editions().values()))),
        published_at=draw(times),
        first_published_at=draw(times),
        effective=draw(times),
        expires=draw(st.none() | times),
        reason=draw(words),
        agency=draw(words),
        image=draw(st.none() | st.builds(Image, url=words, alt=words)),
        claim=draw(
            st.none()
            | st.builds(
                Claim, claim=words, verdict=words, fact=words, evidence=st.tuples(words, words)
            )
        ),
    )


# --- the code -----------------------------------------------------------------------------------


def test_the_alphabet_has_no_look_alikes_and_a_prime_size() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 23
    assert not set(ALPHABET) & set("0O1ILZSGBUVAE")


@pytest.mark.parametrize(
    "code", [samples.NOTICE_CODE, samples.ALERT_CODE, samples.CLARIFICATION_CODE]
)
def test_the_codes_in_our_samples_are_real_codes(code: str) -> None:
    assert is_code(code)


@given(codes)
def test_every_drawn_code_is_a_code(code: str) -> None:
    assert is_code(code)
    assert len(code) == len("CMH-7K4Q-2M")


def test_drawn_codes_differ_and_bear_the_citys_prefix() -> None:
    many = {draw_code("BDG") for _ in range(300)}
    assert len(many) > 290
    assert all(is_code(code, "BDG") and not is_code(code) for code in many)


@given(codes, st.integers(0, 5), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(code: str, place: int, other: str) -> None:
    six = code[4:8] + code[9:]
    wrong = six[:place] + other + six[place + 1 :]
    assert is_code(f"CMH-{wrong[:4]}-{wrong[4:]}") == (wrong == six)


@given(codes, st.integers(0, 5), st.integers(0, 5))
def test_two_swapped_characters_are_always_noticed_wherever_they_stand(
    code: str, first: int, second: int
) -> None:
    six = list(code[4:8] + code[9:])
    swapped = six.copy()
    swapped[first], swapped[second] = swapped[second], swapped[first]
    text = "".join(swapped)
    assert is_code(f"CMH-{text[:4]}-{text[4:]}") == (swapped == six)


@given(codes, st.sampled_from(["", "-", " ", ".", " - "]), st.booleans(), st.booleans())
def test_a_code_is_understood_as_people_type_it(
    code: str, between: str, lower: bool, with_prefix: bool
) -> None:
    parts = code.split("-") if with_prefix else code.split("-")[1:]
    typed = between.join(parts)
    assert normalise_code(f"  {typed.lower() if lower else typed}\n") == code


def test_look_alikes_are_read_as_the_one_code_they_can_mean() -> None:
    five = "258QD"
    code = draw_code("CMH", chooser(five))
    assert normalise_code(code.replace("2", "Z").replace("5", "s").replace("8", "B")) == code
    assert normalise_code(code.replace("Q", "0").replace("D", "o")) in {code, None}


def test_an_o_is_q_or_d_by_the_check_character() -> None:
    for five in ("Q3456", "D3456"):
        code = draw_code("CMH", chooser(five))
        assert normalise_code(code.replace("Q", "O").replace("D", "O")) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CMH",
        "CMH-7K4Q-2N",
        "CMH-7K4Q-2",
        "CMH-7K4Q-2MM",
        "BDG-7K4Q-2M",
        "air mati",
        "é" * 6,
        "ABCDEF",
        "-" * 500,
    ],
)
def test_what_is_no_code_is_none(text: str) -> None:
    assert normalise_code(text) is None
    assert not is_code(text)


@given(st.text(max_size=40))
def test_any_text_is_either_a_code_or_none(text: str) -> None:
    code = normalise_code(text)
    assert code is None or is_code(code)


# --- canonical form and signature -----------------------------------------------------------------


@given(editions())
def test_the_canonical_form_can_be_read_back_and_made_again(edition: Edition) -> None:
    document = canonical(edition)
    read = decode(document)
    assert read == edition
    assert canonical(read) == document


@given(editions(), zones)
def test_the_canonical_form_does_not_depend_on_the_zone_of_a_time(
    edition: Edition, zone: timezone
) -> None:
    moved = msgspec.structs.replace(edition, published_at=edition.published_at.astimezone(zone))
    assert canonical(moved) == canonical(edition)


def test_the_canonical_form_does_not_depend_on_the_order_of_languages() -> None:
    edition = samples.notice()
    reversed_edition = msgspec.structs.replace(
        edition, wordings=dict(reversed(edition.wordings.items()))
    )
    assert canonical(reversed_edition) == canonical(edition)


def test_the_canonical_form_is_plain_sorted_json_with_utc_times() -> None:
    document = canonical(samples.alert())
    values = json.loads(document)
    assert values["published_at"] == "2026-11-25T00:43:00Z"
    assert list(values) == sorted(values)
    assert (
        document
        == json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    )


def test_a_time_without_a_zone_is_never_signed() -> None:
    with pytest.raises(ValueError, match="effective"):
        canonical(samples.notice(effective=samples.NOW.replace(tzinfo=None)))


@given(editions())
def test_a_signed_edition_verifies_and_a_changed_one_does_not(edition: Edition) -> None:
    signer = Signer.from_seed(SEED)
    document = canonical(edition)
    signature = signer.sign(document)
    assert verify(signer.public_pem, document, signature)
    changed = canonical(msgspec.structs.replace(edition, number=edition.number + 1))
    assert not verify(signer.public_pem, changed, signature)


def test_the_same_seed_gives_the_same_key_and_another_seed_another() -> None:
    signer, again, other = (
        Signer.from_seed(SEED),
        Signer.from_seed(SEED),
        Signer.from_seed(SEED[::-1]),
    )
    assert (signer.key_id, signer.public_pem) == (again.key_id, again.public_pem)
    assert signer.key_id != other.key_id
    assert not verify(other.public_pem, b"text", signer.sign(b"text"))


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "A" * 88])
def test_an_unreadable_signature_is_a_wrong_one(signature: str) -> None:
    assert not verify(Signer.from_seed(SEED).public_pem, b"text", signature)


def test_a_key_of_another_kind_is_refused() -> None:
    public = (
        X25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(ValueError, match="Ed25519"):
        verify(public.decode(), b"text", "AAAA")


def test_the_samples_of_the_documentation_verify_with_the_public_key_alone() -> None:
    signer = Signer.from_seed(SEED)
    for edition in samples.editions().values():
        document = canonical(edition)
        assert verify(signer.public_pem, bytes(document), signer.sign(document))


FIRST_AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-6)
from broadcaster.domain import signatures
document, gate = sys.stdin.read(), threading.Barrier(8)
def read():
    gate.wait()
    signatures.decode(document)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_may_be_the_first_to_read_an_edition_at_the_same_time() -> None:
    document = canonical(samples.notice())
    exit_codes = [
        subprocess.run(
            [sys.executable, "-c", FIRST_AT_ONCE], input=document, cwd=ROOT, capture_output=True
        ).returncode
        for _process in range(8)
    ]
    assert exit_codes == [0] * 8
