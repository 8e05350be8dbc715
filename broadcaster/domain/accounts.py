"""Staff accounts: roles and rights, the areas and agencies each person covers, the spellings of
names. Pure.
"""

import json
import re
import shlex
import string
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from broadcaster.domain.refusal_codes import AccountCode
from broadcaster.domain.refusals import Refusal
from channels.base import email_addresses
from channels.base.contract import BadAddress
from channels.base.legibility import MARKS_AT_MOST, has_letter, overloaded
from channels.base.rendering import one_line
from channels.base.settings import items

AccountRole = Literal["author", "approver", "screens", "admin"]
"""Penyusun, Penyetuju, Operator layar, Pengelola."""
ACCOUNT_ROLES: tuple[AccountRole, ...] = get_args(AccountRole)
Right = Literal["read", "write", "approve", "steer", "screens", "manage"]
"""Permission that a route may require. steer: pause, resume, stop and repeat a sending."""
_RIGHTS: Mapping[AccountRole, frozenset[Right]] = {
    "author": frozenset({"read", "write", "steer"}),
    "approver": frozenset({"read", "approve", "steer"}),
    "screens": frozenset({"read", "screens"}),
    "admin": frozenset({"read", "steer", "screens", "manage"}),
}

NAME_LIMIT = 40
"""Longest sign-in name, in characters."""
FULL_NAME_LIMIT, AGENCY_LIMIT, AGENCIES_LIMIT = 80, 80, 40
"""Longest name of a person and of an agency, in characters; most agencies of one person."""


class BadAccount(Refusal):
    """The account, as given, is not valid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A staff account. Empty `agencies` or `areas` cover every one. `secured`: has a second factor;
    `local`: has a password.
    """

    id: int
    name: str
    full_name: str
    roles: tuple[AccountRole, ...]
    agencies: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    email: str = ""
    telegram: str = ""
    local: bool = True
    secured: bool = False
    must_change: bool = False
    issuer: str = ""
    subject: str = ""
    created_at: float = 0.0
    seen_at: float | None = None
    disabled_at: float | None = None

    @property
    def actor(self) -> str:
        """Name of this person in the audit log and in versions."""
        return f"staff:{self.name}"

    def may(self, right: Right) -> bool:
        """True if one of the roles grants the right and the account is not disabled."""
        return self.disabled_at is None and any(right in _RIGHTS[role] for role in self.roles)

    def covers(self, agency: str, areas: Iterable[str]) -> bool:
        """True if this person is responsible for an announcement: its agency is one of theirs, and
        each of its areas lies within theirs.
        """
        by_agency = not self.agencies or agency in self.agencies
        return by_agency and all(self._holds(code) for code in areas)

    @property
    def everywhere(self) -> bool:
        """True if this person covers every agency and every area."""
        return not self.agencies and not self.areas

    def _holds(self, code: str) -> bool:
        return not self.areas or any(
            code == own or code.startswith(f"{own}.") for own in self.areas
        )


def read_name(text: str) -> str:
    """Normalise the sign-in name of a new account; raises BadAccount. ASCII only, so that no letter
    passes for another.
    """
    name = read_known_name(text)
    if not name.isascii():
        raise BadAccount(AccountCode.SIGN_IN_NAME, limit=NAME_LIMIT)
    return name


def read_known_name(text: str) -> str:
    """Normalise a sign-in name to look an account up by, also one that predates the ASCII rule;
    raises BadAccount.
    """
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if not name or len(name) > NAME_LIMIT or not all(_in_names(character) for character in name):
        raise BadAccount(AccountCode.SIGN_IN_NAME, limit=NAME_LIMIT)
    return name


def _in_names(character: str) -> bool:
    return character.isalnum() or character in "._-@"


def read_full_name(text: str) -> str:
    """Normalise a person's name; raises BadAccount."""
    name = one_line(text)
    if (
        not any(letter.isalpha() and has_letter(letter) for letter in name)
        or len(name) > FULL_NAME_LIMIT
        or not name.isprintable()
    ):
        raise BadAccount(AccountCode.FULL_NAME, limit=FULL_NAME_LIMIT)
    _require_readable(text)
    return name


def _require_readable(text: str) -> None:
    if (letter := next(overloaded(text), None)) is not None:
        raise BadAccount(AccountCode.NAME_PILED_MARKS, letter=letter, limit=MARKS_AT_MOST)


def read_mail(text: str) -> str:
    """Normalise an email address; "" stays "". Raises BadAccount."""
    if not text.strip():
        return ""
    try:
        return email_addresses.read_mail(text)
    except BadAddress as error:
        raise BadAccount(error.code) from error


def read_agency_names(names: Iterable[str]) -> tuple[str, ...]:
    """Normalise agency names: sorted, without duplicates; an empty result means every agency.
    Raises BadAccount.
    """
    given = list(names)
    agencies = sorted({one_line(name) for name in given} - {""})
    for name in given:
        _require_readable(name)
    if not all(map(has_letter, agencies)):
        raise BadAccount(AccountCode.AGENCY_NO_LETTERS)
    if len(agencies) > AGENCIES_LIMIT or any(
        len(name) > AGENCY_LIMIT or not name.isprintable() for name in agencies
    ):
        raise BadAccount(AccountCode.AGENCIES_LIMIT, limit=AGENCIES_LIMIT, length=AGENCY_LIMIT)
    return tuple(agencies)


ROLE_WORDS: Mapping[str, AccountRole] = {
    "penyusun": "author",
    "penyetuju": "approver",
    "operator-layar": "screens",
    "pengelola": "admin",
}
"""Indonesian role names for settings and commands alike: a plain "admin" at a provider may mean
anything.
"""
_ROLES: Mapping[str, AccountRole] = dict(zip(ACCOUNT_ROLES, ACCOUNT_ROLES, strict=True)) | dict(
    ROLE_WORDS
)


def read_roles(names: Iterable[str]) -> tuple[AccountRole, ...]:
    """Parse roles in either language, in their fixed order; one text may name several. Raises
    BadAccount for an unknown role or for none.
    """
    words = {_role_word(word) for name in names for word in items(name)}
    if unknown := words - set(_ROLES):
        raise BadAccount(AccountCode.ROLE_UNKNOWN, names=sorted(unknown), roles=tuple(ROLE_WORDS))
    if not words:
        raise BadAccount(AccountCode.ROLE_MISSING)
    given = {_ROLES[word] for word in words}
    return tuple(role for role in ACCOUNT_ROLES if role in given)


def _role_word(text: str) -> str:
    """Fold a role's name for lookup: settings and commands accept the same spellings."""
    return _plain(text).replace("_", "-")


def role_words(roles: Iterable[AccountRole]) -> tuple[str, ...]:
    """Spell roles as settings and commands do."""
    words = {role: word for word, role in ROLE_WORDS.items()}
    return tuple(words[role] for role in roles)


OWN_MAPPING: Mapping[str, AccountRole] = {
    word: role for word, role in ROLE_WORDS.items() if role != "admin"
}
"""Default mapping: our own words stand for roles, except for the one that manages accounts, which
must be mapped explicitly.
"""


def read_role_mapping(text: str) -> Mapping[str, AccountRole]:
    """Parse value=role pairs, separated by spaces or commas (quoted where a value has spaces), into
    a role by lower-case claim value.

    Roles may be named in either language; "" gives OWN_MAPPING. Raises BadAccount.
    """
    mapping: dict[str, AccountRole] = {}
    try:
        pairs = shlex.split(text)
    except ValueError as error:
        raise BadAccount(AccountCode.MAPPING_QUOTES) from error
    for pair in (pair for joined in pairs for pair in _apart(joined)):
        value, _, role = pair.rpartition("=")
        role = _role_word(role)
        if not value or role not in _ROLES:
            raise BadAccount(AccountCode.MAPPING_PAIRS, roles=tuple(ROLE_WORDS))
        mapping[_plain(value)] = _ROLES[role]
    return mapping or OWN_MAPPING


def _apart(pairs: str) -> list[str]:
    """Split at commas and semicolons, but only after a role: a value may contain them
    (`cn=siaran,ou=grup=penyusun`).
    """
    roles = "|".join(role.replace("-", "[-_]") for role in _ROLES)
    apart = re.sub(rf"(=(?:{roles}))[,;]+", r"\1\n", pairs, flags=re.IGNORECASE | re.ASCII)
    return [pair for pair in apart.split("\n") if pair]


def mapped_roles(
    values: Iterable[str], mapping: Mapping[str, AccountRole]
) -> tuple[AccountRole, ...]:
    """Map claim values to roles, in their fixed order; empty where no value is known."""
    given = {mapping[_plain(value)] for value in values if _plain(value) in mapping}
    return tuple(role for role in ACCOUNT_ROLES if role in given)


_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _plain(value: str) -> str:
    """Lower-case A to Z only, for comparison: full case folding would turn "adminſ" into
    "admins".
    """
    return value.translate(_LOWER)


def name_from(text: str) -> str:
    """Derive an ASCII sign-in name from a name used elsewhere; "akun" if no character is usable."""
    plain = unicodedata.normalize("NFKD", text).strip().lower()
    allowed = "".join(
        character for character in plain if character.isascii() and _in_names(character)
    )
    return allowed[: NAME_LIMIT - 4] or "akun"


# --- stored forms -----------------------------------------------------------------------------


def agencies_text(agencies: Iterable[str]) -> str:
    """Serialise agency names for storage."""
    return json.dumps(
        [" ".join(name.split()) for name in agencies if name.strip()], ensure_ascii=False
    )


def read_agencies(text: str) -> tuple[str, ...]:
    """Parse stored agency names."""
    return tuple(str(name) for name in json.loads(text))
