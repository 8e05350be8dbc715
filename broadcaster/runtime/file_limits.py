"""Open files of this process: as many as the system grants, as each connection is one."""

import contextlib

MOST = 65_536
"""More than we ever hold; some systems say that there is no limit, and refuse to be asked for none."""
WANTED = 4_352
"""Enough for every connection that the web server holds (web/admission.py), its backlog and what
else it opens.
"""


def file_limit() -> tuple[int, int]:
    """Open files allowed now, and at most after raising."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return MOST, MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    now, most = (MOST if value == resource.RLIM_INFINITY else value for value in (soft, hard))
    return now, max(now, min(most, MOST))


def raise_file_limit() -> int:
    """Allow as many open files as the system grants; returns how many."""
    now, most = file_limit()
    if most > now:
        import resource  # noqa: PLC0415  not on Windows

        with contextlib.suppress(
            OSError, ValueError
        ):  # macOS grants less than it says: what we have must do
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
    return file_limit()[0]
