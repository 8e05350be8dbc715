"""Admission: proxies, clients, and the connection that makes room."""

import pytest

from broadcaster.web.base.admission import Admission, ConnectionLimits, trusts
from broadcaster.web.base.refusals import RefusalCounters
from support.peers import Droppable


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
    clients = [Droppable() for _ in range(4)]
    for number, client in enumerate(clients):
        assert admission.enter(client, f"2001:db8:0:1::{number + 1}")
    assert [client.dropped for client in clients] == [True, True, False, False]
    assert admission.enter(Droppable(), "2001:db8:0:2::1")
    assert not clients[2].dropped


def test_proxies_have_no_limit_of_one_client() -> None:
    admission = Admission(
        ConnectionLimits(per_client=1, connections=5), RefusalCounters(), trusts(("10.0.0.5",))
    )
    clients = [Droppable() for _ in range(5)]
    assert all(admission.enter(client, "10.0.0.5") for client in clients)
    assert not any(client.dropped for client in clients)


def test_a_stranger_never_takes_the_place_of_a_proxy() -> None:
    admission = Admission(ConnectionLimits(connections=2), RefusalCounters(), trusts(()))
    proxies = [Droppable(), Droppable()]
    assert all(admission.enter(client, "127.0.0.1") for client in proxies)
    assert not admission.enter(Droppable(), "203.0.113.9")
    assert not any(client.dropped for client in proxies)


def test_a_connection_that_only_lingers_is_evicted_before_one_that_waits() -> None:
    admission = Admission(ConnectionLimits(connections=2), RefusalCounters(), trusts(()))
    first, second = Droppable(), Droppable()
    admission.enter(first, "203.0.113.1")
    admission.enter(second, "203.0.113.2")
    admission.wait(second, first=True)
    admission.enter(Droppable(), "203.0.113.3")
    assert (first.dropped, second.dropped) == (False, True)
