"""Fakes, small and named: a push channel whose provider does as the test says, and remembers what
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
    """A provider in a good mood."""
    return Receipt()


@dataclass
class FakeChannel:
    """`provider` answers each recipient; None = it took the message and the answer was never read
    (a killed worker).
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
        """Whether it wants any."""
        return self.between > 0

    def spacing(self, address: str) -> float:
        """The same for all."""
        return self.between

    def render(self, edition: Edition, lang: str) -> Message:
        """The title is the message."""
        return Message(edition=edition, lang=lang, frame=edition.wording(lang).title)

    def personalise(self, message: Message, recipient: Recipient) -> Outgoing:
        """Nothing differs per recipient."""
        return Outgoing(recipient=recipient, message=message, payload=message.frame)

    def preview(self, outgoing: Outgoing) -> dict[str, str]:
        """The title."""
        return {"text": str(outgoing.payload)}

    async def send(
        self, messages: Sequence[Outgoing], *, may_write: MayWrite
    ) -> AsyncIterator[Result]:
        """One after the other, as the provider says."""
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
        """It has none."""
        raise BadSignature

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        """It has none."""
        raise BadSignature

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """It has none."""
        return None

    async def check(self) -> Sequence[Finding]:
        """Always well."""
        return [Finding(ok=True, what="fake")]

    async def probe(self) -> bool:
        """Back when `healthy`."""
        return self.healthy

    async def answer(self, address: str, text: str) -> Outcome:
        """Remember what a resident was told."""
        self.answers.append((address, text))
        return Receipt()

    async def aclose(self) -> None:
        """Nothing to close."""


class Killed(BaseException):
    """Stands for SIGKILL inside one process: nothing after it is recorded."""
