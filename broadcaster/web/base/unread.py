"""Answers that a client leaves unread: how much, since when, and when it is too slow."""

from broadcaster.web.base.admission import Limits


class Unread:
    """What one client has not read yet of its answers; times are of the event loop's clock."""

    def __init__(self, limits: Limits) -> None:
        self.sent = 0
        """Bytes of answers handed to the connection."""
        self.read_at = 0.0
        """Time at which the client last read some of what waits for it."""
        self._limits = limits
        self._read = 0
        self._since: float | None = None
        self._read_then = 0
        """Start of the time in which answers are unread, and the bytes that had been read by then."""

    def is_too_slow(self, now: float, waiting: int) -> bool:
        """Note that `waiting` bytes are unread; True once the client reads slower than it may."""
        if not waiting:
            self._since = None
            return False
        read = self.sent - waiting
        if self._since is None:
            self._since = now
            self._read_then = read
            self.read_at = now
        if read != self._read:
            self.read_at = now
            self._read = read
        gained = (read - self._read_then) / self._limits.bytes_per_second
        return now - self._since > self._limits.write_seconds + gained

    def stalled(self, now: float, waiting: int) -> int:
        """Bytes that wait for a client who has read nothing for a while; 0 while it reads."""
        return waiting if waiting and now - self.read_at > self._limits.stall_seconds else 0
