"""OpenID Connect with the city's own sign-on: what is asked, and what must hold of each answer.
Pure; `signon.py` asks.
"""

import base64
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote_plus, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet
from joserfc.jws import JWSRegistry

ATTEMPT_SECONDS = 600.0
"""How long a person may take at the provider."""
LEEWAY_SECONDS = 60
"""How far the provider's clock may be from ours."""
ALGORITHMS = frozenset(
    {*(f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)), "Ed25519"}
)
"""Signatures that only the provider can make. With a shared secret, or without one at all, others
could.
"""
KEY_TYPES = ("RSA", "EC", "OKP")
KEYS_AT_MOST, SUBJECT_LONGEST = 32, 255
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}", re.ASCII | re.IGNORECASE)
"""A host name of at least two labels, the last of which is no number: neither "false" nor "no"."""


Separator = Literal["", "space", "comma"]
"""What cuts a claim that is one text into values; "": nothing does."""


class SignOnError(Exception):
    """Nobody came in. `reason` is a word of ours for the log, with nothing of the provider's or the
    person's in it.
    """

    words = "sso.refused"
    status = 401

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Unavailable(SignOnError):
    """The provider does not answer: try later, or come in by a local account."""

    words = "sso.unavailable"
    status = 503


class Misconfigured(SignOnError):
    """The provider and our settings do not fit together: whoever runs this must mend it."""

    words = "sso.misconfigured"
    status = 503


class Stale(SignOnError):
    """What came back belongs to no sign-in that this browser has under way: begin anew."""

    words = "sso.stale"


class Refused(SignOnError):
    """What came back does not prove who this is: begin anew."""


class Cancelled(SignOnError):
    """The person, or the provider, stopped the sign-in there: begin anew, or come in by a local
    account.
    """

    words = "sso.cancelled"


class UnknownKey(Refused):
    """Signed with a key that we do not know: fetch the provider's keys once more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """What the provider says of itself. `by_post`: our secret goes into the form, not the header."""

    issuer: str
    authorize: str
    token: str
    keys: str
    userinfo: str = ""
    end_session: str = ""
    algorithms: tuple[str, ...]
    by_post: bool = False
    names_itself: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One sign-in under way in one browser: sealed into its cookie, never sent to the provider
    whole. `at`: epoch seconds.
    """

    state: str
    nonce: str
    verifier: str
    target: str
    at: float

    @classmethod
    def begin(cls, target: str, at: float) -> "Attempt":
        """A new one, of three secrets that nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
        return cls(state=state, nonce=nonce, verifier=verifier, target=target, at=at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who the provider says this is; `values` are those of the claim that names roles."""

    issuer: str
    subject: str
    name: str
    full_name: str
    email: str
    values: tuple[str, ...]


# --- the provider ---------------------------------------------------------------------------------------


def discovery_address(issuer: str) -> str:
    """Where the provider describes itself."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_discovery(document: Any, issuer: str) -> Discovery:
    """What the provider says of itself, looked over; raises Misconfigured."""
    if not isinstance(document, dict):
        raise Misconfigured("discovery is no object")
    named = document.get("issuer")
    if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
        raise Misconfigured("discovery names another issuer")
    offered = _strings(document, "id_token_signing_alg_values_supported")
    algorithms = tuple(name for name in offered if name in ALGORITHMS)
    if not algorithms:
        raise Misconfigured("no algorithm that we trust")
    if "code_challenge_methods_supported" in document and "S256" not in _strings(
        document, "code_challenge_methods_supported"
    ):
        raise Misconfigured("no PKCE")
    methods = _strings(document, "token_endpoint_auth_methods_supported") or (
        "client_secret_basic",
    )
    if not {"client_secret_basic", "client_secret_post"} & set(methods):
        raise Misconfigured("no way to give our secret")
    return Discovery(
        issuer=named,
        authorize=_address(document, "authorization_endpoint", issuer),
        token=_address(document, "token_endpoint", issuer),
        keys=_address(document, "jwks_uri", issuer),
        userinfo=_address(document, "userinfo_endpoint", issuer, optional=True),
        end_session=_address(document, "end_session_endpoint", issuer, optional=True),
        algorithms=algorithms,
        by_post="client_secret_basic" not in methods,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def read_keys(document: Any) -> KeySet:
    """The provider's public keys; those of other kinds are left out. Raises Misconfigured when
    there is none.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    keys = []
    for one in found[:KEYS_AT_MOST] if isinstance(found, list) else ():
        if isinstance(one, dict) and one.get("kty") in KEY_TYPES and one.get("use", "sig") == "sig":
            try:
                keys.append(JWKRegistry.import_key(one))
            except (JoseError, ValueError, KeyError, TypeError):
                continue  # one that we cannot read does not spoil the others
    if not keys:
        raise Misconfigured("no key")
    return KeySet(keys)


def may_ask(address: str, issuer: str) -> bool:
    """Whether we ourselves may fetch this: https, and no place within our own network other than
    the issuer's host.

    A name that leads inside is found only when it is resolved (`signon.py`). Plain http serves
    loopback alone.
    """
    try:
        url, own = urlsplit(address), urlsplit(issuer)
        _port = url.port
    except ValueError:
        return False
    if not url.hostname or url.username or url.password or url.fragment:
        return False
    if url.scheme != "https" and not (
        url.scheme == own.scheme == "http" and is_loopback(issuer) and is_loopback(address)
    ):
        return False
    return url.hostname == own.hostname or is_public(url.hostname)


def is_loopback(address: str) -> bool:
    """Whether a web address leads to this machine."""
    return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")


def is_public(host: str) -> bool:
    """False for an IP address that is not of the open internet; a name is True: what it leads to is
    not known yet.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_global) and not inner.is_multicast


# --- what is asked ----------------------------------------------------------------------------------------


def authorize_address(
    discovery: Discovery,
    client: str,
    attempt: Attempt,
    back: str,
    scope: str,
    *,
    anew: bool = False,
) -> str:
    """Where the browser goes to sign in; `anew`: the provider is to ask who it is, even if it
    knows.
    """
    return str(
        prepare_grant_uri(
            discovery.authorize,
            client,
            "code",
            back,
            scope,
            attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
            prompt="login" if anew else None,
        )
    )


def token_request(
    discovery: Discovery, client: str, secret: str, attempt: Attempt, code: str, back: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Form and headers that trade a code for tokens."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "code_verifier": attempt.verifier,
    }
    if discovery.by_post:
        return {**form, "client_id": client, "client_secret": secret}, {}
    pair = f"{quote_plus(client)}:{quote_plus(secret)}"  # RFC 6749, section 2.3.1
    return form, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def sign_out_address(discovery: Discovery, client: str, hint: str, back: str) -> str:
    """Where the browser goes to sign out at the provider too; "" when it has no such place."""
    if not discovery.end_session:
        return ""
    query = {"id_token_hint": hint, "client_id": client, "post_logout_redirect_uri": back}
    joined = "&".join(f"{name}={quote_plus(value)}" for name, value in query.items() if value)
    return f"{discovery.end_session}{'&' if '?' in discovery.end_session else '?'}{joined}"


# --- what comes back ----------------------------------------------------------------------------------------


def check_state(attempt: Attempt | None, query: Mapping[str, str], at: float) -> Attempt:
    """The attempt that this return belongs to; raises Stale when this browser has none such under
    way.
    """
    given = query.get("state", "")
    if (
        attempt is None
        or not given
        or not hmac.compare_digest(attempt.state.encode(), given.encode())
    ):
        raise Stale("state")
    if not 0 <= at - attempt.at + LEEWAY_SECONDS <= ATTEMPT_SECONDS + LEEWAY_SECONDS:
        raise Stale("too old")
    return attempt


def read_code(query: Mapping[str, str], discovery: Discovery) -> str:
    """The code that came back; raises a SignOnError when none did, or another provider sent it (RFC
    9207).
    """
    sender = query.get("iss", "")
    if (sender or discovery.names_itself) and sender != discovery.issuer:
        raise Refused("sent by another issuer")
    if error := query.get("error", ""):
        raise failed_at_provider(error)
    code = query.get("code", "")
    if not code or len(code) > 4096:
        raise Refused("no code")
    return code


def failed_at_provider(error: str) -> SignOnError:
    """What an error code of RFC 6749 or OpenID Connect means for us; its description is never
    shown.
    """
    if error in ("server_error", "temporarily_unavailable"):
        return Unavailable("provider has trouble")
    if error in (
        "invalid_client",
        "unauthorized_client",
        "unsupported_response_type",
        "invalid_scope",
        "invalid_request",
    ):
        return Misconfigured(error)
    return Refused(error) if error == "invalid_grant" else Cancelled("stopped at the provider")


def verify(
    token: str,
    keys: KeySet,
    discovery: Discovery,
    *,
    client: str,
    attempt: Attempt,
    access: str,
    now: float,
) -> Mapping[str, Any]:
    """The claims of an id token that the provider signed for us, now, for this attempt; raises
    Refused or UnknownKey.
    """
    registry = JWSRegistry(algorithms=discovery.algorithms, strict_check_header=False)
    try:
        read = jwt.decode(token, keys, registry=registry)
        claims = CodeIDToken(
            read.claims,
            read.header,
            {
                "iss": {"essential": True, "value": discovery.issuer},
                "aud": {"essential": True, "value": client},
            },
            {"client_id": client, "nonce": attempt.nonce, "access_token": access},
        )
        claims.validate(now=int(now), leeway=LEEWAY_SECONDS)
    except InvalidKeyIdError as error:
        raise UnknownKey("unknown key") from error
    except ClaimError as error:
        raise Refused(f"claim {error.claim}") from error
    except (JoseError, ValueError, TypeError) as error:
        raise Refused(f"token {getattr(error, 'error', '') or type(error).__name__}") from error
    if claims["iat"] < attempt.at - LEEWAY_SECONDS:
        raise Refused("claim iat")  # older than the question
    if not 0 < len(claims["sub"]) <= SUBJECT_LONGEST:
        raise Refused("claim sub")
    return dict(claims)


def lacks(claims: Mapping[str, Any], role_claim: str) -> bool:
    """Whether what we need to know of a person must be asked for at the userinfo endpoint."""
    return claim(claims, role_claim) is None or not (
        claims.get("name") or claims.get("preferred_username")
    )


def with_userinfo(claims: Mapping[str, Any], told: Any) -> Mapping[str, Any]:
    """The claims with what userinfo adds; the signed ones win. Raises Refused when it tells of
    another person.
    """
    if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
        raise Refused("userinfo of another person")
    return {**told, **claims}


def read_identity(
    claims: Mapping[str, Any], role_claim: str, separator: Separator = ""
) -> Identity:
    """Who the claims tell of; `separator` cuts a claim that is one text, where whoever runs this
    says that it is a list.
    """
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
    """A claim by its name; with dots also one within another, as in realm_access.roles. None when
    there is none.
    """
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _values(claimed: Any, separator: Separator) -> tuple[str, ...]:
    """What a claim names: the texts of a list, the keys of an object that it grants, or a text as
    one value.
    """
    if isinstance(claimed, str):
        parts = {"": [claimed], "space": claimed.split(), "comma": claimed.split(",")}[separator]
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if isinstance(claimed, Mapping):
        return tuple(
            name for name, value in claimed.items() if isinstance(name, str) and _grants(value)
        )
    return (
        tuple(one for one in claimed if isinstance(one, str)) if isinstance(claimed, list) else ()
    )


def _grants(value: Any) -> bool:
    """Whether an object's key is granted by its value: true, or by organisations, as Zitadel writes
    it ({id: domain}).
    """
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


def _strings(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = document.get(name)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def _address(document: Mapping[str, Any], name: str, issuer: str, *, optional: bool = False) -> str:
    found = document.get(name)
    if found is None and optional:
        return ""
    if not isinstance(found, str) or not may_ask(found, issuer):
        raise Misconfigured(f"{name} is no address that may be used")
    return found
