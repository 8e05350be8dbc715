"""OpenID Connect with the city's identity provider: building requests and checking responses.

Pure: oidc_client.py does the HTTP, oidc_claims.py reads the person from the claims.
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
"""Time that a person may take at the provider."""
LEEWAY_SECONDS = 60
"""Tolerated difference between the provider's clock and ours."""
ALGORITHMS = frozenset(
    {*(f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)), "Ed25519"}
)
"""Accepted signature algorithms: asymmetric ones only, so that nobody but the provider can sign."""
KEY_TYPES = ("RSA", "EC", "OKP")
KEYS_AT_MOST, SUBJECT_LONGEST = 32, 255


class SignOnError(Exception):
    """Sign-on failed. `reason` is for the log and quotes neither the person nor free text of the
    provider.
    """

    words = "sso.refused"
    status = 401

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Unavailable(SignOnError):
    """The provider does not respond: try later, or sign in with a local account."""

    words = "sso.unavailable"
    status = 503


class Misconfigured(SignOnError):
    """The provider and our settings do not match: the operator must correct them."""

    words = "sso.misconfigured"
    status = 503


class Stale(SignOnError):
    """The response belongs to no pending sign-in of this browser: start again."""

    words = "sso.stale"


class Refused(SignOnError):
    """The response does not prove an identity: start again."""


class Cancelled(SignOnError):
    """The person or the provider cancelled the sign-in: start again, or use a local account."""

    words = "sso.cancelled"


class UnknownKey(Refused):
    """The token is signed with an unknown key: fetch the provider's keys again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """Discovery document of the provider.

    `by_post`: the client secret is sent in the form, not in a header. `names_itself`: responses
    carry the issuer (RFC 9207).
    """

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
class SignInAttempt:
    """Pending sign-in of a browser, sealed into its cookie; `at` in epoch seconds."""

    state: str
    nonce: str
    verifier: str
    target: str
    at: float

    @classmethod
    def begin(cls, target: str, at: float) -> "SignInAttempt":
        """Start an attempt with three random secrets."""
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
        return cls(state=state, nonce=nonce, verifier=verifier, target=target, at=at)


# --- the provider ---------------------------------------------------------------------------------


def discovery_address(issuer: str) -> str:
    """Return the address of the provider's discovery document."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_discovery(document: Any, issuer: str) -> Discovery:
    """Validate the provider's discovery document. Raises Misconfigured."""
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
    """Import the provider's public signing keys. Raises Misconfigured if there are none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    keys = []
    for key in listed[:KEYS_AT_MOST] if isinstance(listed, list) else ():
        if isinstance(key, dict) and key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig":
            try:
                keys.append(JWKRegistry.import_key(key))
            except (JoseError, ValueError, KeyError, TypeError):
                continue  # an unreadable key does not invalidate the others
    if not keys:
        raise Misconfigured("no key")
    return KeySet(keys)


def may_ask(address: str, issuer: str) -> bool:
    """True if the address may be fetched: https, and on no private address but the issuer's host.

    Names that resolve to private addresses are rejected later, in oidc_client.py. Plain http is
    accepted on loopback only.
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
    """True if a web address names loopback."""
    return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")


def is_public(host: str) -> bool:
    """True if an IP address is public; also True for a host name, which is not resolved here."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_global) and not inner.is_multicast


# --- requests -------------------------------------------------------------------------------------


def authorize_address(
    discovery: Discovery,
    client: str,
    attempt: SignInAttempt,
    back: str,
    scope: str,
    *,
    anew: bool = False,
) -> str:
    """Return the address at which a browser signs in; `anew` demands a fresh authentication."""
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
    discovery: Discovery, client: str, secret: str, attempt: SignInAttempt, code: str, back: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return form and headers of the request that exchanges a code for tokens."""
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
    """Return the address at which a browser signs out at the provider; "" if it offers none."""
    if not discovery.end_session:
        return ""
    query = {"id_token_hint": hint, "client_id": client, "post_logout_redirect_uri": back}
    joined = "&".join(f"{name}={quote_plus(value)}" for name, value in query.items() if value)
    return f"{discovery.end_session}{'&' if '?' in discovery.end_session else '?'}{joined}"


# --- responses ------------------------------------------------------------------------------------


def check_state(
    attempt: SignInAttempt | None, query: Mapping[str, str], at: float
) -> SignInAttempt:
    """Return the attempt that a response belongs to. Raises Stale if it is unknown or too old."""
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
    """Return the authorization code of a response.

    Raises a SignOnError if there is none, or if another issuer sent it (RFC 9207).
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
    """Map an error code of RFC 6749 or OpenID Connect to an exception, without its description."""
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
    attempt: SignInAttempt,
    access: str,
    now: float,
) -> Mapping[str, Any]:
    """Return the claims of an id token after checking signature, audience, times and nonce.

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
        raise Refused("claim iat")  # issued before the request
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
