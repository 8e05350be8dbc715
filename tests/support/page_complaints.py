"""Complaints of a browser about our pages."""

from typing import Any

FOCUSED_EARLIER = (
    "Autofocus processing was blocked because a document already has a focused element."
)
"""Logged when somebody is in a field before the page focuses its first one; they stay there."""


def gather(page: Any, complaints: list[str]) -> None:
    """Add what the page's console and scripts complain about from now on."""

    def add(message: Any) -> None:
        if message.text != FOCUSED_EARLIER:
            complaints.append(message.text)

    page.on("console", add)
    page.on("pageerror", lambda error: complaints.append(str(error)))
