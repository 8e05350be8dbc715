"""The conversation with the city's sign-on over HTTP: lazily begun, bounded in time and size, never
led into our own network.
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
from broadcaster.runtime.config import Settings
from broadcaster.staff import oidc
from broadcaster.staff.oidc import (
    Attempt,
    Discovery,
    Identity,
    Misconfigured,
    SignOnError,
    Unavailable,
)

KEEP_SECONDS = 3600.0
"""How long discovery and keys are used before they are read again."""
PAUSE_SECONDS = 5.0
"""A provider that failed is left alone for so long: who waits in line is told at once."""
ANSWER_SECONDS, CONNECT_SECONDS = 5.0, 3.0
ANSWER_BYTES = 256 * 1024
AT_ONCE = 8
"""Requests to the provider at the same time."""
BACK, BACK_OUT = "/redaksi/masuk/sso/kembali", "/redaksi/masuk/sso/keluar"
"""Where the provider sends the browser after signing in and out; both must be registered there."""
HINT_LONGEST = 4096
"""Characters of an id token that still fit into an address."""


class SignOn:
    """One process's view of the city's sign-on. Nothing is asked before somebody signs in; what is
    read is kept for an hour.
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
        """Whether the city's sign-on was plugged in."""
        return bool(self._settings.oidc_issuer)

    @property
    def back(self) -> str:
        """Where the provider sends people back to; it knows this address by registration."""
        return self._settings.base_url + BACK

    async def discovery(self) -> Discovery:
        """What the provider says of itself; raises Unavailable or Misconfigured.

        An old answer serves when there is no new one; after a failure it is not asked again for
        PAUSE_SECONDS.
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
        """The provider's public keys; raises Unavailable or Misconfigured."""
        now = self._clock().timestamp()
        if self._keys is None or fresh or now - self._keys_at >= KEEP_SECONDS:
            status, document = await self._ask("GET", (await self.discovery()).keys)
            if status != 200:
                raise Unavailable("no keys")
            self._keys, self._keys_at = oidc.read_keys(document), now
        return self._keys

    async def begin(self, attempt: Attempt, *, anew: bool = False) -> str:
        """Where the browser goes to sign in; raises Unavailable or Misconfigured."""
        client, scope = self._settings.oidc_client_id, self._settings.oidc_scope
        return oidc.authorize_address(
            await self.discovery(), client, attempt, self.back, scope, anew=anew
        )

    async def finish(self, query: Mapping[str, str], attempt: Attempt) -> tuple[Identity, str]:
        """Who came back, and the id token that says so; raises a SignOnError. The caller has
        checked the state.
        """
        settings, discovery = self._settings, await self.discovery()
        code = oidc.read_code(query, discovery)
        token, access = await self._trade(discovery, attempt, code)
        claims = await self._verified(discovery, attempt, token, access)
        if discovery.userinfo and oidc.lacks(claims, settings.oidc_role_claim):
            status, told = await self._ask(
                "GET", discovery.userinfo, headers={"Authorization": f"Bearer {access}"}
            )
            if status != 200:
                raise Unavailable("no userinfo")
            claims = oidc.with_userinfo(claims, told)
        return oidc.read_identity(
            claims, settings.oidc_role_claim, settings.oidc_role_separator
        ), token

    async def sign_out_address(self, hint: str) -> str:
        """Where the browser goes to sign out there too; "" when that cannot be."""
        try:
            discovery = await self.discovery()
        except SignOnError:
            return ""
        given = hint if len(hint) <= HINT_LONGEST else ""
        return oidc.sign_out_address(
            discovery, self._settings.oidc_client_id, given, self._settings.base_url + BACK_OUT
        )

    async def _trade(self, discovery: Discovery, attempt: Attempt, code: str) -> tuple[str, str]:
        """(id token, access token) for a code."""
        client, secret = self._settings.oidc_client_id, self._settings.oidc_client_secret
        form, headers = oidc.token_request(discovery, client, secret, attempt, code, self.back)
        status, told = await self._ask("POST", discovery.token, data=form, headers=headers)
        if status in (400, 401):
            raise oidc.failed_at_provider(str(told.get("error", "")))
        token, access = told.get("id_token"), told.get("access_token")
        if status != 200 or not isinstance(token, str) or not isinstance(access, str):
            raise Unavailable("no tokens")
        return token, access

    async def _verified(
        self, discovery: Discovery, attempt: Attempt, token: str, access: str
    ) -> Mapping[str, Any]:
        """The claims of the id token; the keys are fetched once more where it names one that we do
        not know.
        """

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
        """Status and JSON object of one answer; raises Unavailable. Follows no redirect, keeps no
        cookie.
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
    """Resolves names, but none other than the issuer's own host to an address within our network."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if host != self._own and not all(oidc.is_public(one["host"]) for one in found):
            raise OSError("leads into our own network")
        return found

    async def close(self) -> None:
        await self._inner.close()
