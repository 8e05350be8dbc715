"""HTTP client of the city's identity provider: lazy, bounded in time and size, and kept out of our
own network.

Authlib provides the parts (authorization address, PKCE, id token claims: oidc.py), not the client.
Its AsyncOAuth2Client (1.9, httpx2 2.16) was tried in place of `_ask` and passes the same tests with
the same guard, but this module and oidc.py grow by 12 lines: the guard needs a transport, a network
backend and a private attribute of httpx2, and the header with the client secret a method of its own
(RFC 6749, section 2.3.1). httpx2 would be a second HTTP client beside aiohttp (100 ms of CPU at
each start). Authlib's discovery and `parse_id_token` are less strict than ours: against
tests/support/oidc_provider.py they accept an unsigned token, a token for another application, one
that expired 90 s ago or was issued before the request, a response of another issuer (RFC 9207) and
a provider without PKCE.
"""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from joserfc.jwk import KeySet

from broadcaster.app import Clock
from broadcaster.runtime.settings import Settings
from broadcaster.staff import oidc, oidc_claims
from broadcaster.staff.oidc import (
    Discovery,
    Misconfigured,
    SignInAttempt,
    SignOnError,
    Unavailable,
)
from broadcaster.staff.oidc_claims import Identity

KEEP_SECONDS = 3600.0
"""Lifetime of the cached discovery document and keys."""
PAUSE_SECONDS = 5.0
"""Pause after a failure of the provider, during which sign-ins fail at once."""
ANSWER_SECONDS, CONNECT_SECONDS = 5.0, 3.0
ANSWER_BYTES = 256 * 1024
AT_ONCE = 8
"""Maximum number of concurrent requests to the provider."""
BACK, BACK_OUT = "/redaksi/masuk/sso/kembali", "/redaksi/masuk/sso/keluar"
"""Redirect paths after signing in and out; both must be registered at the provider."""
HINT_LONGEST = 4096
"""Longest id token, in characters, that fits into an address."""


class SignOn:
    """Client of the city's identity provider. Nothing is fetched before the first sign-in;
    discovery and keys are cached for KEEP_SECONDS.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._discovery: Discovery | None = None
        self._keys: KeySet | None = None
        self._discovered_at = self._keys_at = 0.0
        self._failure: SignOnError | None = None
        self._failed_at = 0.0
        self._discovering = asyncio.Lock()
        self._gate = asyncio.Semaphore(AT_ONCE)

    @property
    def configured(self) -> bool:
        """True if the settings name an identity provider."""
        return bool(self._settings.oidc_issuer)

    @property
    def back(self) -> str:
        """Redirect address after signing in; it must be registered at the provider."""
        return self._settings.base_url + BACK

    async def discovery(self) -> Discovery:
        """Return the provider's discovery document. Raises Unavailable or Misconfigured.

        An outdated document is used if no new one can be fetched. After a failure the provider is
        not asked again for PAUSE_SECONDS.
        """
        async with self._discovering:
            now = self._clock().timestamp()
            if self._discovery is not None and now - self._discovered_at < KEEP_SECONDS:
                return self._discovery
            if self._failure is not None and 0 <= now - self._failed_at < PAUSE_SECONDS:
                return self._old_or(self._failure)
            issuer = self._settings.oidc_issuer
            try:
                status, document = await self._ask("GET", oidc.discovery_address(issuer))
                if status != 200:
                    raise Unavailable("no discovery")
                self._discovery, self._failure = oidc.read_discovery(document, issuer), None
            except SignOnError as error:
                self._failure, self._failed_at = error, now
                return self._old_or(error)
            self._discovered_at = now
            return self._discovery

    def _old_or(self, error: SignOnError) -> Discovery:
        if self._discovery is None:
            raise type(error)(error.reason)
        return self._discovery

    async def keys(self, *, fresh: bool = False) -> KeySet:
        """Return the provider's public keys. Raises Unavailable or Misconfigured."""
        now = self._clock().timestamp()
        if self._keys is None or fresh or now - self._keys_at >= KEEP_SECONDS:
            status, document = await self._ask("GET", (await self.discovery()).keys)
            if status != 200:
                raise Unavailable("no keys")
            self._keys, self._keys_at = oidc.read_keys(document), now
        return self._keys

    async def begin(self, attempt: SignInAttempt, *, anew: bool = False) -> str:
        """Return the address to sign in at. Raises Unavailable or Misconfigured."""
        client, scope = self._settings.oidc_client_id, self._settings.oidc_scope
        return oidc.authorize_address(
            await self.discovery(), client, attempt, self.back, scope, anew=anew
        )

    async def finish(
        self, query: Mapping[str, str], attempt: SignInAttempt
    ) -> tuple[Identity, str]:
        """Return the person who signed in and their id token. Raises a SignOnError.

        The caller must have checked the state.
        """
        settings, discovery = self._settings, await self.discovery()
        code = oidc.read_code(query, discovery)
        token, access = await self._trade(discovery, attempt, code)
        claims = await self._verified(discovery, attempt, token, access)
        if discovery.userinfo and oidc_claims.lacks(claims, settings.oidc_role_claim):
            status, userinfo = await self._ask(
                "GET", discovery.userinfo, headers={"Authorization": f"Bearer {access}"}
            )
            if status != 200:
                raise Unavailable("no userinfo")
            claims = oidc_claims.with_userinfo(claims, userinfo)
        return oidc_claims.read_identity(
            claims, settings.oidc_role_claim, settings.oidc_role_separator
        ), token

    async def sign_out_address(self, hint: str) -> str:
        """Return the address that also signs out at the provider; "" if that is not possible."""
        try:
            discovery = await self.discovery()
        except SignOnError:
            return ""
        given = hint if len(hint) <= HINT_LONGEST else ""
        return oidc.sign_out_address(
            discovery, self._settings.oidc_client_id, given, self._settings.base_url + BACK_OUT
        )

    async def _trade(
        self, discovery: Discovery, attempt: SignInAttempt, code: str
    ) -> tuple[str, str]:
        """Exchange a code for (id token, access token)."""
        client, secret = self._settings.oidc_client_id, self._settings.oidc_client_secret
        form, headers = oidc.token_request(discovery, client, secret, attempt, code, self.back)
        status, answer = await self._ask("POST", discovery.token, data=form, headers=headers)
        if status in (400, 401):
            raise oidc.failed_at_provider(str(answer.get("error", "")))
        token, access = answer.get("id_token"), answer.get("access_token")
        if status != 200 or not isinstance(token, str) or not isinstance(access, str):
            raise Unavailable("no tokens")
        return token, access

    async def _verified(
        self, discovery: Discovery, attempt: SignInAttempt, token: str, access: str
    ) -> Mapping[str, Any]:
        """Return the verified claims of the id token; an unknown key refetches the keys once."""

        def verify(keys: KeySet) -> Mapping[str, Any]:
            return oidc.verify(
                token,
                keys,
                discovery,
                client=self._settings.oidc_client_id,
                attempt=attempt,
                access=access,
                now=self._clock().timestamp(),
            )

        try:
            return verify(await self.keys())
        except oidc.UnknownKey:
            return verify(await self.keys(fresh=True))

    async def _ask(self, method: str, address: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object of a response, without redirects or cookies.

        Raises Unavailable, or Misconfigured for an address that may not be fetched.
        """
        own = self._settings.oidc_issuer
        if not oidc.may_ask(address, own):
            raise Misconfigured("address that may not be used")
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, connect=CONNECT_SECONDS)
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **options.pop("headers", {}),
        }
        try:
            connector = aiohttp.TCPConnector(
                resolver=_Outside(urlsplit(own).hostname or ""), force_close=True
            )
            async with (
                self._gate,
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=timeout,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers=headers,
                ) as session,
                session.request(method, address, allow_redirects=False, **options) as answer,
            ):
                return answer.status, _object(await _bounded(answer))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("no answer") from error


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > ANSWER_BYTES:
            raise Unavailable("answer too long")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Unavailable("no JSON") from error


class _Outside(AbstractResolver):
    """Resolver that rejects private addresses for every host but the issuer's."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._inner.resolve(host, port, family)
        if host != self._own and not all(oidc.is_public(result["host"]) for result in results):
            raise OSError("leads into our own network")
        return results

    async def close(self) -> None:
        await self._inner.close()
