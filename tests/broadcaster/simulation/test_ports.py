"""Free ports for servers that start later."""

import socket
from pathlib import Path

import pytest

from broadcaster.simulation import ports

EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_free_port_is_none_that_the_system_uses_for_connections() -> None:
    first = int(EPHEMERAL_PORTS.read_text().split()[0]) if EPHEMERAL_PORTS.exists() else 32_768
    if first < 32_768:
        pytest.skip("this system gives all ports to connections")
    assert ports.CANDIDATES.stop <= first
    for _ in range(50):
        port = ports.free_port()
        assert port in ports.CANDIDATES
        with socket.socket() as server:
            server.bind((ports.LOOPBACK, port))


def test_no_port_is_handed_out_twice() -> None:
    port = ports.free_port()
    with pytest.raises(OSError, match="no free port"):
        ports.free_port(range(port, port + 1))


def test_a_port_in_use_is_never_handed_out() -> None:
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        server.listen()
        taken = server.getsockname()[1]
        with pytest.raises(OSError, match="no free port"):
            ports.free_port(range(taken, taken + 1))
