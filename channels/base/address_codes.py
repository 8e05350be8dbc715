"""Codes of texts that are no address of a channel; the catalogues have their words."""

from enum import StrEnum, auto


class AddressCode(StrEnum):
    """A reason why a text is no address; ADDRESS_OTHER: in the channel's own words."""

    EMAIL_MALFORMED = auto()
    EMAIL_SEVERAL = auto()
    PHONE_ROUNDED = auto()
    PHONE_LETTERS = auto()
    PHONE_SEVERAL = auto()
    NO_WHATSAPP_NUMBER = auto()
    NO_TELEGRAM_CHAT = auto()
    ADDRESS_OTHER = auto()
