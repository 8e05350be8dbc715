"""Signing in: how often a doubted or refused token is tried, on the test's own clock."""

import asyncio

from channels.base.contract import Halted, Outcome, Receipt
from channels.base.sign_in import FIRST_PAUSE, Credential
from support.waiting import turns

REFUSED = Halted(code="401", detail="token refused")


class Provider:
    """Provider that refuses every message once a test lets it answer."""

    def __init__(self) -> None:
        self.now, self.tries, self.checks = 1000.0, 0, 0
        self.answering = asyncio.Event()

    def credential(self, *, patience: float) -> Credential:
        """Return the credential whose token this provider checks."""
        return Credential(
            lambda: self.now, codes=frozenset({"401"}), check=self._check, patience=patience
        )

    async def refuse(self) -> Outcome:
        """Refuse a message."""
        self.tries += 1
        await self.answering.wait()
        return REFUSED

    async def _check(self) -> bool:
        self.checks += 1
        return True


async def test_a_refused_token_is_tried_and_checked_once_in_each_pause() -> None:
    provider = Provider()
    token = provider.credential(patience=60.0)
    waiting = [asyncio.create_task(token.guarded(provider.refuse)) for _ in range(20)]
    await turns()
    assert provider.tries == 1
    provider.answering.set()
    assert await asyncio.gather(*waiting) == 20 * [REFUSED]
    for seconds, tries in ((FIRST_PAUSE - 1, 1), (1, 2), (FIRST_PAUSE, 2), (FIRST_PAUSE, 3)):
        provider.now += seconds
        assert await asyncio.gather(*(token.guarded(provider.refuse) for _ in range(20))) == 20 * [
            REFUSED
        ]
        assert (provider.tries, provider.checks) == (tries, tries)


async def test_others_go_beside_a_try_that_gets_no_answer() -> None:
    provider = Provider()
    token = provider.credential(patience=0.0)
    silent = asyncio.create_task(token.guarded(provider.refuse))
    await turns()

    async def accept() -> Outcome:
        return Receipt()

    assert await token.guarded(accept) == Receipt()
    assert not silent.done()
    provider.answering.set()
    assert await silent == REFUSED


async def test_a_token_that_is_refused_to_many_at_once_is_checked_once() -> None:
    provider = Provider()
    token = provider.credential(patience=60.0)

    async def accept() -> Outcome:
        return Receipt()

    assert await token.guarded(accept) == Receipt()
    waiting = [asyncio.create_task(token.guarded(provider.refuse)) for _ in range(20)]
    await turns()
    provider.answering.set()
    assert await asyncio.gather(*waiting) == 20 * [REFUSED]
    assert (provider.tries, provider.checks) == (20, 1)
