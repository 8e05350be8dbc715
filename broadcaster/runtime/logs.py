"""Logging: one line per event on standard error, without addresses or secrets."""

import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[2]
"""Parent folder of our packages."""
_LEVELS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}


def configure(*, quiet: bool = False, level: str = "") -> None:
    """Set up structlog: key=value lines in a terminal, JSON otherwise; libraries log from
    warning on. `level` applies to our own events; default: info, or warning if `quiet`.
    """
    least = _LEVELS[level or ("warning" if quiet else "info")]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(
        level=max(least, logging.WARNING),
        stream=sys.stderr,
        format="%(levelname)s %(name)s %(message)s",
    )
    for chatty in ("arq", "httpx", "aiosmtplib", "telegram"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def describe_error(error: BaseException) -> str:
    """Describe an error by its type and its place in our code; never by its message, which may
    quote an address.
    """
    return ", ".join(dict.fromkeys(_places(error)))


def _places(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _places(part)
        return
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_ours(Path(frame.filename))
    ]
    where = f" in {Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else ""
    yield f"{type(error).__name__}{where}"


def _is_ours(path: Path) -> bool:
    return any(
        path.is_relative_to(ROOT / package)
        for package in ("broadcaster", "channels", "subscribers")
    )
