"""Reading of public codes without the program's tolerance."""

import re

from broadcaster.domain.codes import ALPHABET, check_character


def is_code(text: str, prefix: str = "CMH") -> bool:
    """True if the text is a code in its official spelling with a valid check character."""
    match = re.fullmatch(rf"{re.escape(prefix)}-([{ALPHABET}]{{4}})-([{ALPHABET}]{{2}})", text)
    return match is not None and check_character((match[1] + match[2])[:-1]) == match[2][-1]
