"""SMTP replies and their outcomes, as a table."""

import re
import ssl
from dataclasses import dataclass, replace
from typing import Literal

import aiosmtplib

from channels.base.outcomes import About, Deferred, Failure, Halted, Refused, Rejected, Skipped
from channels.base.redaction import redacted

Stage = Literal["connect", "mail", "rcpt", "data", "content"]
"""Stage of the dialogue that a reply belongs to: "connect" is greeting, EHLO, TLS and AUTH; "data"
the command; "content" the end of the message.
"""

_HOUR = 3600.0
_EARLY: frozenset[Stage] = frozenset({"connect", "mail"})
_LATE: frozenset[Stage] = frozenset({"data", "content"})
_RCPT: frozenset[Stage] = frozenset({"rcpt"})
_ENHANCED = re.compile(r"(?<![\d.])[245]\.(\d{1,3}\.\d{1,3})(?![\d.])")
_UNKNOWN_USER = re.compile(
    r"user unknown|unknown user|no such (?:user|recipient|mailbox|person)"
    r"|no mailbox here by that name"
    r"|(?:user|mailbox|account|recipient) (?:does not|doesn't) exist"
    r"|unknown (?:recipient|mailbox|account)"
    r"|(?:user|recipient|mailbox|account) (?:was )?not found",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A row: the outcome of replies in `stages` with one of these enhanced or bare codes (and
    words).
    """

    outcome: Failure
    stages: frozenset[Stage] | None = None
    enhanced: tuple[str, ...] = ()
    """Enhanced codes without the class digit, which the reply's own first digit replaces; a
    trailing "." matches everything below.
    """
    codes: tuple[int, ...] = ()
    words: re.Pattern[str] | None = None

    def fits(self, stage: Stage, code: int, detail: str, text: str) -> bool:
        """True if a reply matches this row; `detail` is its enhanced code without the class
        digit.
        """
        if self.stages is not None and stage not in self.stages:
            return False
        if any(
            detail == known or (known.endswith(".") and detail.startswith(known))
            for known in self.enhanced
        ):
            return True
        return code in self.codes and (self.words is None or bool(self.words.search(text)))


_DEAD = Refused(reason="address_dead")
_MAILBOX_FULL = Deferred(retry_after=6 * _HOUR, strikes=5)
_THREE_STRIKES = Deferred(strikes=3)
_OWN_AUTHENTICATION = ("7.8", "7.9", *(f"7.{n}" for n in range(20, 28)))

PERMANENT: tuple[Rule, ...] = (
    Rule(enhanced=_OWN_AUTHENTICATION, codes=(530, 534, 535), outcome=Halted()),
    Rule(enhanced=("6.7",), outcome=Skipped()),
    Rule(stages=_EARLY, codes=tuple(range(500, 600)), outcome=Halted()),
    Rule(enhanced=("1.1", "1.2", "1.3", "1.6", "1.10", "2.1"), outcome=_DEAD),
    Rule(enhanced=("1.7", "1.8"), outcome=Halted()),
    Rule(stages=_LATE, enhanced=("5.",), outcome=Halted()),
    Rule(
        stages=_RCPT, codes=(500, 502, 503), outcome=Halted()
    ),  # of the dialogue: no mailbox is named
    Rule(
        enhanced=("7.",),
        outcome=Deferred(retry_after=_HOUR, throttle=True, scope="domain", alarm=True),
    ),
    Rule(enhanced=("4.4",), outcome=_THREE_STRIKES),
    Rule(enhanced=("2.2",), outcome=_MAILBOX_FULL),
    Rule(enhanced=("2.3", "3.4", "6."), outcome=Rejected()),
    Rule(codes=(552,), outcome=_MAILBOX_FULL),
    Rule(codes=(550,), words=_UNKNOWN_USER, outcome=_DEAD),
    Rule(stages=_RCPT, codes=tuple(range(500, 600)), outcome=_THREE_STRIKES),
    Rule(stages=_LATE, codes=tuple(range(500, 600)), outcome=Rejected()),
)
"""5xx replies; the first matching row applies. From RCPT on each answers one recipient, so none of
them halts or defers the channel alone (`_about`): not even a reply about our authentication, which
single servers give wrongly.
"""

TRANSIENT: tuple[Rule, ...] = (
    Rule(stages=_EARLY, codes=(421,), outcome=Deferred(throttle=True)),
    Rule(codes=(421,), outcome=Deferred(throttle=True, scope="domain")),
    Rule(enhanced=("2.2",), outcome=_MAILBOX_FULL),
    Rule(codes=tuple(range(400, 500)), outcome=Deferred()),
)
"""4xx replies; the first matching row applies."""


def failure_of(stage: Stage, code: int, text: str, domain: str = "") -> Failure:
    """Map an unexpected reply to its outcome; its text is kept without addresses."""
    rules = {4: TRANSIENT, 5: PERMANENT}.get(code // 100)
    if rules is None:
        return _about(
            stage, Deferred(uncertain=stage == "content", code=str(code), detail="unexpected reply")
        )
    match = _ENHANCED.search(text)
    detail = match[1] if match else ""
    outcome = _about(
        stage, next(rule.outcome for rule in rules if rule.fits(stage, code, detail, text))
    )
    name = f"{code} {code // 100}.{detail}" if detail else str(code)
    if isinstance(outcome, Rejected):
        return replace(outcome, code=name, detail=excerpt(text, domain), domain=domain)
    return replace(outcome, code=name, detail=excerpt(text, domain))


def excerpt(text: str, domain: str = "") -> str:
    """Return a reply's text on one line, short and without the recipient's address and domain."""
    return redacted(" ".join(text.split()), domain)[:200]


def _about(stage: Stage, outcome: Failure) -> Failure:
    """Set the subject of a failure: before RCPT only we were named."""
    if stage in _EARLY:
        return outcome
    if isinstance(outcome, Halted):
        return replace(outcome, about="either")
    return replace(outcome, about="recipient") if isinstance(outcome, Deferred) else outcome


def disconnected(stage: Stage, why: str) -> Deferred:
    """Return the outcome of a connection that ended at `stage`.

    From RCPT on the recipient may be the cause; after the content it is uncertain.
    """
    about: About = "sender" if stage in _EARLY else "recipient"
    return Deferred(uncertain=stage == "content", code="disconnected", detail=why, about=about)


def connect_failure(error: Exception) -> Failure:
    """Map an exception before the first message to its outcome."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        failure = failure_of("connect", error.code, error.message)
        return replace(failure, throttle=True) if isinstance(failure, Deferred) else failure
    if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
        return Halted(
            code="certificate", detail="the server's certificate is not valid for its name"
        )
    if isinstance(error, TimeoutError):
        return Deferred(throttle=True, code="unreachable", detail="timeout")
    if isinstance(error, OSError):
        return Deferred(
            throttle=True, code="unreachable", detail=type(error.__cause__ or error).__name__
        )
    return Halted(code="unusable", detail=excerpt(str(error)))
