"""Requests without NUL characters, which PostgreSQL cannot store."""

from typing import Any

from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request

NUL = "\0"
"""Cannot be stored by PostgreSQL; no keyboard types it, so nothing is lost by removing it."""


class StorableRequest(Request):
    """Request whose query and form are stripped of NUL.

    Raises HTTPException (404) for a path parameter with one.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._storable_form: FormData | None = None
        if any(NUL in value for value in self.path_params.values() if isinstance(value, str)):
            raise HTTPException(404)

    @property
    def query_params(self) -> QueryParams:
        """Query parameters without NUL."""
        query = super().query_params
        if not any(NUL in text for pair in query.multi_items() for text in pair):
            return query
        return QueryParams(
            [(_without(name), _without(value)) for name, value in query.multi_items()]
        )

    # none of our endpoints uses the form as a context manager
    async def form(self, **limits: Any) -> FormData:  # type: ignore[override]
        """Read the form once; its fields are without NUL."""
        if self._storable_form is None:
            sent = await super().form(**limits)
            fields = [
                (_without(name), _without(value) if isinstance(value, str) else value)
                for name, value in sent.multi_items()
            ]
            self._storable_form = FormData(fields)
        return self._storable_form


def _without(text: str) -> str:
    return text.replace(NUL, "")
