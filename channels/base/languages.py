"""The languages of one message: its frame, its words where they are translated, and what is written
in Indonesian alone. Pure.
"""

from markupsafe import Markup

from channels.base.contract import Edition


def of_frame(lang: str) -> str:
    """The language of everything but the edition's own words."""
    return "en" if lang == "en" else "id"


def of_words(edition: Edition, lang: str) -> str:
    """The language that the edition's words are in, for somebody who reads `lang`."""
    return lang if lang in edition.wordings else "id"


def spoken(edition: Edition, lang: str) -> list[str]:
    """Every language of a message, the frame's first; reasons and claims are in Indonesian alone."""
    indonesian = ["id"] if edition.reason or edition.claim else []
    return list(dict.fromkeys([of_frame(lang), of_words(edition, lang), *indonesian]))


def marked(lang: str, around: str) -> Markup:
    """The attribute that names the language of words, where those around them are in another."""
    return Markup("") if lang == around else Markup(' lang="{}"').format(lang)
