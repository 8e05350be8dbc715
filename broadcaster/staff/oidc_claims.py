"""Claims about a person in the forms that providers use: name, email, role values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from broadcaster.staff.oidc import Refused

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}", re.ASCII | re.IGNORECASE)
"""A host name of at least two labels, the last of which is no number: neither "false" nor "no"."""

Separator = Literal["", "space", "comma"]
"""Separator of the values in a claim that is one string; "" if it is a single value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Person authenticated by the provider; `values` are those of the role claim."""

    issuer: str
    subject: str
    name: str
    full_name: str
    email: str
    values: tuple[str, ...]


def lacks(claims: Mapping[str, Any], role_claim: str) -> bool:
    """True if the claims lack a name or the role claim, so that userinfo must be fetched."""
    return claim(claims, role_claim) is None or not (
        claims.get("name") or claims.get("preferred_username")
    )


def with_userinfo(claims: Mapping[str, Any], userinfo: Any) -> Mapping[str, Any]:
    """Merge userinfo into the signed claims, which take precedence.

    Raises Refused if userinfo is about another person.
    """
    if not isinstance(userinfo, dict) or userinfo.get("sub") != claims["sub"]:
        raise Refused("userinfo of another person")
    return {**userinfo, **claims}


def read_identity(
    claims: Mapping[str, Any], role_claim: str, separator: Separator = ""
) -> Identity:
    """Read the person from the claims; `separator` splits a role claim that is one string."""
    email = _text(claims, "email") if claims.get("email_verified", True) in (True, "true") else ""
    name = _text(claims, "preferred_username") or email.partition("@")[0] or _text(claims, "name")
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        name=name,
        full_name=_text(claims, "name") or name,
        email=email,
        values=_values(claim(claims, role_claim), separator),
    )


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by name or dotted path (realm_access.roles); None if absent."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _values(claimed: Any, separator: Separator) -> tuple[str, ...]:
    """Return the values of a claim: the strings of a list, the granted keys of an object, or a
    string, split if it has a separator.
    """
    if isinstance(claimed, str):
        parts = {"": [claimed], "space": claimed.split(), "comma": claimed.split(",")}[separator]
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if isinstance(claimed, Mapping):
        return tuple(
            name for name, value in claimed.items() if isinstance(name, str) and _grants(value)
        )
    items = claimed if isinstance(claimed, list) else []
    return tuple(item for item in items if isinstance(item, str))


def _grants(value: Any) -> bool:
    """True if a value grants its key: true, or organisations in Zitadel's form ({id: domain})."""
    if isinstance(value, Mapping):
        return bool(value) and all(
            _is_organisation(identity, domain) for identity, domain in value.items()
        )
    return value is True


def _is_organisation(identity: Any, domain: Any) -> bool:
    if not isinstance(identity, str) or not isinstance(domain, str):
        return False
    return identity.isascii() and identity.isdecimal() and _DOMAIN.fullmatch(domain) is not None


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return " ".join(value.split())[:200] if isinstance(value, str) else ""
