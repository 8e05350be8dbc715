"""Settings of a channel: its own environment variables, named after the module, and the site."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from channels.base.edition import Site

Rate = Annotated[float, Field(ge=0)]
"""Messages per second; 0 = no limit of our own."""


def items(value: Any) -> Any:
    """Split a list at commas, semicolons and white space; a value that is not text is left
    unchanged.
    """
    return (
        tuple(part for part in re.split(r"[,;\s]+", value) if part)
        if isinstance(value, str)
        else value
    )


Items = Annotated[tuple[str, ...], BeforeValidator(items)]
"""A list in one variable."""


class ChannelSettings(BaseModel):
    """Base of each channel's `Settings`: field `api_url` in whatsapp.py is the variable
    WHATSAPP_API_URL, `from_` in email.py EMAIL_FROM.

    A channel renders without any setting; it sends once all in `required` are given.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", arbitrary_types_allowed=True, defer_build=True
    )

    prefix: ClassVar[str] = ""
    required: ClassVar[tuple[str, ...]] = ()

    site: Site = Field(default_factory=Site)

    @classmethod
    def read(cls, variables: Mapping[str, str], site: Site) -> Self:
        """Pick the channel's own variables out of `variables`; an empty value counts as absent.

        Raises pydantic.ValidationError.
        """
        own = {
            name.removeprefix(cls.prefix).lower(): value
            for name, value in variables.items()
            if cls.prefix and name.startswith(cls.prefix) and value != ""
        }
        own.pop("site", None)
        return cls.model_validate({**own, "site": site})

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Return the names of the variables that are read."""
        fields = ((name, field.alias) for name, field in cls.model_fields.items() if name != "site")
        return frozenset(
            f"{cls.prefix}{alias or name.rstrip('_')}".upper() for name, alias in fields
        )

    def missing(self) -> tuple[str, ...]:
        """Return the names of missing variables without which nothing can be sent."""
        return tuple(
            f"{self.prefix}{name.rstrip('_').upper()}"
            for name in self.required
            if not getattr(self, name)
        )
