"""Fakes, small and named: a push channel whose provider does what the test says, and remembers what
it accepted.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from channels.base.contract import (
    BadSignature,
    Edition,
    Event,
    Finding,
    Limits,
    MayWrite,
    Message,
    Outcome,
    Outgoing,
    Receipt,
    Recipient,
    Result,
)

Provider = Callable[[Recipient], Outcome | None]


def accepts_all(_recipient: Recipient) -> Outcome:
    """Accept every message."""
    return Receipt()


@dataclass
class FakeChannel:
    """Push channel whose `provider` answers each recipient; None = it took the message and the
    answer was never read (a killed worker).
    """

    name: str = "email"
    provider: Provider = accepts_all
    label: str = "Fake"
    rate: float = 0.0
    receipt_wait: float = 0.0
    between: float = 0.0
    """Seconds between two messages to one address."""
    tier: int = 0
    limits: Limits = field(default_factory=lambda: Limits(text=1000, measure="code points"))
    accepted: Counter[str] = field(default_factory=Counter)
    order: list[Recipient] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    healthy: bool = True

    @property
    def spaced(self) -> bool:
        """True if messages to one address must be spaced."""
        return self.between > 0

    def spacing(self, address: str) -> float:
        """Return the same spacing for every address."""
        return self.between

    def render(self, edition: Edition, lang: str) -> Message:
        """Use the title as the message."""
        return Message(edition=edition, lang=lang, frame=edition.wording(lang).title)

    def personalise(self, message: Message, recipient: Recipient) -> Outgoing:
        """Use the same message for every recipient."""
        return Outgoing(recipient=recipient, message=message, payload=message.frame)

    def preview(self, outgoing: Outgoing) -> dict[str, str]:
        """Return the title."""
        return {"text": str(outgoing.payload)}

    async def send(
        self, messages: Sequence[Outgoing], *, may_write: MayWrite
    ) -> AsyncIterator[Result]:
        """Send one after the other; the provider decides each outcome."""
        for outgoing in messages:
            if not may_write():
                return
            outcome = self.provider(outgoing.recipient)
            if outcome is None or isinstance(outcome, Receipt):
                self.accepted[outgoing.recipient.address] += 1
                self.order.append(outgoing.recipient)
            if outcome is None:
                raise Killed
            yield Result(outgoing=outgoing, outcome=outcome)

    def precheck_webhook(self, headers: Mapping[str, str]) -> None:
        """Refuse: the channel has no webhook."""
        raise BadSignature

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        """Refuse: the channel has no webhook."""
        raise BadSignature

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Return None: the channel has no webhook."""
        return None

    async def check(self) -> Sequence[Finding]:
        """Report the channel as well."""
        return [Finding(ok=True, what="fake")]

    async def probe(self) -> bool:
        """Return `healthy`."""
        return self.healthy

    async def answer(self, address: str, text: str) -> Outcome:
        """Record an answer to a resident."""
        self.answers.append((address, text))
        return Receipt()

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


class Killed(BaseException):
    """Stand-in for SIGKILL inside one process: nothing after it is recorded."""
