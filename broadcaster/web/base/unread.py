"""Unread answers of a client: their size, age, and the least rate of reading."""

from broadcaster.web.base.admission import ConnectionLimits


class Unread:
    """Unread answers of one client; times are of the event loop's clock."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.sent = 0
        """Bytes of answers handed to the connection."""
        self.read_at = 0.0
        """Time at which the client last read anything."""
        self._limits = limits
        self._read = 0
        self._since: float | None = None
        self._read_then = 0
        """Start of the period with unread bytes (`_since`), and the bytes read by then
        (`_read_then`).
        """

    def is_too_slow(self, now: float, waiting: int) -> bool:
        """Record that `waiting` bytes are unread; True once the client reads too slowly."""
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
        """Return `waiting` if the client has read nothing for `stall_seconds`, else 0."""
        return waiting if waiting and now - self.read_at > self._limits.stall_seconds else 0
