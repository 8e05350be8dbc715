"""Real OpenID Connect provider in a process of its own: `python tests/support/oidc_provider.py
HOST` listens on loopback and prints its URL.

It keeps the rules (PKCE, one use of a code, client secret, registered addresses) except one that a
test chooses: PUT /kendali with the fields of `Conduct` sets its behaviour; GET /kendali returns how
often each path was requested.
"""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "siaran", "rahasia: klien/100%"


@dataclass(kw_only=True)
class Conduct:
    """Behaviour of the provider. `now`: its clock in epoch seconds, 0 = the machine's; `misdeed`:
    the rule that it breaks.
    """

    now: float = 0.0
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    returns: list[str] = field(default_factory=list)
    misdeed: str = ""
    by_post: bool = False
    says: dict[str, Any] = field(default_factory=dict)
    loses: str = ""


class Provider:
    """State of the provider."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key, self.foreign = (RSAKey.generate_key(2048, auto_kid=True) for _ in range(2))
        self.conduct = Conduct()
        self.asked: Counter[str] = Counter()
        self.codes: dict[str, dict[str, str]] = {}
        self.accesses: set[str] = set()

    def now(self) -> float:
        """Return its own time."""
        return self.conduct.now or time.time()

    def does(self, misdeed: str) -> bool:
        """True if it breaks this rule."""
        return self.conduct.misdeed == misdeed

    def discovery(self) -> dict[str, Any]:
        """Return its discovery document."""
        document = {
            "issuer": "https://lain.example" if self.does("discovery_issuer") else self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end_session",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "code_challenge_methods_supported": ["plain"] if self.does("no_pkce") else ["S256"],
            "id_token_signing_alg_values_supported": ["HS256", "none"]
            if self.does("only_shared")
            else ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_post" if self.conduct.by_post else "client_secret_basic"
            ],
            "authorization_response_iss_parameter_supported": True,
        }
        if self.does("huge"):
            document["padding"] = "a" * 300_000
        return {
            name: value
            for name, value in (document | self.conduct.says).items()
            if name != self.conduct.loses
        }

    def id_token(self, grant: dict[str, str], access: str) -> str:
        """Return the signed ID token of a person, altered by the misdeed."""
        now = int(self.now())
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "u-1",
            "iat": now,
            "exp": now + 300,
            "nonce": grant["nonce"],
            "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
            **self.conduct.claims,
        }
        misdeeds: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "tebakan"},
            "audience": {"aud": "aplikasi-lain"},
            "audience_azp": {"aud": "aplikasi-lain", "azp": CLIENT},
            "two_audiences": {"aud": [CLIENT, "aplikasi-lain"]},
            "azp": {"aud": [CLIENT, "aplikasi-lain"], "azp": "aplikasi-lain"},
            "issuer": {"iss": "https://lain.example"},
            "expired": {"iat": now - 30, "exp": now - 90},
            "old": {"iat": now - 3600},
            "future": {"iat": now + 3600, "exp": now + 7200},
            "at_hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        }
        claims |= misdeeds.get(self.conduct.misdeed, {})
        if self.does("no_nonce"):
            del claims["nonce"]
        if self.does("bare_none"):
            del claims["at_hash"]
        if self.does("none") or self.does("bare_none"):
            return unsigned({"alg": "none", "typ": "JWT"}, claims) + "."
        if self.does("hs256"):
            public = self.key.as_pem(private=False)
            text = unsigned({"alg": "HS256", "typ": "JWT", "kid": self.key.kid}, claims)
            return f"{text}.{encoded(hmac.digest(public, text.encode(), 'sha256'))}"
        key = self.foreign if self.does("foreign_key") or self.does("unknown_kid") else self.key
        header = {"alg": "RS256", "kid": key.kid if self.does("unknown_kid") else self.key.kid}
        return jwt.encode(header, claims, key)


def encoded(data: bytes) -> str:
    """Encode as Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return the first two parts of a token."""
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))


# --- over HTTP --------------------------------------------------------------------------------------------


def create(provider: Provider) -> Starlette:
    """Build the provider's site."""

    def counted(name: str, endpoint: Any) -> Any:
        async def answer(request: Request) -> Response:
            provider.asked[name] += 1
            if provider.does("broken"):
                return PlainTextResponse("gangguan", 503)
            answered: Response = await endpoint(provider, request)
            return answered

        return answer

    named = {
        "/.well-known/openid-configuration": discovery,
        "/jwks": jwks,
        "/authorize": authorize,
        "/token": token,
    }
    routes = [
        Route(path, counted(path, endpoint), methods=["GET", "POST"])
        for path, endpoint in named.items()
    ]
    routes += [
        Route(path, counted(path, endpoint))
        for path, endpoint in {"/userinfo": userinfo, "/end_session": end_session}.items()
    ]

    async def control(request: Request) -> Response:
        if request.method == "PUT":
            provider.conduct = Conduct(**await request.json())
            provider.asked.clear()
            if provider.does("rotated"):
                provider.key = RSAKey.generate_key(2048, auto_kid=True)
        return JSONResponse({"asked": dict(provider.asked)})

    return Starlette(routes=[*routes, Route("/kendali", control, methods=["GET", "PUT"])])


async def discovery(provider: Provider, _request: Request) -> Response:
    """Answer /.well-known/openid-configuration."""
    if provider.does("moved"):
        return RedirectResponse(f"{provider.issuer}/jwks", 302)
    return JSONResponse(provider.discovery())


async def jwks(provider: Provider, _request: Request) -> Response:
    """Return the public key, beside one of a kind that nobody may use."""
    shared = {"kty": "oct", "k": encoded(b"rahasia"), "kid": "bersama"}
    return JSONResponse({"keys": [shared, *KeySet([provider.key]).as_dict(private=False)["keys"]]})


async def authorize(provider: Provider, request: Request) -> Response:
    """Sign the person in without asking, unless the request is wrong."""
    query = request.query_params
    back = query.get("redirect_uri", "")
    if query.get("client_id") != CLIENT or back not in provider.conduct.returns:
        return PlainTextResponse("klien atau alamat kembali tidak terdaftar", 400)
    answer = {
        "state": query["state"],
        "iss": "https://lain.example" if provider.does("other_sender") else provider.issuer,
    }
    wrong = (
        query["response_type"] != "code"
        or query["code_challenge_method"] != "S256"
        or "openid" not in query["scope"].split()
    )
    if wrong or provider.does("denied"):
        return RedirectResponse(
            f"{back}?{urlencode({**answer, 'error': 'invalid_request' if wrong else 'access_denied'})}",
            302,
        )
    code = secrets.token_urlsafe(24)
    provider.codes[code] = {
        "back": back,
        "challenge": query["code_challenge"],
        "nonce": query["nonce"],
    }
    return RedirectResponse(f"{back}?{urlencode({**answer, 'code': code})}", 302)


async def token(provider: Provider, request: Request) -> Response:
    """Issue tokens for a code: once, to the client who holds the secret and the verifier."""
    form = await request.form()
    if not _client_proved(provider, request, form):
        return JSONResponse({"error": "invalid_client"}, 401)
    grant = provider.codes.pop(str(form["code"]), None)
    challenge = encoded(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
    if grant is None or grant["back"] != form["redirect_uri"] or grant["challenge"] != challenge:
        return JSONResponse({"error": "invalid_grant"}, 400)
    access = secrets.token_urlsafe(24)
    provider.accesses.add(access)
    return JSONResponse(
        {
            "access_token": access,
            "token_type": "Bearer",
            "id_token": provider.id_token(grant, access),
        }
    )


def _client_proved(provider: Provider, request: Request, form: Any) -> bool:
    if provider.conduct.by_post:
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
    kind, _, sent = request.headers.get("authorization", "").partition(" ")
    name, _, secret = base64.b64decode(sent).decode().partition(":")
    return (kind, unquote_plus(name), unquote_plus(secret)) == ("Basic", CLIENT, SECRET)


async def userinfo(provider: Provider, request: Request) -> Response:
    """Return more about the person to the holder of an access token."""
    if request.headers.get("authorization", "").removeprefix("Bearer ") not in provider.accesses:
        return JSONResponse({"error": "invalid_token"}, 401)
    return JSONResponse(
        {"sub": "u-2" if provider.does("userinfo_sub") else "u-1", **provider.conduct.userinfo}
    )


async def end_session(provider: Provider, request: Request) -> Response:
    """Sign out the holder of an id token of ours."""
    query = request.query_params
    jwt.decode(query["id_token_hint"], provider.key, algorithms=["RS256"])
    back = query["post_logout_redirect_uri"]
    return (
        RedirectResponse(back, 302)
        if back in provider.conduct.returns
        else PlainTextResponse("tidak terdaftar", 400)
    )


# --- as a process -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunningProvider:
    """Process of a provider, seen from a test."""

    url: str
    process: "subprocess.Popen[str]"

    def set(self, **conduct: Any) -> None:
        """Set its behaviour and forget earlier requests."""
        assert conduct.keys() <= {each.name for each in fields(Conduct)}
        self._call("PUT", conduct)

    def asked(self) -> dict[str, int]:
        """Return how often each path was requested since `set`."""
        return dict(self._call("GET")["asked"])

    def _call(self, method: str, content: Any = None) -> Any:
        body = json.dumps(content).encode() if content is not None else None
        request = urllib.request.Request(f"{self.url}/kendali", data=body, method=method)  # noqa: S310  our own
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)


@contextmanager
def running_provider(host: str = "127.0.0.1") -> Iterator[RunningProvider]:
    """Start a provider in a process of its own, until the block ends; `host` is its own name:
    "localhost" is another site.
    """
    with subprocess.Popen(
        [sys.executable, str(Path(__file__)), host], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the provider did not start"
            yield RunningProvider(url=url, process=process)
        finally:
            process.terminate()
            process.wait(10)


def main() -> None:
    """Listen on a free port, print the URL, serve until told to stop."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        issuer = f"http://{sys.argv[1]}:{sock.getsockname()[1]}"
        print(issuer, flush=True)
        uvicorn.Server(uvicorn.Config(create(Provider(issuer)), log_level="error")).run(
            sockets=[sock]
        )


if __name__ == "__main__":
    main()
