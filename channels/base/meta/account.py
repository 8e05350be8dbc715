"""Account of a WhatsApp business as the Graph API shows it: its number and its templates, read only."""

from collections.abc import Mapping
from typing import Any

import msgspec

from channels.base import http

REFUSALS = frozenset({"190", "0", "HTTP 401"})
"""What a token that is not valid goes by."""


class Account:
    """Reader of one account; `phone_id` names its number, `account_id` the account where known."""

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
        """Ask for these fields of the number: status and JSON object."""
        return await self._get(self._phone_id, fields=fields)

    async def is_refused(self) -> bool:
        """Whether the token is refused when it asks for our number too."""
        status, answer = await self.number("id")
        error = answer.get("error", {})
        return status == 401 or (isinstance(error, dict) and str(error.get("code")) in REFUSALS)

    async def templates(self) -> tuple[int, dict[str, Any]]:
        """All templates of the account in one `data`, however many pages; or the answer that was no
        page.
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
        """One GET: status and JSON object; status 0 when there was no answer."""
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
