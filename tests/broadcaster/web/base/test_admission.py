"""Admission: proxies, clients, and the connection that makes room."""

import pytest

from broadcaster.web.base.admission import Admission, ConnectionLimits, trusts
from broadcaster.web.base.refusals import RefusalCounters


class Line:
    """A connection that remembers whether it was dropped."""

    def __init__(self) -> None:
        self.dropped = False

    def drop(self) -> None:
        """Remember."""
        self.dropped = True


@pytest.mark.parametrize(
    ("proxies", "address", "trusted"),
    [
        ("127.0.0.1 ::1", "127.0.0.1", True),
        ("127.0.0.1 ::1", "127.0.0.2", False),
        ("10.0.0.0/8", "10.20.30.40", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.5", "::1", True),
        ("2001:db8::/32", "2001:db8::7", True),
        ("*", "203.0.113.9", True),
        ("", "", True),
        ("proxy.internal", "203.0.113.9", False),
    ],
)
def test_proxies_are_those_that_the_settings_name_and_this_machine(
    proxies: str, address: str, trusted: bool
) -> None:
    assert trusts(proxies.split())(address) is trusted


def test_a_household_with_many_ipv6_addresses_is_one_client() -> None:
    admission = Admission(ConnectionLimits(per_client=2), RefusalCounters(), trusts(()))
    lines = [Line() for _ in range(4)]
    for number, line in enumerate(lines):
        assert admission.enter(line, f"2001:db8:0:1::{number + 1}")
    assert [line.dropped for line in lines] == [True, True, False, False]
    assert admission.enter(Line(), "2001:db8:0:2::1")
    assert not lines[2].dropped


def test_proxies_have_no_limit_of_one_client() -> None:
    admission = Admission(
        ConnectionLimits(per_client=1, connections=5), RefusalCounters(), trusts(("10.0.0.5",))
    )
    lines = [Line() for _ in range(5)]
    assert all(admission.enter(line, "10.0.0.5") for line in lines)
    assert not any(line.dropped for line in lines)


def test_a_stranger_never_takes_the_place_of_a_proxy() -> None:
    admission = Admission(ConnectionLimits(connections=2), RefusalCounters(), trusts(()))
    proxies = [Line(), Line()]
    assert all(admission.enter(line, "127.0.0.1") for line in proxies)
    assert not admission.enter(Line(), "203.0.113.9")
    assert not any(line.dropped for line in proxies)


def test_who_sees_an_answer_off_goes_before_who_waits() -> None:
    admission = Admission(ConnectionLimits(connections=2), RefusalCounters(), trusts(()))
    first, second = Line(), Line()
    admission.enter(first, "203.0.113.1")
    admission.enter(second, "203.0.113.2")
    admission.wait(second, first=True)
    admission.enter(Line(), "203.0.113.3")
    assert (first.dropped, second.dropped) == (False, True)
