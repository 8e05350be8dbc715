"""Limit of open files of this process: raised to what the system grants, as each connection
takes one.
"""

import contextlib

MOST = 65_536
"""Upper bound of the limit; some systems report no limit, but refuse a request for none."""
WANTED = 4_352
"""Enough for every connection of the web server (web/base/admission.py), its backlog and its
other files.
"""


def file_limit() -> tuple[int, int]:
    """Return the current limit of open files, and the highest possible one."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return MOST, MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    now, most = (MOST if value == resource.RLIM_INFINITY else value for value in (soft, hard))
    return now, max(now, min(most, MOST))


def raise_file_limit() -> int:
    """Raise the limit as far as the system allows; returns the new limit."""
    now, most = file_limit()
    if most > now:
        import resource  # noqa: PLC0415  not on Windows

        # macOS may grant less than it reports: keep the current limit then
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
    return file_limit()[0]
