"""Who works in the newsroom: roles and rights, the places and agencies they hold for, passwords and
second factors. Pure.
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
"""What a route may ask for. steer: pause, resume, stop and repeat a sending."""
_RIGHTS: Mapping[AccountRole, frozenset[Right]] = {
    "author": frozenset({"read", "write", "steer"}),
    "approver": frozenset({"read", "approve", "steer"}),
    "screens": frozenset({"read", "screens"}),
    "admin": frozenset({"read", "steer", "screens", "manage"}),
}

NAME_LIMIT = 40
"""Characters of a sign-in name."""
FULL_NAME_LIMIT, AGENCY_LIMIT, AGENCIES_LIMIT = 80, 80, 40
"""Characters of a person's name, characters of an agency's, agencies of a person."""


class BadAccount(Refusal):
    """The account cannot be so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """One person of staff. No agencies or areas named: every one. `secured`: has a second factor;
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
        """How the audit and versions name this person."""
        return f"staff:{self.name}"

    def may(self, right: Right) -> bool:
        """Whether one of the roles has this right."""
        return self.disabled_at is None and any(right in _RIGHTS[role] for role in self.roles)

    def covers(self, agency: str, areas: Iterable[str]) -> bool:
        """Whether this person holds for an announcement: its agency is one of theirs, each of its
        areas lies within theirs.
        """
        by_agency = not self.agencies or agency in self.agencies
        return by_agency and all(self._holds(code) for code in areas)

    @property
    def everywhere(self) -> bool:
        """Whether this person holds for every agency and area."""
        return not self.agencies and not self.areas

    def _holds(self, code: str) -> bool:
        return not self.areas or any(
            code == own or code.startswith(f"{own}.") for own in self.areas
        )


def read_name(text: str) -> str:
    """A sign-in name of a new account in its one spelling; raises BadAccount. ASCII: no letter only
    looks like another.
    """
    name = read_known_name(text)
    if not name.isascii():
        raise BadAccount(AccountCode.SIGN_IN_NAME, limit=NAME_LIMIT)
    return name


def read_known_name(text: str) -> str:
    """A sign-in name to find an account by, also one from before names had to be ASCII; raises
    BadAccount.
    """
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if not name or len(name) > NAME_LIMIT or not all(_in_names(character) for character in name):
        raise BadAccount(AccountCode.SIGN_IN_NAME, limit=NAME_LIMIT)
    return name


def _in_names(character: str) -> bool:
    return character.isalnum() or character in "._-@"


def read_full_name(text: str) -> str:
    """What a person is called; raises BadAccount."""
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
    """Where a person is written to, or "" for nowhere; raises BadAccount."""
    if not text.strip():
        return ""
    try:
        return email_addresses.read_mail(text)
    except BadAddress as error:
        raise BadAccount(error.code) from error


def read_agency_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of agencies, each once, by alphabet; none: every agency. Raises BadAccount."""
    given = list(names)
    found = sorted({one_line(name) for name in given} - {""})
    for name in given:
        _require_readable(name)
    if not all(map(has_letter, found)):
        raise BadAccount(AccountCode.AGENCY_NO_LETTERS)
    if len(found) > AGENCIES_LIMIT or any(
        len(name) > AGENCY_LIMIT or not name.isprintable() for name in found
    ):
        raise BadAccount(AccountCode.AGENCIES_LIMIT, limit=AGENCIES_LIMIT, length=AGENCY_LIMIT)
    return tuple(found)


ROLE_WORDS: Mapping[str, AccountRole] = {
    "penyusun": "author",
    "penyetuju": "approver",
    "operator-layar": "screens",
    "pengelola": "admin",
}
"""Roles as people write them, in settings and commands alike: a plain "admin" at a provider may
mean anything.
"""
_ROLES: Mapping[str, AccountRole] = dict(zip(ACCOUNT_ROLES, ACCOUNT_ROLES, strict=True)) | dict(
    ROLE_WORDS
)


def read_roles(names: Iterable[str]) -> tuple[AccountRole, ...]:
    """Roles in their own order, in either language, several in one text too; raises BadAccount for
    an unknown one or none.
    """
    words = {_role_word(word) for name in names for word in items(name)}
    if unknown := words - set(_ROLES):
        raise BadAccount(AccountCode.ROLE_UNKNOWN, names=sorted(unknown), roles=tuple(ROLE_WORDS))
    if not words:
        raise BadAccount(AccountCode.ROLE_MISSING)
    given = {_ROLES[word] for word in words}
    return tuple(role for role in ACCOUNT_ROLES if role in given)


def _role_word(text: str) -> str:
    """A role's name as it is looked up: settings and commands take the same spellings."""
    return _plain(text).replace("_", "-")


def role_words(roles: Iterable[AccountRole]) -> tuple[str, ...]:
    """Roles as settings and commands spell them."""
    words = {role: word for word, role in ROLE_WORDS.items()}
    return tuple(words[role] for role in roles)


OWN_MAPPING: Mapping[str, AccountRole] = {
    word: role for word, role in ROLE_WORDS.items() if role != "admin"
}
"""Without a mapping our own words stand for roles, but never for that of who manages accounts:
somebody must say so.
"""


def read_role_mapping(text: str) -> Mapping[str, AccountRole]:
    """Role by value of a claim, in lower case, from value=role pairs between spaces or commas
    (quoted where a value has spaces).

    Roles may be named in either language; "" is OWN_MAPPING. Raises BadAccount.
    """
    mapping: dict[str, AccountRole] = {}
    try:
        pairs = shlex.split(text)
    except ValueError as error:
        raise BadAccount(AccountCode.MAPPING_QUOTES) from error
    for pair in (one for joined in pairs for one in _apart(joined)):
        value, _, role = pair.rpartition("=")
        role = _role_word(role)
        if not value or role not in _ROLES:
            raise BadAccount(AccountCode.MAPPING_PAIRS, roles=tuple(ROLE_WORDS))
        mapping[_plain(value)] = _ROLES[role]
    return mapping or OWN_MAPPING


def _apart(pairs: str) -> list[str]:
    """Cut at commas and semicolons, but only after a role: a value may hold them
    (`cn=siaran,ou=grup=penyusun`).
    """
    roles = "|".join(role.replace("-", "[-_]") for role in _ROLES)
    apart = re.sub(rf"(=(?:{roles}))[,;]+", r"\1\n", pairs, flags=re.IGNORECASE | re.ASCII)
    return [pair for pair in apart.split("\n") if pair]


def mapped_roles(
    values: Iterable[str], mapping: Mapping[str, AccountRole]
) -> tuple[AccountRole, ...]:
    """Roles that values of a claim stand for, in their own order; none where no value is known."""
    given = {mapping[_plain(value)] for value in values if _plain(value) in mapping}
    return tuple(role for role in ACCOUNT_ROLES if role in given)


_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _plain(value: str) -> str:
    """A value as it is compared: only A to Z have another case, or "adminſ" would be "admins"."""
    return value.translate(_LOWER)


def name_from(text: str) -> str:
    """An ASCII sign-in name made of what somebody is called elsewhere; "akun" where nothing of it
    can be kept.
    """
    plain = unicodedata.normalize("NFKD", text).strip().lower()
    kept = "".join(character for character in plain if character.isascii() and _in_names(character))
    return kept[: NAME_LIMIT - 4] or "akun"


# --- passwords --------------------------------------------------------------------------------------


# --- second factors ---------------------------------------------------------------------------------


# --- stored forms -----------------------------------------------------------------------------------


def agencies_text(agencies: Iterable[str]) -> str:
    """Names of agencies as they are stored."""
    return json.dumps(
        [" ".join(name.split()) for name in agencies if name.strip()], ensure_ascii=False
    )


def read_agencies(text: str) -> tuple[str, ...]:
    """Names of agencies as they were stored."""
    return tuple(str(name) for name in json.loads(text))
