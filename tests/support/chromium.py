"""Chromium for browser tests: where it is and how it starts."""

from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path("/usr/bin/chromium")


def launch_options() -> dict[str, Any]:
    """Options of Playwright's `launch`; skips the test where Chromium is not installed."""
    if not PROGRAM.exists():
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return {"executable_path": str(PROGRAM), "args": ["--no-sandbox"]}
