"""Free ports of loopback for servers that are started a moment later, or again."""

import random
import socket

LOOPBACK = "127.0.0.1"
CANDIDATES = range(10_240, 32_768)
"""Below the ports that Linux (32768), macOS and Windows (49152) give to outgoing connections and to
servers that ask for any.
"""
TRIES = 100

_random = random.SystemRandom()
_given: set[int] = set()
"""Ports that this process was given before: their servers may not have begun to listen."""


def free_port(candidates: range = CANDIDATES) -> int:
    """A port on which nobody listens, and which no connection takes by chance before it is used;
    never the same again.

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
        f"no free port of {LOOPBACK} in {TRIES} tries between {candidates.start} and {candidates.stop - 1}"
    )
