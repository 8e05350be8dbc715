"""Read-only access to a WhatsApp business account through the Graph API: its number and its
templates.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from channels.base import http

REFUSALS = frozenset({"190", "0", "HTTP 401"})
"""Error codes of an invalid token."""


class Account:
    """Reader of one account; `phone_id` is its number's id, `account_id` the account's, if
    known.
    """

    def __init__(
        self,
        sessions: http.Sessions,
        base: str,
        headers: Mapping[str, str],
        *,
        phone_id: str,
        account_id: str,
    ) -> None:
        self._sessions = sessions
        self._base = base
        self._headers = headers
        self._phone_id = phone_id
        self._account_id = account_id

    async def number(self, fields: str) -> tuple[int, dict[str, Any]]:
        """Fetch these fields of the number: HTTP status and JSON object."""
        return await self._get(self._phone_id, fields=fields)

    async def is_refused(self) -> bool:
        """True if the token is also refused when it asks for our own number."""
        status, answer = await self.number("id")
        error = answer.get("error", {})
        return status == 401 or (isinstance(error, dict) and str(error.get("code")) in REFUSALS)

    async def templates(self) -> tuple[int, dict[str, Any]]:
        """Fetch all templates of the account as one `data` list across all pages.

        Returns the failed response instead if a page could not be read.
        """
        path = f"{self._account_id}/message_templates"
        registered: list[Any] = []
        after = ""
        while True:
            fields = "name,language,status,category,components"
            status, page = await self._get(path, fields=fields, limit="100", after=after)
            if status != 200:
                return status, page
            registered += page.get("data", [])
            paging = page.get("paging", {})
            after = paging.get("cursors", {}).get("after", "") if "next" in paging else ""
            if not after:
                return status, {"data": registered}

    async def _get(self, path: str, **query: str) -> tuple[int, dict[str, Any]]:
        """Make a GET request: HTTP status and JSON object; status 0 without a response."""
        url = f"{self._base}/{path}"
        asked = {name: value for name, value in query.items() if value}
        try:
            async with self._sessions.get().get(
                url, params=asked, headers=self._headers, allow_redirects=False
            ) as response:
                return response.status, msgspec.json.decode(
                    await response.read(), type=dict[str, Any]
                )
        except (*http.REQUEST_ERRORS, msgspec.DecodeError) as error:
            return 0, {"error": {"message": type(error).__name__}}
