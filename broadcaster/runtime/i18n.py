"""Translations: gettext catalogues in `words/<lang>/*.po`, compiled in memory on first use."""

import gettext
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

FOLDER = Path(__file__).resolve().parents[1] / "words"
LANGUAGES = ("id", "en")
"""Languages of the pages; the first is the source and the default."""


class Words:
    """Texts of one language; call with a key and the values of its {placeholders}."""

    def __init__(self, lang: str, catalogues: tuple["Catalog", ...]) -> None:
        from babel.messages.mofile import write_mo  # noqa: PLC0415  quick start

        self.lang = lang
        self.keys = frozenset(
            _key(message.id) for catalogue in catalogues for message in catalogue if message.id
        )
        self._plurals = frozenset(
            _key(message.id)
            for catalogue in catalogues
            for message in catalogue
            if message.pluralizable
        )
        self._translations = gettext.NullTranslations()
        for catalogue in catalogues:
            compiled = io.BytesIO()
            write_mo(compiled, catalogue)
            compiled.seek(0)
            translations = gettext.GNUTranslations(compiled)
            translations.add_fallback(self._translations)
            self._translations = translations

    def __call__(self, key: str, /, **values: object) -> str:
        """Format the text of `key`; an integer `n` selects the plural. Raises KeyError for an
        unknown key or a missing value.
        """
        if key not in self.keys:
            raise KeyError(f"no words for {key!r} in {self.lang!r}")
        count = values.get("n")
        if isinstance(count, int) and key in self._plurals:
            text = self._translations.ngettext(key, key, count)
        else:
            text = self._translations.gettext(key)
        return text.format_map({name: self._formatted(value) for name, value in values.items()})

    def _formatted(self, value: object) -> object:
        from babel.numbers import format_decimal  # noqa: PLC0415  quick start

        return format_decimal(value, locale=self.lang) if isinstance(value, int) else value


def _key(identity: object) -> str:
    return identity[0] if isinstance(identity, tuple | list) else str(identity)


@cache
def words(lang: str) -> Words:
    """Load the texts of a language, Indonesian for an unknown one."""
    chosen = lang if lang in LANGUAGES else LANGUAGES[0]
    return Words(chosen, tuple(_read(path) for path in sorted((FOLDER / chosen).glob("*.po"))))


def _read(path: Path) -> "Catalog":
    from babel.messages.pofile import read_po  # noqa: PLC0415  quick start

    with path.open("rb") as file:
        return read_po(file, locale=path.parent.name, abort_invalid=True)
