"""Masked addresses: enough to tell them apart, not enough to write to."""

import pytest

from broadcaster.domain import masking


@pytest.mark.parametrize(
    ("address", "masked"),
    [("a@b.example", "***@b.example"), ("6289912345678", "***5678"), ("12", "***"), ("", "")],
)
def test_an_address_is_masked(address: str, masked: str) -> None:
    assert masking.masked(address) == masked
