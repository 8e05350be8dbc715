"""Free loopback ports for servers that are started a moment later, or restarted."""

import random
import socket

LOOPBACK = "127.0.0.1"
CANDIDATES = range(10_240, 32_768)
"""Ports below the ephemeral ranges of Linux (from 32768), macOS and Windows (from 49152)."""
TRIES = 100

_random = random.SystemRandom()
_given: set[int] = set()
"""Ports already handed out by this process; their servers may not listen yet."""


def free_port(candidates: range = CANDIDATES) -> int:
    """Return an unused port outside the ephemeral range, never the same one twice.

    Raises OSError when none is found.
    """
    for _attempt in range(TRIES):
        port = _random.choice(candidates)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise OSError(
        f"no free port of {LOOPBACK} in {TRIES} tries "
        f"between {candidates.start} and {candidates.stop - 1}"
    )
