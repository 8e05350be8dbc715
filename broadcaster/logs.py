"""Logging of the serving processes: one line an event on standard error, no address, no secret."""

import logging
import sys

import structlog


def configure(*, quiet: bool = False) -> None:
    """Set structlog up: key=value lines in a terminal, JSON otherwise; libraries (`quiet`: all) only from warning on."""
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=True) if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    for chatty in ("arq", "httpx", "aiosmtplib", "telegram"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
