"""OpenID Connect with the city's own sign-on: what is asked, and what must hold of each answer.

Pure; oidc_client.py asks, oidc_claims.py reads whom the claims tell of.
"""

import base64
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
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


class SignOnError(Exception):
    """Sign-on that let nobody in. `reason` is a word of ours for the log, with nothing of the
    provider's or the person's in it.
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
    """Provider's description of itself. `by_post`: our secret goes into the form, not the header."""

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
    """Sign-in under way in a browser: sealed into its cookie, never sent to the provider whole.
    `at`: epoch seconds.
    """

    state: str
    nonce: str
    verifier: str
    target: str
    at: float

    @classmethod
    def begin(cls, target: str, at: float) -> "Attempt":
        """Draw a new one, of three secrets that nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
        return cls(state=state, nonce=nonce, verifier=verifier, target=target, at=at)


# --- the provider ---------------------------------------------------------------------------------------


def discovery_address(issuer: str) -> str:
    """Return the address at which the provider describes itself."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_discovery(document: Any, issuer: str) -> Discovery:
    """Check the provider's description of itself. Raises Misconfigured."""
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
    """Import the provider's public signing keys. Raises Misconfigured when there is none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    keys = []
    for key in listed[:KEYS_AT_MOST] if isinstance(listed, list) else ():
        if isinstance(key, dict) and key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig":
            try:
                keys.append(JWKRegistry.import_key(key))
            except (JoseError, ValueError, KeyError, TypeError):
                continue  # one that we cannot read does not spoil the others
    if not keys:
        raise Misconfigured("no key")
    return KeySet(keys)


def may_ask(address: str, issuer: str) -> bool:
    """Tell whether we may fetch this: https, and no place within our own network other than the
    issuer's host.

    A name that leads inside is found only when it is resolved (oidc_client.py). Plain http serves
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
    """Tell whether a web address leads to this machine."""
    return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")


def is_public(host: str) -> bool:
    """Tell whether an IP address is of the open internet; True for a name, not resolved yet."""
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
    """Return the address at which a browser signs in; `anew`: the provider asks who it is, even
    if it knows.
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
    """Return form and headers that trade a code for tokens."""
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
    """Return the address at which a browser signs out at the provider; "" when it has none."""
    if not discovery.end_session:
        return ""
    query = {"id_token_hint": hint, "client_id": client, "post_logout_redirect_uri": back}
    joined = "&".join(f"{name}={quote_plus(value)}" for name, value in query.items() if value)
    return f"{discovery.end_session}{'&' if '?' in discovery.end_session else '?'}{joined}"


# --- what comes back ----------------------------------------------------------------------------------------


def check_state(attempt: Attempt | None, query: Mapping[str, str], at: float) -> Attempt:
    """Return the attempt that a return belongs to. Raises Stale when this browser has none such."""
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
    """Return the code that came back. Raises a SignOnError when there is none, or when another
    provider sent it (RFC 9207).
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
    """Translate an error code of RFC 6749 or OpenID Connect; its description is never shown."""
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
    """Return the claims of an id token that the provider signed for us, now, for this attempt.

    Raises Refused or UnknownKey.
    """
    registry = JWSRegistry(algorithms=discovery.algorithms, strict_check_header=False)
    try:
        decoded = jwt.decode(token, keys, registry=registry)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
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


def _strings(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = document.get(name)
    return tuple(v for v in values if isinstance(v, str)) if isinstance(values, list) else ()


def _address(document: Mapping[str, Any], name: str, issuer: str, *, optional: bool = False) -> str:
    address = document.get(name)
    if address is None and optional:
        return ""
    if not isinstance(address, str) or not may_ask(address, issuer):
        raise Misconfigured(f"{name} is no address that may be used")
    return address
