"""Version of the running program."""

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """Return the installed version; "0" when run from a folder that was never installed."""
    try:
        return metadata.version("siaran-cimahi")
    except metadata.PackageNotFoundError:
        return "0"
