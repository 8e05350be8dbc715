"""Languages of a message: of its frame, of its translated wording, and of the parts written only in
Indonesian. Pure.
"""

from markupsafe import Markup

from channels.base.edition import Edition


def of_frame(lang: str) -> str:
    """Return the language of everything but the edition's own wording."""
    return "en" if lang == "en" else "id"


def of_words(edition: Edition, lang: str) -> str:
    """Return the language of the edition's wording for somebody who reads `lang`."""
    return lang if lang in edition.wordings else "id"


def spoken(edition: Edition, lang: str) -> list[str]:
    """Return every language of a message, the frame's first; reasons and claims are only in
    Indonesian.
    """
    indonesian = ["id"] if edition.reason or edition.claim else []
    return list(dict.fromkeys([of_frame(lang), of_words(edition, lang), *indonesian]))


def marked(lang: str, around: str) -> Markup:
    """Return the `lang` attribute for text in another language than the text around it."""
    return Markup("") if lang == around else Markup(' lang="{}"').format(lang)
