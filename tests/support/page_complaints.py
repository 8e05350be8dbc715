"""Complaints of a browser about our pages."""

from typing import Any

FOCUSED_EARLIER = (
    "Autofocus processing was blocked because a document already has a focused element."
)
"""Logged when somebody is in a field before a page of staff focuses its first one: Chromium leaves
them there.
"""


def gather(page: Any, complaints: list[str], *, staff: bool = False) -> None:
    """Add what the page's console and scripts complain about from now on.

    `staff`: it shows the newsroom, whose forms take the focus.
    """

    def add(message: Any) -> None:
        if not (staff and message.text == FOCUSED_EARLIER):
            complaints.append(message.text)

    page.on("console", add)
    page.on("pageerror", lambda error: complaints.append(str(error)))
