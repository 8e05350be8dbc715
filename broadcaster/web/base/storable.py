"""Requests as every database can store them: no text of a query or form holds a NUL, and no path is
looked up with one.
"""

from typing import Any

from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request

NUL = "\0"
"""PostgreSQL stores it in no text; no keyboard types it, so that nothing is lost with it."""


class StorableRequest(Request):
    """A request whose query and form are without NUL. Raises HTTPException (404) for a path with
    one.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._storable_form: FormData | None = None
        if any(NUL in value for value in self.path_params.values() if isinstance(value, str)):
            raise HTTPException(404)

    @property
    def query_params(self) -> QueryParams:
        """The query's names and values."""
        query = super().query_params
        if not any(NUL in text for pair in query.multi_items() for text in pair):
            return query
        return QueryParams(
            [(_without(name), _without(value)) for name, value in query.multi_items()]
        )

    async def form(self, **limits: Any) -> FormData:  # type: ignore[override]  # none of ours is used as a context
        """The form's fields, read once."""
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
