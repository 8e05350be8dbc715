"""Throttling of sign-in: attempts are counted before their password or code is checked."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from broadcaster.app import App
from broadcaster.domain.accounts import BadAccount, read_known_name
from broadcaster.runtime.password_hashing import KNOWN
from broadcaster.store import sign_in_throttle
from broadcaster.store.sign_in_throttle import Asker, ThrottleDecision

Step = Literal["password", "code"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Browser:
    """Browser that signs in. `agent` names it in the list of sessions; `mark` identifies it if the
    same name signed in there before, else "".
    """

    address: str
    agent: str
    mark: str = ""


def asker_of(app: App, browser: Browser, name: str, *, step: Step = "password") -> Asker:
    """Return the keys of an attempt: name with address, address, and name; for a known browser, the
    browser alone.

    Attempts at a second factor are counted separately (`step`), except by address.
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
    """Count an attempt before it is checked, or refuse it."""
    at = app.clock().timestamp()
    if shut := await app.database.read(sign_in_throttle.shut_for, asker, at):
        return ThrottleDecision(wait=shut)
    return await app.database.write(sign_in_throttle.begin, asker, at)


def rank_of(asker: Asker, turn: ThrottleDecision) -> int:
    """Return the rank in the password queue, which reserves places for known browsers."""
    return KNOWN if asker.name is None else turn.rank


def counted(app: App, *parts: str) -> bytes:
    """Return a key that is unique to these parts, so that attempts cannot count against another
    name.
    """
    return app.vault.lookup("sign-in", msgspec.json.encode(parts).decode())


def spelled(name: str) -> str:
    """Return the canonical spelling of a name, even if invalid: respelling gains no attempts."""
    try:
        return read_known_name(name)
    except BadAccount:
        return name.strip().lower()[:200]
