"""Turns of those who try to sign in: each try is counted before its password or code is checked."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from broadcaster.app import App
from broadcaster.domain import accounts as rules
from broadcaster.runtime.password_hashing import KNOWN
from broadcaster.store import sign_in_throttle
from broadcaster.store.sign_in_throttle import Asker, ThrottleDecision

Step = Literal["password", "code"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Browser:
    """Browser at which somebody signs in. `agent` names it in the list of sessions; `mark` stands
    for it where the same name signed in before, else "".
    """

    address: str
    agent: str
    mark: str = ""


def asker_of(app: App, browser: Browser, name: str, *, step: Step = "password") -> Asker:
    """Return the keys of a try: name and address together, the address, the name; of a known
    browser that one alone.

    Guesses at a second factor are counted apart (`step`), but for the address.
    """
    plain = spelled(name)
    if browser.mark:
        own = (counted(app, step, "browser", plain, browser.mark), sign_in_throttle.FREE_PAIR)
        return Asker(own=(own,))
    place = sign_in_throttle.place_of(browser.address)
    network = sign_in_throttle.network_of(browser.address)
    return Asker(
        own=(
            (counted(app, step, "pair", plain, place), sign_in_throttle.FREE_PAIR),
            (counted(app, "place", place), sign_in_throttle.FREE_PLACE),
        ),
        name=(counted(app, step, "name", plain), sign_in_throttle.FREE_NAME),
        network=counted(app, step, "network", plain, network),
    )


async def begin_try(app: App, asker: Asker) -> ThrottleDecision:
    """Count a try before it is checked, or refuse it."""
    at = app.clock().timestamp()
    if shut := await app.database.read(sign_in_throttle.shut_for, asker, at):
        return ThrottleDecision(wait=shut)
    return await app.database.write(sign_in_throttle.begin, asker, at)


def rank_of(asker: Asker, turn: ThrottleDecision) -> int:
    """Return the rank in the queue before Argon2, where known browsers have places of their own."""
    return KNOWN if asker.name is None else turn.rank


def counted(app: App, *parts: str) -> bytes:
    """Return a key that no other parts have, whatever stands in them: nobody counts against
    another's name.
    """
    return app.vault.lookup("sign-in", msgspec.json.encode(parts).decode())


def spelled(name: str) -> str:
    """Return the one spelling of a name, also of an invalid one: another spelling buys no guess."""
    try:
        return rules.read_known_name(name)
    except rules.BadAccount:
        return name.strip().lower()[:200]
