"""Free ports for servers that start later."""

import socket
from pathlib import Path

import pytest

from broadcaster.simulation import ports

GIVEN_TO_CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_free_port_is_none_that_the_system_gives_to_connections() -> None:
    first = (
        int(GIVEN_TO_CONNECTIONS.read_text().split()[0])
        if GIVEN_TO_CONNECTIONS.exists()
        else 32_768
    )
    if first < 32_768:
        pytest.skip("this system gives all ports to connections")
    assert ports.CANDIDATES.stop <= first
    for _ in range(50):
        port = ports.free_port()
        assert port in ports.CANDIDATES
        with socket.socket() as server:
            server.bind((ports.LOOPBACK, port))


def test_no_port_is_given_twice() -> None:
    given = ports.free_port()
    with pytest.raises(OSError, match="no free port"):
        ports.free_port(range(given, given + 1))


def test_a_taken_port_is_never_given() -> None:
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        server.listen()
        taken = server.getsockname()[1]
        with pytest.raises(OSError, match="no free port"):
            ports.free_port(range(taken, taken + 1))
