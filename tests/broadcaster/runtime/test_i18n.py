"""The catalogues: the same keys and placeholders in every language, none missing, none unused."""

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from broadcaster.runtime import i18n
from broadcaster.runtime.i18n import LANGUAGES, words
from channels.base.rendering import TEMPLATES

FOLDER = Path(i18n.__file__).parents[1]
CATALOGUES = sorted(path.name for path in (i18n.FOLDER / "id").glob("*.po"))


def entries(lang: str, catalogue: str) -> dict[str, list[str]]:
    """Return the texts of a catalogue by key."""
    with (i18n.FOLDER / lang / catalogue).open("rb") as file:
        catalogue_file = read_po(file, locale=lang, abort_invalid=True)
    return {
        (message.id[0] if isinstance(message.id, tuple | list) else str(message.id)): (
            list(message.string)
            if isinstance(message.string, tuple | list)
            else [str(message.string)]
        )
        for message in catalogue_file
        if message.id
    }


def placeholders(text: str) -> set[str]:
    """Return the {names} in a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_every_language_has_the_same_keys(catalogue: str) -> None:
    for lang in LANGUAGES:
        assert entries(lang, catalogue).keys() == entries("id", catalogue).keys(), lang
    assert {path.name for path in (i18n.FOLDER / "en").glob("*.po")} == set(CATALOGUES)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_no_text_is_empty_and_all_have_the_same_placeholders(catalogue: str, lang: str) -> None:
    source = entries("id", catalogue)
    for key, texts in entries(lang, catalogue).items():
        assert all(text.strip() for text in texts), key
        for text in texts:
            assert placeholders(text) == placeholders(source[key][0]), key


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_indonesian_avoids_the_words_we_avoid(catalogue: str) -> None:
    avoided = re.compile(
        r"\b(broadcast|blast|campaign|audience|publish|user|submit|link|klik)\b", re.IGNORECASE
    )
    for key, texts in entries("id", catalogue).items():
        assert not any(avoided.search(text) for text in texts), key
        assert not any("Terjadi kesalahan" in text for text in texts), key


def test_every_key_that_a_page_names_exists_and_every_key_is_used() -> None:
    sources = [path.read_text() for path in (TEMPLATES / "web").rglob("*.html")]
    sources += [path.read_text() for path in (FOLDER / "web").rglob("*.py")]
    text = "\n".join(sources)
    known = words("id").keys
    named = set(re.findall(r"""\bt\(\s*["']([a-z_0-9.]+)["']\s*[,)]""", text))
    assert named <= known, named - known
    quoted = set(re.findall(r"""["']([a-z_0-9]+(?:\.[a-z_0-9]+)*\.?)["']""", text)) | {
        f"error.{status}.{part}"
        for status in (400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503)
        for part in ("title", "advice", "api")
    }
    prefixes = {prefix for prefix in quoted if prefix.endswith(".")}
    unused = {
        key
        for key in entries("id", "web.po")
        if key not in quoted and not any(key.startswith(prefix) for prefix in prefixes)
    }
    assert unused == set()


def test_numbers_are_written_as_the_language_writes_them() -> None:
    assert (
        words("id")("home.count", n=41873, area="Kel. Cibabat")
        == "41.873 pengumuman untuk Kel. Cibabat"
    )
    assert (
        words("en")("home.count", n=41873, area="Kel. Cibabat")
        == "41,873 announcements for Kel. Cibabat"
    )


def test_english_knows_one_and_many() -> None:
    assert words("en")("home.count", n=1, area="Kel. Cibabat").startswith("1 announcement for")


def test_a_number_makes_no_plural_of_words_that_have_none() -> None:
    assert words("id")("staff.help.step.write", n=3).startswith("Tulis pengumuman.")


def test_an_unknown_key_or_a_missing_value_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError, match=r"tidak\.ada"):
        words("id")("tidak.ada")
    with pytest.raises(KeyError, match="area"):
        words("id")("home.follow")


def test_an_unknown_language_is_indonesian() -> None:
    assert words("fr").lang == "id"


def test_values_are_filled_in_and_never_looked_into() -> None:
    assert words("id")("home.follow", area="{area} {0} %s") == "Ikuti {area} {0} %s"
